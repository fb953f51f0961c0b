/* SPDX-License-Identifier: MIT */
/*
 * yield.c - what does it cost to let another thread go first?
 *
 * Two threads on one CPU do nothing but yield. A sample is the time for one
 * sched_yield, of either thread: it is what a switch costs if every yield
 * switches, which "switches" counts: per hundred yields of the first thread,
 * how often the other one had run meanwhile.
 */
#include "bench.h"

#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define YIELDS 200 /* a sample */

static atomic_ulong other;

static void *partner(void *arg)
{
	for (;;) {
		sched_yield();
		atomic_store_explicit(&other, other + 1, memory_order_relaxed);
	}
	return arg;
}

static void start(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, partner, NULL))
		errx(1, "pthread_create");
	while (!other)
		sched_yield();
}

static void between_two(double seconds)
{
	uint64_t begin, end = bench_now() + (uint64_t)(seconds * 1e9);
	unsigned long before;

	start();
	do {
		before = other;
		begin = bench_now();
		for (int i = 0; i < YIELDS; i++)
			sched_yield();
		bench_sample((double)(bench_now() - begin) /
			     (double)(YIELDS + other - before));
	} while (bench_now() < end);
}

static void switches(double seconds)
{
	uint64_t end = bench_now() + (uint64_t)(seconds * 1e9);
	unsigned long before;
	int switched;

	start();
	do {
		switched = 0;
		for (int i = 0; i < YIELDS; i++) {
			before = other;
			sched_yield();
			switched += other != before;
		}
		bench_sample(100.0 * switched / YIELDS);
	} while (bench_now() < end);
}

static void alone(void)
{
	sched_yield();
}

const struct bench bench = {
	.question = "What does it cost to let another thread go first?",
	.rounds = 10,
	.cases = {
		{ .name = "two threads", .sample = between_two,
		  .target = { { BENCH_FASTER, 8 } } },
		{ .name = "switches", .unit = "%", .sample = switches },
		{ .name = "nobody else", .run = alone },
		{ 0 },
	},
};
