/* SPDX-License-Identifier: MIT */
/*
 * mmap_place.c - where mmap puts things: hints, MAP_FIXED, NOREPLACE, 32BIT,
 * holes that are filled again, and mappings over others.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "fault.h"

#define PG   4096UL
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW   (PROT_READ | PROT_WRITE)

static char *map(void *at, size_t len, int prot, int flags)
{
	return mmap(at, len, prot, flags | ANON, -1, 0);
}

static void check_hints(void)
{
	char *p = map(NULL, 16 * PG, RW, 0), *q;

	MUST(p != MAP_FAILED);
	MUST(munmap(p, 16 * PG) == 0);
	q = map(p + 4 * PG, PG, RW, 0);
	OK(q == p + 4 * PG, "a hint that is free is honoured");
	munmap(q, PG);
	q = map(p + 4 * PG + 123, PG, RW, 0);
	OK(q == p + 4 * PG || q == p + 5 * PG, "an odd hint is rounded");
	munmap(q, PG);
	p = map(NULL, 4 * PG, RW, 0);
	MUST(p != MAP_FAILED);
	q = map(p + PG, PG, RW, 0);
	OK(q != MAP_FAILED && (q < p || q >= p + 4 * PG),
	   "a hint that is taken is not");
	munmap(q, PG);
	q = map((void *)0x700000001000, PG, RW, 0);
	OK(q != MAP_FAILED, "a high hint works or is ignored");
	munmap(q, PG);
	q = map((void *)0xc000000000, 64UL << 20, PROT_NONE, 0);
	OK(q == (void *)0xc000000000, "Go's arena hint is honoured");
	munmap(q, 64UL << 20);
	q = map((void *)0x7fff8000, 0x10000000, RW, MAP_NORESERVE | MAP_FIXED);
	OK(q == (void *)0x7fff8000, "AddressSanitizer's shadow fits");
	munmap(q, 0x10000000);
	munmap(p, 4 * PG);
}

static void check_fixed(void)
{
	char *p = map(NULL, 16 * PG, RW, 0), *q;

	MUST(p != MAP_FAILED && munmap(p, PG) == 0);
	p += PG;
	MUST(munmap(p + 8 * PG, 7 * PG) == 0);
	memset(p, 'a', 8 * PG);
	q = map(p + 2 * PG, 2 * PG, RW, MAP_FIXED);
	OK(q == p + 2 * PG, "MAP_FIXED over a mapping");
	OK(p[2 * PG] == 0 && p[4 * PG - 1] == 0, "the new pages are zero");
	OK(p[2 * PG - 1] == 'a' && p[4 * PG] == 'a', "the neighbours stay");
	q = map(p + 6 * PG, 4 * PG, PROT_READ, MAP_FIXED);
	OK(q == p + 6 * PG, "MAP_FIXED over an end");
	OK(p[6 * PG - 1] == 'a' && p[6 * PG] == 0, "split in the right place");
	FAULT(fault_write(p + 6 * PG), SIGSEGV, SEGV_ACCERR, p + 6 * PG,
	      "with the new protection");
	munmap(p, 10 * PG);
	q = map(p, PG, RW, MAP_FIXED_NOREPLACE);
	OK(q == p, "MAP_FIXED_NOREPLACE into a hole");
	q = map(p - PG, 3 * PG, RW, MAP_FIXED_NOREPLACE);
	OK(q == MAP_FAILED && errno == EEXIST,
	   "MAP_FIXED_NOREPLACE around a mapping");
	munmap(p, PG);
}

static void check_low(void)
{
	char *p = map(NULL, PG, RW, MAP_32BIT), *q;

	OK(p != MAP_FAILED && (uintptr_t)p < 1UL << 31,
	   "MAP_32BIT is below 2 GiB");
	*p = 1;
	q = map(NULL, 1 << 20, RW, MAP_32BIT);
	OK(q != MAP_FAILED && (uintptr_t)q + (1 << 20) <= 1UL << 31,
	   "so is another one");
	munmap(p, PG);
	munmap(q, 1 << 20);
	p = map((void *)0x10000, PG, RW, MAP_FIXED);
	OK(p == (void *)0x10000, "64 KiB is the lowest address");
	munmap(p, PG);
}

/* Unmap every second page, then ask for pages: contents never mix. */
static void check_holes(void)
{
	enum {
		N = 256
	};
	char *p = map(NULL, N * PG, RW, 0), *extra[N];
	int bad = 0;

	MUST(p != MAP_FAILED);
	for (int i = 0; i < N; i++)
		memset(p + i * PG, i, PG);
	for (int i = 0; i < N; i += 2)
		MUST(munmap(p + i * PG, PG) == 0);
	for (int i = 0; i < N; i++) {
		extra[i] = map(NULL, PG, RW, 0);
		MUST(extra[i] != MAP_FAILED);
		for (size_t k = 0; k < PG; k += 64)
			bad += extra[i][k] != 0;
		memset(extra[i], 0xee, PG);
	}
	IS(bad, 0, "new pages are always zero");
	for (int i = 1; i < N; i += 2)
		for (size_t k = 0; k < PG; k += 64)
			bad += (unsigned char)p[i * PG + k] != i;
	IS(bad, 0, "what stayed is untouched");
	for (int i = 0; i < N; i++)
		MUST(munmap(extra[i], PG) == 0);
	MUST(munmap(p, N * PG) == 0);
	OK(fault_read(p + PG) == SIGSEGV, "all gone in the end");
}

static void check_unmapped(void)
{
	char *p = map(NULL, 4 * PG, RW, 0);
	char *big = map(NULL, 64 << 20, RW, 0);

	MUST(p != MAP_FAILED && big != MAP_FAILED);
	memset(p, 1, 4 * PG);
	MUST(munmap(p + PG, PG) == 0);
	FAULT(fault_read(p + PG), SIGSEGV, SEGV_MAPERR, p + PG,
	      "reading what was unmapped");
	FAULT(fault_write(p + 2 * PG - 1), SIGSEGV, SEGV_MAPERR, p + 2 * PG - 1,
	      "writing there");
	FAULT(fault_call(p + PG + 16), SIGSEGV, SEGV_MAPERR, p + PG + 16,
	      "jumping there");
	IS(fault_read(p), 0, "the page before it is fine");
	IS(fault_read(p + 2 * PG), 0, "the page behind it too");
	memset(big, 1, 64 << 20);
	MUST(munmap(big, 64 << 20) == 0);
	FAULT(fault_read(big + (32 << 20)), SIGSEGV, SEGV_MAPERR,
	      big + (32 << 20), "a big one that was unmapped");
	munmap(p, 4 * PG);
}

static void check_file_over(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	char *p = map(NULL, 4 * PG, RW, 0), *q;

	MUST(fd >= 0 && p != MAP_FAILED);
	memset(p, 'z', 4 * PG);
	q = mmap(p + PG, PG, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
	OK(q == p + PG && !memcmp(q + 1, "ELF", 3), "a file over anonymous");
	q = map(p + PG, PG, RW, MAP_FIXED);
	OK(q == p + PG && q[0] == 0 && q[1] == 0, "anonymous over the file");
	q[0] = 1;
	OK(p[0] == 'z' && p[2 * PG] == 'z', "neighbours are as before");
	munmap(p, 4 * PG);
	close(fd);
}

int main(void)
{
	fault_init();
	check_hints();
	check_fixed();
	check_low();
	check_holes();
	check_unmapped();
	check_file_over();
	return tap_done();
}
