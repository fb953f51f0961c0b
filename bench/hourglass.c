/* SPDX-License-Identifier: MIT */
/*
 * hourglass.c - when does a program that runs all the time not run, and for
 * how long?
 *
 * After the description in John Regehr, "Inferring scheduling behavior with
 * Hourglass" (USENIX 2002, FREENIX track): a thread reads the time stamp
 * counter in a loop that is as short as can be. A gap between two readings
 * that is larger than the loop explains is a detour: the CPU did something
 * else. Each is recorded with its length.
 */
#include "noise.h"

#define GAP  0.4e-6 /* seconds: the loop takes a twentieth of it */
#define ROOM 1000000

static void watch(double seconds)
{
	struct noise *n = noise_room(ROOM);
	double hz = noise_hz();
	uint64_t gap = (uint64_t)(GAP * hz), start, end, now, then;
	size_t count = 0;

	/* The start is a record of length 0: times count from there. */
	start = then = noise_ticks();
	n[count].when = start;
	n[count++].much = 0;
	end = start + (uint64_t)(seconds * hz);
	do {
		now = noise_ticks();
		if (now - then > gap) {
			n[count].when = then;
			n[count++].much = now - then;
		}
		then = now;
	} while (now < end && count < ROOM);
	noise_print(n, count, hz, hz / 1e6, now - start);
}

const struct bench bench = {
	.question = "When does a program that always runs not run, and for how "
		    "long? (Hourglass)",
	.rounds = 3,
	.cases = {
		{ .name = "detours", .how = BENCH_DETOUR, .unit = "us",
		  .sample = watch },
		{ 0 },
	},
};
