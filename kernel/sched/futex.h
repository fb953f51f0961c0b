/* SPDX-License-Identifier: MIT */
/* futex.h - futex(2), robust lists and what a dying thread owes others. */
#ifndef SCHED_FUTEX_H
#define SCHED_FUTEX_H

#include "lib/list.h"
#include "lib/spin.h"
#include "lib/types.h"

struct thread;

/* Where waiters queue; lock guards the list and every waiter in it. */
struct futex_queue {
	_Alignas(64) struct spinlock lock;
	struct list waiters;
};

/* futex_waiter.kind */
#define FUTEX_PLAIN         0U
#define FUTEX_REQUEUE_TO_PI 1U /* in FUTEX_WAIT_REQUEUE_PI, not moved yet */
#define FUTEX_PI            2U /* waits to be given the lock */

/*
 * One waiting thread; on its kernel stack. It is off the queue and may vanish
 * once `queued` is 0 and the queue's lock has been let go.
 */
struct futex_waiter {
	struct list link;
	struct futex_queue *queue; /* changes under both queues' locks */
	struct thread *thread;
	uint64_t addr;
	uint64_t pi_addr; /* FUTEX_REQUEUE_TO_PI: where to */
	uint32_t kind;
	uint32_t bitset;
	uint32_t queued;
	int32_t owner; /* FUTEX_PI: who has the lock */
};

/* A deadline as futex(2) has them. */
struct futex_deadline {
	uint64_t at; /* ns; AZ_NO_DEADLINE: none */
	bool real;   /* CLOCK_REALTIME, else CLOCK_MONOTONIC */
};

/* What thread.futex is of a thread past futex_thread_exit. */
#define FUTEX_DEAD ((struct futex_waiter *)1)

/*
 * futex_thread_exit - the calling thread, or one that will never run again,
 * ends: mark its robust mutexes, hand over its PI mutexes, clear and wake its
 * clear_child_tid.
 */
void futex_thread_exit(struct thread *t);

/*
 * futex_process_exit - the process ends, by exit_group or a signal, while its
 * threads may still run: mark the robust mutexes that it shares with others.
 * Called without locks.
 */
void futex_process_exit(void);

/*
 * futex_wake - wake at most max (at least one) of those that wait at addr for
 * a bit of bitset. How many, or -EINVAL: somebody waits there in another way.
 */
long futex_wake(uint64_t addr, int32_t max, uint32_t bitset);

/* futex_fork_child - nobody waits: other threads are not in the child. */
void futex_fork_child(void);

/* --- between futex.c, futex_pi.c and robust.c --- */

/* futex_address - 0, -EINVAL (not aligned) or -EFAULT (not the program's). */
int futex_address(uint64_t addr);

/*
 * futex_block - wait until w is off its queue. 0; -ETIMEDOUT or -EINTR, and w
 * is off its queue by itself. start is called before, w's queue locked and
 * the thread ready to be woken; it enqueues w or returns what to end with.
 */
long futex_block(struct futex_waiter *w, const struct futex_deadline *d,
		 long (*start)(struct futex_waiter *w, uint32_t val),
		 uint32_t val);

/* futex_enqueue, futex_release - the queue of w is locked. */
void futex_enqueue(struct futex_waiter *w, struct futex_queue *q);
void futex_release(struct futex_waiter *w); /* dequeue and wake */

/* futex_start_plain - for futex_block: wait while *addr == val. */
long futex_start_plain(struct futex_waiter *w, uint32_t val);

/* futex_lock_queue - of addr. */
struct futex_queue *futex_lock_queue(uint64_t addr);

/* The waiters for PI futexes, all in one queue. */
extern struct futex_queue futex_pi_queue;

/* futex_pi_waiting - does anybody wait to be given addr? */
bool futex_pi_waiting(uint64_t addr);
long futex_pi_lock(uint64_t addr, const struct futex_deadline *d, bool try);
long futex_pi_unlock(uint64_t addr);
long futex_pi_wait_requeue(uint64_t addr, uint32_t val,
			   const struct futex_deadline *d, uint64_t pi_addr);
long futex_pi_requeue(uint64_t addr, int32_t wake, int32_t requeue,
		      uint64_t pi_addr, uint32_t val);
/* futex_pi_exit - hand over what t has locked. */
void futex_pi_exit(struct thread *t);

#endif
