/* SPDX-License-Identifier: MIT */
/*
 * noise.h - what the benches of operating system noise share.
 *
 * They print pairs, one a line: when, in us after the start, and how much; and
 * at last "# seconds S", how long they watched. All memory that they record
 * in has been touched before, and nothing is printed before the end.
 */
#ifndef NOISE_H
#define NOISE_H

#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "bench.h"

struct noise {
	uint64_t when; /* ticks: of the TSC, or instructions of this CPU */
	uint64_t much;
};

/* noise_room - touched room for count records, or an error. */
static inline struct noise *noise_room(size_t count)
{
	struct noise *n = malloc(count * sizeof(*n));

	if (!n)
		err(1, "%zu records", count);
	memset(n, 1, count * sizeof(*n));
	return n;
}

static inline uint64_t noise_ticks(void)
{
	return bench_counting() ? bench_now() : __rdtsc();
}

/* noise_hz - ticks a second, measured against the clock for 50 ms. */
static inline double noise_hz(void)
{
	uint64_t begin = bench_now(), tick = __rdtsc(), now;

	if (bench_counting())
		return 1e9;
	do
		now = bench_now();
	while (now - begin < 50000000);
	return (double)(__rdtsc() - tick) * 1e9 / (double)(now - begin);
}

/* noise_print - what was recorded; how much is divided by scale. Frees n. */
static inline void noise_print(struct noise *n, size_t count, double hz,
			       double scale, uint64_t ticks)
{
	for (size_t i = 0; i < count; i++)
		printf("%.1f %.3f\n",
		       (double)(n[i].when - n[0].when) * 1e6 / hz,
		       (double)n[i].much / scale);
	printf("# seconds %.6f\n", (double)ticks / hz);
	free(n);
}

#endif
