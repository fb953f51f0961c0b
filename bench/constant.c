/* SPDX-License-Identifier: MIT */
/*
 * constant.c - do start-up time and memory depend on the memory that an
 * instance is given?
 *
 * Compares Azalea with itself.
 */
#include "bench.h"

#define SMALL "--overcommit -m 64M"
#define EVEN  (1 / 1.05)

const struct bench bench = {
	.question = "Do start-up time and memory depend on the memory that an "
		    "instance is given?",
	.rounds = 40,
	.cases = {
		{ .name = "start, 1 TiB : 64 MiB", .how = BENCH_WALL,
		  .unit = "ms", .command = "%p/hello", .base = SMALL,
		  .options = "--overcommit -m 1T",
		  .target = { { BENCH_FASTER, EVEN } } },
		{ .name = "memory, 1 TiB : 64 MiB", .how = BENCH_MEMORY,
		  .unit = "MiB", .command = "%p/idle", .base = SMALL,
		  .options = "--overcommit -m 1T",
		  .target = { { BENCH_FASTER, EVEN } } },
		{ 0 },
	},
};
