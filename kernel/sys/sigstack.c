/* SPDX-License-Identifier: MIT */
/*
 * sigstack.c - the alternate signal stack of a thread.
 *
 * Belongs to the calling thread alone: no lock.
 */
#include "calls.h"
#include "lib/errno.h"
#include "lib/user.h"
#include "sched/thread.h"
#include "sys/sigframe.h"

#define MINSIGSTKSZ 2048 /* <asm/signal.h> */

bool sigstack_holds(uint64_t sp)
{
	const struct thread_signals *s = &thread_self()->sig;

	return sp > s->alt_sp && sp - s->alt_sp <= s->alt_size;
}

/* With SS_AUTODISARM the stack counts as unused while a handler runs. */
static bool in_use(uint64_t sp)
{
	return !(thread_self()->sig.alt_flags & SS_AUTODISARM) &&
	       sigstack_holds(sp);
}

uint32_t sigstack_flags(uint64_t sp)
{
	if (!thread_self()->sig.alt_size)
		return SS_DISABLE;
	return in_use(sp) ? SS_ONSTACK : 0;
}

void sigstack_reset(void)
{
	struct thread_signals *s = &thread_self()->sig;

	s->alt_sp = 0;
	s->alt_size = 0;
	s->alt_flags = SS_DISABLE;
}

int sigstack_set(const struct sigstack *ss, uint64_t sp)
{
	struct thread_signals *s = &thread_self()->sig;
	uint32_t mode = ss->flags & ~SS_AUTODISARM;

	if (in_use(sp))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (s->alt_sp == ss->sp && s->alt_size == ss->size &&
	    s->alt_flags == ss->flags)
		return 0;
	if (mode != SS_DISABLE && ss->size < MINSIGSTKSZ)
		return -ENOMEM;
	s->alt_sp = mode == SS_DISABLE ? 0 : ss->sp;
	s->alt_size = mode == SS_DISABLE ? 0 : ss->size;
	s->alt_flags = ss->flags;
	return 0;
}

long sys_sigaltstack(const uint64_t a[6])
{
	const struct thread_signals *s = &thread_self()->sig;
	uint64_t sp = thread_self()->frame->rsp;
	struct sigstack new;
	struct sigstack old = {
		.sp = s->alt_sp,
		.flags = sigstack_flags(sp) | (s->alt_flags & SS_AUTODISARM),
		.size = s->alt_size,
	};
	int err;

	if (a[0]) {
		if (copy_from_user(&new, a[0], sizeof(new)))
			return -EFAULT;
		err = sigstack_set(&new, sp);
		if (err)
			return err;
	}
	if (a[1] && copy_to_user(a[1], &old, sizeof(old)))
		return -EFAULT;
	return 0;
}
