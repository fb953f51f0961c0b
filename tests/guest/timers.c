/* SPDX-License-Identifier: MIT */
/*
 * timers.c - alarm, setitimer and POSIX timers: they fire, repeat, count
 * overruns, tell what is left, and stop. Only lower bounds of time.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/time.h>

#include "tap.h"

static volatile int count, last_code, last_value, last_tid, most_overrun;
static timer_t the_timer;

static void on_timer(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	(void)sig;
	last_code = si->si_code;
	last_value = si->si_value.sival_int;
	last_tid = my_tid();
	if (si->si_overrun > most_overrun)
		most_overrun = si->si_overrun;
	count++;
}

static void catch (int sig)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_timer;
	sa.sa_flags = SA_SIGINFO;
	MUST(sigaction(sig, &sa, NULL) == 0);
	count = 0;
}

static void wait_count(int n)
{
	int64_t end = now_ns(CLOCK_MONOTONIC) + 20000000000LL;

	while (count < n && now_ns(CLOCK_MONOTONIC) < end)
		sleep_ms(1);
}

static void check_alarm(void)
{
	int64_t t0 = now_ns(CLOCK_MONOTONIC);

	catch (SIGALRM);
	IS(alarm(1), 0, "alarm");
	OK(alarm(1) == 1, "tells what was left");
	pause();
	OK(count == 1 && last_code == SI_KERNEL, "SIGALRM came");
	OK(now_ns(CLOCK_MONOTONIC) - t0 >= 999000000, "not too early");
	IS(alarm(100), 0, "another");
	OK(alarm(0) >= 99, "cancelled");
	IS(alarm(0), 0, "none is left");
}

static void check_itimer(void)
{
	struct itimerval it = { { 0, 5000 }, { 0, 10000 } }, old;
	int64_t t0 = now_ns(CLOCK_MONOTONIC);

	catch (SIGALRM);
	IS(setitimer(ITIMER_REAL, &it, NULL), 0, "setitimer");
	wait_count(5);
	OK(count >= 5, "fires again and again");
	OK(now_ns(CLOCK_MONOTONIC) - t0 >= 29000000, "not too often");
	memset(&it, 0, sizeof(it));
	IS(setitimer(ITIMER_REAL, &it, &old), 0, "stopped");
	OK(old.it_interval.tv_usec == 5000 && old.it_value.tv_sec == 0 &&
	       old.it_value.tv_usec <= 10000,
	   "tells what it was");
	sleep_ms(5);
	count = 0;
	sleep_ms(30);
	IS(count, 0, "and is quiet");
	it.it_value.tv_usec = 1000000;
	ERR(setitimer(ITIMER_REAL, &it, NULL), EINVAL, "a million us");
	ERR(syscall(SYS_setitimer, 9, &it, NULL), EINVAL, "no such timer");
	ERR(syscall(SYS_getitimer, 9, &it), EINVAL, "no such timer to get");
	ERR(syscall(SYS_setitimer, 0, 8L, NULL), EFAULT, "a bad pointer");
	IS(getitimer(ITIMER_REAL, &it), 0, "getitimer");
	IS(it.it_value.tv_sec + it.it_value.tv_usec, 0, "nothing runs");
}

static void burn(int64_t ns)
{
	int64_t t0 = now_ns(CLOCK_PROCESS_CPUTIME_ID);

	while (now_ns(CLOCK_PROCESS_CPUTIME_ID) - t0 < ns)
		;
}

static void check_cpu_itimers(void)
{
	struct itimerval it = { { 0, 0 }, { 0, 20000 } };

	catch (SIGPROF);
	MUST(setitimer(ITIMER_PROF, &it, NULL) == 0);
	sleep_ms(60);
	IS(count, 0, "ITIMER_PROF does not run while asleep");
	burn(200000000);
	IS(count, 1, "but while busy");
	catch (SIGVTALRM);
	MUST(setitimer(ITIMER_VIRTUAL, &it, NULL) == 0);
	for (int64_t t0 = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	     count == 0 && now_ns(CLOCK_PROCESS_CPUTIME_ID) - t0 < 5000000000;)
		for (volatile int i = 0; i < 100000; i++)
			;
	IS(count, 1, "ITIMER_VIRTUAL too");
}

static void timer_make(clockid_t clock, int notify, int sig, int value)
{
	struct sigevent ev;

	memset(&ev, 0, sizeof(ev));
	ev.sigev_notify = notify;
	ev.sigev_signo = sig;
	ev.sigev_value.sival_int = value;
	MUST(timer_create(clock, &ev, &the_timer) == 0);
}

static void check_posix(clockid_t clock, const char *name)
{
	struct itimerspec it = { { 0, 3000000 }, { 0, 10000000 } }, now;
	int64_t t0;

	catch (SIGRTMIN + 1);
	timer_make(clock, SIGEV_SIGNAL, SIGRTMIN + 1, 321);
	MUST(timer_gettime(the_timer, &now) == 0);
	OK(now.it_value.tv_sec == 0 && now.it_value.tv_nsec == 0, name);
	t0 = now_ns(CLOCK_MONOTONIC);
	IS(timer_settime(the_timer, 0, &it, NULL), 0, "timer_settime");
	MUST(timer_gettime(the_timer, &now) == 0);
	OK(now.it_interval.tv_nsec == 3000000 &&
	       now.it_value.tv_nsec <= 10000000,
	   "timer_gettime");
	wait_count(4);
	OK(count >= 4 && last_code == SI_TIMER && last_value == 321,
	   "fires with its value");
	OK(now_ns(CLOCK_MONOTONIC) - t0 >= 18000000, "not too early");
	IS(timer_delete(the_timer), 0, "timer_delete");
	sleep_ms(5);
	count = 0;
	sleep_ms(20);
	IS(count, 0, "silence");
}

static void check_overrun(void)
{
	struct itimerspec it = { { 0, 1000000 }, { 0, 1000000 } };
	sigset_t s;

	catch (SIGRTMIN + 1);
	timer_make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 1, 0);
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 1);
	MUST(sigprocmask(SIG_BLOCK, &s, NULL) == 0);
	MUST(timer_settime(the_timer, 0, &it, NULL) == 0);
	sleep_ms(50);
	memset(&it, 0, sizeof(it));
	MUST(sigprocmask(SIG_UNBLOCK, &s, NULL) == 0);
	OK(count >= 1 && most_overrun >= 30,
	   "expirations while blocked are counted as overrun");
	OK(timer_getoverrun(the_timer) >= 0, "timer_getoverrun");
	timer_delete(the_timer);
}

static void check_absolute(void)
{
	struct itimerspec it = { { 0, 0 }, { 0, 0 } };
	int64_t at = now_ns(CLOCK_REALTIME) + 20000000;

	catch (SIGRTMIN + 1);
	timer_make(CLOCK_REALTIME, SIGEV_SIGNAL, SIGRTMIN + 1, 5);
	it.it_value = (struct timespec){ at / 1000000000, at % 1000000000 };
	IS(timer_settime(the_timer, TIMER_ABSTIME, &it, NULL), 0,
	   "an absolute time");
	wait_count(1);
	OK(count == 1 && now_ns(CLOCK_REALTIME) >= at, "fires once, then");
	it.it_value = (struct timespec){ 1, 0 };
	MUST(timer_settime(the_timer, TIMER_ABSTIME, &it, NULL) == 0);
	wait_count(2);
	IS(count, 2, "a time in the past fires at once");
	timer_delete(the_timer);
}

static sem_t sem;
static int thread_value;

static void on_thread(union sigval v)
{
	thread_value = v.sival_int;
	sem_post(&sem);
}

static void check_thread_event(void)
{
	struct sigevent ev;
	struct itimerspec it = { { 0, 0 }, { 0, 5000000 } };
	timer_t t;

	memset(&ev, 0, sizeof(ev));
	MUST(sem_init(&sem, 0, 0) == 0);
	ev.sigev_notify = SIGEV_THREAD;
	ev.sigev_notify_function = on_thread;
	ev.sigev_value.sival_int = 88;
	IS(timer_create(CLOCK_MONOTONIC, &ev, &t), 0, "SIGEV_THREAD");
	MUST(timer_settime(t, 0, &it, NULL) == 0);
	while (sem_wait(&sem))
		;
	IS(thread_value, 88, "calls its function");
	timer_delete(t);
}

static void *tick_here(void *arg)
{
	struct itimerspec it = { { 0, 0 }, { 0, 5000000 } };
	struct {
		int value, pad, signo, notify, tid;
		int rest[11];
	} ev = { .value = 6, .signo = SIGRTMIN + 1, .notify = 4 };
	int id = -1;

	ev.tid = my_tid();
	MUST(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id) == 0);
	MUST(syscall(SYS_timer_settime, id, 0, &it, NULL) == 0);
	wait_count(1);
	*(int *)arg = count == 1 && last_tid == my_tid();
	syscall(SYS_timer_delete, id);
	return NULL;
}

static void check_thread_id(void)
{
	pthread_t t;
	int good = 0;

	catch (SIGRTMIN + 1);
	MUST(pthread_create(&t, NULL, tick_here, &good) == 0);
	MUST(pthread_join(t, NULL) == 0);
	OK(good, "SIGEV_THREAD_ID interrupts that thread");
}

static void check_errors(void)
{
	struct sigevent ev;
	struct itimerspec it = { { 0, 0 }, { 0, 1000000000 } };
	int id;

	memset(&ev, 0, sizeof(ev));
	ev.sigev_notify = SIGEV_NONE;
	ERR(syscall(SYS_timer_create, 77, &ev, &id), EINVAL, "no such clock");
	ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, 8L, &id), EFAULT,
	    "a bad event");
	ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, 8L), EFAULT,
	    "a bad id pointer");
	ERR(syscall(SYS_timer_delete, 7777), EINVAL, "no such timer");
	ERR(syscall(SYS_timer_gettime, 7777, &it), EINVAL, "nor here");
	ERR(syscall(SYS_timer_getoverrun, 7777), EINVAL, "nor here");
	timer_make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
	ERR(timer_settime(the_timer, 0, &it, NULL), EINVAL, "a bad time");
	it.it_value = (struct timespec){ 100, 0 };
	IS(timer_settime(the_timer, 0, &it, NULL), 0, "SIGEV_NONE");
	MUST(timer_gettime(the_timer, &it) == 0);
	OK(it.it_value.tv_sec >= 99 && it.it_value.tv_sec <= 100,
	   "counts down");
	timer_delete(the_timer);
	ev.sigev_notify = SIGEV_SIGNAL;
	ev.sigev_signo = 99;
	ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id), EINVAL,
	    "no such signal");
}

int main(void)
{
	check_alarm();
	check_itimer();
	check_cpu_itimers();
	check_posix(CLOCK_MONOTONIC, "a CLOCK_MONOTONIC timer");
	check_posix(CLOCK_REALTIME, "a CLOCK_REALTIME timer");
	check_posix(CLOCK_BOOTTIME, "a CLOCK_BOOTTIME timer");
	check_overrun();
	check_absolute();
	check_thread_event();
	check_thread_id();
	check_errors();
	return tap_done();
}
