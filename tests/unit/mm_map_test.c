/* SPDX-License-Identifier: MIT */
/*
 * mm_map_test.c - what the unikernel's memory calls do beyond Linux's: where
 * things go, what reaches the host, limits, faults, a host that refuses.
 */
/* links: kernel/mm/vma.c kernel/mm/kalloc.c kernel/mm/mm.c kernel/mm/mmap.c */
/* links: kernel/mm/place.c kernel/mm/pool.c kernel/mm/loose.c kernel/mm/protect.c */
/* links: kernel/mm/remap.c kernel/mm/brk.c kernel/mm/advise.c */
/* links: kernel/mm/mlock.c */
/* cflags: -DAZ_KERNEL */
#include "mm_world.h"

#include <fcntl.h>

#define RW    (PROT_READ | PROT_WRITE)
#define KIB   1024ULL
#define MIB   (1024 * KIB)
#define GIB   (1024 * MIB)
#define TIB   (1024 * GIB)
#define PAGE  AZ_PAGE_SIZE
#define LIMIT (64 * MIB)

static bool in(long addr, uint64_t lo, uint64_t hi)
{
	return addr > 0 && (uint64_t)addr >= lo && (uint64_t)addr < hi;
}

static uint64_t committed(void)
{
	return STATS->mem_committed;
}

/* Does the host have exactly one mapping over [addr, addr + len)? */
static bool host_has(long addr, uint64_t len, uint32_t flags)
{
	struct host_vma v[4];
	uint64_t at = (uint64_t)addr;

	return host_maps(at, at + len, v, 4) == 1 && v[0].start <= at &&
	       v[0].end >= at + len && v[0].flags == flags;
}

static bool host_free(long addr, uint64_t len)
{
	struct host_vma v;

	return host_maps((uint64_t)addr, (uint64_t)addr + len, &v, 1) == 0;
}

static int smaps_count(long addr, const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	uint64_t lo, hi;
	bool inside = false;
	int n = 0;

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &lo, &hi) == 2)
			inside = (uint64_t)addr >= lo && (uint64_t)addr < hi;
		else if (inside && !strncmp(line, "VmFlags:", 8))
			n += strstr(line, flag) != NULL;
	}
	fclose(f);
	return n;
}

/* --- the pool --- */

static void test_pool(void)
{
	long a = map_anon(0, 64 * KIB, RW, 0), before, p[300];
	bool filled = true;

	ok(in(a, WINDOW_POOL, WINDOW_MAPS), "small mappings are in the pool");
	before = host_calls;
	for (int i = 0; i < 16; i++)
		p[i] = map_anon(0, 64 * KIB, RW, 0);
	is(host_calls - before, 0, "and need no call to the host");
	ok(p[0] == a + (long)(64 * KIB) && p[15] == p[14] + (long)(64 * KIB),
	   "one follows the other");
	is((long)mm.set.count, 1, "and they are one vma");
	for (int i = 0; i < 16; i++) {
		filled &= !*(volatile char *)p[i];
		*(volatile char *)p[i] = 1;
	}
	ok(filled, "they are zero and can be written");

	is(CALL(munmap, (uint64_t)p[3], 64 * KIB), 0, "one is unmapped");
	ok(host_free(p[3], 64 * KIB),
	   "and gone on the host: touching it faults");
	is(mm_fault((uint64_t)p[3], false, false), -EFAULT,
	   "which mm_fault explains as unmapped");
	for (int i = 0; i < 60; i++) {
		p[i] = map_anon(0, 64 * KIB, RW, 0);
		filled &= !*(volatile char *)p[i];
	}
	ok(filled, "what is handed out again is zero");
	world_clear();
	is((long)committed(), 0, "nothing is committed when all is unmapped");
	core_use(0);
}

/* Map, use and unmap 64 KiB: are they at a again? *zero: were they clear? */
static bool unmap_late(long a, bool *zero)
{
	long b = map_anon(0, 64 * KIB, RW, 0);

	for (uint64_t at = 0; at < 64 * KIB; at += PAGE)
		*zero &= !*(volatile char *)(b + (long)at);
	memset((void *)b, 1, 64 * KIB);
	CALL(munmap, (uint64_t)b, 64 * KIB);
	*zero &= mm_fault((uint64_t)b, true, false) == -EFAULT;
	return b == a;
}

/* Unmapping many times in a row, in a program that does not catch faults. */
static void test_late(void)
{
	long before, calls = 100, a = 0;
	bool zero = true, same = true;
	uint64_t start, end;

	mm.exact = 0;
	for (int i = 0; i < 100; i++) {
		a = map_anon(0, 64 * KIB, RW, 0);
		CALL(munmap, (uint64_t)a, 64 * KIB);
	}
	/* How many there are goes by time: a round that nobody disturbs. */
	for (int round = 0; round < 100 && calls > 2; round++) {
		before = host_calls;
		for (int i = 0; i < 100; i++)
			same &= unmap_late(a, &zero);
		calls = host_calls - before;
	}
	ok(calls <= 2, "take no call to the host but now and then");
	ok(zero, "are zero each time, and unmapped in the tree");
	ok(same, "and use the same memory again");
	is(CALL(mincore, (uint64_t)a, PAGE, (uint64_t)a), -ENOMEM,
	   "mincore does not see them");
	mm_watch_faults();
	ok(host_free(a, 64 * KIB), "a handler for faults makes them real");
	a = map_anon(0, 64 * KIB, RW, 0);
	before = host_calls;
	is(CALL(munmap, (uint64_t)a + 4 * PAGE, 4 * PAGE), 0, "from then on");
	is(host_calls - before, 1, "each is a call to the host");
	ok(host_free(a + (long)(4 * PAGE), 4 * PAGE), "and faults");
	ok(pool_used((uint64_t)a, &start, &end) && start == (uint64_t)a &&
	       end == (uint64_t)a + 4 * PAGE,
	   "a part of a mapping can be unmapped");
	world_clear();
	is((long)committed(), 0, "nothing stays charged");
}

/* Slabs of another core, slabs of nobody, and growing within one. */
static void test_resize(void)
{
	long a, b, p[200];

	mm.exact = 0;
	a = map_anon(0, 4 * PAGE, RW, 0);
	strcpy((char *)a, "here");
	is(CALL(mremap, (uint64_t)a, 4 * PAGE, 8 * PAGE, 0), a,
	   "mremap grows in place");
	b = map_anon(0, PAGE, RW, 0);
	is(b, a + (long)(8 * PAGE), "what follows comes behind");
	is(CALL(mremap, (uint64_t)a, 8 * PAGE, 16 * PAGE, 0), -ENOMEM,
	   "no room, and not to be moved");
	a = map_anon(0, 8 * PAGE, RW, 0);
	strcpy((char *)a, "here");
	map_anon(0, PAGE, RW, 0);
	b = CALL(mremap, (uint64_t)a, 8 * PAGE, 32 * PAGE, MREMAP_MAYMOVE);
	ok(b > 0 && b != a && !strcmp((char *)b, "here") &&
	       !((char *)b)[31 * PAGE],
	   "it moves with what is in it");
	is(mm_fault((uint64_t)a, false, false), -EFAULT, "nothing stays");
	is(CALL(mremap, (uint64_t)b, 32 * PAGE, 2 * PAGE, 0), b, "it shrinks");
	is(mm_fault((uint64_t)b + 2 * PAGE, false, false), -EFAULT,
	   "to what was asked");
	b = CALL(mremap, (uint64_t)b, 2 * PAGE, 2 * MIB, MREMAP_MAYMOVE);
	ok(b > 0 && !strcmp((char *)b, "here"), "it outgrows the pool");
	world_clear();
	a = map_anon(0, 64 * PAGE, RW, 0);
	memset((void *)a, 7, 64 * PAGE);
	map_anon(0, PAGE, RW, 0);
	b = CALL(mremap, (uint64_t)a, 64 * PAGE, 128 * PAGE, MREMAP_MAYMOVE);
	ok(b > 0 && ((char *)b)[63 * PAGE] == 7 && !((char *)b)[64 * PAGE],
	   "more moves by the host");
	world_clear();
	for (int i = 0; i < 200; i++) {
		p[i] = map_anon(0, 256 * KIB, RW, 0);
		*(volatile char *)p[i] = 1;
	}
	core_use(1);
	for (int i = 0; i < 200; i++)
		CALL(munmap, (uint64_t)p[i], 256 * KIB);
	core_use(0);
	ok(host_maps(WINDOW_POOL, WINDOW_MAPS, (struct host_vma[40]){ { 0 } },
		     40) <= 2 * POOL_SLABS,
	   "another core's unmappings leave little behind");
	world_clear();
	mm.exact = 1;
	is((long)committed(), 0, "nothing stays charged");
}

/* A page that is closed and opened by turns, an arena that grows. */
static void test_loose(void)
{
	long a = map_anon(0, 64 * PAGE, RW, 0), before, b;

	mm.exact = 0;
	for (int i = 0; i < 60; i++) {
		CALL(mprotect, (uint64_t)a, PAGE, PROT_READ);
		CALL(mprotect, (uint64_t)a, PAGE, RW);
	}
	before = host_calls;
	CALL(mprotect, (uint64_t)a, PAGE, PROT_READ);
	ok(host_calls - before <= 1, "a page to and fro takes no call");
	is(mm_fault((uint64_t)a, true, false), -EACCES, "the tree knows");
	CALL(madvise, (uint64_t)a, 8 * PAGE, MADV_DONTFORK);
	ok(host_has(a, PAGE, VMA_READ), "and so does the host, if it matters");
	world_clear();
	a = map_anon(0, 64 * MIB, PROT_NONE, MAP_NORESERVE);
	CALL(mprotect, (uint64_t)a, 4 * PAGE, RW);
	for (int i = 0; i < 50; i++) {
		CALL(munmap, (uint64_t)map_anon(0, PAGE, RW, 0), PAGE);
		CALL(mprotect, (uint64_t)a + (4 + (uint64_t)i) * PAGE, PAGE,
		     RW);
	}
	before = host_calls;
	for (uint64_t i = 54; i < 70; i++)
		CALL(mprotect, (uint64_t)a + i * PAGE, PAGE, RW);
	ok(host_calls - before <= 2, "an arena is opened ahead");
	ok(host_has(a, 70 * PAGE, RW), "as far as it was asked for");
	is(mm_fault((uint64_t)a + 70 * PAGE, false, false), -EACCES,
	   "and the tree knows how far that is");
	b = map_anon((uint64_t)a + 80 * PAGE, PAGE, PROT_READ, MAP_FIXED);
	ok(b > 0 && host_has(a + 70 * (long)PAGE, 10 * PAGE, 0),
	   "what others need is closed again");
	mm_watch_faults();
	vma_check(&mm.set);
	world_clear();
}

/* The limit counts what is used. */
static void test_seal(void)
{
	long a, b = 0;
	int n = 0;

	mm.exact = 0;
	a = map_anon(0, PAGE, RW, 0);
	ok(committed() > PAGE, "an open slab is charged as a whole");
	is(map_anon(0, LIMIT - AZ_CHUNK_SIZE, RW, 0) > 0, 1, "nearly all");
	while (n < 1000 && (b = map_anon(0, PAGE, RW, 0)) > 0)
		n++;
	ok(n == AZ_CHUNK_SIZE / PAGE - 1 && b == -ENOMEM,
	   "all that is left can be had by the page");
	CALL(munmap, (uint64_t)a, PAGE);
	ok(map_anon(0, PAGE, RW, 0) > 0, "and again");
	world_clear();
	a = map_anon(0, PAGE, RW, 0);
	ok(map_anon(0, LIMIT - PAGE, RW, 0) > 0,
	   "what a slab does not use is there for others");
	is(map_anon(0, PAGE, RW, 0), -ENOMEM, "and then it is full");
	world_clear();
	mm.exact = 1;
	is((long)committed(), 0, "nothing stays charged");
}

static void test_chunks(void)
{
	uint64_t base = mm.set.sum.size;
	long p[400];
	uint64_t top = 0;

	/* Chunk after chunk, each freed: a few are used over and over. */
	for (int i = 0; i < 4000; i++) {
		long a = map_anon(0, 512 * KIB, RW, 0);

		if (*(volatile char *)a)
			panic("used memory was handed out");
		*(volatile char *)a = 1;
		top = MAX(top, (uint64_t)a);
		CALL(munmap, (uint64_t)a, 512 * KIB);
	}
	ok(top < WINDOW_POOL + 64 * MIB, "free chunks are used again, zeroed");
	for (int i = 0; i < 100; i++)
		p[i] = map_anon(0, 512 * KIB, RW, 0);
	ok(p[99] > 0 && mm.set.sum.size == base + 100 * 512 * KIB,
	   "many chunks can be in use");
	world_clear();
	ok(host_maps(WINDOW_POOL, WINDOW_MAPS, &(struct host_vma){ 0 }, 1) <= 1,
	   "freed chunks are gone on the host");
}

static void test_cores(void)
{
	long a, b, c;

	core_use(0);
	a = map_anon(0, PAGE, RW, 0);
	core_use(1);
	b = map_anon(0, PAGE, RW, 0);
	core_use(0);
	c = map_anon(0, PAGE, RW, 0);
	ok(c == a + (long)PAGE &&
	       (uint64_t)a / AZ_CHUNK_SIZE != (uint64_t)b / AZ_CHUNK_SIZE,
	   "each core has a chunk of its own");
	world_clear();
}

/* The program maps by address where a core hands out small mappings. */
static void test_claim(void)
{
	long a = map_anon(0, PAGE, RW, 0), b;
	uint64_t at = (uint64_t)a + 16 * PAGE;
	bool apart = true;

	b = map_anon(at, 2 * PAGE, PROT_READ, MAP_FIXED);
	is(b, (long)at, "a fixed mapping into the rest of an open chunk");
	for (int i = 0; i < 600; i++) {
		long p = map_anon(0, PAGE, RW, 0);

		apart &= p > 0 && ((uint64_t)p >= at + 2 * PAGE ||
				   (uint64_t)p + PAGE <= at);
	}
	ok(apart, "is not handed out by the pool");
	ok(host_has(b, 2 * PAGE, VMA_READ), "and keeps its protection");
	world_clear();
	a = map_anon(0, PAGE, RW, 0);
	b = map_anon((uint64_t)a + PAGE, PAGE, RW, 0);
	is(b, a + (long)PAGE, "a hint into an open chunk is honoured");
	is(map_anon((uint64_t)a, 2 * PAGE, RW, MAP_FIXED_NOREPLACE), -EEXIST,
	   "MAP_FIXED_NOREPLACE over a small mapping is EEXIST");
	/* Unmapping from before the pool to behind it closes every chunk. */
	is(CALL(munmap, WINDOW_POOL - PAGE, 2 * TIB), 0,
	   "the whole pool is unmapped");
	ok(host_maps(WINDOW_POOL, WINDOW_MAPS, &(struct host_vma){ 0 }, 1) == 0,
	   "and nothing is left of it on the host");
	ok(map_anon(0, PAGE, RW, 0) > 0, "and it goes on working");
	world_clear();
}

/* --- where larger ones go --- */

static void test_places(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	long a = map_anon(0, 3 * MIB, RW, 0);
	long b;

	ok(in(a, WINDOW_MAPS, AZ_WINDOW_END) && !((uint64_t)a % AZ_CHUNK_SIZE),
	   "3 MiB go into the window, 2 MiB-aligned");
	b = map_anon(0, 4 * TIB, PROT_NONE, MAP_NORESERVE);
	ok(in(b, AZ_RESERVE_BASE, AZ_RESERVE_END), "4 TiB are reserved");
	is((long)committed(), 3 * (long)MIB, "and cost nothing");
	ok(mm.set.sum.size > 4 * TIB, "but count as address space");
	is(CALL(mprotect, (uint64_t)b + TIB, 16 * PAGE, RW), 0,
	   "part of a reservation is opened");
	*(volatile char *)(b + (long)TIB) = 1;
	b = CALL(mmap, 0, 4 * PAGE, PROT_READ, MAP_SHARED, (uint64_t)fd, 0);
	ok(in(b, AZ_SHARED_BASE, AZ_SHARED_END),
	   "shared file mappings have their own area");
	b = CALL(mmap, 0, 4 * PAGE, PROT_READ, MAP_PRIVATE, (uint64_t)fd, 0);
	ok(in(b, WINDOW_MAPS, AZ_WINDOW_END), "private ones are in the window");
	b = map_anon(0, 64 * KIB, PROT_READ | PROT_EXEC, 0);
	ok(in(b, WINDOW_MAPS, AZ_WINDOW_END), "executable memory, too");
	b = map_anon(0, PAGE, RW, MAP_32BIT);
	ok(in(b, 0x40000000, 0x80000000), "MAP_32BIT is below 2 GiB");
	b = map_anon(0, 8 * TIB, RW, 0);
	is(b, -ENOMEM, "but what is not reserved must fit the limit");
	world_clear();
	close(fd);
}

static void test_hints(void)
{
	uint64_t at = 0x100c00000000;
	long a = map_anon(at, 64 * MIB, PROT_NONE, 0);

	is(a, (long)at, "a hint that is free is honoured");
	a = map_anon(at + PAGE, PAGE, RW, 0);
	ok(a > 0 && (uint64_t)a != at + PAGE, "one that is not is not");
	is(map_anon(at - 100, PAGE, PROT_NONE, 0), (long)(at - PAGE),
	   "a hint is rounded down to its page");
	is(map_anon(0x2000, PAGE, PROT_READ, 0), AZ_GUEST_MIN,
	   "a tiny one is raised to mmap_min_addr");
	a = map_anon(0x7f0000000000, PAGE, RW, 0);
	ok(in(a, AZ_GUEST_MIN, AZ_GUEST_END), "one out of range is ignored");
	is(map_anon(0x7f0000000000, PAGE, RW, MAP_FIXED), -ENOMEM,
	   "out of range, fixed: ENOMEM");
	is(map_anon(UINT64_MAX - PAGE + 1, PAGE, RW, MAP_FIXED), -ENOMEM,
	   "at the very top, fixed: ENOMEM");
	is(map_anon(0, PAGE, RW, MAP_FIXED), -EPERM, "page 0, fixed: EPERM");
	is(map_anon(AZ_GUEST_MIN - PAGE, PAGE, RW, MAP_FIXED), -EPERM,
	   "below mmap_min_addr, fixed: EPERM");
	is(map_anon(at + 5, PAGE, RW, MAP_FIXED), -EINVAL,
	   "not aligned, fixed: EINVAL");
	is(map_anon(0, 0, RW, 0), -EINVAL, "no length: EINVAL");
	is(map_anon(0, UINT64_MAX, RW, 0), -ENOMEM, "a length that wraps");
	is(map_anon(0, 0x800000000000, RW, 0), -ENOMEM,
	   "a length beyond all addresses");
	is(CALL(munmap, 0x7f0000000000, PAGE), 0,
	   "unmapping above the range does nothing");
	is(CALL(munmap, TASK_SIZE, PAGE), -EINVAL, "beyond TASK_SIZE: EINVAL");
	world_clear();
}

static void test_fds(void)
{
	int hidden = dup2(0, 1001);

	is(CALL(mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, (uint64_t)hidden, 0),
	   -EBADF, "the owner's descriptors cannot be mapped");
	is(CALL(mmap, 0, 0, PROT_READ, MAP_PRIVATE, 900, 0), -EBADF,
	   "a bad descriptor comes before a bad length");
	is(CALL(mmap, 0, 0, PROT_READ, MAP_PRIVATE, 0, 0), -EINVAL,
	   "with a good one the length counts");
	is(CALL(mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, 0, 1), -EINVAL,
	   "an offset that is no page");
	close(hidden);
}

static void test_huge(void)
{
	long a = map_anon(0, 16 * MIB, RW, 0), b;

	ok(smaps_count(a, " hg") &&
	       (uint64_t)a % AZ_CHUNK_SIZE == AZ_CHUNK_SIZE - 64 * KIB,
	   "16 MiB get big pages behind a head of 64 KiB");
	b = map_anon(0, 16 * MIB, RW, MAP_STACK);
	ok(!smaps_count(b + 4 * (long)MIB, " hg"), "but not for stacks");
	b = map_anon(0, 16 * MIB, RW, MAP_NORESERVE);
	ok(!smaps_count(b + 4 * (long)MIB, " hg"), "nor for reservations");
	b = map_anon(0, 3 * MIB, RW, 0);
	ok(!smaps_count(b + 2 * (long)MIB, " hg"), "nor below 4 MiB");
	*(volatile char *)(a + 3 * (long)MIB) = 7;
	b = CALL(mremap, (uint64_t)a, 16 * MIB, 24 * MIB, MREMAP_MAYMOVE);
	ok(b > 0 && b != a && *(volatile char *)(b + 3 * (long)MIB) == 7,
	   "such a mapping can be moved as one");
	ok(smaps_count(b + 20 * (long)MIB, " hg"), "and has big pages there");
	world_clear();
}

/* One vma for the program, two on the host: touched before they met. */
static void test_torn(void)
{
	uint64_t at = 0x100400000000;
	long b;

	map_anon(at, 4 * PAGE, RW, MAP_FIXED);
	map_anon(at + 5 * PAGE, 4 * PAGE, RW, MAP_FIXED);
	memset((void *)at, 1, 4 * PAGE);
	memset((void *)(at + 5 * PAGE), 3, 4 * PAGE);
	map_anon(at + 4 * PAGE, PAGE, RW, MAP_FIXED);
	memset((void *)(at + 4 * PAGE), 2, PAGE);
	is((long)mm.set.count, 1, "two pieces and what fills the gap: one vma");
	b = CALL(mremap, at, 9 * PAGE, 20 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		 at + 64 * PAGE);
	is(b, (long)(at + 64 * PAGE), "is moved and grows");
	ok(b > 0 && *(char *)(b + 3 * (long)PAGE) == 1 &&
	       *(char *)(b + 4 * (long)PAGE) == 2 &&
	       *(char *)(b + 8 * (long)PAGE) == 3 &&
	       *(char *)(b + 19 * (long)PAGE) == 0,
	   "with what it held");
	ok(host_free((long)at, 9 * PAGE), "and is gone where it was");
	b = CALL(mremap, (uint64_t)b, 20 * PAGE, 7 * PAGE,
		 MREMAP_MAYMOVE | MREMAP_FIXED, at);
	ok(b == (long)at && *(char *)(b + 6 * (long)PAGE) == 3 &&
	       mm.set.sum.size == 7 * PAGE &&
	       host_free(b + 7 * (long)PAGE, 90 * PAGE),
	   "and moves back, smaller");
	world_clear();
}

/* --- limits --- */

static void test_limit(void)
{
	long a = map_anon(0, 40 * MIB, RW, 0);

	is(map_anon(0, 32 * MIB, RW, 0), -ENOMEM,
	   "more than the limit: ENOMEM");
	ok(map_anon(0, 24 * MIB, RW, 0) > 0, "exactly the limit: granted");
	is(map_anon(0, PAGE, RW, 0), -ENOMEM, "not a page more");
	ok(map_anon(0, GIB, PROT_READ, 0) > 0, "what is read-only is free");
	is(CALL(munmap, (uint64_t)a, 40 * MIB), 0, "memory is given back");
	is((long)committed(), 24 * (long)MIB, "and counts no more");
	ok(map_anon(0, 40 * MIB, RW, 0) > 0, "so it can be had again");
	ok(STATS->mem_peak == LIMIT, "the peak is remembered");
	world_clear();
}

static void test_limit_kinds(void)
{
	long a = map_anon(0, 60 * MIB, PROT_READ, 0), b;

	is((long)committed(), 0, "read-only memory is not charged");
	is(CALL(mprotect, (uint64_t)a, 30 * MIB, RW), 0, "until writable");
	is((long)committed(), 30 * (long)MIB, "as much as that is");
	is(CALL(mprotect, (uint64_t)a, 60 * MIB, PROT_NONE), 0,
	   "and PROT_NONE does not give it back");
	is((long)committed(), 30 * (long)MIB, "for it still holds data");
	is(CALL(mprotect, (uint64_t)a, 60 * MIB, RW), 0,
	   "the rest counts once");
	is((long)committed(), 60 * (long)MIB, "each page only once");
	b = map_anon(0, 20 * MIB, PROT_NONE, 0);
	is(CALL(mprotect, (uint64_t)b, 20 * MIB, RW), -ENOMEM,
	   "mprotect beyond the limit is ENOMEM");
	ok(host_has(b, 20 * MIB, 0), "and changes nothing");
	is(map_anon((uint64_t)a, 60 * MIB, RW, MAP_FIXED), a,
	   "what is replaced does not count twice");
	world_clear();
	b = map_anon(0, 128 * MIB, PROT_NONE, MAP_NORESERVE);
	is(CALL(mprotect, (uint64_t)b, MIB, RW), 0, "a reservation is opened");
	is((long)committed(), (long)MIB, "what is opened of it counts");
	is(CALL(mprotect, (uint64_t)b, 128 * MIB, RW), -ENOMEM, "to the limit");
	world_clear();
	for (int i = 0; i < 100; i++)
		b = map_anon(0, 8 * MIB, RW,
			     MAP_STACK | (i ? 0 : MAP_NORESERVE));
	is((long)committed(), 99 * 64 * (long)KIB, "stacks count 64 KiB each");
	world_clear();
	b = CALL(mmap, 0, 10 * MIB, RW, MAP_SHARED | MAP_ANONYMOUS,
		 (uint64_t)-1, 0);
	is((long)committed(), 10 * (long)MIB, "shared memory counts");
	is(CALL(mremap, (uint64_t)b, 0, 10 * MIB, MREMAP_MAYMOVE) > 0, 1,
	   "a second view of it");
	is((long)committed(), 10 * (long)MIB, "counts nothing");
	world_clear();
	is((long)committed(), 0, "all is given back");
}

static void test_rlimits(void)
{
	long a;

	mm_set_rlimit(9, mm.set.sum.size + MIB);
	is(map_anon(0, 2 * MIB, PROT_NONE, 0), -ENOMEM, "RLIMIT_AS holds");
	ok(map_anon(0, MIB, PROT_NONE, 0) > 0, "exactly");
	mm_set_rlimit(9, UINT64_MAX);
	mm_set_rlimit(2, mm.set.sum.data + MIB);
	is(map_anon(0, 2 * MIB, RW, 0), -ENOMEM, "RLIMIT_DATA holds");
	a = map_anon(0, 2 * MIB, PROT_READ, 0);
	ok(a > 0, "for data only");
	is(CALL(mprotect, (uint64_t)a, 2 * MIB, RW), -ENOMEM,
	   "and for what becomes data");
	mm_set_rlimit(2, UINT64_MAX);
	world_clear();
}

static void test_brk(void)
{
	uint64_t start = 0x800000 + 123;

	mm_set_brk(start);
	is(CALL(brk, 0), (long)start, "brk(0) tells where the heap begins");
	is(CALL(brk, start + 5 * PAGE + 1), (long)(start + 5 * PAGE + 1),
	   "it grows to the byte");
	ok(host_has(0x801000, 5 * PAGE, VMA_READ | VMA_WRITE),
	   "by whole pages");
	memset((void *)0x801000, 1, 5 * PAGE);
	is(CALL(brk, start + 2 * PAGE), (long)(start + 2 * PAGE), "it shrinks");
	ok(host_free(0x803000, PAGE), "and pages go");
	is(CALL(brk, start + 4 * PAGE), (long)(start + 4 * PAGE), "and grows");
	ok(!*(volatile char *)0x803000, "with zeros");
	is(CALL(brk, start - 1), (long)(start + 4 * PAGE),
	   "not below its start");
	map_anon(0x80a000, PAGE, PROT_NONE, MAP_FIXED);
	is(CALL(brk, 0x809000), 0x809000, "up to a page before a neighbour");
	is(CALL(brk, 0x809001), 0x809000, "no further");
	CALL(munmap, 0x80a000, PAGE);
	mm_set_rlimit(2, 100 * PAGE);
	is(CALL(brk, start + 101 * PAGE), 0x809000, "RLIMIT_DATA holds");
	mm_set_rlimit(2, UINT64_MAX);
	is(CALL(brk, start + 65 * MIB), 0x809000, "the memory limit holds");
	ok(mm.set.count == 1 && (mm.set.first->flags & VMA_HEAP),
	   "the heap is one vma");
	is(CALL(brk, start), (long)start, "back to the start");
	is((long)mm.set.count, 0, "nothing is left");
}

/* --- faults --- */

static void test_faults(void)
{
	long a = map_anon(0, 4 * PAGE, PROT_READ, 0), g;
	uint64_t at = (uint64_t)a;
	int r = 0, n = 0;

	is(mm_fault(at, true, false), -EACCES, "writing read-only memory");
	is(mm_fault(at, false, true), -EACCES, "executing what is no code");
	is(mm_fault(at + 4 * PAGE, false, false), -EFAULT, "beyond the end");
	is(mm_fault(0, false, false), -EFAULT, "page 0");
	while (n < 1000 && !(r = mm_fault(at, false, false)))
		n++;
	ok(n > 1 && n < 1000 && r == -EACCES,
	   "a fault that nothing explains is not retried for ever");
	mm_set_rlimit(3, 10 * PAGE);
	g = map_anon(0x100200000000, 2 * PAGE, RW, MAP_GROWSDOWN);
	is(mm_fault((uint64_t)g - 3 * PAGE, true, false), 0, "a stack grows");
	ok(host_has(g - 3 * (long)PAGE, 5 * PAGE, VMA_READ | VMA_WRITE),
	   "down to the fault");
	is(mm_fault((uint64_t)g - 9 * PAGE, true, false), -EFAULT,
	   "not beyond RLIMIT_STACK");
	mm_set_rlimit(3, UINT64_MAX);
	world_clear();
}

static void test_mincore(void)
{
	long a = map_anon(0, 2 * MIB, RW, 0);
	static unsigned char vec[600];

	*(volatile char *)(a + 520 * (long)PAGE - 8 * (long)PAGE * 2) = 1;
	memset(vec, 9, sizeof(vec));
	is(CALL(mincore, (uint64_t)a, 512 * PAGE, (uint64_t)vec), -EFAULT,
	   "a vector outside the program's range");
	is(CALL(mincore, (uint64_t)a + 1, PAGE, 0), -EINVAL, "not aligned");
	is(CALL(mincore, (uint64_t)a, 0, 0), 0, "nothing asked");
	{
		long v = map_anon(0, PAGE, RW, 0);
		volatile unsigned char *p = (void *)v;

		is(CALL(mincore, (uint64_t)a, 512 * PAGE, (uint64_t)v), 0,
		   "of a mapped range");
		ok(p[504] == 1 && p[503] == 0 && p[511] == 0,
		   "tells which page has memory");
		is(CALL(mincore, (uint64_t)a, 513 * PAGE, (uint64_t)v), -ENOMEM,
		   "of a hole: ENOMEM");
	}
	world_clear();
}

static void test_madvise(void)
{
	long a = map_anon(0, 8 * PAGE, RW, 0);
	volatile char *p = (void *)a;

	p[0] = p[PAGE] = 1;
	is(CALL(madvise, (uint64_t)a, PAGE, MADV_DONTNEED), 0, "DONTNEED");
	ok(!p[0] && p[PAGE], "zeroes what it was given and nothing else");
	is(CALL(madvise, (uint64_t)a, PAGE, MADV_HWPOISON), -EPERM,
	   "poisoning the host's memory is refused");
	is(CALL(madvise, (uint64_t)a, PAGE, 102), -EINVAL,
	   "MADV_GUARD_INSTALL is not there: the tree would not know");
	is(CALL(madvise, (uint64_t)a, PAGE, MADV_DONTFORK), 0, "DONTFORK");
	is((long)mm.set.count, 2, "splits the vma");
	is(CALL(madvise, (uint64_t)a, PAGE, MADV_DOFORK), 0, "DOFORK");
	is((long)mm.set.count, 1, "joins it");
	world_clear();
}

static void test_mlockall(void)
{
	long a = map_anon(0, 8 * PAGE, RW, 0), b;

	is(CALL(mlockall, 0), -EINVAL, "mlockall(0)");
	is(CALL(mlockall, MCL_ONFAULT), -EINVAL, "mlockall(MCL_ONFAULT)");
	is(CALL(mlockall, MCL_CURRENT | MCL_FUTURE), 0, "mlockall");
	ok(mm.set.sum.locked == mm.set.sum.size && smaps_count(a, " lo"),
	   "locks what there is");
	b = map_anon(0, 8 * PAGE, RW, 0);
	ok(smaps_count(b, " lo") && mm.set.sum.locked == 16 * PAGE,
	   "and what comes");
	ok(!smaps_count((long)&a, " lo"), "and nothing of the owner's");
	is(CALL(munlockall, 0), 0, "munlockall");
	ok(!mm.set.sum.locked && !smaps_count(a, " lo"), "undoes it");
	BOOT->euid = 1;
	mm_set_rlimit(8, 4 * PAGE);
	is(CALL(mlock, (uint64_t)a, 5 * PAGE), -ENOMEM, "RLIMIT_MEMLOCK holds");
	is(CALL(mlock, (uint64_t)a, 4 * PAGE), 0, "exactly");
	is(CALL(mlock, (uint64_t)a, 4 * PAGE), 0, "what is locked counts once");
	mm_set_rlimit(8, 0);
	is(CALL(mlock, (uint64_t)a, PAGE), -EPERM, "none at all: EPERM");
	mm_set_rlimit(8, UINT64_MAX);
	BOOT->euid = geteuid();
	world_clear();
}

static void test_fork(void)
{
	long a = map_anon(0, 8 * PAGE, RW, 0), b = map_anon(0, PAGE, RW, 0);

	CALL(madvise, (uint64_t)a, PAGE, MADV_DONTFORK);
	CALL(mlockall, MCL_CURRENT | MCL_FUTURE);
	/* As if this were the child: Linux has unmapped the page. */
	munmap((void *)a, PAGE);
	munlockall();
	pool_fork_child();
	vma_check(&mm.set);
	is(mm_fault((uint64_t)a, false, false), -EFAULT,
	   "the child of a fork does not have what was not to be forked");
	ok(mm.set.count == 1 && !mm.set.sum.locked && !mm.def_flags,
	   "nor the locks");
	is((long)committed(), 8 * (long)PAGE, "and pays for what it has");
	b = map_anon(0, PAGE, RW, 0);
	ok((uint64_t)b / AZ_CHUNK_SIZE != (uint64_t)a / AZ_CHUNK_SIZE,
	   "it begins a chunk of its own");
	world_clear();
}

static void test_usage(void)
{
	struct mm_usage u;
	struct vma_info v;
	long a = map_anon(0, 8 * PAGE, RW, 0);

	map_anon(0, 4 * PAGE, PROT_READ | PROT_EXEC, 0);
	mm_usage(&u);
	ok(u.size == 12 * PAGE && u.data == 8 * PAGE && u.text == 4 * PAGE &&
	       u.committed == 8 * PAGE && u.limit == LIMIT,
	   "mm_usage adds up");
	ok(mm_find((uint64_t)a + 5, &v) && v.start == (uint64_t)a &&
	       v.end == (uint64_t)a + 8 * PAGE &&
	       v.flags == (VMA_READ | VMA_WRITE),
	   "mm_find tells what is there");
	ok(!mm_find(AZ_GUEST_END - 1, &v), "and when there is no more");
	world_clear();
}

/* --- a host that refuses --- */

static long steps_mapping(int n)
{
	long a = map_anon(0x100300000000, 64 * PAGE, RW, MAP_FIXED);

	if (a < 0)
		return a;
	switch (n) {
	case 0:
		return map_anon(0, 64 * KIB, RW, 0);
	case 1:
		return map_anon(0x100300002000, 4 * PAGE, PROT_READ, MAP_FIXED);
	case 2:
		return CALL(munmap, 0x100300002000, 4 * PAGE);
	case 3:
		return CALL(mprotect, 0x100300002000, 4 * PAGE, PROT_NONE);
	case 4:
		return CALL(mremap, 0x100300000000, 64 * PAGE, 128 * PAGE,
			    MREMAP_MAYMOVE);
	case 5:
		return CALL(mremap, 0x100300000000, 4 * PAGE, 128 * PAGE,
			    MREMAP_MAYMOVE);
	case 6:
		return CALL(madvise, 0x100300002000, PAGE, MADV_DONTFORK);
	case 7:
		return CALL(mlock, 0x100300002000, PAGE);
	default:
		return map_anon(0, 16 * MIB, RW, 0);
	}
}

/* Tree and host agree on what is mapped, page by page, and how. */
static bool agree(uint64_t lo, uint64_t hi)
{
	for (uint64_t at = lo; at < hi; at += PAGE) {
		struct vma *v = vma_find(&mm.set, at);
		struct host_vma h;
		bool here = v && v->start <= at;
		bool there = host_maps(at, at + PAGE, &h, 1) == 1;

		if (here != there || (here && (v->flags & 7) != (h.flags & 7)))
			return false;
	}
	return true;
}

static void test_refusal(void)
{
	for (int n = 0; n < 9; n++) {
		long fail = 0, r = -ENOMEM;
		bool good = true;

		/* Let the first call fail, then the second, ... */
		for (; fail < 20; fail++) {
			host_fail_at = fail;
			r = steps_mapping(n);
			good &= r >= 0 || r == -ENOMEM;
			if (host_fail_at >= 0)
				break; /* so many calls are not made */
			host_fail_at = -1;
			vma_check(&mm.set);
			good &= agree(0x100300000000, 0x100300080000);
			world_clear();
		}
		host_fail_at = -1;
		ok(good && r >= 0 && fail > 0,
		   "the host refuses call %ld of case %d: nothing is torn",
		   fail, n);
		world_clear();
		is((long)committed(), 0, "and nothing stays charged");
	}
}

int main(void)
{
	world_init(2, LIMIT);
	test_pool();
	test_late();
	test_resize();
	test_seal();
	test_loose();
	test_chunks();
	test_cores();
	test_claim();
	test_places();
	test_hints();
	test_fds();
	test_huge();
	test_torn();
	test_limit();
	test_limit_kinds();
	test_rlimits();
	test_brk();
	test_faults();
	test_mincore();
	test_madvise();
	test_mlockall();
	test_fork();
	test_usage();
	test_refusal();
	return done();
}
