/* SPDX-License-Identifier: MIT */
/*
 * clock.c - what does it cost to ask the time?
 */
#include "bench.h"

#include <time.h>

/* "No slower": what is closer than that, medians do not tell apart. */
#define EVEN (1 / 1.05)

static struct timespec t;

static void monotonic(void)
{
	clock_gettime(CLOCK_MONOTONIC, &t);
}

static void realtime(void)
{
	clock_gettime(CLOCK_REALTIME, &t);
}

static void cpu(void)
{
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
}

const struct bench bench = {
	.question = "What does it cost to ask the time?",
	.rounds = 10,
	.cases = {
		{ .name = "monotonic", .run = monotonic,
		  .target = { { BENCH_FASTER, EVEN } } },
		{ .name = "monotonic, dynamic", .run = monotonic, .dynamic = 1,
		  .target = { { BENCH_FASTER, EVEN } } },
		{ .name = "realtime", .run = realtime },
		{ .name = "thread time", .run = cpu },
		{ 0 },
	},
};
