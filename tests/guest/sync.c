/* SPDX-License-Identifier: MIT */
/*
 * sync.c - mutexes, condition variables, rwlocks, barriers, semaphores and
 * cancellation under contention: counts come out right, waits end.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "tap.h"

#define THREADS 8

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter;

static void run_all(void *(*fn)(void *), int n)
{
	pthread_t t[64];

	for (intptr_t i = 0; i < n; i++)
		MUST(pthread_create(&t[i], NULL, fn, (void *)i) == 0);
	for (int i = 0; i < n; i++)
		MUST(pthread_join(t[i], NULL) == 0);
}

static void *lock_work(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	return arg;
}

static void check_mutex(void)
{
	counter = 0;
	run_all(lock_work, THREADS);
	IS(counter, THREADS * 20000, "a mutex under contention");
}

static void *unlock_other(void *arg)
{
	return (void *)(intptr_t)pthread_mutex_unlock(arg);
}

static void check_mutex_types(void)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t m;
	pthread_t t;
	void *r;
	struct timespec ts;

	MUST(pthread_mutexattr_init(&attr) == 0);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	MUST(pthread_mutex_init(&m, &attr) == 0);
	IS(pthread_mutex_lock(&m), 0, "an error-checking mutex");
	IS(pthread_mutex_lock(&m), EDEADLK, "locked twice");
	IS(pthread_mutex_trylock(&m), EBUSY, "trylock");
	MUST(pthread_create(&t, NULL, unlock_other, &m) == 0);
	MUST(pthread_join(t, &r) == 0);
	IS((intptr_t)r, EPERM, "unlocked by another");
	IS(pthread_mutex_unlock(&m), 0, "unlocked");
	pthread_mutex_destroy(&m);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	MUST(pthread_mutex_init(&m, &attr) == 0);
	IS(pthread_mutex_lock(&m) + pthread_mutex_lock(&m), 0, "recursive");
	IS(pthread_mutex_unlock(&m) + pthread_mutex_unlock(&m), 0, "both ways");
	pthread_mutex_destroy(&m);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_NORMAL);
	MUST(pthread_mutex_init(&m, &attr) == 0);
	pthread_mutex_lock(&m);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_nsec -= 1000000000, ts.tv_sec++;
	IS(pthread_mutex_timedlock(&m, &ts), ETIMEDOUT, "timedlock");
	ts.tv_nsec = -1;
	IS(pthread_mutex_timedlock(&m, &ts), EINVAL, "timedlock, bad time");
	pthread_mutex_unlock(&m);
	pthread_mutex_destroy(&m);
	pthread_mutexattr_destroy(&attr);
}

/* A queue of one between producers and consumers. */
static int slot, produced, consumed;
static long sum;

static void *produce(void *arg)
{
	(void)arg;
	for (;;) {
		pthread_mutex_lock(&mutex);
		while (slot && produced < 10000)
			pthread_cond_wait(&cond, &mutex);
		if (produced >= 10000) {
			pthread_mutex_unlock(&mutex);
			return NULL;
		}
		slot = ++produced;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
}

static void *consume(void *arg)
{
	(void)arg;
	for (;;) {
		pthread_mutex_lock(&mutex);
		while (!slot && consumed < 10000)
			pthread_cond_wait(&cond, &mutex);
		if (consumed >= 10000) {
			pthread_mutex_unlock(&mutex);
			return NULL;
		}
		sum += slot;
		slot = 0;
		consumed++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
}

static void *either(void *arg)
{
	return (intptr_t)arg & 1 ? produce(arg) : consume(arg);
}

static void check_cond(void)
{
	struct timespec ts;
	pthread_condattr_t attr;
	pthread_cond_t c;
	int64_t t0;

	run_all(either, 8);
	IS(sum, 10000L * 10001 / 2, "condition variables hand over each item");
	MUST(pthread_condattr_init(&attr) == 0);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	MUST(pthread_cond_init(&c, &attr) == 0);
	pthread_mutex_lock(&mutex);
	t0 = now_ns(CLOCK_MONOTONIC);
	ts.tv_sec = (t0 + 30000000) / 1000000000;
	ts.tv_nsec = (t0 + 30000000) % 1000000000;
	IS(pthread_cond_timedwait(&c, &mutex, &ts), ETIMEDOUT,
	   "a timed wait ends");
	OK(now_ns(CLOCK_MONOTONIC) - t0 >= 30000000, "not too early");
	pthread_mutex_unlock(&mutex);
	pthread_cond_destroy(&c);
}

/* Two threads that can only go on in turns: a lost wake hangs. */
static int turn;

static void *ping(void *arg)
{
	intptr_t me = (intptr_t)arg;

	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&mutex);
		while (turn != me)
			pthread_cond_wait(&cond, &mutex);
		turn = !turn;
		pthread_cond_signal(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static sem_t sems[2];

static void *sem_ping(void *arg)
{
	intptr_t me = (intptr_t)arg;

	for (int i = 0; i < 10000; i++) {
		sem_wait(&sems[me]);
		sem_post(&sems[!me]);
	}
	return NULL;
}

static void check_ping(void)
{
	struct timespec ts = { 1, 0 };

	run_all(ping, 2);
	OK(1, "five thousand turns by condition variable");
	MUST(sem_init(&sems[0], 0, 1) == 0 && sem_init(&sems[1], 0, 0) == 0);
	run_all(sem_ping, 2);
	OK(1, "ten thousand turns by semaphore");
	ERR(sem_trywait(&sems[1]), EAGAIN, "sem_trywait of none");
	ERR(sem_timedwait(&sems[1], &ts), ETIMEDOUT, "sem_timedwait, past");
	ts.tv_nsec = 1000000000;
	ERR(sem_timedwait(&sems[1], &ts), EINVAL, "sem_timedwait, bad time");
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static long pair[2];
static int torn;

static void *rw_work(void *arg)
{
	intptr_t me = (intptr_t)arg;

	for (int i = 0; i < 5000; i++) {
		if ((me + i) % 4 == 0) {
			pthread_rwlock_wrlock(&rwlock);
			pair[0]++;
			pair[1]++;
			pthread_rwlock_unlock(&rwlock);
		} else {
			pthread_rwlock_rdlock(&rwlock);
			if (pair[0] != pair[1])
				__atomic_add_fetch(&torn, 1, __ATOMIC_SEQ_CST);
			pthread_rwlock_unlock(&rwlock);
		}
	}
	return NULL;
}

static void check_rwlock(void)
{
	run_all(rw_work, THREADS);
	IS(torn, 0, "readers never see half a write");
	IS(pair[0], THREADS * 5000 / 4, "every write counted");
}

static pthread_barrier_t barrier;
static int phase[THREADS], early, serial;

static void *barrier_work(void *arg)
{
	intptr_t me = (intptr_t)arg;

	for (int i = 1; i <= 300; i++) {
		phase[me] = i;
		if (pthread_barrier_wait(&barrier))
			__atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
		for (int k = 0; k < THREADS; k++)
			if (phase[k] < i)
				__atomic_add_fetch(&early, 1, __ATOMIC_SEQ_CST);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void check_barrier(void)
{
	MUST(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
	run_all(barrier_work, THREADS);
	IS(early, 0, "nobody leaves a barrier early");
	IS(serial, 300, "one of them is the serial thread");
}

static pthread_spinlock_t spinlock;

static void *spin_work(void *arg)
{
	for (int i = 0; i < 5000; i++) {
		pthread_spin_lock(&spinlock);
		counter++;
		pthread_spin_unlock(&spinlock);
	}
	return arg;
}

static void check_spin(void)
{
	counter = 0;
	MUST(pthread_spin_init(&spinlock, 0) == 0);
	run_all(spin_work, 4);
	IS(counter, 20000, "spinlocks with more threads than cores");
}

static int cleaned;

static void cleanup(void *arg)
{
	(void)arg;
	cleaned++;
}

static void *cancel_sleep(void *arg)
{
	pthread_cleanup_push(cleanup, NULL);
	sleep(1000);
	pthread_cleanup_pop(0);
	return arg;
}

static void *cancel_cond(void *arg)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t c = PTHREAD_COND_INITIALIZER;

	pthread_mutex_lock(&m);
	pthread_cleanup_push(cleanup, NULL);
	for (;;)
		pthread_cond_wait(&c, &m);
	pthread_cleanup_pop(0);
	return arg;
}

static void *cancel_read(void *arg)
{
	int p[2];
	char c;

	MUST(pipe(p) == 0);
	pthread_cleanup_push(cleanup, NULL);
	MUST(read(p[0], &c, 1) == 1);
	pthread_cleanup_pop(0);
	return arg;
}

static void *cancel_async(void *arg)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	pthread_cleanup_push(cleanup, NULL);
	for (;;)
		__asm__ volatile("pause");
	pthread_cleanup_pop(0);
	return arg;
}

static void check_cancel(void *(*fn)(void *), const char *name)
{
	pthread_t t;
	void *r = NULL;

	cleaned = 0;
	MUST(pthread_create(&t, NULL, fn, NULL) == 0);
	sleep_ms(20);
	MUST(pthread_cancel(t) == 0);
	MUST(pthread_join(t, &r) == 0);
	OK(r == PTHREAD_CANCELED && cleaned == 1, name);
}

int main(void)
{
	check_mutex();
	check_mutex_types();
	check_cond();
	check_ping();
	check_rwlock();
	check_barrier();
	check_spin();
	check_cancel(cancel_sleep, "a sleeping thread is cancelled");
	check_cancel(cancel_cond, "one that waits for a condition");
	check_cancel(cancel_read, "one blocked in read");
	check_cancel(cancel_async, "one that spins, asynchronously");
	return tap_done();
}
