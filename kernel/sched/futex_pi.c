/* SPDX-License-Identifier: MIT */
/*
 * futex_pi.c - futexes whose word names the owner (priority inheritance).
 *
 * The word is 0, or the owner's thread id with FUTEX_WAITERS if the owner must
 * ask us to unlock. Contended locks are handed over: whoever unlocks writes
 * the first waiter's id into the word. There is nothing to inherit, since
 * threads have no priorities here, so waiters are served in order of arrival.
 *
 * All waiters are in one queue, whose lock makes every step here atomic
 * against the others; the program may change the word at any time, so it is
 * changed by compare-and-swap only. Lock order: the hash queues of futex.c,
 * futex_pi_queue.lock, threads_lock.
 */
#include <linux/futex.h>

#include "lib/errno.h"
#include "lib/user.h"
#include "sched/futex.h"
#include "sched/sched.h"

/* As deep as Linux follows a chain of owners (kernel/locking/rtmutex.c). */
#define CHAIN_MAX   1024
#define SYSCALL_LEN 2 /* 0f 05 */

struct futex_queue futex_pi_queue = {
	.waiters = { &futex_pi_queue.waiters, &futex_pi_queue.waiters },
};

static struct futex_waiter *first_waiter(uint64_t addr)
{
	list_for_each(e, &futex_pi_queue.waiters) {
		struct futex_waiter *w =
		    list_entry(e, struct futex_waiter, link);

		if (w->addr == addr)
			return w;
	}
	return NULL;
}

bool futex_pi_waiting(uint64_t addr)
{
	bool found;

	if (list_empty(&futex_pi_queue.waiters))
		return false;
	spin_lock(&futex_pi_queue.lock);
	found = first_waiter(addr) != NULL;
	spin_unlock(&futex_pi_queue.lock);
	return found;
}

static void owner_changed(uint64_t addr, int32_t owner)
{
	list_for_each(e, &futex_pi_queue.waiters) {
		struct futex_waiter *w =
		    list_entry(e, struct futex_waiter, link);

		if (w->addr == addr)
			w->owner = owner;
	}
}

/* 0 if the word was still `old`, -EAGAIN if not, or -EFAULT. */
static int swap(uint64_t addr, uint32_t old, uint32_t new)
{
	uint32_t seen = old;

	if (user_cmpxchg_32(addr, &seen, new))
		return -EFAULT;
	return seen == old ? 0 : -EAGAIN;
}

/* What t waits to be given, or NULL. */
static const struct futex_waiter *waiter_of(const struct thread *t)
{
	list_for_each(e, &futex_pi_queue.waiters) {
		struct futex_waiter *w =
		    list_entry(e, struct futex_waiter, link);

		if (w->thread == t)
			return w;
	}
	return NULL;
}

/* Would waiting for owner be waiting for `self`? */
static bool deadlock(const struct thread *owner, const struct thread *self)
{
	for (int i = 0; owner && i < CHAIN_MAX; i++) {
		const struct futex_waiter *w = waiter_of(owner);

		if (owner == self)
			return true;
		owner = w ? thread_find(w->owner) : NULL;
	}
	return false;
}

static int check_owner(int32_t tid, const struct thread *self)
{
	const struct thread *owner;
	int err = 0;

	spin_lock(&threads_lock);
	owner = thread_find(tid);
	if (!owner || owner->futex == FUTEX_DEAD)
		err = -ESRCH;
	else if (deadlock(owner, self))
		err = -EDEADLK;
	spin_unlock(&threads_lock);
	return err;
}

/*
 * Take the lock for t, or mark the word contended. 1: taken; 0: *owner has it;
 * or -errno. more: other waiters are about to be queued.
 */
static int acquire(uint64_t addr, struct thread *t, bool more, int32_t *owner)
{
	uint32_t val, new;
	int err;

	do {
		if (user_load_32(&val, addr))
			return -EFAULT;
		*owner = (int32_t)(val & FUTEX_TID_MASK);
		if (*owner == t->lock_tid)
			return -EDEADLK;
		new = val | FUTEX_WAITERS;
		if (!*owner) {
			new = (uint32_t)t->lock_tid | (val & FUTEX_OWNER_DIED);
			if (more || first_waiter(addr))
				new |= FUTEX_WAITERS;
		}
		err = new == val ? 0 : swap(addr, val, new);
	} while (err == -EAGAIN);
	if (err)
		return err;
	if (!*owner) {
		owner_changed(addr, t->lock_tid);
		return 1;
	}
	return check_owner(*owner, t);
}

static void enqueue(struct futex_waiter *w, int32_t owner)
{
	w->kind = FUTEX_PI;
	w->owner = owner;
	futex_enqueue(w, &futex_pi_queue);
}

/* For futex_block. -EEXIST stands for a lock that was free. */
static long start_lock(struct futex_waiter *w, uint32_t try)
{
	int32_t owner;
	int err = acquire(w->addr, w->thread, false, &owner);

	if (err)
		return err > 0 ? -EEXIST : err;
	if (try)
		return -EAGAIN;
	enqueue(w, owner);
	return 0;
}

/*
 * A signal came. Its handler runs, and then the call is made again, whatever
 * SA_RESTART says (Linux's ERESTARTNOINTR): programs take any end of this call
 * but the known errors for "locked". The program goes on at the system call
 * instruction with what is returned here, its number, in rax.
 */
static long call_again(void)
{
	struct az_frame *f = thread_self()->frame;
	long nr = (long)f->orig_rax;

	f->rip -= SYSCALL_LEN;
	f->orig_rax = ~0ULL; /* settled, for signal_exit */
	/* Have the signal looked at on the way out. */
	__atomic_store_n(&core_self()->az.pending, 1, __ATOMIC_RELAXED);
	return nr;
}

long futex_pi_lock(uint64_t addr, const struct futex_deadline *d, bool try)
{
	struct futex_waiter w = { .queue = &futex_pi_queue,
				  .addr = addr,
				  .kind = FUTEX_PI };
	long err = futex_address(addr);

	if (err)
		return err;
	err = futex_block(&w, d, start_lock, try);
	if (err == -EEXIST)
		return 0;
	return err == -EINTR ? call_again() : err;
}

/* Give the lock to w and let it run. The word holds `val`. */
static int hand_over(struct futex_waiter *w, uint32_t val, uint32_t bits)
{
	uint64_t addr = w->addr;
	int32_t tid = w->thread->lock_tid;
	int err = swap(addr, val, (uint32_t)tid | FUTEX_WAITERS | bits);

	if (err)
		return err;
	futex_release(w);
	owner_changed(addr, tid);
	return 0;
}

long futex_pi_unlock(uint64_t addr)
{
	struct thread *self = thread_self();
	struct futex_waiter *w;
	uint32_t val;
	int err = futex_address(addr);

	if (err)
		return err;
	spin_lock(&futex_pi_queue.lock);
	do {
		if (user_load_32(&val, addr)) {
			err = -EFAULT;
			break;
		}
		if ((int32_t)(val & FUTEX_TID_MASK) != self->lock_tid) {
			err = -EPERM;
			break;
		}
		w = first_waiter(addr);
		err = w ? hand_over(w, val, 0) : swap(addr, val, 0);
	} while (err == -EAGAIN);
	spin_unlock(&futex_pi_queue.lock);
	return err;
}

/* --- from a plain futex to a PI one: condition variables --- */

long futex_pi_wait_requeue(uint64_t addr, uint32_t val,
			   const struct futex_deadline *d, uint64_t pi_addr)
{
	struct futex_queue *q;
	struct futex_waiter w = { .addr = addr,
				  .pi_addr = pi_addr,
				  .kind = FUTEX_REQUEUE_TO_PI,
				  .bitset = FUTEX_BITSET_MATCH_ANY };
	long err = addr == pi_addr ? -EINVAL : futex_address(pi_addr);

	if (!err)
		err = futex_address(addr);
	if (err)
		return err;
	q = futex_lock_queue(addr);
	spin_unlock(&q->lock);
	w.queue = q;
	err = futex_block(&w, d, futex_start_plain, val);
	if (err != -EINTR)
		return err;
	/* Once moved it cannot begin again: the word has changed since. */
	return w.kind == FUTEX_PI ? -EAGAIN : call_again();
}

/* Move w to the lock at its pi_addr, or give it that. 1: given; or -errno. */
static int move_waiter(struct futex_waiter *w, bool more)
{
	int32_t owner;
	int got = acquire(w->pi_addr, w->thread, more, &owner);

	if (got < 0)
		return got;
	if (got) {
		w->kind = FUTEX_PI;
		futex_release(w);
		return 1;
	}
	list_remove(&w->link);
	w->addr = w->pi_addr;
	enqueue(w, owner);
	return 0;
}

/* The queue of addr and the PI queue are locked. */
static long requeue_all(struct futex_queue *q, uint64_t addr, int32_t max,
			uint64_t pi_addr)
{
	long n = 0;

	list_for_each_safe(e, next, &q->waiters) {
		struct futex_waiter *w =
		    list_entry(e, struct futex_waiter, link);
		int err;

		if (n >= max)
			break;
		if (w->addr != addr)
			continue;
		if (w->kind != FUTEX_REQUEUE_TO_PI || w->pi_addr != pi_addr)
			return n ? n : -EINVAL;
		err = move_waiter(w, max > 1);
		if (err < 0)
			return n ? n : err;
		n++;
	}
	return n;
}

long futex_pi_requeue(uint64_t addr, int32_t wake, int32_t requeue,
		      uint64_t pi_addr, uint32_t val)
{
	struct futex_queue *q;
	uint32_t now;
	long n;

	if (wake < 0 || requeue < 0 || addr == pi_addr || wake != 1)
		return -EINVAL;
	n = futex_address(addr);
	if (!n)
		n = futex_address(pi_addr);
	if (n)
		return n;
	q = futex_lock_queue(addr);
	spin_lock(&futex_pi_queue.lock);
	if (user_load_32(&now, addr))
		n = -EFAULT;
	else if (now != val)
		n = -EAGAIN;
	else
		n = requeue_all(q, addr,
				requeue < INT32_MAX ? requeue + 1 : requeue,
				pi_addr);
	spin_unlock(&futex_pi_queue.lock);
	spin_unlock(&q->lock);
	return n;
}

/* --- the end of a thread --- */

/* A waiter for something that tid owns, or NULL. */
static struct futex_waiter *waiter_for(int32_t tid)
{
	list_for_each(e, &futex_pi_queue.waiters) {
		struct futex_waiter *w =
		    list_entry(e, struct futex_waiter, link);

		if (w->owner == tid)
			return w;
	}
	return NULL;
}

void futex_pi_exit(struct thread *t)
{
	struct futex_waiter *w;

	spin_lock(&futex_pi_queue.lock);
	__atomic_store_n(&t->futex, FUTEX_DEAD, __ATOMIC_RELAXED);
	while ((w = waiter_for(t->lock_tid)) != NULL) {
		uint32_t val = 0;
		int err;

		do {
			err = user_load_32(&val, w->addr);
			if (!err)
				err = hand_over(w, val, FUTEX_OWNER_DIED);
		} while (err == -EAGAIN);
		/* A word that is gone has no owner any more. */
		if (err)
			w->owner = 0;
	}
	spin_unlock(&futex_pi_queue.lock);
}
