/* SPDX-License-Identifier: MIT */
/*
 * getpid.c - what does the cheapest system call cost?
 */
#include "bench.h"

#include <sys/syscall.h>
#include <unistd.h>

#define MANY 100 /* so that the loop around it does not count */

static void by_libc(void)
{
	for (int i = 0; i < MANY; i++)
		(void)getpid();
}

static void by_syscall(void)
{
	for (int i = 0; i < MANY; i++)
		(void)syscall(SYS_getpid);
}

const struct bench bench = {
	.question = "What does the cheapest system call cost?",
	.rounds = 10,
	.cases = {
		{ .name = "static", .run = by_libc, .per = MANY,
		  .target = { { BENCH_FASTER, 40 }, { BENCH_AT_MOST, 3 } } },
		{ .name = "dynamic", .run = by_libc, .per = MANY, .dynamic = 1,
		  .target = { { BENCH_FASTER, 40 }, { BENCH_AT_MOST, 3 } } },
		{ .name = "by syscall()", .run = by_syscall, .per = MANY, .dynamic = 1 },
		{ .name = "trapped", .run = by_libc, .per = MANY,
		  .options = "--no-patch" },
		{ .name = "linked", .run = by_libc, .per = MANY, .linked = 1 },
		{ 0 },
	},
};
