/* SPDX-License-Identifier: MIT */
/*
 * sigthreads.c - signals among threads: each gets what was sent to it, a
 * process's signal goes to one that does not block it, none is lost.
 */
#include <pthread.h>
#include <signal.h>

#include "tap.h"

#define N 6

static pthread_t threads[N];
static volatile int tids[N], got[N], wrong, stop;
static __thread int self = -1;

static void on_signal(int sig)
{
	(void)sig;
	if (self < 0)
		wrong++;
	else
		__atomic_add_fetch(&got[self], 1, __ATOMIC_SEQ_CST);
}

static void *worker(void *arg)
{
	self = (int)(intptr_t)arg;
	tids[self] = my_tid();
	while (!stop) {
		if (self % 3 == 0)
			sleep_ms(1);
		else if (self % 3 == 1)
			sched_yield();
	}
	return NULL;
}

static void start(void)
{
	struct sigaction sa = { .sa_handler = on_signal,
				.sa_flags = SA_RESTART };

	MUST(sigaction(SIGUSR1, &sa, NULL) == 0);
	MUST(sigaction(SIGRTMIN, &sa, NULL) == 0);
	for (intptr_t i = 0; i < N; i++)
		MUST(pthread_create(&threads[i], NULL, worker, (void *)i) == 0);
	for (int i = 0; i < N; i++)
		while (!tids[i])
			sleep_ms(1);
}

static void check_each(void)
{
	int bad = 0;

	for (int round = 1; round <= 50; round++)
		for (int i = 0; i < N; i++) {
			MUST(syscall(SYS_tgkill, getpid(), tids[i], SIGUSR1) ==
			     0);
			while (got[i] < round)
				sched_yield();
			bad += got[i] != round;
		}
	IS(bad, 0, "each thread handles what was sent to it, once");
	IS(wrong, 0, "and nobody else does");
}

static void check_realtime(void)
{
	int before[N], lost = 0;

	for (int i = 0; i < N; i++)
		before[i] = got[i];
	for (int k = 0; k < 100; k++)
		for (int i = 0; i < N; i++)
			MUST(pthread_kill(threads[i], SIGRTMIN) == 0);
	for (int tries = 0; tries < 2000; tries++) {
		lost = 0;
		for (int i = 0; i < N; i++)
			lost += before[i] + 100 - got[i];
		if (!lost)
			break;
		sleep_ms(5);
	}
	IS(lost, 0, "a hundred real-time signals to each, none lost");
}

static void check_unblocked(void)
{
	sigset_t s;
	int before = 0, after = 0;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	MUST(pthread_sigmask(SIG_BLOCK, &s, NULL) == 0);
	for (int i = 0; i < N; i++)
		before += got[i];
	for (int k = 1; k <= 20; k++) {
		MUST(kill(getpid(), SIGUSR1) == 0);
		do {
			sched_yield();
			after = 0;
			for (int i = 0; i < N; i++)
				after += got[i];
		} while (after < before + k);
	}
	IS(after - before, 20, "the process's signal goes to one of them");
	IS(wrong, 0, "not to main, which blocks it");
	MUST(pthread_sigmask(SIG_UNBLOCK, &s, NULL) == 0);
	self = 0;
}

static void *inherit(void *arg)
{
	sigset_t s;

	pthread_sigmask(SIG_SETMASK, NULL, &s);
	*(int *)arg = sigismember(&s, SIGUSR2) << 1 | sigismember(&s, SIGTERM);
	return NULL;
}

static void check_inherit(void)
{
	sigset_t s;
	pthread_t t;
	int seen = 0;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	MUST(pthread_sigmask(SIG_BLOCK, &s, NULL) == 0);
	MUST(pthread_create(&t, NULL, inherit, &seen) == 0);
	MUST(pthread_join(t, NULL) == 0);
	MUST(pthread_sigmask(SIG_UNBLOCK, &s, NULL) == 0);
	IS(seen, 2, "a new thread inherits the mask");
}

int main(void)
{
	start();
	check_each();
	check_realtime();
	check_unblocked();
	check_inherit();
	stop = 1;
	for (int i = 0; i < N; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
	ERR(syscall(SYS_tgkill, getpid(), tids[0], SIGUSR1), ESRCH,
	    "a thread that has ended");
	return tap_done();
}
