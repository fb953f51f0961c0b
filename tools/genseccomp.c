/* SPDX-License-Identifier: MIT */
/*
 * genseccomp.c - write the owner's seccomp filter as a C header, on stdout.
 *
 * Allowed is what the table of calls says that Linux may do for the program,
 * and what the owner and the unikernel need for themselves. Everything else
 * is EPERM. Runs at build time; needs libseccomp.
 */
#include <asm/ioctls.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf_ranges.h"
#include "calls.h"
#include "offload/prctl_list.h"

#define ASK UINT32_MAX /* personality(2): tell it only */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct call {
	int nr;
	uint32_t class, attrs;
};

#define ENTRY(nr, name, class, attrs, ...) { nr, class, attrs },
static const struct call calls[] = { AZ_CALLS(ENTRY) };

/* Beside the table: the unikernel's and the owner's own. */
static const int own[] = {
	/* memory: the unikernel's host_call, and malloc and threads here */
	AZ_SYS_mmap,
	AZ_SYS_munmap,
	AZ_SYS_mprotect,
	AZ_SYS_mremap,
	AZ_SYS_madvise,
	AZ_SYS_mincore,
	AZ_SYS_msync,
	AZ_SYS_mlock,
	AZ_SYS_mlock2,
	AZ_SYS_munlock,
	AZ_SYS_brk,
	AZ_SYS_set_mempolicy,
	/* threads and their signals */
	AZ_SYS_exit,
	AZ_SYS_exit_group,
	AZ_SYS_gettid,
	AZ_SYS_set_tid_address,
	AZ_SYS_set_robust_list,
	AZ_SYS_rseq,
	AZ_SYS_arch_prctl,
	AZ_SYS_sched_yield,
	AZ_SYS_sched_get_priority_max,
	AZ_SYS_sched_get_priority_min,
	AZ_SYS_getcpu,
	AZ_SYS_rt_sigaction,
	AZ_SYS_rt_sigprocmask,
	AZ_SYS_rt_sigreturn,
	AZ_SYS_rt_sigpending,
	AZ_SYS_rt_sigsuspend,
	AZ_SYS_rt_sigtimedwait,
	AZ_SYS_sigaltstack,
	/* time */
	AZ_SYS_nanosleep,
	AZ_SYS_clock_nanosleep,
	AZ_SYS_restart_syscall,
	AZ_SYS_timer_create,
	AZ_SYS_timer_settime,
	AZ_SYS_timer_gettime,
	AZ_SYS_timer_getoverrun,
	AZ_SYS_timer_delete,
};

/* Input that looks like the user's, on a terminal shared with others. */
static const uint32_t ioctl_refused[] = { TIOCSTI, TIOCLINUX };

static scmp_filter_ctx ctx;

static void must(int err, const char *what)
{
	if (err)
		errx(1, "%s: error %d", what, -err);
}

static void allow(int nr)
{
	int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);

	/* In the table and among the owner's: the rule is there. */
	must(err == -EEXIST ? 0 : err, "seccomp_rule_add");
}

/*
 * allow_if - if bits `mask` of argument arg are `value`. Linux ignores the
 * upper half of an int: so must the rule, or it could be evaded.
 */
static void allow_if(int nr, unsigned int arg, uint32_t mask, uint32_t value)
{
	must(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1,
			      SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, mask, value)),
	     "seccomp_rule_add");
}

/*
 * Allow ioctl for all commands that share the bits `mask` with `value`, but
 * for those refused: a rule compares an argument once only, so the complement
 * is built of blocks, halved until they hold nothing that is refused.
 */
static void allow_ioctl(uint32_t mask, uint32_t value)
{
	uint32_t bit = (mask >> 1 | 1U << 31) & ~mask;
	int inside = 0;

	for (size_t i = 0; i < COUNT(ioctl_refused); i++)
		inside += (ioctl_refused[i] & mask) == value;
	if (!inside && !mask)
		allow(AZ_SYS_ioctl);
	else if (!inside)
		allow_if(AZ_SYS_ioctl, 1, mask, value);
	if (!inside || !bit)
		return;
	allow_ioctl(mask | bit, value);
	allow_ioctl(mask | bit, value | bit);
}

static void allow_prctl(void)
{
#define OPTION(option) allow_if(AZ_SYS_prctl, 0, UINT32_MAX, option);
	PRCTL_LIST(OPTION)
	OPTION(PR_SET_SYSCALL_USER_DISPATCH)
}

#define CLONE_NAMESPACES                                               \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static void add_rules(void)
{
	for (size_t i = 0; i < COUNT(calls); i++) {
		if (calls[i].nr == AZ_SYS_ioctl)
			allow_ioctl(0, 0);
		else if (calls[i].nr == AZ_SYS_prctl)
			allow_prctl();
		else if (calls[i].nr == AZ_SYS_personality)
			allow_if(AZ_SYS_personality, 0, UINT32_MAX, ASK);
		else if (calls[i].class == AZ_CLASS_OFFLOAD ||
			 calls[i].attrs & AZ_ATTR_HOST)
			allow(calls[i].nr);
	}
	for (size_t i = 0; i < COUNT(own); i++)
		allow(own[i]);
	/* Its own executable again, by a descriptor: kernel/sys/execve.c. */
	allow_if(AZ_SYS_execveat, 4, UINT32_MAX, AT_EMPTY_PATH);
	/*
	 * Threads, and processes of the same namespaces: fork is how musl,
	 * which images are linked with, asks for them.
	 */
	allow(AZ_SYS_fork);
	allow_if(AZ_SYS_clone, 0, CLONE_NAMESPACES, 0);
	/* Its flags are out of reach here; libc then falls back to clone. */
	must(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), AZ_SYS_clone3, 0),
	     "seccomp_rule_add");
}

/* What libseccomp has made. */
static size_t export(struct sock_filter *insns)
{
	FILE *f = tmpfile();
	size_t n;

	if (!f)
		err(1, "tmpfile");
	must(seccomp_export_bpf(ctx, fileno(f)), "seccomp_export_bpf");
	rewind(f);
	n = fread(insns, sizeof(*insns), BPF_MAXINSNS, f);
	if (!n || n == BPF_MAXINSNS)
		errx(1, "a filter of %zu instructions", n);
	if (fclose(f))
		err(1, "tmpfile");
	return n;
}

#define VALUE(option) option,

static void print_header(void)
{
	static struct sock_filter made[BPF_MAXINSNS], filter[BPF_MAXINSNS];
	static const uint32_t prctl_allowed[] = { PRCTL_LIST(
	    VALUE) PR_SET_SYSCALL_USER_DISPATCH };
	static const struct bpf_by_value by_value[] = {
		{ AZ_SYS_ioctl, 1, ioctl_refused, COUNT(ioctl_refused) },
		{ AZ_SYS_prctl, 0, prctl_allowed, COUNT(prctl_allowed) },
	};
	size_t n =
	    bpf_ranges(made, export(made), by_value, COUNT(by_value), filter);

	puts(
	    "/* SPDX-License-Identifier: MIT */\n"
	    "/* sandbox_filter.h - made by tools/genseccomp.c; do not edit. */\n"
	    "#include <linux/filter.h>\n\n"
	    "static const struct sock_filter seccomp_filter[] = {");
	for (size_t i = 0; i < n; i++)
		printf("\t{ 0x%x, %u, %u, 0x%x },\n", filter[i].code,
		       filter[i].jt, filter[i].jf, filter[i].k);
	puts("};");
}

int main(void)
{
	ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!ctx)
		errx(1, "seccomp_init failed");
	must(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
			      SCMP_ACT_ERRNO(ENOSYS)),
	     "SCMP_FLTATR_ACT_BADARCH");
	/* A tree by number, not a list: some 20 steps instead of 300. */
	must(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2),
	     "SCMP_FLTATR_CTL_OPTIMIZE");
	add_rules();
	print_header();
	seccomp_release(ctx);
	if (fflush(stdout))
		err(1, "stdout");
	return 0;
}
