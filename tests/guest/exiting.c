/* SPDX-License-Identifier: MIT */
/*
 * exiting.c - ways to end a process while other threads run, sleep or block.
 * The first argument says which; the runner compares status and output.
 */
// run: main-return
// run: main-exit
// run: main-_exit
// run: thread-exit
// run: thread-_exit
// run: main-pthread_exit
// run: main-pthread_exit-blocked
// run: exit-blocked-read
// run: exit-blocked-futex
// run: exit-sleeping
// run: exit-spinning
// run: exit-from-handler
// run: atexit-order
// run: many-exit
// run: main-thread-exit-syscall
// status: any
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "tap.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile int go;

static void *spin(void *arg)
{
	__atomic_add_fetch(&go, 1, __ATOMIC_SEQ_CST);
	for (;;)
		__asm__ volatile("pause");
	return arg;
}

static void *block_read(void *arg)
{
	int p[2];
	char c;

	MUST(pipe(p) == 0);
	__atomic_add_fetch(&go, 1, __ATOMIC_SEQ_CST);
	MUST(read(p[0], &c, 1) == 1);
	return arg;
}

static void *block_mutex(void *arg)
{
	__atomic_add_fetch(&go, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&mutex);
	return arg;
}

static void *block_sleep(void *arg)
{
	__atomic_add_fetch(&go, 1, __ATOMIC_SEQ_CST);
	sleep(1000);
	return arg;
}

static void *block_poll(void *arg)
{
	int s[2];
	struct pollfd p;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	p = (struct pollfd){ .fd = s[0], .events = POLLIN };
	__atomic_add_fetch(&go, 1, __ATOMIC_SEQ_CST);
	poll(&p, 1, -1);
	return arg;
}

static void start(void *(*fn)(void *), int n)
{
	go = 0;
	for (int i = 0; i < n; i++) {
		pthread_t t;

		MUST(pthread_create(&t, NULL, fn, NULL) == 0);
	}
	while (go < n)
		sleep_ms(1);
	sleep_ms(5);
}

static void *do_exit(void *arg)
{
	(void)arg;
	sleep_ms(5);
	exit(23);
}

static void *do__exit(void *arg)
{
	(void)arg;
	sleep_ms(5);
	_exit(24);
}

static void *late(void *arg)
{
	sleep_ms(50);
	tap_line("a thread goes on after main has gone");
	return arg;
}

static void *race_exit(void *arg)
{
	while (!go)
		;
	_exit((int)(intptr_t)arg);
}

static void handler(int sig)
{
	(void)sig;
	_exit(31);
}

static void at_first(void)
{
	tap_line("registered first, called last");
}

static void at_second(void)
{
	tap_line("registered second, called first");
}

static int run_main(const char *how)
{
	pthread_t t;

	if (!strcmp(how, "main-return")) {
		start(spin, 3);
		return 5;
	}
	if (!strcmp(how, "main-exit")) {
		start(block_mutex, 0);
		exit(6);
	}
	if (!strcmp(how, "main-_exit")) {
		start(spin, 1);
		_exit(7);
	}
	if (!strcmp(how, "main-pthread_exit")) {
		MUST(pthread_create(&t, NULL, late, NULL) == 0);
		pthread_exit(NULL);
	}
	if (!strcmp(how, "main-pthread_exit-blocked")) {
		MUST(pthread_create(&t, NULL, do_exit, NULL) == 0);
		start(block_read, 2);
		pthread_exit(NULL);
	}
	if (!strcmp(how, "main-thread-exit-syscall")) {
		/* The last thread's status is the process's. */
		syscall(SYS_exit, 77);
	}
	return -1;
}

static int run_threads(const char *how)
{
	pthread_t t;

	if (!strcmp(how, "thread-exit")) {
		MUST(pthread_create(&t, NULL, do_exit, NULL) == 0);
		pthread_join(t, NULL);
	}
	if (!strcmp(how, "thread-_exit")) {
		MUST(pthread_create(&t, NULL, do__exit, NULL) == 0);
		for (;;)
			__asm__ volatile("pause");
	}
	if (!strcmp(how, "many-exit")) {
		/* All want the same status: whichever wins. */
		for (int i = 0; i < 8; i++)
			MUST(pthread_create(&t, NULL, race_exit, (void *)55) ==
			     0);
		go = 1;
		sleep(1000);
	}
	return -1;
}

static int run_blocked(const char *how)
{
	if (!strcmp(how, "exit-blocked-read")) {
		start(block_read, 6);
		start(block_poll, 6);
		return 11;
	}
	if (!strcmp(how, "exit-blocked-futex")) {
		pthread_mutex_lock(&mutex);
		start(block_mutex, 10);
		return 12;
	}
	if (!strcmp(how, "exit-sleeping")) {
		start(block_sleep, 10);
		return 13;
	}
	if (!strcmp(how, "exit-spinning")) {
		start(spin, 10);
		return 14;
	}
	if (!strcmp(how, "exit-from-handler")) {
		signal(SIGALRM, handler);
		start(block_read, 2);
		alarm(1);
		for (;;)
			__asm__ volatile("pause");
	}
	if (!strcmp(how, "atexit-order")) {
		MUST(atexit(at_first) == 0 && atexit(at_second) == 0);
		exit(300); /* 300 & 255 == 44 */
	}
	return -1;
}

int main(int argc, char **argv)
{
	int r;

	MUST(argc == 2);
	tap_line("%s", argv[1]);
	r = run_main(argv[1]);
	if (r < 0)
		r = run_threads(argv[1]);
	if (r < 0)
		r = run_blocked(argv[1]);
	MUST(r >= 0);
	return r;
}
