/* SPDX-License-Identifier: MIT */
/*
 * scaling.c - do threads on several CPUs hold each other up when they get
 * memory?
 *
 * Each thread, on a CPU of its own, maps, touches and unmaps 64 KiB over and
 * over. A sample is the time for one such turn of one thread: perfect scaling
 * gives the same for one thread and for many.
 */
#include "bench.h"

#include <err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define THREADS 256
#define PAGE    4096UL
#define SIZE    65536UL
#define TURNS   20

/* Padded: what one counts does not disturb the others. */
struct worker {
	_Alignas(128) atomic_ulong turns;
	pthread_t thread;
	int index;
};

static struct worker workers[THREADS];
static atomic_int ended;

static void turn(void)
{
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	for (unsigned long at = 0; at < SIZE; at += PAGE)
		((volatile char *)p)[at] = 1;
	munmap(p, SIZE);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	bench_bind(w->index);
	while (!ended) {
		for (int i = 0; i < TURNS; i++)
			turn();
		w->turns += TURNS;
	}
	return NULL;
}

static unsigned long total(int threads)
{
	unsigned long sum = 0;

	for (int i = 0; i < threads; i++)
		sum += workers[i].turns;
	return sum;
}

/* The first thread measures; what it does meanwhile counts as well. */
static void measure(int threads, double seconds)
{
	uint64_t start, now, end;
	unsigned long before;

	bench_bind(0);
	for (int i = 1; i < threads; i++) {
		workers[i].index = i;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			errx(1, "pthread_create");
		while (!workers[i].turns)
			turn();
	}
	end = bench_now() + (uint64_t)(seconds * 1e9);
	do {
		before = total(threads);
		start = bench_now();
		do {
			for (int i = 0; i < TURNS; i++)
				turn();
			workers[0].turns += TURNS;
			now = bench_now();
		} while (now - start < 10000000);
		bench_sample((double)(now - start) * threads /
			     (double)(total(threads) - before));
	} while (now < end);
	ended = 1;
	for (int i = 1; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
}

static void one(double seconds)
{
	measure(1, seconds);
}

static void all(double seconds)
{
	int n = bench_cpus();

	measure(n < THREADS ? n : THREADS, seconds);
}

const struct bench bench = {
	.question = "Do threads on several CPUs hold each other up when they "
		    "get memory?",
	.rounds = 10,
	.cases = {
		{ .name = "one thread", .sample = one, .cpus = BENCH_ALL },
		{ .name = "one on each CPU", .sample = all, .cpus = BENCH_ALL },
		{ 0 },
	},
};
