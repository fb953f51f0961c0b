/* SPDX-License-Identifier: MIT */
/*
 * touch.c - what does the first touch of a page cost, in fresh memory?
 *
 * Each sample is the mean over all pages of a mapping that is new and is
 * unmapped after it. "once" does so in a process of its own each time, so no
 * memory can have been used before.
 */
#include "bench.h"

#include <err.h>
#include <stddef.h>
#include <sys/mman.h>

#define PAGE  4096UL
#define SIZE  (256UL << 20)
#define PAGES 65536

static void once(double seconds)
{
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start;

	(void)seconds;
	if (p == MAP_FAILED)
		err(1, "mmap");
	start = bench_now();
	for (unsigned long at = 0; at < SIZE; at += PAGE)
		((volatile char *)p)[at] = 1;
	bench_sample((double)(bench_now() - start) / PAGES);
	munmap(p, SIZE);
}

static void again(double seconds)
{
	for (int i = 0; i < 3; i++)
		once(seconds);
}

const struct bench bench = {
	.question = "What does the first touch of a page cost, in fresh "
		    "memory?",
	.rounds = 10,
	.cases = {
		{ .name = "256 MiB, once", .sample = once,
		  .target = { { BENCH_FASTER, 5 } } },
		{ .name = "256 MiB, 3 times", .sample = again },
		{ 0 },
	},
};
