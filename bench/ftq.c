/* SPDX-License-Identifier: MIT */
/*
 * ftq.c - how much work gets done in equal spans of time? (fixed time quanta)
 *
 * After the description of FTQ by Sottile and Minnich ("Analysis of
 * microbenchmarks for performance tuning of clusters", Cluster 2004) and
 * Lawrence Livermore: units of work are counted in each span. The spans follow
 * a fixed grid, whatever interrupts: a unit that ends after its span's end
 * does not shift the next one, and spans that were slept through count 0. So
 * the counts are a signal with a constant rate of samples.
 */
#include "noise.h"

#define QUANTUM 0.0005 /* seconds */
#define UNIT    32     /* multiplications: a tenth of a microsecond or less */

static inline void unit(void)
{
	uint64_t x = 1;

	for (int i = 0; i < UNIT; i++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		__asm__ volatile("" : "+r"(x));
	}
}

static void fixed_time(double seconds)
{
	size_t room = (size_t)(seconds / QUANTUM) + 1, count;
	struct noise *n = noise_room(room);
	double hz = noise_hz();
	uint64_t span = (uint64_t)(QUANTUM * hz), start, end, now, done;

	start = now = noise_ticks();
	for (count = 0; count < room; count++) {
		end = start + (count + 1) * span;
		for (done = 0; now < end; done++) {
			unit();
			now = noise_ticks();
		}
		n[count].when = end - span;
		n[count].much = done;
	}
	noise_print(n, count, hz, 1, now - start);
}

const struct bench bench = {
	.question = "How much work gets done in equal spans of time? (FTQ)",
	.rounds = 3,
	.cases = {
		{ .name = "work per quantum", .how = BENCH_QUANTUM,
		  .unit = "units", .sample = fixed_time },
		{ 0 },
	},
};
