/* SPDX-License-Identifier: MIT */
/*
 * sandbox.c - the owner's seccomp filter.
 *
 * The filter is made at build time (tools/genseccomp.c), so that an instance
 * starts with two system calls and without libseccomp.
 */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_filter.h" /* seccomp_filter[], from genseccomp */

int sandbox_enter(void)
{
	struct sock_fprog prog = {
		.len = sizeof(seccomp_filter) / sizeof(seccomp_filter[0]),
		/* Linux only reads it. */
		.filter = (struct sock_filter *)(unsigned long)seccomp_filter,
	};
	/*
	 * Linux before 5.16 slows down threads under a filter, in case they
	 * guard secrets from themselves. The program has none from its owner.
	 */
	unsigned int flags =
	    SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	long r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (r < 0)
		return -errno;
	/* A thread that already has a filter of its own. */
	return r ? -EBUSY : 0;
}
