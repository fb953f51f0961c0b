/* SPDX-License-Identifier: MIT */
/* futex.c - the futex call itself: operations, results, errno. */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include "tap.h"

#define PRIV FUTEX_PRIVATE_FLAG

static uint32_t word, word2;
static int woken;

static long futex(void *uaddr, int op, uint32_t val, const void *timeout,
		  void *uaddr2, uint32_t val3)
{
	return syscall(SYS_futex, uaddr, op, val, timeout, uaddr2, val3);
}

static void check_errors(void)
{
	struct timespec past = { 0, 1 }, bad = { 0, 1000000000 },
			neg = { -1, 0 };
	char bytes[16] __attribute__((aligned(8))) = { 0 };

	word = 5;
	ERR(futex(&word, FUTEX_WAIT | PRIV, 4, NULL, NULL, 0), EAGAIN,
	    "wait for another value");
	ERR(futex(&word, FUTEX_WAIT | PRIV, 5, &past, NULL, 0), ETIMEDOUT,
	    "wait with a short time-out");
	ERR(futex(&word, FUTEX_WAIT | PRIV, 5, &bad, NULL, 0), EINVAL,
	    "nanoseconds out of range");
	ERR(futex(&word, FUTEX_WAIT | PRIV, 5, &neg, NULL, 0), EINVAL,
	    "a negative time");
	ERR(futex(&word, FUTEX_WAIT | PRIV, 5, (void *)8, NULL, 0), EFAULT,
	    "a bad time-out pointer");
	ERR(futex(bytes + 1, FUTEX_WAIT | PRIV, 0, NULL, NULL, 0), EINVAL,
	    "an odd address");
	ERR(futex(bytes + 2, FUTEX_WAKE | PRIV, 1, NULL, NULL, 0), EINVAL,
	    "waking an odd address");
	ERR(futex((void *)8, FUTEX_WAIT | PRIV, 0, NULL, NULL, 0), EFAULT,
	    "an address that is not mapped");
	ERR(futex(&word, 99, 0, NULL, NULL, 0), ENOSYS, "no such operation");
	ERR(futex(&word, FUTEX_FD, 0, NULL, NULL, 0), ENOSYS, "FUTEX_FD");
	ERR(futex(&word, FUTEX_WAIT_BITSET | PRIV, 5, NULL, NULL, 0), EINVAL,
	    "an empty bitset");
	ERR(futex(&word, FUTEX_WAKE_BITSET | PRIV, 5, NULL, NULL, 0), EINVAL,
	    "waking an empty bitset");
	ERR(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0),
	    ENOSYS, "a clock for waking");
	IS(futex(&word, FUTEX_WAKE | PRIV, 100, NULL, NULL, 0), 0,
	   "nobody to wake");
	ERR(futex(&word, FUTEX_CMP_REQUEUE | PRIV, 1, (void *)1, &word2, 6),
	    EAGAIN, "requeue of another value");
	ERR(futex(&word, FUTEX_CMP_REQUEUE | PRIV, (uint32_t)-1, (void *)1,
		  &word2, 5),
	    EINVAL, "requeue of a negative count");
	ERR(futex(&word, FUTEX_UNLOCK_PI | PRIV, 0, NULL, NULL, 0), EPERM,
	    "unlocking what one does not own");
}

static void check_timeouts(void)
{
	struct timespec ts = { 0, 20000000 };
	int64_t t0 = now_ns(CLOCK_MONOTONIC);

	word = 1;
	ERR(futex(&word, FUTEX_WAIT | PRIV, 1, &ts, NULL, 0), ETIMEDOUT,
	    "a relative time-out");
	OK(now_ns(CLOCK_MONOTONIC) - t0 >= 20000000, "takes its time");
	t0 = now_ns(CLOCK_MONOTONIC) + 20000000;
	ts = (struct timespec){ t0 / 1000000000, t0 % 1000000000 };
	ERR(futex(&word, FUTEX_WAIT_BITSET | PRIV, 1, &ts, NULL, ~0U),
	    ETIMEDOUT, "an absolute one, monotonic");
	OK(now_ns(CLOCK_MONOTONIC) >= t0, "not before");
	t0 = now_ns(CLOCK_REALTIME) + 20000000;
	ts = (struct timespec){ t0 / 1000000000, t0 % 1000000000 };
	ERR(futex(&word, FUTEX_WAIT_BITSET | PRIV | FUTEX_CLOCK_REALTIME, 1,
		  &ts, NULL, ~0U),
	    ETIMEDOUT, "an absolute one, real time");
	OK(now_ns(CLOCK_REALTIME) >= t0, "not before");
}

struct waiter {
	uint32_t bits;
	uint32_t *at;
	int result;
	pthread_t t;
};

static void *wait_work(void *arg)
{
	struct waiter *w = arg;

	w->result =
	    (int)futex(w->at, FUTEX_WAIT_BITSET | PRIV, 0, NULL, NULL, w->bits);
	__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void waiters_start(struct waiter *w, int n)
{
	woken = 0;
	word = word2 = 0;
	for (int i = 0; i < n; i++)
		MUST(pthread_create(&w[i].t, NULL, wait_work, &w[i]) == 0);
	sleep_ms(40); /* all of them have to be waiting */
}

static void waiters_join(struct waiter *w, int n)
{
	for (int i = 0; i < n; i++)
		MUST(pthread_join(w[i].t, NULL) == 0);
}

static void check_wake(void)
{
	struct waiter w[6];
	long n = 0;

	for (int i = 0; i < 6; i++)
		w[i] = (struct waiter){ .bits = i < 3 ? 1 : 2, .at = &word };
	waiters_start(w, 6);
	IS(futex(&word, FUTEX_WAKE_BITSET | PRIV, 100, NULL, NULL, 4), 0,
	   "no waiter has this bit");
	IS(futex(&word, FUTEX_WAKE_BITSET | PRIV, 2, NULL, NULL, 2), 2,
	   "two of three with a bit");
	IS(futex(&word, FUTEX_WAKE_BITSET | PRIV, 100, NULL, NULL, 2), 1,
	   "the third");
	IS(futex(&word, FUTEX_WAKE | PRIV, 1, NULL, NULL, 0), 1, "one");
	n = futex(&word, FUTEX_WAKE | PRIV, 0x7fffffff, NULL, NULL, 0);
	IS(n, 2, "all that are left");
	waiters_join(w, 6);
	IS(woken, 6, "each woken once");
	for (int i = 0; i < 6; i++)
		n += w[i].result;
	IS(n, 2, "all waits returned 0");
}

static void check_requeue(void)
{
	struct waiter w[6];

	for (int i = 0; i < 6; i++)
		w[i] = (struct waiter){ .bits = ~0U, .at = &word };
	waiters_start(w, 6);
	IS(futex(&word, FUTEX_CMP_REQUEUE | PRIV, 1, (void *)3, &word2, 0), 4,
	   "one woken, three moved");
	IS(futex(&word2, FUTEX_WAKE | PRIV, 100, NULL, NULL, 0), 3,
	   "the three wait there");
	IS(futex(&word, FUTEX_WAKE | PRIV, 100, NULL, NULL, 0), 2,
	   "two stayed");
	waiters_join(w, 6);
	waiters_start(w, 3);
	IS(futex(&word, FUTEX_REQUEUE | PRIV, 1, (void *)100, &word2, 0), 3,
	   "REQUEUE, one woken, two moved");
	IS(futex(&word2, FUTEX_WAKE | PRIV, 100, NULL, NULL, 0), 2,
	   "the others moved");
	waiters_join(w, 3);
}

static void check_wake_op(void)
{
	struct waiter w[4];

	for (int i = 0; i < 4; i++)
		w[i] = (struct waiter){ .bits = ~0U,
					.at = i < 2 ? &word : &word2 };
	waiters_start(w, 4);
	word2 = 7;
	IS(futex(&word, FUTEX_WAKE_OP | PRIV, 10, (void *)10, &word2,
		 FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 8)),
	   2, "WAKE_OP, comparison false");
	IS(word2, 10, "it added");
	word = 0;
	IS(futex(&word, FUTEX_WAKE_OP | PRIV, 10, (void *)10, &word2,
		 FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_GT, 9)),
	   2, "WAKE_OP, comparison true");
	IS(word2, 1, "it set");
	futex(&word, FUTEX_WAKE_OP | PRIV, 1, (void *)1, &word2,
	      FUTEX_OP(FUTEX_OP_OR, 6, FUTEX_OP_CMP_EQ, 0));
	IS(word2, 7, "it ored");
	futex(&word, FUTEX_WAKE_OP | PRIV, 1, (void *)1, &word2,
	      FUTEX_OP(FUTEX_OP_ANDN, 2, FUTEX_OP_CMP_EQ, 0));
	IS(word2, 5, "it cleared bits");
	futex(&word, FUTEX_WAKE_OP | PRIV, 1, (void *)1, &word2,
	      FUTEX_OP(FUTEX_OP_XOR, 1, FUTEX_OP_CMP_EQ, 0));
	IS(word2, 4, "it flipped bits");
	futex(&word, FUTEX_WAKE_OP | PRIV, 1, (void *)1, &word2,
	      FUTEX_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 5, FUTEX_OP_CMP_EQ,
		       0));
	IS(word2, 36, "with a shifted operand");
	ERR(futex(&word, FUTEX_WAKE_OP | PRIV, 1, (void *)1, &word2,
		  0x60000000 | 15 << 24),
	    ENOSYS, "no such comparison");
	waiters_join(w, 4);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void *poke(void *arg)
{
	sleep_ms(30);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	sleep_ms(30);
	word = 1;
	futex(&word, FUTEX_WAKE | PRIV, 1, NULL, NULL, 0);
	return NULL;
}

static void check_signal(int flags, int want, const char *name)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };
	struct timespec ts = { 10, 0 };
	pthread_t self = pthread_self(), t;

	MUST(sigaction(SIGUSR1, &sa, NULL) == 0);
	word = 0;
	MUST(pthread_create(&t, NULL, poke, &self) == 0);
	if (want)
		ERR(futex(&word, FUTEX_WAIT | PRIV, 0, flags ? NULL : &ts, NULL,
			  0),
		    want, name);
	else
		IS(futex(&word, FUTEX_WAIT | PRIV, 0, NULL, NULL, 0), 0, name);
	MUST(pthread_join(t, NULL) == 0);
}

static void *pi_owner(void *arg)
{
	MUST(futex(&word, FUTEX_LOCK_PI | PRIV, 0, NULL, NULL, 0) == 0);
	*(int *)arg = my_tid();
	sleep_ms(60);
	MUST(futex(&word, FUTEX_UNLOCK_PI | PRIV, 0, NULL, NULL, 0) == 0);
	return NULL;
}

static void check_pi(void)
{
	pthread_t t;
	volatile int tid = 0;
	uint32_t me = (uint32_t)my_tid();

	word = 0;
	IS(futex(&word, FUTEX_LOCK_PI | PRIV, 0, NULL, NULL, 0), 0, "LOCK_PI");
	IS(word, me, "the word holds the owner's tid");
	ERR(futex(&word, FUTEX_LOCK_PI | PRIV, 0, NULL, NULL, 0), EDEADLK,
	    "locking it again");
	ERR(futex(&word, FUTEX_TRYLOCK_PI | PRIV, 0, NULL, NULL, 0), EDEADLK,
	    "trying it again");
	IS(futex(&word, FUTEX_UNLOCK_PI | PRIV, 0, NULL, NULL, 0), 0,
	   "UNLOCK_PI");
	IS(word, 0, "the word is 0");
	word = 0x3ffffff0; /* a tid that nobody has */
	ERR(futex(&word, FUTEX_LOCK_PI | PRIV, 0, NULL, NULL, 0), ESRCH,
	    "an owner that does not exist");
	word = 0;
	MUST(pthread_create(&t, NULL, pi_owner, (void *)&tid) == 0);
	while (!tid)
		sleep_ms(1);
	ERR(futex(&word, FUTEX_TRYLOCK_PI | PRIV, 0, NULL, NULL, 0), EAGAIN,
	    "trying what another owns");
	IS(futex(&word, FUTEX_LOCK_PI | PRIV, 0, NULL, NULL, 0), 0,
	   "waiting for it");
	IS(word & FUTEX_TID_MASK, me, "handed over");
	IS(futex(&word, FUTEX_UNLOCK_PI | PRIV, 0, NULL, NULL, 0), 0,
	   "unlocked");
	MUST(pthread_join(t, NULL) == 0);
}

/* The same bytes at two addresses: one waits here, one wakes there. */
static void *wait_shared(void *arg)
{
	return (void *)futex(arg, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void check_shared(void)
{
	int fd = (int)syscall(SYS_memfd_create, "futex", 0U);
	uint32_t *a, *b;
	pthread_t t;
	void *r = NULL;
	long n = 0;

	MUST(fd >= 0 && ftruncate(fd, 4096) == 0);
	a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(a != MAP_FAILED && b != MAP_FAILED);
	MUST(pthread_create(&t, NULL, wait_shared, a) == 0);
	for (int i = 0; i < 1000 && n == 0; i++) {
		sleep_ms(5);
		n = futex(b, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	IS(n, 1, "a shared futex is known by its page, not its address");
	MUST(pthread_join(t, &r) == 0);
	IS((intptr_t)r, 0, "the waiter returned 0");
}

/* clone's CHILD_CLEARTID: the word is cleared and woken when a thread ends */
static void *quick(void *arg)
{
	syscall(SYS_set_tid_address, arg);
	return NULL;
}

static void check_cleartid(void)
{
	static uint32_t tid_word;
	uint32_t v;
	pthread_t t;
	pthread_attr_t attr;

	tid_word = 12345;
	MUST(pthread_attr_init(&attr) == 0);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	MUST(pthread_create(&t, &attr, quick, &tid_word) == 0);
	while ((v = __atomic_load_n(&tid_word, __ATOMIC_SEQ_CST)) != 0)
		futex(&tid_word, FUTEX_WAIT, v, NULL, NULL, 0);
	OK(1, "set_tid_address: cleared and woken at the end of a thread");
}

int main(void)
{
	check_errors();
	check_timeouts();
	check_wake();
	check_requeue();
	check_wake_op();
	check_signal(0, EINTR, "a signal ends a timed wait");
	check_signal(SA_RESTART, 0, "a wait goes on after SA_RESTART");
	check_pi();
	check_shared();
	check_cleartid();
	return tap_done();
}
