/* SPDX-License-Identifier: MIT */
/*
 * job.c - a job for a machine that has many: compute, memory, file, pipe.
 *
 *	job KIND THREADS
 *
 * Each thread is bound to a CPU of its own and does the same work. `mix` does
 * some of each kind, one after the other.
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../cpus.h"

#define COMPUTE  2000000 /* multiplications */
#define MAPS     20
#define MAP      ((size_t)256 << 10)
#define FILES    6
#define CHUNK    4096
#define CHUNKS   16
#define MESSAGES 60
#define PAGE     4096

static int parts = 1; /* of each kind, only 1 / parts */

static void compute(void)
{
	uint64_t x = 1;

	for (int i = 0; i < COMPUTE / parts; i++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		__asm__ volatile("" : "+r"(x));
	}
}

static void memory(void)
{
	for (int i = 0; i < MAPS / parts; i++) {
		char *p = mmap(NULL, MAP, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			err(1, "mmap");
		for (size_t at = 0; at < MAP; at += PAGE)
			((volatile char *)p)[at] = 1;
		munmap(p, MAP);
	}
}

static void file(void)
{
	char buffer[CHUNK];
	int fd;

	memset(buffer, 1, sizeof(buffer));
	for (int i = 0; i < FILES / parts; i++) {
		fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
		if (fd < 0)
			err(1, "a file in /tmp");
		for (int k = 0; k < CHUNKS; k++)
			if (write(fd, buffer, CHUNK) != CHUNK)
				err(1, "write");
		for (int k = 0; k < CHUNKS; k++)
			if (pread(fd, buffer, CHUNK, (off_t)k * CHUNK) != CHUNK)
				err(1, "pread");
		close(fd);
	}
}

/* To oneself: the calls, not the waiting. */
static void through_pipe(void)
{
	char buffer[512] = { 0 };
	int fd[2];

	if (pipe(fd))
		err(1, "pipe");
	for (int i = 0; i < MESSAGES / parts; i++)
		if (write(fd[1], buffer, sizeof(buffer)) != sizeof(buffer) ||
		    read(fd[0], buffer, sizeof(buffer)) != sizeof(buffer))
			err(1, "pipe");
	close(fd[0]);
	close(fd[1]);
}

static void mix(void)
{
	compute();
	memory();
	file();
	through_pipe();
}

static const struct {
	const char *name;
	void (*run)(void);
	int parts;
} kinds[] = {
	{ "compute", compute, 1 }, { "memory", memory, 1 },
	{ "file", file, 1 },       { "pipe", through_pipe, 1 },
	{ "mix", mix, 3 },
};

static int cpu_of(int nth)
{
	cpu_set_t all;

	if (sched_getaffinity(0, sizeof(all), &all))
		err(1, "sched_getaffinity");
	return cpu_nth(&all, nth % CPU_COUNT(&all));
}

static void (*work)(void);
static int cpu[64];

static void *thread_main(void *arg)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu[(intptr_t)arg], &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		err(1, "sched_setaffinity");
	work();
	return NULL;
}

int main(int argc, char **argv)
{
	int n = argc == 3 ? atoi(argv[2]) : 0, i;
	pthread_t thread[64];

	for (size_t k = 0; argc == 3 && k < sizeof(kinds) / sizeof(kinds[0]);
	     k++)
		if (strcmp(argv[1], kinds[k].name) == 0) {
			work = kinds[k].run;
			parts = kinds[k].parts;
		}
	if (!work || n < 1 || n > 64)
		errx(2, "usage: job KIND THREADS");
	if (n == 1) { /* where the scheduler puts it */
		work();
		return 0;
	}
	for (i = 0; i < n; i++)
		cpu[i] = cpu_of(i);
	for (i = 1; i < n; i++)
		if (pthread_create(&thread[i], NULL, thread_main,
				   (void *)(intptr_t)i))
			errx(1, "pthread_create");
	thread_main(NULL);
	for (i = 1; i < n; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
