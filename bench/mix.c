/* SPDX-License-Identifier: MIT */
/*
 * mix.c - what do several jobs at once cost, each on cores of its own?
 *
 * So many copies of a program, so many threads each: on one Linux, which has
 * as many CPUs as all of them together; or each in an instance of its own.
 * "3 x 2" is three copies of two threads. All that the machine does for it
 * counts, Linux's CPUs that serve the instances included.
 */
#include "bench.h"

#define JOB(kind, n, m)                                                    \
	.how = BENCH_WALL, .unit = "ms", .reserved = 1, .cpus = (n) * (m), \
	.copies = (n), .command = "%p/job " kind " " #m

const struct bench bench = {
	.question = "What do several jobs at once cost, each on cores of its "
		    "own?",
	.rounds = 5,
	.cases = {
		{ .name = "compute, 3 x 2", JOB("compute", 3, 2) },
		{ .name = "memory, 3 x 2", JOB("memory", 3, 2) },
		{ .name = "file, 3 x 2", JOB("file", 3, 2) },
		{ .name = "pipe, 3 x 2", JOB("pipe", 3, 2) },
		{ .name = "all, 1 x 6", JOB("mix", 1, 6) },
		{ .name = "all, 2 x 3", JOB("mix", 2, 3) },
		{ .name = "all, 3 x 2", JOB("mix", 3, 2) },
		{ .name = "all, 6 x 1", JOB("mix", 6, 1) },
		{ 0 },
	},
};
