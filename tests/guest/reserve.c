/* SPDX-License-Identifier: MIT */
/*
 * reserve.c - huge reservations as Go, Java and GHC make them: a terabyte and
 * more of address space that costs nothing until touched.
 */
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "fault.h"

#define PG   4096UL
#define GIB  (1UL << 30)
#define TIB  (1UL << 40)
#define LAZY (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
#define RW   (PROT_READ | PROT_WRITE)

static long rss_kib(void)
{
	struct rusage ru;

	MUST(getrusage(RUSAGE_SELF, &ru) == 0);
	return ru.ru_maxrss;
}

static void check_size(size_t size, const char *name)
{
	long before = rss_kib();
	char *p = mmap(NULL, size, PROT_NONE, LAZY, -1, 0);
	int bad = 0;

	OK(p != MAP_FAILED, name);
	if (p == MAP_FAILED)
		return;
	FAULT(fault_read(p + size / 2), SIGSEGV, SEGV_ACCERR, p + size / 2,
	      "no access yet");
	for (int i = 0; i < 16; i++)
		bad += mprotect(p + i * (size / 16), 64 * PG, RW) != 0;
	IS(bad, 0, "sixteen pieces of it are committed");
	for (int i = 0; i < 16; i++) {
		char *at = p + i * (size / 16);

		bad += at[0] != 0 || fault_write(at + 63 * PG) != 0;
		bad += fault_read(at + 64 * PG) != SIGSEGV;
	}
	IS(bad, 0, "and work");
	OK(rss_kib() - before < 64 * 1024, "little memory was taken");
	IS(munmap(p, size), 0, "and unmapped");
	IS(fault_read(p), SIGSEGV, "it is gone");
}

static void check_writable(void)
{
	char *p = mmap(NULL, TIB / 2, RW, LAZY, -1, 0);
	int bad = 0;

	OK(p != MAP_FAILED, "half a TiB, writable and not reserved");
	if (p == MAP_FAILED)
		return;
	for (size_t i = 0; i < 64; i++)
		p[i * 8 * GIB + i * PG] = (char)(i + 1);
	for (size_t i = 0; i < 64; i++)
		bad += p[i * 8 * GIB + i * PG] != (char)(i + 1);
	IS(bad, 0, "touched here and there");
	IS(madvise(p, TIB / 2, MADV_DONTNEED), 0, "dropped");
	for (size_t i = 0; i < 64; i++)
		bad += p[i * 8 * GIB + i * PG] != 0;
	IS(bad, 0, "and zero again");
	munmap(p, TIB / 2);
}

/* GHC: ask for a stretch at a given place, commit by MAP_FIXED. */
static void check_fixed_commit(void)
{
	char *p = mmap((void *)0x4200000000, TIB, PROT_NONE, LAZY, -1, 0);
	char *q;

	OK(p == (void *)0x4200000000, "GHC's heap address");
	MUST(p != MAP_FAILED);
	q = mmap(p + GIB, 1 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0);
	OK(q == p + GIB, "a megabyte committed by MAP_FIXED");
	memset(q, 1, 1 << 20);
	IS(fault_read(q + (1 << 20)), SIGSEGV, "and no more");
	q = mmap(p + GIB, 1 << 20, PROT_NONE, LAZY | MAP_FIXED, -1, 0);
	OK(q == p + GIB, "decommitted");
	IS(fault_read(q), SIGSEGV, "so it faults");
	munmap(p, TIB);
}

/* Java and Go align by mapping more and cutting off both ends. */
static void check_align(void)
{
	const size_t align = 64UL << 20;
	char *p = mmap(NULL, 2 * align, PROT_NONE, LAZY, -1, 0), *a;

	MUST(p != MAP_FAILED);
	a = (char *)(((uintptr_t)p + align - 1) & -align);
	if (a > p)
		MUST(munmap(p, (size_t)(a - p)) == 0);
	if (a + align < p + 2 * align)
		MUST(munmap(a + align, (size_t)(p + align - a)) == 0);
	IS(mprotect(a, align, RW), 0, "an aligned reservation");
	memset(a, 1, 1 << 20);
	IS(a[(1 << 20) - 1], 1, "can be used");
	munmap(a, align);
}

int main(void)
{
	fault_init();
	check_size(GIB, "a GiB");
	check_size(TIB, "a TiB");
	check_size(4 * TIB, "four TiB");
	check_writable();
	check_fixed_commit();
	check_align();
	return tap_done();
}
