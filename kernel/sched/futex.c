/* SPDX-License-Identifier: MIT */
/*
 * futex.c - futex(2): waiting and waking by the value of a word.
 *
 * Waiters hang in queues by a hash of the address. A waiter looks at the word
 * and enqueues itself under the queue's lock, a waker takes the same lock after
 * the word has changed: so no wake is lost. The waiter's struct is on its
 * stack; who wakes it does so with the lock held, and the waiter takes the
 * lock before it goes on: so nobody is left looking at what has vanished.
 *
 * An address is enough as the key, for there is one address space. Words in
 * shared mappings are known to other processes: those go to Linux, unless
 * the program says FUTEX_PRIVATE_FLAG.
 *
 * Locks: queues of the hash by address; futex_pi_queue after them; then the
 * scheduler's. Words are read and changed with user_*_32, which may be done
 * under a spinlock.
 */
#include "sched/futex.h"

#include <linux/futex.h>

#include "calls.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "sched/sched.h"
#include "sys/sys.h"

#define QUEUES 256
/* 2^64 divided by the golden ratio: Knuth, TAOCP 3, 6.4. */
#define HASH_FACTOR 0x9e3779b97f4a7c15ULL
/* Seconds that fit into 63 bits of nanoseconds: Linux's KTIME_SEC_MAX. */
#define SEC_MAX (INT64_MAX / 1000000000LL)

struct timespec64 {
	int64_t sec, nsec;
};

static struct futex_queue queues[QUEUES];

/* --- queues --- */

static struct futex_queue *queue_of(uint64_t addr)
{
	return &queues[(addr >> 2) * HASH_FACTOR >> 56];
}

static void queue_lock(struct futex_queue *q)
{
	spin_lock(&q->lock);
	if (!q->waiters.next)
		list_init(&q->waiters);
}

struct futex_queue *futex_lock_queue(uint64_t addr)
{
	struct futex_queue *q = queue_of(addr);

	queue_lock(q);
	return q;
}

void futex_fork_child(void)
{
	memset(queues, 0, sizeof(queues));
	futex_pi_queue.lock.held = 0;
	list_init(&futex_pi_queue.waiters);
}

static void lock_two(struct futex_queue *a, struct futex_queue *b)
{
	queue_lock(MIN(a, b));
	if (a != b)
		queue_lock(MAX(a, b));
}

static void unlock_two(struct futex_queue *a, struct futex_queue *b)
{
	spin_unlock(&a->lock);
	if (a != b)
		spin_unlock(&b->lock);
}

/* Lock the queue that w is in or was in last: it may be moved meanwhile. */
static struct futex_queue *lock_home(struct futex_waiter *w)
{
	for (;;) {
		struct futex_queue *q =
		    __atomic_load_n(&w->queue, __ATOMIC_ACQUIRE);

		queue_lock(q);
		if (q == __atomic_load_n(&w->queue, __ATOMIC_RELAXED))
			return q;
		spin_unlock(&q->lock);
	}
}

void futex_enqueue(struct futex_waiter *w, struct futex_queue *q)
{
	__atomic_store_n(&w->queue, q, __ATOMIC_RELEASE);
	list_append(&q->waiters, &w->link);
	w->queued = 1;
}

/*
 * A thread that is claimed stays where it is until it is ready. One that is not
 * (a signal or its deadline came first) takes the queue's lock before it goes
 * on, unless it sees that it is queued no more: then nothing here is used after.
 */
void futex_release(struct futex_waiter *w)
{
	struct thread *t = w->thread;
	bool claimed = sched_claim(t);

	list_remove(&w->link);
	/* Pairs with wait_loop. */
	__atomic_store_n(&w->queued, 0, __ATOMIC_RELEASE);
	if (claimed)
		sched_ready(t);
}

/* --- waiting --- */

/* CLOCK_MONOTONIC's value when the deadline comes, as clocks stand now. */
static uint64_t deadline_mono(const struct futex_deadline *d)
{
	uint64_t now;

	if (!d->real || d->at == AZ_NO_DEADLINE)
		return d->at;
	now = clock_real();
	return d->at <= now ? 0 : clock_mono() + (d->at - now);
}

/* CLOCK_REALTIME may have been set back since deadline_mono. */
static bool deadline_passed(const struct futex_deadline *d)
{
	return !d->real || clock_real() >= d->at;
}

/* The wait ended with err, if nobody has woken w before. */
static long give_up(struct futex_waiter *w, long err)
{
	struct futex_queue *q = lock_home(w);

	if (w->queued)
		list_remove(&w->link);
	else
		err = 0;
	w->queued = 0;
	spin_unlock(&q->lock);
	return err;
}

static long wait_loop(struct futex_waiter *w, const struct futex_deadline *d)
{
	for (;;) {
		struct futex_queue *q;
		bool queued;
		int err = sched_wait(deadline_mono(d), true);

		if (err == -EINTR || (err == -ETIMEDOUT && deadline_passed(d)))
			return give_up(w, err);
		/* Pairs with futex_release. */
		if (likely(!__atomic_load_n(&w->queued, __ATOMIC_ACQUIRE)))
			return 0;
		sched_prepare();
		q = lock_home(w);
		queued = w->queued;
		spin_unlock(&q->lock);
		if (!queued) {
			sched_cancel();
			return 0;
		}
	}
}

long futex_start_plain(struct futex_waiter *w, uint32_t val)
{
	uint32_t now;

	if (user_load_32(&now, w->addr))
		return -EFAULT;
	if (now != val)
		return -EAGAIN;
	futex_enqueue(w, w->queue);
	return 0;
}

/* futex_block, to be inlined where `start` is known. */
static inline long block(struct futex_waiter *w, const struct futex_deadline *d,
			 long (*start)(struct futex_waiter *w, uint32_t val),
			 uint32_t val)
{
	struct thread *t = thread_self();
	struct futex_queue *q = w->queue; /* nobody can move it yet */
	long err;

	w->thread = t;
	t->futex = w;
	sched_prepare_lock();
	queue_lock(q);
	err = start(w, val);
	spin_unlock(&q->lock);
	if (err) {
		sched_cancel();
		t->interruptible = 0;
	} else {
		err = wait_loop(w, d);
	}
	t->futex = NULL;
	return err;
}

long futex_block(struct futex_waiter *w, const struct futex_deadline *d,
		 long (*start)(struct futex_waiter *w, uint32_t val),
		 uint32_t val)
{
	return block(w, d, start, val);
}

static long wait(uint64_t addr, uint32_t val, const struct futex_deadline *d,
		 uint32_t bitset)
{
	struct futex_waiter w;
	long err;

	/* One by one: gcc clears a whole struct by `rep stos`, 20 ns. */
	w.queue = queue_of(addr);
	w.addr = addr;
	w.kind = FUTEX_PLAIN;
	w.bitset = bitset;
	w.queued = 0;
	if (!bitset)
		return -EINVAL;
	err = futex_address(addr);
	if (err)
		return err;
	err = block(&w, d, futex_start_plain, val);
	/* With a timeout, a handler ends the wait even with SA_RESTART. */
	if (err == -EINTR)
		err = d->at == AZ_NO_DEADLINE ? -ERESTARTSYS : -ERESTARTNOHAND;
	return err;
}

/* --- waking --- */

int futex_address(uint64_t addr)
{
	if (addr % sizeof(uint32_t))
		return -EINVAL;
	return user_range_ok(addr, sizeof(uint32_t)) ? 0 : -EFAULT;
}

/* The queue of addr is locked. */
static long wake_locked(struct futex_queue *q, uint64_t addr, int32_t max,
			uint32_t bitset)
{
	long n = 0;

	list_for_each_safe(e, next, &q->waiters) {
		struct futex_waiter *w =
		    list_entry(e, struct futex_waiter, link);

		if (w->addr != addr)
			continue;
		if (w->kind != FUTEX_PLAIN)
			return -EINVAL;
		if (!(w->bitset & bitset))
			continue;
		futex_release(w);
		/* Linux wakes one even if asked for none. */
		if (++n >= max)
			break;
	}
	return n;
}

long futex_wake(uint64_t addr, int32_t max, uint32_t bitset)
{
	struct futex_queue *q;
	long n;

	if (!bitset)
		return -EINVAL;
	n = futex_address(addr);
	if (n)
		return n;
	if (futex_pi_waiting(addr))
		return -EINVAL;
	q = futex_lock_queue(addr);
	n = wake_locked(q, addr, max, bitset);
	spin_unlock(&q->lock);
	return n;
}

/* --- requeueing --- */

/* Both queues are locked. */
static long requeue_locked(struct futex_queue *from, uint64_t addr,
			   int32_t wake, int32_t requeue,
			   struct futex_queue *to, uint64_t addr2)
{
	long n = 0;

	list_for_each_safe(e, next, &from->waiters) {
		struct futex_waiter *w =
		    list_entry(e, struct futex_waiter, link);

		if (n - wake >= requeue)
			break;
		if (w->addr != addr)
			continue;
		if (w->kind != FUTEX_PLAIN)
			return -EINVAL;
		if (++n <= wake) {
			futex_release(w);
			continue;
		}
		w->addr = addr2;
		if (from == to)
			continue;
		list_remove(&w->link);
		futex_enqueue(w, to);
	}
	return n;
}

static long requeue(uint64_t addr, int32_t wake, int32_t move, uint64_t addr2,
		    const uint32_t *expected)
{
	struct futex_queue *a = queue_of(addr), *b = queue_of(addr2);
	uint32_t val;
	long n;

	if (wake < 0 || move < 0)
		return -EINVAL;
	n = futex_address(addr);
	if (!n)
		n = futex_address(addr2);
	if (n)
		return n;
	lock_two(a, b);
	if (expected && user_load_32(&val, addr))
		n = -EFAULT;
	else if (expected && val != *expected)
		n = -EAGAIN;
	else
		n = requeue_locked(a, addr, wake, move, b, addr2);
	unlock_two(a, b);
	return n;
}

/* --- FUTEX_WAKE_OP --- */

static int32_t sign_extend_12(uint32_t v)
{
	return (int32_t)(v << 20) >> 20;
}

static int op_apply(uint32_t op, int32_t arg, uint32_t old, uint32_t *new)
{
	uint32_t v = (uint32_t)arg;

	switch (op) {
	case FUTEX_OP_SET:
		*new = v;
		return 0;
	case FUTEX_OP_ADD:
		*new = old + v;
		return 0;
	case FUTEX_OP_OR:
		*new = old | v;
		return 0;
	case FUTEX_OP_ANDN:
		*new = old & ~v;
		return 0;
	case FUTEX_OP_XOR:
		*new = old ^ v;
		return 0;
	default:
		return -ENOSYS;
	}
}

static int op_compare(uint32_t cmp, int32_t old, int32_t arg)
{
	switch (cmp) {
	case FUTEX_OP_CMP_EQ:
		return old == arg;
	case FUTEX_OP_CMP_NE:
		return old != arg;
	case FUTEX_OP_CMP_LT:
		return old < arg;
	case FUTEX_OP_CMP_GE:
		return old >= arg;
	case FUTEX_OP_CMP_LE:
		return old <= arg;
	case FUTEX_OP_CMP_GT:
		return old > arg;
	default:
		return -ENOSYS;
	}
}

/* Do the operation that code stands for; 1: its comparison holds. */
static int op_run(uint32_t code, uint64_t addr)
{
	uint32_t op = code >> 28 & 7, cmp = code >> 24 & 15;
	int32_t arg = sign_extend_12(code >> 12 & 0xfff);
	int32_t cmp_arg = sign_extend_12(code & 0xfff);
	uint32_t old, seen, new;
	int err;

	if (code >> 28 & FUTEX_OP_OPARG_SHIFT)
		arg = (int32_t)(1U << (arg & 31));
	if (user_load_32(&old, addr))
		return -EFAULT;
	do {
		seen = old;
		err = op_apply(op, arg, seen, &new);
		if (!err && user_cmpxchg_32(addr, &old, new))
			err = -EFAULT;
		if (err)
			return err;
	} while (old != seen);
	return op_compare(cmp, (int32_t)old, cmp_arg);
}

static long wake_op(uint64_t addr, int32_t wake, int32_t wake2, uint64_t addr2,
		    uint32_t code)
{
	struct futex_queue *a = queue_of(addr), *b = queue_of(addr2);
	long n = futex_address(addr);
	int more;

	if (!n)
		n = futex_address(addr2);
	if (n)
		return n;
	lock_two(a, b);
	more = op_run(code, addr2);
	n = more < 0 ? more
		     : wake_locked(a, addr, wake, FUTEX_BITSET_MATCH_ANY);
	if (n >= 0 && more) {
		long n2 = wake_locked(b, addr2, wake2, FUTEX_BITSET_MATCH_ANY);

		n = n2 < 0 ? n2 : n + n2;
	}
	unlock_two(a, b);
	return n;
}

/* --- the call --- */

static bool has_timeout(uint32_t cmd)
{
	return cmd == FUTEX_WAIT || cmd == FUTEX_LOCK_PI ||
	       cmd == FUTEX_LOCK_PI2 || cmd == FUTEX_WAIT_BITSET ||
	       cmd == FUTEX_WAIT_REQUEUE_PI;
}

static int read_deadline(uint32_t op, uint32_t cmd, uint64_t addr,
			 struct futex_deadline *d)
{
	struct timespec64 ts;
	uint64_t ns;

	d->at = AZ_NO_DEADLINE;
	d->real = cmd == FUTEX_LOCK_PI || (op & FUTEX_CLOCK_REALTIME);
	if (!addr || !has_timeout(cmd))
		return 0;
	if (copy_from_user(&ts, addr, sizeof(ts)))
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= (int64_t)NSEC_PER_SEC)
		return -EINVAL;
	if (ts.sec >= SEC_MAX)
		ns = INT64_MAX;
	else
		ns = (uint64_t)ts.sec * NSEC_PER_SEC + (uint64_t)ts.nsec;
	/* Only FUTEX_WAIT has a relative one. */
	if (cmd == FUTEX_WAIT)
		ns = MIN(ns + clock_mono(), (uint64_t)INT64_MAX);
	d->at = ns;
	return 0;
}

static bool clock_allowed(uint32_t cmd)
{
	return cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_WAIT_REQUEUE_PI ||
	       cmd == FUTEX_LOCK_PI2;
}

static long run(uint32_t cmd, const uint64_t a[6],
		const struct futex_deadline *d)
{
	uint64_t addr = a[0], addr2 = a[4];
	uint32_t val = (uint32_t)a[2], val3 = (uint32_t)a[5];
	int32_t n = (int32_t)val, n2 = (int32_t)a[3];

	switch (cmd) {
	case FUTEX_WAIT:
		return wait(addr, val, d, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT_BITSET:
		return wait(addr, val, d, val3);
	case FUTEX_WAKE:
		return futex_wake(addr, n, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return futex_wake(addr, n, val3);
	case FUTEX_REQUEUE:
		return requeue(addr, n, n2, addr2, NULL);
	case FUTEX_CMP_REQUEUE:
		return requeue(addr, n, n2, addr2, &val3);
	case FUTEX_WAKE_OP:
		return wake_op(addr, n, n2, addr2, val3);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return futex_pi_lock(addr, d, false);
	case FUTEX_TRYLOCK_PI:
		return futex_pi_lock(addr, d, true);
	case FUTEX_UNLOCK_PI:
		return futex_pi_unlock(addr);
	case FUTEX_WAIT_REQUEUE_PI:
		return futex_pi_wait_requeue(addr, val, d, addr2);
	case FUTEX_CMP_REQUEUE_PI:
		return futex_pi_requeue(addr, n, n2, addr2, val3);
	default:
		return -ENOSYS;
	}
}

/*
 * PI futexes hold ids of threads that only the unikernel knows, and are always
 * its own.
 */
static bool may_be_shared(uint32_t cmd)
{
	switch (cmd) {
	case FUTEX_WAIT:
	case FUTEX_WAKE:
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_WAKE_OP:
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAKE_BITSET:
		return true;
	default:
		return false;
	}
}

/*
 * Who else may use the word: 0: only this program; 1: other processes; or
 * -errno.
 */
static int sharing(uint32_t op, uint32_t cmd, uint64_t addr)
{
	struct vma_info v;

	if ((op & FUTEX_PRIVATE_FLAG) || !may_be_shared(cmd))
		return 0;
	if (futex_address(addr))
		return 0; /* to be found again, in due order */
	if (!mm_find(addr, &v) || v.start > addr)
		return -EFAULT;
	return (v.flags & VMA_SHARED) != 0;
}

/* With a deadline, any handler ends the wait: signal(7). */
static long futex_offload(const uint64_t a[6], const struct futex_deadline *d)
{
	long r = offload(AZ_SYS_futex, a);

	if ((r == -ERESTARTSYS || r == -ERESTARTNOINTR) &&
	    d->at != AZ_NO_DEADLINE)
		return -ERESTARTNOHAND;
	return r;
}

/* Any of them, as the program gives it. */
__attribute__((noinline)) static long any(const uint64_t a[6])
{
	uint32_t op = (uint32_t)a[1];
	uint32_t cmd = op & (uint32_t)FUTEX_CMD_MASK;
	struct futex_deadline d;
	int err = read_deadline(op, cmd, a[3], &d);

	if (err)
		return err;
	if ((op & FUTEX_CLOCK_REALTIME) && !clock_allowed(cmd))
		return -ENOSYS;
	err = sharing(op, cmd, a[0]);
	if (err < 0)
		return err;
	return err ? futex_offload(a, &d) : run(cmd, a, &d);
}

/* What locks of one process do comes first. */
long sys_futex(const uint64_t a[6])
{
	static const struct futex_deadline never = { AZ_NO_DEADLINE, false };

	switch ((uint32_t)a[1] & ~FUTEX_CLOCK_REALTIME) {
	case FUTEX_WAKE | FUTEX_PRIVATE_FLAG:
		if ((uint32_t)a[1] & FUTEX_CLOCK_REALTIME)
			break;
		return futex_wake(a[0], (int32_t)a[2], FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT | FUTEX_PRIVATE_FLAG:
		if (a[3] || ((uint32_t)a[1] & FUTEX_CLOCK_REALTIME))
			break;
		return wait(a[0], (uint32_t)a[2], &never,
			    FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG:
		if (a[3])
			break;
		return wait(a[0], (uint32_t)a[2], &never, (uint32_t)a[5]);
	default:
		break;
	}
	return any(a);
}
