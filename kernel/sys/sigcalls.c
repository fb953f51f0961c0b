/* SPDX-License-Identifier: MIT */
/*
 * sigcalls.c - the calls about actions, masks and waiting for signals.
 *
 * signalfd is not provided: signals are the unikernel's, so a descriptor of
 * Linux's would never become readable.
 */
#include "calls.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "sched/sched.h"
#include "sys/clockid.h"
#include "sys/sys.h"

/* sigsetsize of every call here. */
#define SET_SIZE sizeof(uint64_t)

/* rt_sigprocmask's how, <asm-generic/signal-defs.h>. */
#define SIG_BLOCK   0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2

/* Others are cleared, so that a program can tell what is supported. */
#define SA_KNOWN                                                        \
	(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_EXPOSE_TAGBITS | \
	 SA_RESTORER | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND)

/* Do children leave zombies? Linux has to know: they are the owner's. */
static bool reaps(const struct sigact *act)
{
	return act->handler == SIG_IGN || (act->flags & SA_NOCLDWAIT);
}

static void reaps_change(bool now)
{
	BOOT->reaps = now;
	__atomic_store_n(&BOOT->want_reaps, 1, __ATOMIC_SEQ_CST);
	mon_owner();
	while (__atomic_load_n(&BOOT->want_reaps, __ATOMIC_ACQUIRE))
		mon_relax();
}

long sys_rt_sigaction(const uint64_t a[6])
{
	int sig = (int)a[0];
	struct sigact new, old;

	if (a[3] != SET_SIZE)
		return -EINVAL;
	if (a[1] && copy_from_user(&new, a[1], sizeof(new)))
		return -EFAULT;
	if (sig < 1 || sig > NSIG || (a[1] && (SIGBIT(sig) & SIG_UNMASKABLE)))
		return -EINVAL;
	if (a[1]) {
		new.flags &= SA_KNOWN;
		new.mask &= ~SIG_UNMASKABLE;
	}
	signal_action(sig, a[1] ? &new : NULL, &old);
	if (sig == SIGCHLD && a[1] && reaps(&new) != reaps(&old) &&
	    !thread_self()->sig.actions)
		reaps_change(reaps(&new));
	if ((sig == SIGSEGV || sig == SIGBUS) && a[1] && new.handler > SIG_IGN)
		mm_watch_faults();
	if (a[2] && copy_to_user(a[2], &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

long sys_rt_sigprocmask(const uint64_t a[6])
{
	uint64_t old = thread_self()->sig.mask;
	uint64_t set;

	if (a[3] != SET_SIZE)
		return -EINVAL;
	if (a[1]) {
		if (copy_from_user(&set, a[1], sizeof(set)))
			return -EFAULT;
		switch ((int)a[0]) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		signal_set_mask(set);
	}
	if (a[2] && copy_to_user(a[2], &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

long sys_rt_sigpending(const uint64_t a[6])
{
	uint64_t set = signal_set() & thread_self()->sig.mask;

	if (a[1] > SET_SIZE)
		return -EINVAL;
	return copy_to_user(a[0], &set, a[1]);
}

static void wait_for_signal(void)
{
	while (!signal_pending()) {
		sched_prepare();
		sched_wait(AZ_NO_DEADLINE, true);
	}
}

long sys_pause(const uint64_t a[6])
{
	(void)a;
	wait_for_signal();
	return -ERESTARTNOHAND;
}

long sys_rt_sigsuspend(const uint64_t a[6])
{
	int err;

	if (a[1] != SET_SIZE)
		return -EINVAL;
	if (!a[0])
		return -EFAULT;
	err = sigmask_set_temp(a[0], a[1]);
	if (err)
		return err;
	wait_for_signal();
	return -ERESTARTNOHAND;
}

/* Wait for a signal of set: its number, -EAGAIN at the deadline, or -EINTR. */
static int take_within(uint64_t set, uint64_t deadline, struct siginfo *si)
{
	for (;;) {
		int sig;

		signal_set_waiting(set);
		sig = signal_take_of(set, si);
		if (!sig && clock_mono() < deadline) {
			sched_prepare();
			sched_wait(deadline, true);
			sig = signal_take_of(set, si);
		}
		signal_set_waiting(0);
		if (sig)
			return sig;
		if (clock_mono() >= deadline)
			return -EAGAIN;
		if (signal_interrupts())
			return -EINTR;
	}
}

long sys_rt_sigtimedwait(const uint64_t a[6])
{
	uint64_t deadline = AZ_NO_DEADLINE;
	uint64_t set, ns;
	struct siginfo si;
	int sig, err;

	if (a[3] != SET_SIZE)
		return -EINVAL;
	if (copy_from_user(&set, a[0], sizeof(set)))
		return -EFAULT;
	if (a[2]) {
		err = timespec_load(a[2], &ns);
		if (err)
			return err;
		deadline = ns ? deadline_after(ns) : 0;
	}
	sig = take_within(set & ~SIG_UNMASKABLE, deadline, &si);
	if (sig > 0 && a[1] && copy_to_user(a[1], &si, sizeof(si)))
		return -EFAULT;
	return sig;
}

long sys_signalfd(const uint64_t a[6])
{
	(void)a;
	return -ENOSYS;
}

long sys_signalfd4(const uint64_t a[6])
{
	(void)a;
	return -ENOSYS;
}
