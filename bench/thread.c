/* SPDX-License-Identifier: MIT */
/*
 * thread.c - what does it cost to create a thread and to wait for its end?
 */
#include "bench.h"

#include <err.h>
#include <pthread.h>

#define MANY 32

static void *nothing(void *arg)
{
	return arg;
}

static void create(pthread_t *t)
{
	if (pthread_create(t, NULL, nothing, NULL))
		errx(1, "pthread_create");
}

static void one(void)
{
	pthread_t t;

	create(&t);
	pthread_join(t, NULL);
}

static void many(void)
{
	pthread_t t[MANY];

	for (int i = 0; i < MANY; i++)
		create(&t[i]);
	for (int i = 0; i < MANY; i++)
		pthread_join(t[i], NULL);
}

static void sample_many(double seconds)
{
	bench_batches(many, seconds, MANY);
}

const struct bench bench = {
	.question = "What does it cost to create a thread and to wait for its "
		    "end?",
	.rounds = 10,
	.cases = {
		{ .name = "create and join", .run = one,
		  .target = { { BENCH_FASTER, 15 } } },
		{ .name = "two CPUs", .run = one, .cpus = 2 },
		{ .name = "32 at once", .sample = sample_many },
		{ .name = "32 at once, two CPUs", .sample = sample_many,
		  .cpus = 2 },
		{ 0 },
	},
};
