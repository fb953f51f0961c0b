/* SPDX-License-Identifier: MIT */
/* threads.c - threads are made, run, return values, and are cleaned up. */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "tap.h"

static __thread int tls_value = 41;
static __thread char tls_zero[3000];
static int counter;
static sem_t sem;

static void *add_one(void *arg)
{
	__atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST);
	return (char *)arg + 1;
}

static void check_sequential(void)
{
	int bad = 0;

	for (uintptr_t i = 0; i < 1000; i++) {
		pthread_t t;
		void *r = NULL;

		MUST(pthread_create(&t, NULL, add_one, (void *)i) == 0);
		MUST(pthread_join(t, &r) == 0);
		bad += r != (void *)(i + 1);
	}
	IS(bad, 0, "a thousand threads, one after another");
	IS(counter, 1000, "each ran once");
}

static void *gather(void *arg)
{
	pthread_barrier_wait(arg);
	__atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST);
	pthread_barrier_wait(arg);
	return NULL;
}

static void check_parallel(int n, const char *name)
{
	static pthread_t t[512];
	pthread_barrier_t bar;

	counter = 0;
	MUST(pthread_barrier_init(&bar, NULL, (unsigned int)n) == 0);
	for (int i = 0; i < n; i++)
		MUST(pthread_create(&t[i], NULL, gather, &bar) == 0);
	for (int i = 0; i < n; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	IS(counter, n, name);
	pthread_barrier_destroy(&bar);
}

static void *use_tls(void *arg)
{
	int bad = tls_value != 41;

	for (size_t i = 0; i < sizeof(tls_zero); i++)
		bad += tls_zero[i] != 0;
	memset(tls_zero, 1, sizeof(tls_zero));
	tls_value = (int)(intptr_t)arg;
	for (int i = 0; i < 50; i++) {
		sched_yield();
		bad += tls_value != (int)(intptr_t)arg;
	}
	return (void *)(intptr_t)bad;
}

static void check_tls(void)
{
	pthread_t t[16];
	int bad = 0;

	for (intptr_t i = 0; i < 16; i++)
		MUST(pthread_create(&t[i], NULL, use_tls, (void *)i) == 0);
	for (int i = 0; i < 16; i++) {
		void *r;

		MUST(pthread_join(t[i], &r) == 0);
		bad += r != NULL;
	}
	IS(bad, 0, "thread-local variables are each thread's own");
	IS(tls_value, 41, "the main thread's too");
}

static void *post(void *arg)
{
	sem_post(&sem);
	return arg;
}

static void check_detached(void)
{
	pthread_attr_t attr;
	pthread_t t;

	MUST(sem_init(&sem, 0, 0) == 0);
	MUST(pthread_attr_init(&attr) == 0);
	MUST(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0);
	for (int i = 0; i < 200; i++)
		MUST(pthread_create(&t, &attr, post, NULL) == 0);
	for (int i = 0; i < 200; i++)
		MUST(sem_wait(&sem) == 0);
	OK(1, "two hundred detached threads ran");
	pthread_attr_destroy(&attr);
}

static pthread_key_t key;
static int destroyed;

static void key_destroy(void *p)
{
	(void)p;
	__atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST);
}

static void *use_key(void *arg)
{
	int bad = pthread_getspecific(key) != NULL;

	MUST(pthread_setspecific(key, arg) == 0);
	sched_yield();
	bad += pthread_getspecific(key) != arg;
	return (void *)(intptr_t)bad;
}

static void check_keys(void)
{
	pthread_t t[8];
	int bad = 0;

	MUST(pthread_key_create(&key, key_destroy) == 0);
	for (intptr_t i = 0; i < 8; i++)
		MUST(pthread_create(&t[i], NULL, use_key, (void *)(i + 1)) ==
		     0);
	for (int i = 0; i < 8; i++) {
		void *r;

		MUST(pthread_join(t[i], &r) == 0);
		bad += r != NULL;
	}
	IS(bad, 0, "thread-specific data");
	IS(destroyed, 8, "is destroyed with each thread");
	pthread_key_delete(key);
}

static void *tid_of(void *arg)
{
	*(int *)arg = my_tid();
	return NULL;
}

static void check_ids(void)
{
	int tid[2] = { 0, 0 };
	pthread_t t[2];

	IS(my_tid(), getpid(), "the main thread's tid is the pid");
	for (int i = 0; i < 2; i++)
		MUST(pthread_create(&t[i], NULL, tid_of, &tid[i]) == 0);
	for (int i = 0; i < 2; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	OK(tid[0] > 0 && tid[1] > 0 && tid[0] != getpid() && tid[1] != getpid(),
	   "other threads have other ids");
}

static void *create_more(void *arg)
{
	intptr_t depth = (intptr_t)arg;
	pthread_t t[2];
	intptr_t sum = 1;

	if (depth == 0)
		return (void *)1;
	for (int i = 0; i < 2; i++)
		MUST(pthread_create(&t[i], NULL, create_more,
				    (void *)(depth - 1)) == 0);
	for (int i = 0; i < 2; i++) {
		void *r;

		MUST(pthread_join(t[i], &r) == 0);
		sum += (intptr_t)r;
	}
	return (void *)sum;
}

static void check_tree(void)
{
	IS((intptr_t)create_more((void *)6), 127, "threads that make threads");
}

static void *join_itself(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)pthread_join(pthread_self(), NULL);
}

static void check_errors(void)
{
	pthread_t t;
	pthread_attr_t attr;
	void *r;

#ifdef __GLIBC__ /* musl waits for ever */
	MUST(pthread_create(&t, NULL, join_itself, NULL) == 0);
	MUST(pthread_join(t, &r) == 0);
	IS((intptr_t)r, EDEADLK, "a thread cannot join itself");
#else
	(void)join_itself;
	(void)r;
#endif
	MUST(pthread_attr_init(&attr) == 0);
	IS(pthread_attr_setstacksize(&attr, 100), EINVAL, "a tiny stack");
	/* More than any address space has. */
	MUST(pthread_attr_setstacksize(&attr, 1UL << 47) == 0 || 1);
	OK(pthread_create(&t, &attr, add_one, NULL) != 0, "a stack of 128 TiB");
	pthread_attr_destroy(&attr);
}

static int once_count;

static void once_fn(void)
{
	once_count++;
	sched_yield();
}

static void *do_once(void *arg)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, once_fn);
	return arg;
}

static void check_once(void)
{
	pthread_t t[8];

	for (int i = 0; i < 8; i++)
		MUST(pthread_create(&t[i], NULL, do_once, NULL) == 0);
	for (int i = 0; i < 8; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	IS(once_count, 1, "pthread_once");
}

int main(void)
{
	check_sequential();
	check_parallel(64, "sixty-four at once");
	check_parallel(300, "three hundred at once");
	check_tls();
	check_detached();
	check_keys();
	check_ids();
	check_tree();
	check_errors();
	check_once();
	return tap_done();
}
