/* SPDX-License-Identifier: MIT */
/*
 * footprint.c - what does an instance use that does nothing?
 */
#include "bench.h"

const struct bench bench = {
	.question = "What does an instance use that does nothing?",
	.rounds = 3,
	.cases = {
		{ .name = "private memory", .how = BENCH_MEMORY, .unit = "MiB",
		  .command = "%p/idle", .target = { { BENCH_AT_MOST, 5 } } },
		{ .name = "processor", .how = BENCH_IDLE, .unit = "%",
		  .command = "%p/idle",
		  .target = { { BENCH_AT_MOST, 0.01 } } },
		{ 0 },
	},
};
