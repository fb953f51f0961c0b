/* SPDX-License-Identifier: MIT */
/*
 * mmap.c - what does it cost to get memory, use it and give it back?
 *
 * "Use" is to write to every page.
 */
#include "bench.h"

#include <err.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096UL
#define KIB  1024UL
#define MIB  (1024 * KIB)

static char *map(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

static void touch(volatile char *p, size_t size)
{
	for (size_t at = 0; at < size; at += PAGE)
		p[at] = 1;
}

static void cycle(size_t size)
{
	char *p = map(size);

	touch(p, size);
	munmap(p, size);
}

static void cycle_4k(void)
{
	cycle(4 * KIB);
}

static void cycle_64k(void)
{
	cycle(64 * KIB);
}

static void cycle_2m(void)
{
	cycle(2 * MIB);
}

static void cycle_64m(void)
{
	cycle(64 * MIB);
}

static void brk_64k(void)
{
	char *p = sbrk(64 * KIB);

	if (p == (char *)-1)
		err(1, "sbrk");
	touch(p, 64 * KIB);
	sbrk(-(intptr_t)(64 * KIB));
}

static void mremap_grow(void)
{
	char *p = map(64 * KIB);

	touch(p, 64 * KIB);
	p = mremap(p, 64 * KIB, 128 * KIB, MREMAP_MAYMOVE);
	if (p == MAP_FAILED)
		err(1, "mremap");
	touch(p, 128 * KIB);
	munmap(p, 128 * KIB);
}

static char *kept;

static void dontneed_64k(void)
{
	touch(kept, 64 * KIB);
	if (madvise(kept, 64 * KIB, MADV_DONTNEED))
		err(1, "madvise");
}

static void mprotect_page(void)
{
	if (mprotect(kept + PAGE, PAGE, PROT_READ) ||
	    mprotect(kept + PAGE, PAGE, PROT_READ | PROT_WRITE))
		err(1, "mprotect");
	kept[PAGE] = 1;
}

static void setup(void)
{
	kept = map(64 * KIB);
	touch(kept, 64 * KIB);
}

const struct bench bench = {
	.question = "What does it cost to get memory, use it and give it back?",
	.rounds = 10,
	.setup = setup,
	.cases = {
		{ .name = "mmap 4 KiB", .run = cycle_4k },
		{ .name = "mmap 64 KiB", .run = cycle_64k,
		  .target = { { BENCH_FASTER, 15 } } },
		{ .name = "mmap 2 MiB", .run = cycle_2m,
		  .target = { { BENCH_FASTER, 5 } } },
		{ .name = "mmap 64 MiB", .run = cycle_64m },
		{ .name = "brk 64 KiB", .run = brk_64k },
		{ .name = "mremap to 128 KiB", .run = mremap_grow },
		{ .name = "MADV_DONTNEED 64 KiB", .run = dontneed_64k },
		{ .name = "mprotect of a page, twice", .run = mprotect_page },
		{ 0 },
	},
};
