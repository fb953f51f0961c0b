/* SPDX-License-Identifier: MIT */
/*
 * sched.h - which thread runs on which core.
 *
 * Waiting:
 *	sched_prepare();            state = BLOCKED: from now on wakes count
 *	publish where others find this thread; check the condition again
 *	r = sched_wait(deadline);   or sched_cancel() if need not wait
 *
 * A wake before sched_wait makes it return at once. Every wait may end
 * early (a signal): check the condition after it.
 */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "sched/thread.h"

void sched_prepare(void);
void sched_cancel(void);

/*
 * sched_prepare_lock - as sched_prepare for an interruptible wait of who takes
 * a spinlock next and publishes under it: taking it is barrier enough.
 */
static inline void sched_prepare_lock(void)
{
	struct thread *t = thread_self();

	__atomic_store_n(&t->state, THREAD_BLOCKED, __ATOMIC_RELAXED);
	__atomic_store_n(&t->interruptible, 1, __ATOMIC_RELAXED);
}

/*
 * sched_wait - run others until sched_wake. deadline: CLOCK_MONOTONIC ns or
 * AZ_NO_DEADLINE. 0 when woken, -ETIMEDOUT when the deadline passed first,
 * -EINTR if interruptible and a signal is to be taken.
 */
int sched_wait(uint64_t deadline, bool interruptible);

/* sched_wake - make t ready if it is blocked. From any core. */
void sched_wake(struct thread *t);

/*
 * sched_claim - if t is blocked, make it the caller's to wake, by sched_ready:
 * until then it neither runs nor goes away. False: somebody else has.
 */
static inline bool sched_claim(struct thread *t)
{
	uint32_t blocked = THREAD_BLOCKED;

	return __atomic_compare_exchange_n(&t->state, &blocked, THREAD_READY, 0,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

void sched_ready(struct thread *t);

/*
 * sched_offer - the caller is about to keep this core for long: have another
 * core, if one has nothing to do, run what waits for this one.
 */
void sched_offer(void);

/* sched_share_next - let other cores take what is to run next on this one. */
void sched_share_next(void);

/* sched_start - put a new thread on a core. */
void sched_start(struct thread *t);

/* sched_yield - let another ready thread of this core run, if there is one */
void sched_yield(void);

/*
 * sched_interrupt - signal code calls this after making a signal pending for
 * t: ends an interruptible wait, makes a running thread look at its signals.
 */
void sched_interrupt(struct thread *t);

/* sched_exit - the calling thread never runs again; its memory is freed. */
_Noreturn void sched_exit(void);

/*
 * sched_migrate - if the calling thread may no longer run on this core, move.
 */
void sched_migrate(void);

/*
 * sched_displace - the affinity of t, another thread, has changed: it is moved
 * soon if it may not stay. t must not go away meanwhile.
 */
void sched_displace(struct thread *t);

/*
 * sched_run - switch from the calling thread, which is BLOCKED, to t, which is
 * new; returns when the caller has been woken.
 */
void sched_run(struct thread *t);

/* sched_core_main - what an idle core does for ever. */
_Noreturn void sched_core_main(void);

/* sched_set_timer - have this core upcalled at the latest at `at` (ns). */
void sched_set_timer(uint64_t at);

/*
 * sched_look - do what is pending on this core (answers, signals that came
 * from outside, deadlines); returns the next deadline.
 */
uint64_t sched_look(void);

/*
 * sched_remember - after sched_look, on the way to what need not end in
 * exit_work: threads that wait for this core still get it in time.
 */
void sched_remember(void);

/* thread_cpu_ns - processor time that t has used. */
uint64_t thread_cpu_ns(struct thread *t);

/*
 * context_switch - go on where the stack of load_sp was left; returns when
 * somebody does the same with *save_sp. Nothing but C's own registers is kept.
 */
void context_switch(uint64_t *save_sp, uint64_t load_sp);

#endif
