/* SPDX-License-Identifier: MIT */
/* robust.c - robust and priority-inheriting mutexes. */
// variants: static pie
#include <pthread.h>

#include "tap.h"

static pthread_mutex_t m;
static volatile int held;

static void mutex_make(int protocol, int robust, int type)
{
	pthread_mutexattr_t attr;

	MUST(pthread_mutexattr_init(&attr) == 0);
	MUST(pthread_mutexattr_settype(&attr, type) == 0);
	MUST(pthread_mutexattr_setprotocol(&attr, protocol) == 0);
	if (robust)
		MUST(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) ==
		     0);
	MUST(pthread_mutex_init(&m, &attr) == 0);
	pthread_mutexattr_destroy(&attr);
}

static void *die_with_it(void *arg)
{
	MUST(pthread_mutex_lock(&m) == 0);
	held = 1;
	sleep_ms(20);
	return arg;
}

static void check_robust(int protocol, const char *name)
{
	pthread_t t;

	tap_line("# %s", name);
	mutex_make(protocol, 1, PTHREAD_MUTEX_NORMAL);
	held = 0;
	MUST(pthread_create(&t, NULL, die_with_it, NULL) == 0);
	while (!held)
		sleep_ms(1);
	/* Waits, then inherits. */
	IS(pthread_mutex_lock(&m), EOWNERDEAD, "a waiter learns of the death");
	MUST(pthread_join(t, NULL) == 0);
	IS(pthread_mutex_consistent(&m), 0, "made consistent");
	IS(pthread_mutex_unlock(&m), 0, "unlocked");
	IS(pthread_mutex_lock(&m), 0, "works again");
	pthread_mutex_unlock(&m);
	held = 0;
	MUST(pthread_create(&t, NULL, die_with_it, NULL) == 0);
	MUST(pthread_join(t, NULL) == 0);
	IS(pthread_mutex_trylock(&m), EOWNERDEAD, "trylock learns of it too");
	IS(pthread_mutex_unlock(&m), 0, "unlocked without repair");
	IS(pthread_mutex_lock(&m), ENOTRECOVERABLE, "then it is lost");
	pthread_mutex_destroy(&m);
}

static long counter;

static void *pi_work(void *arg)
{
	for (int i = 0; i < 3000; i++) {
		pthread_mutex_lock(&m);
		counter++;
		pthread_mutex_unlock(&m);
	}
	return arg;
}

static void *pi_hold(void *arg)
{
	pthread_mutex_lock(&m);
	held = 1;
	sleep_ms(50);
	pthread_mutex_unlock(&m);
	return arg;
}

static void check_pi(void)
{
	pthread_t t[6];
	struct timespec ts;

	mutex_make(PTHREAD_PRIO_INHERIT, 0, PTHREAD_MUTEX_ERRORCHECK);
	for (int i = 0; i < 6; i++)
		MUST(pthread_create(&t[i], NULL, pi_work, NULL) == 0);
	for (int i = 0; i < 6; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	IS(counter, 18000, "a PI mutex under contention");
	IS(pthread_mutex_lock(&m), 0, "locked");
	IS(pthread_mutex_lock(&m), EDEADLK, "locked twice");
	IS(pthread_mutex_unlock(&m), 0, "unlocked");
	IS(pthread_mutex_unlock(&m), EPERM, "unlocked twice");
	held = 0;
	MUST(pthread_create(&t[0], NULL, pi_hold, NULL) == 0);
	while (!held)
		sleep_ms(1);
	IS(pthread_mutex_trylock(&m), EBUSY, "trylock of a held one");
	clock_gettime(CLOCK_REALTIME, &ts);
	IS(pthread_mutex_timedlock(&m, &ts), ETIMEDOUT, "timedlock ends");
	IS(pthread_mutex_lock(&m), 0, "waits for its owner");
	pthread_mutex_unlock(&m);
	MUST(pthread_join(t[0], NULL) == 0);
	pthread_mutex_destroy(&m);
}

/* Condition variable with a PI mutex. */
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int ready;

static void *pi_wait(void *arg)
{
	pthread_mutex_lock(&m);
	while (!ready)
		pthread_cond_wait(&cond, &m);
	counter++;
	pthread_mutex_unlock(&m);
	return arg;
}

static void check_pi_cond(void)
{
	pthread_t t[5];

	counter = 0;
	mutex_make(PTHREAD_PRIO_INHERIT, 0, PTHREAD_MUTEX_NORMAL);
	for (int i = 0; i < 5; i++)
		MUST(pthread_create(&t[i], NULL, pi_wait, NULL) == 0);
	sleep_ms(20);
	pthread_mutex_lock(&m);
	ready = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&m);
	for (int i = 0; i < 5; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	IS(counter, 5, "a broadcast to waiters with a PI mutex");
	pthread_mutex_destroy(&m);
}

int main(void)
{
	check_robust(PTHREAD_PRIO_NONE, "robust");
	check_robust(PTHREAD_PRIO_INHERIT, "robust and PI");
	check_pi();
	check_pi_cond();
	return tap_done();
}
