/* SPDX-License-Identifier: MIT */
/*
 * futex_test.c - kernel/sched/futex*.c and robust.c under real parallelism:
 * each thread here is a core with one thread of the program, and the
 * scheduler a condition variable.
 */
/* links: kernel/sched/futex.c kernel/sched/futex_pi.c kernel/sched/robust.c */
/* cflags: -DAZ_KERNEL -pthread */
#include <asm/prctl.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "lib/errno.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "sched/futex.h"
/* The C library has one of its own. */
#define sched_yield unikernel_yield
#include "sched/sched.h"
#undef sched_yield
#include "sys/sys.h"

#define NCORES   8
#define MSEC     1000000ULL
#define PRIV     FUTEX_PRIVATE_FLAG
#define TID(n)   (100 + (n))
#define NO_DEATH 0x3fffffff

long sys_futex(const uint64_t a[6]);
long sys_set_robust_list(const uint64_t a[6]);
long sys_get_robust_list(const uint64_t a[6]);

static int ntests, nfailed;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

static void is(long got, long want, const char *name)
{
	ok(got == want, name);
	if (got != want)
		printf("# got %ld, want %ld\n", got, want);
}

/* --- the unikernel around it --- */

struct cpu {
	struct thread thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	pthread_t host;
	uint32_t signal; /* pending for the thread */
	bool ready;      /* it was claimed, and may run */
};

static struct cpu *cpus; /* of NCORES */
/* The program's memory: user_* reach no further. */
static uint32_t *words;
struct spinlock threads_lock;
struct list threads = { &threads, &threads };
static bool shared_words;
static long offloaded, host_wakes;

static struct cpu *cpu_of(struct thread *t)
{
	return container_of(t, struct cpu, thread);
}

_Noreturn void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	abort();
}

void spin_wait(struct spinlock *l)
{
	while (!spin_trylock(l))
		sched_yield();
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t clock_real(void)
{
	return clock_ns(CLOCK_REALTIME);
}

void sched_prepare(void)
{
	__atomic_store_n(&thread_self()->state, THREAD_BLOCKED,
			 __ATOMIC_SEQ_CST);
}

/* Run again: a thread that was claimed only when it is ready. c->lock is held. */
static void wait_ready(struct cpu *c)
{
	uint32_t blocked = THREAD_BLOCKED;

	if (__atomic_compare_exchange_n(&c->thread.state, &blocked,
					THREAD_RUNNING, 0, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST))
		return;
	while (!c->ready)
		pthread_cond_wait(&c->cond, &c->lock);
	c->ready = false;
	__atomic_store_n(&c->thread.state, THREAD_RUNNING, __ATOMIC_SEQ_CST);
}

void sched_cancel(void)
{
	struct cpu *c = cpu_of(thread_self());

	pthread_mutex_lock(&c->lock);
	wait_ready(c);
	pthread_mutex_unlock(&c->lock);
}

void sched_ready(struct thread *t)
{
	struct cpu *c = cpu_of(t);

	pthread_mutex_lock(&c->lock);
	c->ready = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

void sched_wake(struct thread *t)
{
	if (sched_claim(t))
		sched_ready(t);
}

int sched_wait(uint64_t deadline, bool interruptible)
{
	struct thread *t = thread_self();
	struct cpu *c = cpu_of(t);
	struct timespec ts = { .tv_sec = (time_t)(deadline / NSEC_PER_SEC),
			       .tv_nsec = (long)(deadline % NSEC_PER_SEC) };
	int r = 0;

	pthread_mutex_lock(&c->lock);
	while (!r &&
	       __atomic_load_n(&t->state, __ATOMIC_SEQ_CST) == THREAD_BLOCKED) {
		if (interruptible && c->signal)
			r = -EINTR;
		else if (deadline == AZ_NO_DEADLINE)
			pthread_cond_wait(&c->cond, &c->lock);
		else if (pthread_cond_timedwait(&c->cond, &c->lock, &ts) ==
			 ETIMEDOUT)
			r = -ETIMEDOUT;
	}
	if (interruptible && c->signal)
		r = -EINTR;
	wait_ready(c);
	pthread_mutex_unlock(&c->lock);
	/* Every wait may end early, says sched.h. */
	return r;
}

struct thread *thread_find(int tid)
{
	list_for_each(e, &threads) {
		struct thread *t = list_entry(e, struct thread, all);

		if (t->tid == tid)
			return t;
	}
	return NULL;
}

bool mm_find(uint64_t addr, struct vma_info *info)
{
	uint64_t start = (uint64_t)words;

	if (addr >= start + 0x10000)
		return false;
	*info = (struct vma_info){ start, start + 0x10000,
				   shared_words ? VMA_SHARED : 0, 0 };
	return true;
}

long offload(uint32_t nr, const uint64_t a[6])
{
	(void)a;
	offloaded++;
	return nr == AZ_SYS_futex ? 77 : -ENOSYS;
}

long host_call(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
	       uint64_t a4, uint64_t a5)
{
	(void)a0, (void)a2, (void)a3, (void)a4, (void)a5;
	host_wakes += nr == AZ_SYS_futex && a1 == FUTEX_WAKE;
	return 0;
}

static bool mapped(uint64_t addr, size_t n)
{
	uint64_t start = (uint64_t)words;

	return addr >= start && addr + n <= start + 0x10000;
}

int copy_from_user(void *dst, uint64_t src, size_t n)
{
	if (!mapped(src, n))
		return -EFAULT;
	memcpy(dst, (void *)src, n);
	return 0;
}

int copy_to_user(uint64_t dst, const void *src, size_t n)
{
	if (!mapped(dst, n))
		return -EFAULT;
	memcpy((void *)dst, src, n);
	return 0;
}

int user_load_32(uint32_t *val, uint64_t addr)
{
	if (!mapped(addr, 4))
		return -EFAULT;
	*val = __atomic_load_n((uint32_t *)addr, __ATOMIC_SEQ_CST);
	return 0;
}

int user_store_32(uint64_t addr, uint32_t val)
{
	if (!mapped(addr, 4))
		return -EFAULT;
	__atomic_store_n((uint32_t *)addr, val, __ATOMIC_SEQ_CST);
	return 0;
}

int user_cmpxchg_32(uint64_t addr, uint32_t *old, uint32_t val)
{
	if (!mapped(addr, 4))
		return -EFAULT;
	__atomic_compare_exchange_n((uint32_t *)addr, old, val, 0,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return 0;
}

/* --- threads of the program --- */

static void be(int i)
{
	syscall(SYS_arch_prctl, ARCH_SET_GS, core_at((uint32_t)i));
}

struct job {
	int cpu;
	void (*fn)(int cpu);
};

static void *job_main(void *arg)
{
	struct job *j = arg;

	be(j->cpu);
	j->fn(j->cpu);
	free(j);
	return NULL;
}

static void start(int i, void (*fn)(int cpu))
{
	struct job *j = malloc(sizeof(*j));
	pthread_attr_t attr;

	*j = (struct job){ i, fn };
	pthread_attr_init(&attr);
	pthread_create(&cpus[i].host, &attr, job_main, j);
	pthread_attr_destroy(&attr);
}

static void join(int i)
{
	pthread_join(cpus[i].host, NULL);
}

/* Until thread i waits in a futex call. */
static void until_waiting(int i)
{
	struct thread *t = &cpus[i].thread;

	while (!__atomic_load_n(&t->futex, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&t->state, __ATOMIC_SEQ_CST) != THREAD_BLOCKED)
		usleep(100);
	usleep(1000);
}

static void interrupt(int i)
{
	struct cpu *c = &cpus[i];

	pthread_mutex_lock(&c->lock);
	c->signal = 1;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

static void world_init(void)
{
	uint64_t size = NCORES * AZ_CORE_STRIDE;
	pthread_condattr_t attr;

	if (mmap((void *)AZ_CORE_BASE, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		 0) != (void *)AZ_CORE_BASE)
		exit(1);
	/* Within the program's range, which futexes must be in. */
	words = mmap((void *)AZ_RESERVE_BASE, 0x10000, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	cpus = calloc(NCORES, sizeof(*cpus));
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	for (uint32_t i = 0; i < NCORES; i++) {
		struct cpu *c = &cpus[i];

		pthread_mutex_init(&c->lock, NULL);
		pthread_cond_init(&c->cond, &attr);
		c->thread.tid = c->thread.lock_tid = TID((int)i);
		c->thread.frame = calloc(1, sizeof(struct az_frame));
		list_append(&threads, &c->thread.all);
		core_at(i)->az.self = (uint64_t)core_at(i);
		core_at(i)->current = &c->thread;
	}
	be(0);
}

static long futex(uint32_t *w, int op, uint32_t val, uint64_t time,
		  uint32_t *w2, uint32_t val3)
{
	return sys_futex((const uint64_t[6]){ (uint64_t)w, (uint64_t)op, val,
					      time, (uint64_t)w2, val3 });
}

/* A timespec in the program's memory. */
static uint64_t timespec(uint64_t ns)
{
	int64_t *ts = (int64_t *)(words + 0x3000 + 4 * (thread_self()->tid));

	ts[0] = (int64_t)(ns / NSEC_PER_SEC);
	ts[1] = (int64_t)(ns % NSEC_PER_SEC);
	return (uint64_t)ts;
}

/* --- errors and values --- */

static void test_errors(void)
{
	uint32_t *w = words;

	*w = 5;
	is(futex(w, FUTEX_WAIT | PRIV, 4, 0, NULL, 0), -EAGAIN,
	   "WAIT for another value");
	is(futex((void *)w + 1, FUTEX_WAIT | PRIV, 5, 0, NULL, 0), -EINVAL,
	   "WAIT, not aligned");
	is(futex((void *)AZ_GUEST_END, FUTEX_WAIT | PRIV, 5, 0, NULL, 0),
	   -EFAULT, "WAIT out of the program's range");
	is(futex(w + 0x100000, FUTEX_WAIT | PRIV, 5, 0, NULL, 0), -EFAULT,
	   "WAIT at an address that is not mapped");
	is(futex(w + 0x100000, FUTEX_WAKE | PRIV, 1, 0, NULL, 0), 0,
	   "private WAKE does not look at memory");
	is(futex(w + 0x100000, FUTEX_WAKE, 1, 0, NULL, 0), -EFAULT,
	   "WAKE does");
	is(futex(w, FUTEX_WAIT | PRIV, 5, timespec(MSEC), NULL, 0), -ETIMEDOUT,
	   "WAIT times out");
	is(futex(w, FUTEX_WAIT | PRIV, 5, 1, NULL, 0), -EFAULT,
	   "a timeout at a bad address");
	((int64_t *)timespec(0))[1] = 1000000000;
	is(futex(w, FUTEX_WAIT | PRIV, 5, (uint64_t)(words + 0x3000 + 400),
		 NULL, 0),
	   -EINVAL, "a timeout of 10^9 ns");
	is(futex(w, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 5, 0, NULL, 0), -ENOSYS,
	   "WAIT by CLOCK_REALTIME");
	is(futex(w, FUTEX_WAIT_BITSET | PRIV, 5, 0, NULL, 0), -EINVAL,
	   "WAIT_BITSET for no bit");
	is(futex(w, FUTEX_WAKE_BITSET | PRIV, 5, 0, NULL, 0), -EINVAL,
	   "WAKE_BITSET of no bit");
	is(futex(w, FUTEX_WAIT_BITSET | PRIV | FUTEX_CLOCK_REALTIME, 5,
		 timespec(clock_real() + 2 * MSEC), NULL, ~0U),
	   -ETIMEDOUT, "WAIT_BITSET by CLOCK_REALTIME times out");
	is(futex(w, FUTEX_WAIT_BITSET | PRIV, 5, timespec(0), NULL, ~0U),
	   -ETIMEDOUT, "a deadline in the past");
	is(futex(w, FUTEX_REQUEUE | PRIV, (uint32_t)-1, 0, w + 1, 0), -EINVAL,
	   "REQUEUE waking a negative number");
	is(futex(w, FUTEX_CMP_REQUEUE | PRIV, 1, 1, w + 1, 4), -EAGAIN,
	   "CMP_REQUEUE of another value");
	is(futex(w, FUTEX_FD, 0, 0, NULL, 0), -ENOSYS, "FUTEX_FD");
	is(futex(w, 99, 0, 0, NULL, 0), -ENOSYS, "operation 99");
	shared_words = true;
	is(futex(w, FUTEX_WAKE, 1, 0, NULL, 0), 77,
	   "a futex in shared memory is Linux's");
	is(futex(w, FUTEX_WAKE | PRIV, 1, 0, NULL, 0), 0,
	   "unless it is said to be private");
	is(offloaded, 1, "that was one call");
	shared_words = false;
}

static void test_wake_op(void)
{
	uint32_t *w = words;

	*w = 0;
	w[1] = 10;
	is(futex(w, FUTEX_WAKE_OP | PRIV, 1, 1, w + 1,
		 FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 10)),
	   0, "WAKE_OP with nobody there");
	is(w[1], 15, "adds");
	futex(w, FUTEX_WAKE_OP | PRIV, 1, 1, w + 1,
	      FUTEX_OP(FUTEX_OP_ADD, -16, FUTEX_OP_CMP_EQ, 10));
	is((int32_t)w[1], -1, "adds a negative number");
	futex(w, FUTEX_WAKE_OP | PRIV, 1, 1, w + 1,
	      FUTEX_OP((FUTEX_OP_ANDN | FUTEX_OP_OPARG_SHIFT | 0U), 4,
		       FUTEX_OP_CMP_EQ, 10));
	is(w[1], 0xffffffef, "clears a bit by number");
	futex(w, FUTEX_WAKE_OP | PRIV, 1, 1, w + 1,
	      FUTEX_OP(FUTEX_OP_XOR, 0x7ff, FUTEX_OP_CMP_EQ, 10));
	is(w[1], 0xfffff810, "flips");
	futex(w, FUTEX_WAKE_OP | PRIV, 1, 1, w + 1,
	      FUTEX_OP(FUTEX_OP_SET, 3, FUTEX_OP_CMP_EQ, 10));
	is(w[1], 3, "sets");
	is(futex(w, FUTEX_WAKE_OP | PRIV, 1, 1, w + 1,
		 FUTEX_OP(6, 3, FUTEX_OP_CMP_EQ, 10)),
	   -ENOSYS, "an unknown operation");
	is(futex(w, FUTEX_WAKE_OP | PRIV, 1, 1, w + 1,
		 FUTEX_OP(FUTEX_OP_SET, 3, 9, 10)),
	   -ENOSYS, "an unknown comparison");
}

/* --- waiting and waking --- */

static long result[NCORES];

static void wait_here(int i)
{
	result[i] = futex(words, FUTEX_WAIT_BITSET | PRIV, 1, 0, NULL, 1U << i);
}

static void test_wake(void)
{
	bool good = true;

	words[0] = 1;
	words[1] = 2;
	for (int i = 1; i < NCORES; i++)
		start(i, wait_here);
	for (int i = 1; i < NCORES; i++)
		until_waiting(i);
	is(futex(words, FUTEX_WAKE_BITSET | PRIV, 9, 0, NULL, 1U << 3), 1,
	   "a bit wakes who waits for it");
	join(3);
	is(futex(words, FUTEX_WAKE | PRIV, 0, 0, NULL, 0), 1,
	   "asked for none, one is woken, as by Linux");
	is(futex(words, FUTEX_CMP_REQUEUE | PRIV, 1, 2, words + 1, 1), 3,
	   "one woken and two moved make three");
	is(futex(words, FUTEX_WAKE | PRIV, 99, 0, NULL, 0), 2,
	   "the rest wakes where it was");
	is(futex(words + 1, FUTEX_WAKE | PRIV, 99, 0, NULL, 0), 2,
	   "the moved ones where they are");
	for (int i = 1; i < NCORES; i++)
		if (i != 3)
			join(i);
	for (int i = 1; i < NCORES; i++)
		good &= !result[i];
	ok(good, "and every wait ends with 0");
}

static void test_interrupt(void)
{
	words[0] = 1;
	start(1, wait_here);
	until_waiting(1);
	interrupt(1);
	join(1);
	cpus[1].signal = 0;
	is(result[1], -ERESTARTSYS, "a signal ends a wait without a timeout");
	is(futex(words, FUTEX_WAKE | PRIV, 9, 0, NULL, 0), 0,
	   "which is off the queue then");
}

/* --- no wake is lost: a semaphore and a mutex under contention --- */

#define TURNS 3000
#define LOCK  8
#define COUNT 16

static uint64_t counter;

/* Drepper, "Futexes Are Tricky": mutex 2. */
static void mutex_lock(uint32_t *m)
{
	uint32_t c = 0;

	if (__atomic_compare_exchange_n(m, &c, 1, 0, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST))
		return;
	if (c != 2)
		c = __atomic_exchange_n(m, 2, __ATOMIC_SEQ_CST);
	while (c) {
		futex(m, FUTEX_WAIT | PRIV, 2, 0, NULL, 0);
		c = __atomic_exchange_n(m, 2, __ATOMIC_SEQ_CST);
	}
}

static void mutex_unlock(uint32_t *m)
{
	if (__atomic_fetch_sub(m, 1, __ATOMIC_SEQ_CST) != 1) {
		__atomic_store_n(m, 0, __ATOMIC_SEQ_CST);
		futex(m, FUTEX_WAKE | PRIV, 1, 0, NULL, 0);
	}
}

static void contend(int i)
{
	(void)i;
	for (int n = 0; n < TURNS; n++) {
		mutex_lock(&words[LOCK]);
		counter++;
		mutex_unlock(&words[LOCK]);
	}
}

/* Pairs of threads pass a token to and fro: one lost wake hangs. */
static void ping(int i)
{
	uint32_t *w = &words[COUNT + 16 * (i / 2)];
	uint32_t me = (uint32_t)i & 1;

	for (int n = 0; n < TURNS; n++) {
		while (__atomic_load_n(w, __ATOMIC_SEQ_CST) != me)
			futex(w, FUTEX_WAIT | PRIV, !me, 0, NULL, 0);
		__atomic_store_n(w, !me, __ATOMIC_SEQ_CST);
		futex(w, FUTEX_WAKE | PRIV, 1, 0, NULL, 0);
	}
}

static void test_contention(void)
{
	words[LOCK] = 0;
	counter = 0;
	for (int i = 1; i < NCORES; i++)
		start(i, contend);
	for (int i = 1; i < NCORES; i++)
		join(i);
	is((long)counter, TURNS * (NCORES - 1), "a mutex under contention");
	memset(&words[COUNT], 0, 512);
	for (int i = 2; i < NCORES; i++)
		start(i, ping);
	for (int i = 2; i < NCORES; i++)
		join(i);
	ok(true, "tokens go to and fro");
}

/* --- PI --- */

static void pi_lock(uint32_t *m)
{
	uint32_t c = 0;

	if (!__atomic_compare_exchange_n(m, &c, (uint32_t)thread_self()->tid, 0,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
	    futex(m, FUTEX_LOCK_PI | PRIV, 0, 0, NULL, 0))
		panic("LOCK_PI\n");
}

static void pi_unlock(uint32_t *m)
{
	uint32_t c = (uint32_t)thread_self()->tid;

	if (!__atomic_compare_exchange_n(m, &c, 0, 0, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST) &&
	    futex(m, FUTEX_UNLOCK_PI | PRIV, 0, 0, NULL, 0))
		panic("UNLOCK_PI\n");
}

static void pi_contend(int i)
{
	(void)i;
	for (int n = 0; n < TURNS / 3; n++) {
		pi_lock(&words[LOCK]);
		counter++;
		pi_unlock(&words[LOCK]);
	}
}

static void pi_wait(int i)
{
	result[i] = futex(&words[LOCK], FUTEX_LOCK_PI | PRIV, 0, 0, NULL, 0);
}

/* Has word 1, wants LOCK. */
static void pi_chain(int i)
{
	pi_lock(&words[1]);
	pi_wait(i);
	pi_unlock(&words[LOCK]);
	pi_unlock(&words[1]);
}

static void test_pi(void)
{
	uint32_t *m = &words[LOCK];

	*m = 0;
	counter = 0;
	for (int i = 1; i < NCORES; i++)
		start(i, pi_contend);
	for (int i = 1; i < NCORES; i++)
		join(i);
	is((long)counter, TURNS / 3 * (NCORES - 1), "PI under contention");
	is(*m, 0, "and free at the end");

	is(futex(m, FUTEX_LOCK_PI | PRIV, 0, 0, NULL, 0), 0, "LOCK_PI");
	is(*m, TID(0), "the word names the owner");
	is(futex(m, FUTEX_LOCK_PI | PRIV, 0, 0, NULL, 0), -EDEADLK, "twice");
	words[1] = 0;
	start(1, pi_chain);
	until_waiting(1);
	is(*m, (long)(TID(0) | FUTEX_WAITERS), "a waiter marks the word");
	is(futex(m, FUTEX_WAKE | PRIV, 1, 0, NULL, 0), -EINVAL,
	   "WAKE of who waits for a lock");
	is(futex(&words[1], FUTEX_LOCK_PI | PRIV, 0, 0, NULL, 0), -EDEADLK,
	   "a ring of two locks is noticed");
	is(futex(m, FUTEX_UNLOCK_PI | PRIV, 0, 0, NULL, 0), 0, "UNLOCK_PI");
	join(1);
	is(result[1], 0, "hands over");
	is(*m, 0, "and the next unlock clears the word");
	is(futex(m, FUTEX_UNLOCK_PI | PRIV, 0, 0, NULL, 0), -EPERM,
	   "unlocking what one has not");
	*m = NO_DEATH;
	is(futex(m, FUTEX_LOCK_PI | PRIV, 0, 0, NULL, 0), -ESRCH,
	   "an owner that is no thread");
	*m = TID(1);
	is(futex(m, FUTEX_TRYLOCK_PI | PRIV, 0, 0, NULL, 0), -EAGAIN,
	   "TRYLOCK_PI of another's lock");
	is(futex(m, FUTEX_LOCK_PI | PRIV, 0, timespec(clock_real() + MSEC),
		 NULL, 0),
	   -ETIMEDOUT, "LOCK_PI times out by CLOCK_REALTIME");
	is(futex(m, FUTEX_LOCK_PI2 | PRIV, 0, timespec(clock_mono() + MSEC),
		 NULL, 0),
	   -ETIMEDOUT, "LOCK_PI2 by CLOCK_MONOTONIC");
}

static void pi_wait_restart(int i)
{
	thread_self()->frame->orig_rax = AZ_SYS_futex;
	thread_self()->frame->rip = 1000;
	pi_wait(i);
}

static void test_pi_interrupt(void)
{
	struct az_frame *f = cpus[1].thread.frame;

	words[LOCK] = 0;
	pi_lock(&words[LOCK]);
	start(1, pi_wait_restart);
	until_waiting(1);
	interrupt(1);
	join(1);
	cpus[1].signal = 0;
	ok(result[1] == AZ_SYS_futex && f->rip == 998 && f->orig_rax == ~0ULL &&
	       core_at(1)->az.pending,
	   "a signal has LOCK_PI made again after its handler");
	pi_unlock(&words[LOCK]);
}

/* --- condition variables with a PI mutex --- */

static void wait_requeue(int i)
{
	result[i] =
	    futex(words, FUTEX_WAIT_REQUEUE_PI | PRIV, 1, 0, &words[LOCK], 0);
	if (!result[i]) {
		if ((words[LOCK] & FUTEX_TID_MASK) != (uint32_t)TID(i))
			panic("woken without the lock\n");
		counter++;
		pi_unlock(&words[LOCK]);
	}
}

static void test_requeue_pi(void)
{
	uint32_t *m = &words[LOCK];

	words[0] = 1;
	*m = 0;
	counter = 0;
	is(futex(words, FUTEX_WAIT_REQUEUE_PI | PRIV, 1, 0, words, 0), -EINVAL,
	   "WAIT_REQUEUE_PI to itself");
	is(futex(words, FUTEX_WAIT_REQUEUE_PI | PRIV, 1,
		 timespec(clock_mono() + MSEC), m, 0),
	   -ETIMEDOUT, "WAIT_REQUEUE_PI times out");
	is(futex(words, FUTEX_CMP_REQUEUE_PI | PRIV, 2, 5, m, 1), -EINVAL,
	   "CMP_REQUEUE_PI waking two");
	for (int i = 1; i < NCORES; i++) {
		start(i, wait_requeue);
		until_waiting(i);
	}
	is(futex(words, FUTEX_WAKE | PRIV, 1, 0, NULL, 0), -EINVAL,
	   "they cannot be woken otherwise");
	is(futex(words, FUTEX_CMP_REQUEUE_PI | PRIV, 1, 5, m, 2), -EAGAIN,
	   "CMP_REQUEUE_PI of another value");
	pi_lock(m);
	is(futex(words, FUTEX_CMP_REQUEUE_PI | PRIV, 1, 2, m, 1), 3,
	   "three are moved to a lock that is held");
	pi_unlock(m);
	join(1);
	join(2);
	join(3);
	is((long)counter, 3, "and get it one after another");
	is(futex(words, FUTEX_CMP_REQUEUE_PI | PRIV, 1, INT32_MAX, m, 1),
	   NCORES - 4, "the others are moved to a free one");
	for (int i = 4; i < NCORES; i++)
		join(i);
	is((long)counter, NCORES - 1, "and get it, too");
	is(*m, 0, "which is free in the end");
}

/* --- the end of a thread --- */

struct robust_head {
	uint64_t next;
	int64_t offset;
	uint64_t pending;
};

static void test_robust(void)
{
	struct robust_head *h = (struct robust_head *)(words + 0x1000);
	uint64_t *node = (uint64_t *)(words + 0x1100);
	uint32_t *tid_word = words + 0x1200;
	struct thread *t = &cpus[2].thread;
	uint64_t out[2];

	is(sys_set_robust_list((const uint64_t[6]){ 1, 23 }), -EINVAL,
	   "a robust list of another size");
	t->robust_list = (uint64_t)h;
	/* Three mutexes, words behind the nodes; the last not ours. */
	for (int i = 0; i < 3; i++) {
		node[4 * i] =
		    (uint64_t)(i < 2 ? &node[4 * (i + 1)] : (uint64_t *)h);
		((uint32_t *)&node[4 * i])[2] =
		    i < 2 ? (uint32_t)t->tid : (uint32_t)TID(5);
	}
	*h = (struct robust_head){ (uint64_t)node, 8, 0 };
	((uint32_t *)node)[2] |= FUTEX_WAITERS;
	t->clear_child_tid = (uint64_t)tid_word;
	*tid_word = 7;
	is(sys_get_robust_list((const uint64_t[6]){
	       (uint64_t)t->tid, (uint64_t)(words + 0x1300),
	       (uint64_t)(words + 0x1302) }),
	   0, "get_robust_list");
	memcpy(out, words + 0x1300, sizeof(out));
	ok(out[0] == (uint64_t)h && out[1] == 24, "tells head and size");
	is(sys_get_robust_list((const uint64_t[6]){ 9999, 0, 0 }), -ESRCH,
	   "of no thread");
	words[LOCK] = (uint32_t)t->tid;
	start(1, pi_wait);
	until_waiting(1);
	futex_thread_exit(t);
	join(1);
	is(result[1], 0, "what a dead thread had locked is handed over");
	is(words[LOCK], (long)(TID(1) | FUTEX_WAITERS | FUTEX_OWNER_DIED),
	   "with the news that its owner died");
	is(((uint32_t *)node)[2], (long)(FUTEX_WAITERS | FUTEX_OWNER_DIED),
	   "a robust mutex with waiters");
	is(((uint32_t *)&node[4])[2], FUTEX_OWNER_DIED, "one without");
	is(((uint32_t *)&node[8])[2], TID(5), "one of somebody else");
	is(*tid_word, 0, "clear_child_tid is cleared");
	words[LOCK] = (uint32_t)t->tid;
	is(futex(&words[LOCK], FUTEX_LOCK_PI | PRIV, 0, 0, NULL, 0), -ESRCH,
	   "nobody waits for the dead");
	t->futex = NULL;

	/* A list that bites its tail, and one out of the program's memory. */
	node[4] = (uint64_t)node;
	t->robust_list = (uint64_t)h;
	futex_thread_exit(t);
	t->robust_list = 0x7ff000000000;
	futex_thread_exit(t);
	h->next = 0x123;
	t->robust_list = (uint64_t)h;
	shared_words = true;
	t->clear_child_tid = (uint64_t)tid_word;
	futex_thread_exit(t);
	ok(true, "bad lists are survived");
	is(host_wakes, 1, "others that share the memory are woken");
	h->next = (uint64_t)node;
	node[0] = (uint64_t)h;
	((uint32_t *)node)[2] = (uint32_t)t->tid | FUTEX_WAITERS;
	shared_words = false;
	t->robust_list = (uint64_t)h;
	futex_process_exit();
	is(((uint32_t *)node)[2], (long)((uint32_t)t->tid | FUTEX_WAITERS),
	   "a process that ends leaves its own memory alone");
	shared_words = true;
	t->robust_list = (uint64_t)h;
	futex_process_exit();
	ok(((uint32_t *)node)[2] == (FUTEX_WAITERS | FUTEX_OWNER_DIED) &&
	       host_wakes == 2 && !t->robust_list,
	   "but marks what others share, and wakes them");
	shared_words = false;
	t->futex = NULL;
}

int main(void)
{
	world_init();
	test_errors();
	test_wake_op();
	test_wake();
	test_interrupt();
	test_contention();
	test_pi();
	test_pi_interrupt();
	test_requeue_pi();
	test_robust();
	for (int i = 0; i < NCORES; i++)
		free(cpus[i].thread.frame);
	free(cpus);
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
