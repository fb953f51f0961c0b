/* SPDX-License-Identifier: MIT */
/*
 * victim.c - programs that end in every way, or that have to be ended.
 *
 *	victim WAY [THREADS]
 *
 * exit, crash, abort, divide: by themselves. spin: computes for ever without a
 * call. wait: sleeps for ever. calls: calls for ever. faults: touches new
 * memory for ever. forks: has children all the time. spawns: starts programs.
 * execs: becomes itself again and again. Each on THREADS threads.
 */
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void way_spin(void)
{
	for (;;)
		__asm__ volatile("pause");
}

static void way_wait(void)
{
	for (;;)
		pause();
}

static void way_calls(void)
{
	for (;;)
		if (syscall(SYS_getppid) < 0)
			return;
}

static void way_faults(void)
{
	const size_t size = 4 << 20;

	for (;;) {
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			exit(4);
		for (size_t i = 0; i < size; i += 4096)
			((volatile char *)p)[i] = 1;
		munmap(p, size);
	}
}

static void way_forks(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(3);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

static char *const *self;

static void way_spawns(void)
{
	char *argv[] = { self[0], "exit", "1", "again", NULL };
	pid_t pid;

	for (;;)
		if (posix_spawn(&pid, self[0], NULL, NULL, argv, NULL) == 0)
			waitpid(pid, NULL, 0);
}

static void way_execs(void)
{
	char *argv[] = { self[0], self[1], "1", "again", NULL };

	execv(self[0], argv);
	exit(5);
}

static const struct {
	const char *name;
	void (*fn)(void);
} ways[] = {
	{ "spin", way_spin },   { "wait", way_wait },
	{ "calls", way_calls }, { "faults", way_faults },
	{ "forks", way_forks }, { "spawns", way_spawns },
	{ "execs", way_execs },
};

static void *thread(void *arg)
{
	const char *way = arg;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(way, ways[i].name))
			ways[i].fn();
	if (!strcmp(way, "crash"))
		*(volatile int *)(uintptr_t)(getppid() % 8 * 8) = 1;
	if (!strcmp(way, "abort"))
		abort();
	if (!strcmp(way, "divide"))
		__asm__ volatile("xorl %%ecx, %%ecx\n\tdivl %%ecx" ::
				     : "eax", "ecx", "edx");
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = argc > 2 ? atoi(argv[2]) : 1;
	pthread_t t;

	if (argc < 2)
		return 2;
	self = argv;
	if (argc < 4)
		puts("ready");
	fflush(stdout);
	for (int i = 1; i < threads; i++)
		if (pthread_create(&t, NULL, thread, argv[1]))
			return 4;
	thread(argv[1]);
	return 42;
}
