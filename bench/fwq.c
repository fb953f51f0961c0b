/* SPDX-License-Identifier: MIT */
/*
 * fwq.c - how evenly does fixed work go on? (fixed work quanta)
 *
 * After the description of Lawrence Livermore's FWQ: the same work is done
 * over and over, and each time it takes is recorded. Without noise all would
 * be equal; what is above the smallest is time that something else had.
 *
 * The work is a chain of multiplications and additions, in registers: 2^18
 * of both, a third of a millisecond.
 */
#include "noise.h"

#define WORK        (1 << 18)
#define QUANTUM_MIN 2e-5 /* seconds; no CPU is that fast */

static void work(void)
{
	uint64_t x = 1;

	for (int i = 0; i < WORK; i++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		__asm__ volatile("" : "+r"(x));
	}
}

static void fixed_work(double seconds)
{
	size_t room = (size_t)(seconds / QUANTUM_MIN) + 1, count = 0;
	struct noise *n = noise_room(room);
	double hz = noise_hz();
	uint64_t start, end, now, then;

	work();
	start = then = noise_ticks();
	end = start + (uint64_t)(seconds * hz);
	do {
		work();
		now = noise_ticks();
		n[count].when = then;
		n[count].much = now - then;
		then = now;
	} while (++count < room && now < end);
	noise_print(n, count, hz, hz / 1e6, now - start);
}

const struct bench bench = {
	.question = "How evenly does fixed work go on? (FWQ)",
	.rounds = 3,
	.cases = {
		{ .name = "time per quantum", .how = BENCH_WORK, .unit = "us",
		  .sample = fixed_work },
		{ 0 },
	},
};
