/* SPDX-License-Identifier: MIT */
/* sigframe.h - a handler's frame on the program's stack. */
#ifndef SYS_SIGFRAME_H
#define SYS_SIGFRAME_H

#include "sys/signal.h"
#include "sys/ucontext.h"

/* struct rt_sigframe of Linux/x86-64; the vector state lies above it. */
struct rt_sigframe {
	uint64_t restorer; /* what the handler returns to */
	struct ucontext uc;
	struct siginfo info;
};

_Static_assert(sizeof(struct rt_sigframe) == 440, "struct rt_sigframe");

/* stack_t */
struct sigstack {
	uint64_t sp;
	uint32_t flags, pad;
	uint64_t size;
};

_Static_assert(sizeof(struct sigstack) == 24, "stack_t");

/*
 * sigframe_build - have the handler of d run next: write its frame, in which
 * `mask` is the one to go back to, and change *f to enter the handler. 0 or
 * -EFAULT, and then *f is unchanged.
 */
int sigframe_build(struct az_frame *f, const struct sig_taken *d,
		   uint64_t mask);

/* sigstack_holds - is sp on the alternate stack? */
bool sigstack_holds(uint64_t sp);

/* sigstack_flags - SS_DISABLE, SS_ONSTACK or 0 for code that runs on sp. */
uint32_t sigstack_flags(uint64_t sp);

/* sigstack_reset - no alternate stack. */
void sigstack_reset(void);

/*
 * sigstack_set - sigaltstack(2) for code that runs on sp. 0, -EPERM, -EINVAL
 * or -ENOMEM.
 */
int sigstack_set(const struct sigstack *ss, uint64_t sp);

#endif
