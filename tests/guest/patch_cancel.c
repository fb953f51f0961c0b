/* SPDX-License-Identifier: MIT */
/*
 * patch_cancel.c - pthread_cancel of threads that block in calls made many
 * times before. The C library's handler compares the interrupted address with
 * those of its own instructions, or unwinds from there.
 */
// variants: pie static musl
// modes: auto auto-1 ring-2 direct-1
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tap.h"

static int fds[2], sock[2];
static sem_t ready;
static volatile int cleaned, came_back;

static void clean(void *arg)
{
	cleaned += *(int *)arg;
}

static void in_read(void)
{
	char c;

	came_back += read(fds[0], &c, 1) != 1;
}

static void in_pause(void)
{
	pause();
}

static void in_sleep(void)
{
	struct timespec ts = { 1000, 0 };

	nanosleep(&ts, NULL);
}

static void in_poll(void)
{
	struct pollfd p = { .fd = fds[0], .events = POLLIN };

	poll(&p, 1, -1);
}

static void in_recv(void)
{
	char c;

	recv(sock[0], &c, 1, 0);
}

static void in_accept(void)
{
	accept(sock[0], NULL, NULL); /* not a listener: EINVAL */
	pause();
}

static void unlock(void *m)
{
	pthread_mutex_unlock(m);
}

static void in_cond(void)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t c = PTHREAD_COND_INITIALIZER;

	pthread_mutex_lock(&m);
	pthread_cleanup_push(unlock, &m);
	for (;;)
		pthread_cond_wait(&c, &m);
	pthread_cleanup_pop(1);
}

static void (*volatile where)(void);

static void *victim(void *arg)
{
	int one = 1;

	pthread_cleanup_push(clean, &one);
	sem_post(&ready);
	where();
	came_back++;
	pthread_cleanup_pop(0);
	return arg;
}

/* Make every call that is cancelled later, often, without blocking. */
static void warm_up(void)
{
	struct timespec ts = { 0, 1 };
	struct pollfd p = { .fd = fds[0], .events = POLLIN };
	char c;
	int bad = 0;

	for (int i = 0; i < 300; i++) {
		bad += write(fds[1], "x", 1) != 1;
		bad += poll(&p, 1, -1) != 1;
		bad += read(fds[0], &c, 1) != 1;
		bad += send(sock[1], "x", 1, 0) != 1;
		bad += recv(sock[0], &c, 1, 0) != 1;
		if (i % 10 == 0)
			bad += nanosleep(&ts, NULL) != 0;
	}
	IS(bad, 0, "the calls work");
}

static void cancel_in(void (*fn)(void), const char *name)
{
	pthread_t t;
	void *r;
	int bad = 0;

	cleaned = came_back = 0;
	where = fn;
	for (int i = 0; i < 24; i++) {
		MUST(pthread_create(&t, NULL, victim, NULL) == 0);
		while (sem_wait(&ready))
			;
		/* Before it blocks, about when it does, and well after. */
		if (i % 3 == 1)
			sched_yield();
		if (i % 3 == 2)
			sleep_ms(2);
		MUST(pthread_cancel(t) == 0);
		MUST(pthread_join(t, &r) == 0);
		bad += r != PTHREAD_CANCELED;
	}
	IS(bad + came_back * 100, 0, name);
	IS(cleaned, 24, "    and cleaned up");
}

/* A call that has succeeded is not cancelled: what it read is not lost. */
static volatile int got;

static void *reader(void *arg)
{
	char c;

	for (;;)
		if (read(fds[0], &c, 1) == 1)
			got++;
	return arg;
}

static void nothing_lost(void)
{
	int n = 0, left = 0;
	pthread_t t;
	char c;

	got = 0;
	for (int i = 0; i < 40; i++) {
		MUST(pthread_create(&t, NULL, reader, NULL) == 0);
		for (int k = 0; k < 20; k++, n++)
			MUST(write(fds[1], "x", 1) == 1);
		if (i & 1)
			sched_yield();
		MUST(pthread_cancel(t) == 0);
		MUST(pthread_join(t, NULL) == 0);
	}
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	while (read(fds[0], &c, 1) == 1)
		left++;
	fcntl(fds[0], F_SETFL, 0);
	/*
	 * glibc may lose a byte when the cancellation hits between the call
	 * and the end of read(); nothing may come twice.
	 */
	OK(got + left <= n && got + left >= n - 40, "nothing is read twice");
}

/* Asynchronous: wherever it is. */
static volatile long spins;

static void *spinner(void *arg)
{
	int one = 1, old;

	pthread_cleanup_push(clean, &one);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	sem_post(&ready);
	for (;;)
		spins += syscall(SYS_getppid) > 0;
	pthread_cleanup_pop(0);
	return arg;
}

static void asynchronous(void)
{
	pthread_t t;
	void *r;
	int bad = 0;

	cleaned = 0;
	for (int i = 0; i < 20; i++) {
		MUST(pthread_create(&t, NULL, spinner, NULL) == 0);
		while (sem_wait(&ready))
			;
		sleep_ms(1);
		MUST(pthread_cancel(t) == 0);
		MUST(pthread_join(t, &r) == 0);
		bad += r != PTHREAD_CANCELED;
	}
	IS(bad, 0, "cancelled in the middle of calls, asynchronously");
	IS(cleaned, 20, "    and cleaned up");
	OK(spins > 0, "    having called");
}

int main(void)
{
	MUST(pipe(fds) == 0 && sem_init(&ready, 0, 0) == 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sock) == 0);
	warm_up();
	cancel_in(in_read, "cancelled in read");
	cancel_in(in_pause, "cancelled in pause");
	cancel_in(in_sleep, "cancelled in nanosleep");
	cancel_in(in_poll, "cancelled in poll");
	cancel_in(in_recv, "cancelled in recv");
	cancel_in(in_accept, "cancelled in pause after accept");
	cancel_in(in_cond, "cancelled in pthread_cond_wait");
	nothing_lost();
	asynchronous();
	return tap_done();
}
