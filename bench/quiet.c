/* SPDX-License-Identifier: MIT */
/*
 * quiet.c - what happens to a CPU that only computes?
 *
 * Interrupts: Linux's, by /proc/interrupts; on metal all that the core took.
 * Events: page faults; on metal also calls of the core's thread, halts and
 * traps. Azalea's side should have none at all.
 */
#include "bench.h"

const struct bench bench = {
	.question = "What happens to a CPU that only computes?",
	.rounds = 1,
	.cases = {
		{ .name = "interrupts", .how = BENCH_INTERRUPTS,
		  .unit = "interrupts", .command = "%p/steady", .metal = 1,
		  .target = { { BENCH_AT_MOST, 0 } } },
		{ .name = "faults and calls", .how = BENCH_EVENTS,
		  .unit = "events", .command = "%p/steady", .metal = 1,
		  .target = { { BENCH_AT_MOST, 0 } } },
		{ 0 },
	},
};
