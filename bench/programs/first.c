/* SPDX-License-Identifier: MIT */
/*
 * first.c - print when the program began: when all its threads had.
 *
 *	first [THREADS]
 *
 * The time is CLOCK_MONOTONIC in ns. Each thread is bound to a CPU of its own.
 */
#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../cpus.h"

#define THREADS_MAX 64

static uint64_t began[THREADS_MAX];

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void bind(int nth)
{
	cpu_set_t all, one;
	int cpu;

	if (sched_getaffinity(0, sizeof(all), &all))
		err(1, "sched_getaffinity");
	cpu = cpu_nth(&all, nth);
	CPU_ZERO(&one);
	if (cpu < CPU_SETSIZE)
		CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		err(1, "sched_setaffinity");
}

static void *run(void *arg)
{
	bind((int)(intptr_t)arg);
	began[(intptr_t)arg] = now();
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t last = began[0] = now();
	int n = argc > 1 ? atoi(argv[1]) : 1, i;
	pthread_t thread[THREADS_MAX];

	if (n < 1 || n > THREADS_MAX)
		errx(2, "usage: first [THREADS]");
	for (i = 1; i < n; i++)
		if (pthread_create(&thread[i], NULL, run, (void *)(intptr_t)i))
			errx(1, "pthread_create");
	for (i = 1; i < n; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < n; i++)
		last = began[i] > last ? began[i] : last;
	printf("%llu\n", (unsigned long long)last);
	return 0;
}
