/* SPDX-License-Identifier: MIT */
/*
 * start.c - how much longer does a program take to start and end?
 */
#include "bench.h"

const struct bench bench = {
	.question = "How much longer than on Linux does a program take to start "
		    "and end?",
	.rounds = 100,
	.cases = {
		{ .name = "static hello", .how = BENCH_WALL, .unit = "ms",
		  .command = "%p/hello", .target = { { BENCH_ABOVE, 1.5 } } },
		{ .name = "static hello, all CPUs", .how = BENCH_WALL,
		  .unit = "ms", .cpus = BENCH_ALL, .command = "%p/hello",
		  .target = { { BENCH_ABOVE, 1.5 } } },
		{ .name = "dynamic hello", .how = BENCH_WALL, .unit = "ms",
		  .command = "%p/hello.dynamic" },
		{ 0 },
	},
};
