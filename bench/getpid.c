/* SPDX-License-Identifier: MIT */
/*
 * getpid.c - what does the cheapest system call cost?
 */
#include "bench.h"

#include <sys/syscall.h>
#include <unistd.h>

static void by_libc(void)
{
	(void)getpid();
}

static void by_syscall(void)
{
	(void)syscall(SYS_getpid);
}

const struct bench bench = {
	.question = "What does the cheapest system call cost?",
	.rounds = 10,
	.cases = {
		{ .name = "static", .run = by_libc,
		  .target = { { BENCH_FASTER, 40 }, { BENCH_AT_MOST, 3 } } },
		{ .name = "dynamic", .run = by_libc, .dynamic = 1,
		  .target = { { BENCH_FASTER, 40 }, { BENCH_AT_MOST, 3 } } },
		{ .name = "by syscall()", .run = by_syscall, .dynamic = 1 },
		{ 0 },
	},
};
