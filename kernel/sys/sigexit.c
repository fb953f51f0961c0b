/* SPDX-License-Identifier: MIT */
/*
 * sigexit.c - signals on the way back to the program.
 *
 * As in Linux, several handlers may be entered at once: the frame of each is
 * built over the one before, so that the last one taken runs first.
 */
#include "lib/errno.h"
#include "lib/user.h"
#include "sched/thread.h"
#include "sys/bundle.h"
#include "sys/sigframe.h"
#include "sys/sys.h"

#define SYSCALL_LEN 2 /* 0f 05 */

/*
 * Decide on a call that a signal ended; act is the action of the handler that
 * is about to run, or NULL if none ran.
 */
static void settle(struct az_frame *f, const struct sigact *act)
{
	bool again = !act;

	if (f->orig_rax == ~0ULL)
		return;
	switch (-(int64_t)f->rax) {
	case ERESTARTSYS:
		again = again || (act->flags & SA_RESTART);
		break;
	case ERESTARTNOINTR:
		again = true;
		break;
	case ERESTARTNOHAND:
		break;
	default:
		return;
	}
	if (again) {
		f->rax = f->orig_rax;
		f->rip -= SYSCALL_LEN;
	} else {
		f->rax = (uint64_t)-EINTR;
	}
	f->orig_rax = ~0ULL;
}

static void deliver(struct az_frame *f, const struct sig_taken *d)
{
	struct thread_signals *s = &thread_self()->sig;
	uint64_t mask = s->mask | d->act.mask;
	int sig = d->info.signo;

	bundle_rip(f);
	if (sigframe_build(f, d, s->restore_mask ? s->saved_mask : s->mask)) {
		struct siginfo si = { .signo = SIGSEGV, .code = SI_KERNEL };

		if (sig == SIGSEGV)
			signal_force_default(&si);
		else
			signal_force(&si);
		return;
	}
	s->restore_mask = false;
	if (!(d->act.flags & SA_NODEFER))
		mask |= SIGBIT(sig);
	signal_set_mask(mask);
	if (s->alt_flags & SS_AUTODISARM)
		sigstack_reset();
}

void signal_exit(struct az_frame *frame)
{
	struct thread_signals *s = &thread_self()->sig;
	struct sig_taken d;

	for (;;) {
		while (signal_take(&d)) {
			settle(frame, &d.act);
			deliver(frame, &d);
		}
		settle(frame, NULL);
		if (!s->restore_mask)
			return;
		/* No handler ran: back to the mask before the call. */
		s->restore_mask = false;
		signal_set_mask(s->saved_mask);
	}
}

int sigmask_set_temp(uint64_t uaddr, uint64_t size)
{
	struct thread_signals *s = &thread_self()->sig;
	uint64_t mask;

	if (!uaddr)
		return 0;
	if (size != sizeof(mask))
		return -EINVAL;
	if (copy_from_user(&mask, uaddr, sizeof(mask)))
		return -EFAULT;
	s->saved_mask = s->mask;
	s->restore_mask = true;
	signal_set_mask(mask);
	return 0;
}

void sigmask_end_temp(bool interrupted)
{
	struct thread_signals *s = &thread_self()->sig;

	if (interrupted || !s->restore_mask)
		return;
	s->restore_mask = false;
	signal_set_mask(s->saved_mask);
}
