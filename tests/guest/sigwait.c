/* SPDX-License-Identifier: MIT */
/*
 * sigwait.c - waiting for signals: sigsuspend, sigtimedwait, pause, and the
 * order and values of queued real-time signals.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "tap.h"

static volatile int count;
static volatile int seen[256], values[256];

static void on_rt(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	if (count < 256) {
		seen[count] = sig;
		values[count] = si->si_value.sival_int;
	}
	count++;
}

static void catch (int sig)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_rt;
	sa.sa_flags = SA_SIGINFO;
	sigfillset(&sa.sa_mask);
	MUST(sigaction(sig, &sa, NULL) == 0);
}

static sigset_t one(int sig)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, sig);
	return s;
}

static void check_realtime(void)
{
	sigset_t all;
	int bad = 0;

	sigfillset(&all);
	MUST(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
	catch (SIGRTMIN + 1);
	catch (SIGRTMIN + 2);
	for (int i = 0; i < 40; i++) {
		union sigval v = { .sival_int = i };

		MUST(sigqueue(getpid(), SIGRTMIN + 1 + i % 2, v) == 0);
	}
	IS(count, 0, "forty real-time signals are queued");
	MUST(sigprocmask(SIG_UNBLOCK, &all, NULL) == 0);
	IS(count, 40, "all of them are delivered");
	for (int i = 0; i < 40; i++) {
		int want = i < 20 ? SIGRTMIN + 1 : SIGRTMIN + 2;

		bad += seen[i] != want;
		bad += values[i] != (i < 20 ? i * 2 : (i - 20) * 2 + 1);
	}
	IS(bad, 0, "lower numbers first, each in order of arrival");
}

static void check_timedwait(void)
{
	sigset_t s = one(SIGUSR1), rt = one(SIGRTMIN + 3);
	struct timespec zero = { 0, 0 }, soon = { 0, 20000000 },
			bad = { 0, 1000000000 };
	siginfo_t si;
	union sigval v = { .sival_int = 99 };
	int64_t t0;

	MUST(sigprocmask(SIG_BLOCK, &s, NULL) == 0);
	MUST(sigprocmask(SIG_BLOCK, &rt, NULL) == 0);
	ERR(sigtimedwait(&s, &si, &zero), EAGAIN, "nothing is pending");
	t0 = now_ns(CLOCK_MONOTONIC);
	ERR(sigtimedwait(&s, &si, &soon), EAGAIN, "nothing comes in time");
	OK(now_ns(CLOCK_MONOTONIC) - t0 >= 20000000, "the time was waited");
	ERR(sigtimedwait(&s, &si, &bad), EINVAL, "a bad time");
	ERR(syscall(SYS_rt_sigtimedwait, &s, NULL, NULL, 7), EINVAL,
	    "a bad size");
	ERR(syscall(SYS_rt_sigtimedwait, 8L, NULL, NULL, 8), EFAULT,
	    "a bad set");
	raise(SIGUSR1);
	IS(sigtimedwait(&s, &si, &zero), SIGUSR1, "one that is pending");
	OK(si.si_signo == SIGUSR1 &&
	       (si.si_code == SI_TKILL || si.si_code == SI_USER /* glibc */),
	   "its siginfo");
	IS(sigqueue(getpid(), SIGRTMIN + 3, v), 0, "one with a value");
	IS(sigwaitinfo(&rt, &si), SIGRTMIN + 3, "sigwaitinfo takes it");
	OK(si.si_code == SI_QUEUE && si.si_value.sival_int == 99 &&
	       si.si_pid == getpid(),
	   "value and sender");
	ERR(sigtimedwait(&rt, NULL, &zero), EAGAIN, "it is gone");
}

static pthread_t main_thread;

static void *kill_soon(void *arg)
{
	sleep_ms(30);
	pthread_kill(main_thread, (int)(intptr_t)arg);
	return NULL;
}

static pthread_t send_soon(int sig)
{
	pthread_t t;

	MUST(pthread_create(&t, NULL, kill_soon, (void *)(intptr_t)sig) == 0);
	return t;
}

static void check_suspend(void)
{
	sigset_t empty, s = one(SIGUSR1), now;
	pthread_t t;
	int sig = 0;

	sigemptyset(&empty);
	catch (SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &s, NULL) == 0);
	count = 0;
	raise(SIGUSR1);
	IS(count, 0, "blocked");
	ERR(sigsuspend(&empty), EINTR, "sigsuspend takes what is pending");
	IS(count, 1, "the handler ran");
	t = send_soon(SIGUSR1);
	ERR(sigsuspend(&empty), EINTR, "sigsuspend waits");
	IS(count, 2, "the handler ran again");
	pthread_join(t, NULL);
	sigprocmask(SIG_SETMASK, NULL, &now);
	IS(sigismember(&now, SIGUSR1), 1, "the mask is as before");
	t = send_soon(SIGUSR1);
	IS(sigwait(&s, &sig), 0, "sigwait");
	IS(sig, SIGUSR1, "tells the signal");
	IS(count, 2, "no handler ran");
	pthread_join(t, NULL);
	catch (SIGUSR2);
	t = send_soon(SIGUSR2);
	/* The call itself: musl's function would wait again. */
	ERR(syscall(SYS_rt_sigtimedwait, &s, NULL, NULL, 8), EINTR,
	    "another signal interrupts");
	IS(count, 3, "its handler ran");
	pthread_join(t, NULL);
	MUST(sigprocmask(SIG_UNBLOCK, &s, NULL) == 0);
	t = send_soon(SIGUSR1);
	ERR(pause(), EINTR, "pause");
	IS(count, 4, "ends after a handler");
	pthread_join(t, NULL);
}

/* A signal to the process goes to a thread that waits for it. */
static volatile int taker_got;

static void *taker(void *arg)
{
	sigset_t s = one(SIGUSR1);
	int sig;

	MUST(sigwait(&s, &sig) == 0);
	taker_got = sig;
	return arg;
}

static void check_process_wide(void)
{
	sigset_t s = one(SIGUSR1);
	pthread_t t;

	MUST(sigprocmask(SIG_BLOCK, &s, NULL) == 0);
	MUST(pthread_create(&t, NULL, taker, NULL) == 0);
	sleep_ms(20);
	count = 0;
	MUST(kill(getpid(), SIGUSR1) == 0);
	MUST(pthread_join(t, NULL) == 0);
	IS(taker_got, SIGUSR1,
	   "a thread in sigwait takes the process's signal");
	IS(count, 0, "nobody else does");
	MUST(sigprocmask(SIG_UNBLOCK, &s, NULL) == 0);
}

static void check_queue_limit(void)
{
	struct rlimit old, lim;
	sigset_t s = one(SIGRTMIN + 4);
	union sigval v = { .sival_int = 0 };
	struct timespec zero = { 0, 0 };
	int n = 0, got = 0;

	MUST(getrlimit(RLIMIT_SIGPENDING, &old) == 0);
	lim = old;
	lim.rlim_cur = 100;
	MUST(setrlimit(RLIMIT_SIGPENDING, &lim) == 0);
	MUST(sigprocmask(SIG_BLOCK, &s, NULL) == 0);
	while (n < 1000 && sigqueue(getpid(), SIGRTMIN + 4, v) == 0)
		n++;
	OK(n >= 50 && n <= 100 && errno == EAGAIN,
	   "RLIMIT_SIGPENDING ends the queue with EAGAIN");
	while (sigtimedwait(&s, NULL, &zero) > 0)
		got++;
	OK(got == n, "all that were queued come");
	MUST(setrlimit(RLIMIT_SIGPENDING, &old) == 0);
}

int main(void)
{
	main_thread = pthread_self();
	check_realtime();
	check_timedwait();
	check_suspend();
	check_process_wide();
	check_queue_limit();
	return tap_done();
}
