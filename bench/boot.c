/* SPDX-License-Identifier: MIT */
/*
 * boot.c - how long after exec does a program begin, given much or little?
 *
 * From exec of `azalea run` to the first instruction of main() of the program,
 * or of its last thread if it has several, each on a core of its own; and from
 * there until everything has ended. The memory is address space: what is not
 * touched costs nothing. "claimed" has the CPUs taken from Linux as part of
 * the start, and given back before the end; elsewhere they are reserved.
 */
#include "bench.h"

#define FIRST .how = BENCH_FIRST, .unit = "ms", .metal = 1
#define MEMORY(size)                                 \
	FIRST, .reserved = 1, .command = "%p/first", \
	       .options = "--overcommit -m " size
#define CORES(n) FIRST, .reserved = 1, .cpus = (n), .command = "%p/first " #n

const struct bench bench = {
	.question = "How long after exec does a program begin, given much or "
		    "little?",
	.rounds = 7,
	.cases = {
		{ .name = "64 MiB", MEMORY("64M"),
		  .target = { { BENCH_AT_MOST, 158 } } },
		{ .name = "256 MiB", MEMORY("256M") },
		{ .name = "1 GiB", MEMORY("1G") },
		{ .name = "4 GiB", MEMORY("4G") },
		{ .name = "16 GiB", MEMORY("16G") },
		{ .name = "64 GiB", MEMORY("64G"),
		  .target = { { BENCH_AT_MOST, 165 } } },
		{ .name = "1 core", CORES(1) },
		{ .name = "2 cores", CORES(2) },
		{ .name = "3 cores", CORES(3) },
		{ .name = "4 cores", CORES(4) },
		{ .name = "5 cores", CORES(5) },
		{ .name = "6 cores", CORES(6) },
		{ .name = "1 core, claimed", FIRST, .command = "%p/first",
		  .target = { { BENCH_AT_MOST, 158 } } },
		{ .name = "4 cores, claimed", FIRST, .cpus = 4,
		  .command = "%p/first 4" },
		{ 0 },
	},
};
