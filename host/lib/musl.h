/* SPDX-License-Identifier: MIT */
/*
 * musl.h - what glibc has and musl lacks, for the runtime of images, which is
 * linked with musl. Included before all else (-include), by the Makefile.
 */
#ifndef LIB_MUSL_H
#define LIB_MUSL_H

#include <elf.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Both <sys/prctl.h> and <linux/prctl.h> define it. */
/* NOLINTNEXTLINE(readability-identifier-naming): a name of theirs */
#define prctl_mm_map musl_prctl_mm_map
#include <sys/prctl.h>
#undef prctl_mm_map

#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

#ifndef __GLIBC__
static inline const char *strerrordesc_np(int err)
{
	return strerror(err);
}

static inline int renameat2(int from_dir, const char *from, int to_dir,
			    const char *to, unsigned int flags)
{
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

/* Signals by name are the command line's, which musl's side has not. */
static inline const char *sigabbrev_np(int sig)
{
	(void)sig;
	return NULL;
}
#endif

#endif
