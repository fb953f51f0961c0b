/* SPDX-License-Identifier: MIT */
/*
 * signal.c - who has to take which signal.
 *
 * actions[] and the process's queue are here; a thread's own queue and mask
 * are in its struct thread. A pending signal that some thread does not block
 * has been told to such a thread (sched_interrupt), and that thread looks
 * before it goes back to the program: whoever blocks or ends passes the duty
 * on (retarget).
 *
 * Locks: threads_lock, then siglock, then a runqueue's. siglock guards
 * actions, shared, and every thread's `sig`; a thread may read its own mask
 * and anyone may peek at a `set` without it.
 */
#include "sys/signal.h"

#include "lib/errno.h"
#include "lib/string.h"
#include "sched/futex.h"
#include "sched/sched.h"
#include "sys/clockid.h"
#include "sys/debugger.h"
#include "sys/ptimer.h"
#include "sys/sigqueue.h"
#include "sys/sys.h"

/* Default actions, signal(7). What is in none of the sets ends the process. */
#define DEFAULT_IGNORE \
	(SIGBIT(SIGCONT) | SIGBIT(SIGCHLD) | SIGBIT(SIGWINCH) | SIGBIT(SIGURG))
#define DEFAULT_STOP \
	(SIGBIT(SIGSTOP) | SIGBIT(SIGTSTP) | SIGBIT(SIGTTIN) | SIGBIT(SIGTTOU))
/* Taken before any other: they speak of the instruction at rip. */
#define SYNCHRONOUS                                                            \
	(SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGILL) | SIGBIT(SIGTRAP) | \
	 SIGBIT(SIGFPE) | SIGBIT(SIGSYS))

static struct spinlock siglock;
static struct sigact actions[NSIG];
static struct sigqueue shared = { 0, { &shared.infos, &shared.infos } };
static uint32_t turn; /* spreads signals over running threads */

/* Those of t's process. */
static struct sigact *actions_of(const struct thread *t)
{
	return unlikely(t->sig.actions) ? t->sig.actions : actions;
}

/* The process's queue, unless t is a child of vfork: that has none. */
static uint64_t shared_set(const struct thread *t)
{
	if (unlikely(t->sig.actions))
		return 0;
	return __atomic_load_n(&shared.set, __ATOMIC_SEQ_CST);
}

/* A thread that is still being made has no queue yet. */
static bool thread_ready(const struct thread *t)
{
	return __atomic_load_n(&t->sig.pending.infos.next, __ATOMIC_ACQUIRE) !=
	       NULL;
}

/* Drop `set` from all queues; threads_lock and siglock held. */
static void flush_everywhere(uint64_t set, struct flushed *f)
{
	queue_flush(&shared, set, f);
	list_for_each(pos, &threads) {
		struct thread *t = list_entry(pos, struct thread, all);

		if (thread_ready(t))
			queue_flush(&t->sig.pending, set, f);
	}
}

/* --- choosing who takes a signal --- */

static uint64_t blocked(const struct thread *t)
{
	return __atomic_load_n(&t->sig.mask, __ATOMIC_RELAXED) &
	       ~__atomic_load_n(&t->sig.waiting, __ATOMIC_RELAXED);
}

static bool takes(const struct thread *t, int sig)
{
	return thread_ready(t) && !(blocked(t) & SIGBIT(sig));
}

/* Some thread that is on a core now and takes sig, each in turn. */
static struct thread *choose_running(int sig)
{
	struct thread *found = NULL;
	uint32_t skip = turn++ % MAX(1U, BOOT->ncores);

	list_for_each(pos, &threads) {
		struct thread *t = list_entry(pos, struct thread, all);

		if (!t->on_core || t->state != THREAD_RUNNING ||
		    t->sig.actions || !takes(t, sig))
			continue;
		found = t;
		if (!skip--)
			break;
	}
	return found;
}

/*
 * Linux prefers the main thread, but for timers, which go to one that runs:
 * profilers count on it.
 */
static struct thread *choose(const struct siginfo *si)
{
	int sig = si->signo;
	struct thread *t = NULL;

	if (si->code == SI_TIMER ||
	    (si->code == SI_KERNEL && (sig == SIGPROF || sig == SIGVTALRM)))
		t = choose_running(sig);
	if (t)
		return t;
	t = thread_find((int)BOOT->pid);
	if (t && takes(t, sig))
		return t;
	list_for_each(pos, &threads) {
		t = list_entry(pos, struct thread, all);
		if (!t->sig.actions && takes(t, sig))
			return t;
	}
	return NULL;
}

/* `self` will not take these of the process's signals: find others. */
static void retarget(const struct thread *self, uint64_t set)
{
	spin_lock(&threads_lock);
	spin_lock(&siglock);
	set &= shared.set;
	list_for_each(pos, &threads) {
		struct thread *t = list_entry(pos, struct thread, all);

		if (!set)
			break;
		if (t == self || !thread_ready(t) || t->sig.actions ||
		    !(set & ~blocked(t)))
			continue;
		set &= blocked(t);
		sched_interrupt(t);
	}
	spin_unlock(&siglock);
	spin_unlock(&threads_lock);
}

/* --- sending --- */

static bool handler_ignores(uint64_t handler, int sig)
{
	return handler == SIG_IGN ||
	       (handler == SIG_DFL && (SIGBIT(sig) & DEFAULT_IGNORE));
}

/* A blocked signal is kept: it may have a handler when it is unblocked. */
static bool ignored(struct thread *t, int sig)
{
	if (!t)
		t = thread_find((int)BOOT->pid);
	if (!t || (t->sig.mask & SIGBIT(sig)))
		return false;
	return handler_ignores(actions_of(t)[sig - 1].handler, sig);
}

static void tell(struct thread *t, const struct siginfo *si)
{
	if (!t)
		t = choose(si);
	else if (!takes(t, si->signo))
		t = NULL;
	if (t)
		sched_interrupt(t);
}

/* Stop signals and SIGCONT undo each other, signal(7). */
static void cancel_opposite(int sig, struct flushed *f)
{
	if (SIGBIT(sig) & DEFAULT_STOP)
		flush_everywhere(SIGBIT(SIGCONT), f);
	else if (sig == SIGCONT)
		flush_everywhere(DEFAULT_STOP, f);
}

/*
 * Queue si, using *e if there is one (and then setting it to NULL).
 * threads_lock and siglock held.
 */
static int queue_signal(struct thread *t, const struct siginfo *si,
			struct sigqueue_entry **e, struct flushed *f)
{
	struct sigqueue *q = t ? &t->sig.pending : &shared;
	int sig = si->signo;

	cancel_opposite(sig, f);
	if (ignored(t, sig))
		return 0;
	if (sig < SIGRTMIN && (q->set & SIGBIT(sig)))
		return 0;
	if (!*e && sig >= SIGRTMIN && si->code != SI_USER)
		return -EAGAIN;
	queue_add(q, sig, *e);
	*e = NULL;
	tell(t, si);
	return 0;
}

/* To t, or to thread tid if that is not 0, or to the process. */
static int send(struct thread *t, int tid, const struct siginfo *si)
{
	struct sigqueue_entry *e = NULL;
	struct flushed f;
	int err = 0;

	flushed_init(&f);
	if (si->signo)
		e = entry_alloc(si);
	spin_lock(&threads_lock);
	if (tid) {
		t = thread_find(tid);
		if (!t || !thread_ready(t))
			err = -ESRCH;
	}
	if (!err && si->signo) {
		spin_lock(&siglock);
		err = queue_signal(t, si, &e, &f);
		spin_unlock(&siglock);
	}
	spin_unlock(&threads_lock);
	entry_free(e);
	flushed_done(&f);
	return err;
}

int signal_send_tid(int tid, const struct siginfo *si)
{
	return send(NULL, tid, si);
}

int signal_send_process(const struct siginfo *si)
{
	return send(NULL, 0, si);
}

bool signal_thread_exists(int tid)
{
	static const struct siginfo nothing;

	return send(NULL, tid, &nothing) == 0;
}

/*
 * kill(0) and kill(-pgrp) go to Linux for the others and to this process at
 * once; Linux delivers them to the owner too, which forwards them: once is
 * enough. Whatever else this process sends to itself never reaches Linux.
 */
static bool is_echo(const struct siginfo *si)
{
	return si->code == SI_USER && si->rt.pid == (int32_t)BOOT->pid;
}

int signal_post(struct thread *t, const struct siginfo *si)
{
	if (si->signo < 1 || si->signo > NSIG)
		return 0;
	if (!t && is_echo(si))
		return 0;
	return send(t, 0, si);
}

/* As queue_signal, but each timer may queue a standard signal of its own. */
static bool queue_timer(struct thread *t, struct sigqueue_entry *e)
{
	if (ignored(t, e->info.signo))
		return false;
	if (e->queue)
		return true;
	queue_add(t ? &t->sig.pending : &shared, e->info.signo, e);
	tell(t, &e->info);
	return true;
}

/* cancel_opposite, on its own: what it drops may be other timers' entries. */
static void cancel_opposite_now(int sig)
{
	struct flushed f;

	if (!(SIGBIT(sig) & (DEFAULT_STOP | SIGBIT(SIGCONT))))
		return;
	flushed_init(&f);
	spin_lock(&threads_lock);
	spin_lock(&siglock);
	cancel_opposite(sig, &f);
	spin_unlock(&siglock);
	spin_unlock(&threads_lock);
	flushed_done(&f);
}

int signal_send_timer(int tid, struct sigqueue_entry *e)
{
	struct thread *t = NULL;
	int sent = -ESRCH;

	cancel_opposite_now(e->info.signo);
	spin_lock(&threads_lock);
	if (tid)
		t = thread_find(tid);
	if (!tid || (t && thread_ready(t))) {
		spin_lock(&siglock);
		sent = queue_timer(t, e);
		spin_unlock(&siglock);
	}
	spin_unlock(&threads_lock);
	return sent;
}

bool signal_unqueue(struct sigqueue_entry *e)
{
	struct sigqueue *q;

	spin_lock(&siglock);
	q = e->queue;
	if (q)
		queue_remove(q, e);
	spin_unlock(&siglock);
	return q != NULL;
}

static void force(const struct siginfo *si, bool by_default)
{
	struct thread *t = thread_self();
	struct sigact *act = &actions_of(t)[si->signo - 1];
	uint64_t bit = SIGBIT(si->signo);

	spin_lock(&siglock);
	if (by_default || (t->sig.mask & bit) || act->handler == SIG_IGN) {
		act->handler = SIG_DFL;
		__atomic_store_n(&t->sig.mask, t->sig.mask & ~bit,
				 __ATOMIC_RELAXED);
	}
	spin_unlock(&siglock);
	send(t, 0, si);
	/* It may have been pending already, and blocked till now. */
	sched_interrupt(t);
}

void signal_force(const struct siginfo *si)
{
	force(si, false);
}

void signal_force_default(const struct siginfo *si)
{
	force(si, true);
}

/* --- taking --- */

bool signal_pending(void)
{
	const struct thread *t = thread_self();
	uint64_t set = __atomic_load_n(&t->sig.pending.set, __ATOMIC_SEQ_CST) |
		       shared_set(t);

	if (likely(!(set & ~blocked(t))))
		return false;
	/*
	 * A call that ends because of this must not return before the handler
	 * has run, though the sender's kick may still be on its way.
	 */
	__atomic_store_n(&core_self()->az.pending, 1, __ATOMIC_RELAXED);
	return true;
}

uint64_t signal_set(void)
{
	const struct thread *t = thread_self();

	return __atomic_load_n(&t->sig.pending.set, __ATOMIC_SEQ_CST) |
	       shared_set(t);
}

static int next_signal(uint64_t set)
{
	if (!set)
		return 0;
	if (set & SYNCHRONOUS)
		set &= SYNCHRONOUS;
	return __builtin_ctzll(set) + 1;
}

/* The signal of `allowed` that is next to be taken, and where it is. */
static int peek(uint64_t allowed, struct sigqueue **q)
{
	struct thread *t = thread_self();

	*q = &t->sig.pending;
	if (!((*q)->set & allowed) && !t->sig.actions)
		*q = &shared;
	return next_signal((*q)->set & allowed);
}

/* The signal is off its queue: what else its entry stood for. */
static void taken(struct sigqueue_entry *e, struct siginfo *si)
{
	if (!e)
		return;
	if (e->owned)
		ptimer_delivered(si);
	else
		entry_free(e);
}

int signal_take_of(uint64_t set, struct siginfo *si)
{
	struct sigqueue *q;
	struct sigqueue_entry *e = NULL;
	int sig;

	spin_lock(&siglock);
	sig = peek(set, &q);
	if (sig)
		e = queue_take(q, sig, si);
	spin_unlock(&siglock);
	taken(e, si);
	return sig;
}

static void act_by_default(int sig)
{
	if (SIGBIT(sig) & DEFAULT_IGNORE)
		return;
	if (SIGBIT(sig) & DEFAULT_STOP) {
		signal_stop(sig);
	} else {
		futex_process_exit();
		process_exit(sig);
	}
}

/*
 * Take signals and perform default actions, until one has a handler (which is
 * left pending if only_look) or none is left (false).
 */
static bool take(struct sig_taken *d, bool only_look)
{
	for (;;) {
		struct sigqueue *q;
		struct sigqueue_entry *e;
		struct sigact *act;
		int sig;

		spin_lock(&siglock);
		sig = peek(~blocked(thread_self()), &q);
		act = &actions_of(thread_self())[sig ? sig - 1 : 0];
		if (!sig || (only_look && act->handler > SIG_IGN)) {
			spin_unlock(&siglock);
			return sig != 0;
		}
		e = queue_take(q, sig, &d->info);
		d->act = *act;
		if (act->handler > SIG_IGN && (act->flags & SA_RESETHAND))
			act->handler = SIG_DFL;
		spin_unlock(&siglock);
		taken(e, &d->info);
		if (debug_signal(&d->info))
			continue;
		if (d->act.handler > SIG_IGN)
			return true;
		if (d->act.handler == SIG_DFL)
			act_by_default(sig);
	}
}

bool signal_take(struct sig_taken *d)
{
	return take(d, false);
}

bool signal_interrupts(void)
{
	struct sig_taken d;

	return take(&d, true);
}

/* --- actions and masks --- */

void signal_action(int sig, const struct sigact *new, struct sigact *old)
{
	struct thread *t = thread_self();
	struct sigact *act = &actions_of(t)[sig - 1];
	struct flushed f;

	flushed_init(&f);
	spin_lock(&threads_lock);
	spin_lock(&siglock);
	if (old)
		*old = *act;
	if (new) {
		*act = *new;
		if (handler_ignores(act->handler, sig) && t->sig.actions)
			queue_flush(&t->sig.pending, SIGBIT(sig), &f);
		else if (handler_ignores(act->handler, sig))
			flush_everywhere(SIGBIT(sig), &f);
	}
	spin_unlock(&siglock);
	spin_unlock(&threads_lock);
	flushed_done(&f);
}

void signal_set_mask(uint64_t mask)
{
	struct thread *t = thread_self();
	uint64_t left;

	mask &= ~SIG_UNMASKABLE;
	spin_lock(&siglock);
	left = mask & ~t->sig.mask & shared.set;
	__atomic_store_n(&t->sig.mask, mask, __ATOMIC_SEQ_CST);
	spin_unlock(&siglock);
	if (left)
		retarget(t, left);
	if (signal_pending())
		sched_interrupt(t);
}

void signal_set_waiting(uint64_t set)
{
	struct thread *t = thread_self();
	uint64_t left;

	spin_lock(&siglock);
	left = t->sig.waiting & ~set & t->sig.mask & shared.set;
	__atomic_store_n(&t->sig.waiting, set, __ATOMIC_SEQ_CST);
	spin_unlock(&siglock);
	if (left)
		retarget(t, left);
}

/* --- threads --- */

static void actions_init(void)
{
	for (int sig = 1; sig <= NSIG; sig++)
		if (BOOT->sig_ignored & SIGBIT(sig) & ~SIG_UNMASKABLE)
			actions[sig - 1].handler = SIG_IGN;
}

void signal_init_thread(struct thread *t, const struct thread *parent)
{
	if (!parent)
		actions_init();
	spin_lock(&siglock);
	t->sig = (struct thread_signals){
		.mask = parent ? parent->sig.mask
			       : BOOT->sig_blocked & ~SIG_UNMASKABLE,
		.alt_flags = SS_DISABLE,
	};
	t->sig.pending.infos.prev = &t->sig.pending.infos;
	/* Pairs with thread_ready. */
	__atomic_store_n(&t->sig.pending.infos.next, &t->sig.pending.infos,
			 __ATOMIC_RELEASE);
	spin_unlock(&siglock);
}

void signal_free_thread(struct thread *t)
{
	struct flushed f;

	clock_thread_gone(t);
	if (!thread_ready(t))
		return;
	flushed_init(&f);
	spin_lock(&siglock);
	queue_flush(&t->sig.pending, ~0ULL, &f);
	spin_unlock(&siglock);
	flushed_done(&f);
	retarget(t, ~blocked(t));
}

void signal_copy_actions(struct sigact to[NSIG], bool clear)
{
	spin_lock(&siglock);
	memcpy(to, actions, sizeof(actions));
	spin_unlock(&siglock);
	for (int i = 0; clear && i < NSIG; i++)
		if (to[i].handler != SIG_IGN)
			to[i] = (struct sigact){ .handler = SIG_DFL };
}

static uint32_t queue_list(const struct sigqueue *q, struct siginfo *out,
			   uint32_t max)
{
	uint64_t left = q->set;
	uint32_t n = 0;

	list_for_each(pos, &q->infos) {
		const struct sigqueue_entry *e =
		    list_entry(pos, struct sigqueue_entry, link);

		if (e->owned) /* a timer's, which ends */
			continue;
		if (n < max)
			out[n++] = e->info;
		left &= ~SIGBIT(e->info.signo);
	}
	for (int sig = 1; sig <= NSIG; sig++)
		if ((left & SIGBIT(sig)) && n < max)
			out[n++] = (struct siginfo){ .signo = sig };
	return n;
}

uint32_t signal_carry(struct siginfo *out, uint32_t max, uint64_t *ignored_set,
		      uint64_t *mask)
{
	struct thread *t = thread_self();
	uint32_t n;

	*ignored_set = 0;
	spin_lock(&siglock);
	for (int sig = 1; sig <= NSIG; sig++)
		if (actions_of(t)[sig - 1].handler == SIG_IGN)
			*ignored_set |= SIGBIT(sig);
	*mask = t->sig.mask;
	n = queue_list(&t->sig.pending, out, max);
	if (!t->sig.actions)
		n += queue_list(&shared, out + n, max - n);
	spin_unlock(&siglock);
	return n;
}

void signal_fork_child(struct thread *t)
{
	struct flushed f;

	flushed_init(&f);
	spin_lock(&siglock);
	queue_flush(&shared, ~0ULL, &f);
	queue_flush(&t->sig.pending, ~0ULL, &f);
	spin_unlock(&siglock);
	f.timers = false; /* they are the parent's */
	flushed_done(&f);
}
