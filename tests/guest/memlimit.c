/* SPDX-License-Identifier: MIT */
/*
 * memlimit.c - an instance of 64 MiB: more than that is ENOMEM, never a
 * crash, and what was given back can be had again.
 */
// azalea-only: yes
// azalea: -m 64M
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#include "fault.h"

#define PG   4096UL
#define MIB  (1UL << 20)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW   (PROT_READ | PROT_WRITE)

static char *map(size_t len, int prot, int flags)
{
	return mmap(NULL, len, prot, ANON | flags, -1, 0);
}

/* How many mappings of len can be had at once; all are given back. */
static int count_maps(size_t len, int touch)
{
	static char *at[100000];
	int n = 0;

	while (n < 100000) {
		at[n] = map(len, RW, 0);
		if (at[n] == MAP_FAILED)
			break;
		if (touch)
			memset(at[n], 1, len);
		n++;
	}
	for (int i = 0; i < n; i++)
		MUST(munmap(at[i], len) == 0);
	return n;
}

static void check_big(void)
{
	char *p = map(48 * MIB, RW, 0);

	OK(p != MAP_FAILED, "48 MiB fit");
	memset(p, 1, 48 * MIB);
	ERR(map(32 * MIB, RW, 0), ENOMEM, "32 more do not");
	OK(munmap(p, 48 * MIB) == 0, "given back");
	p = map(48 * MIB, RW, 0);
	OK(p != MAP_FAILED, "and had again");
	munmap(p, 48 * MIB);
	ERR(map(1UL << 40, RW, 0), ENOMEM, "a TiB does not fit");
}

static void check_small(void)
{
	int n = count_maps(16 * PG, 1), m = count_maps(16 * PG, 1);

	OK(n > 700 && n <= 1024, "64 KiB pieces until it is full");
	OK(m >= n - 32, "as many the second time");
	n = count_maps(MIB, 1);
	OK(n > 40 && n <= 64, "MiB pieces");
}

static void check_protect(void)
{
	char *p = map(256 * MIB, PROT_NONE, 0);
	int ok = 0;

	OK(p != MAP_FAILED, "256 MiB without access cost nothing");
	for (int i = 0; i < 16; i++) {
		if (mprotect(p + i * 16 * MIB, 16 * MIB, RW))
			break;
		ok++;
	}
	OK(ok >= 2 && ok <= 4, "mprotect to writable stops at the limit");
	IS(errno, ENOMEM, "with ENOMEM");
	munmap(p, 256 * MIB);
}

static void check_malloc(void)
{
	void *p;
	int n = 0;

	p = malloc(100 * MIB);
	OK(p == NULL && errno == ENOMEM, "malloc of 100 MiB gives NULL");
	free(p);
	while (n < 1000 && (p = malloc(MIB)) != NULL) {
		memset(p, 1, MIB);
		n++;
	}
	OK(n > 40 && n <= 64, "malloc until it is full");
	if (n <= 40 || n > 64)
		tap_line("# %d MiB by malloc", n);
	OK(malloc(64 * 1024 * 1024) == NULL, "full");
}

static void check_brk(void)
{
	char *end = (char *)syscall(SYS_brk, NULL);

	OK((char *)syscall(SYS_brk, end + 100 * MIB) == end,
	   "brk stops at the limit");
}

static void *thread_empty(void *arg)
{
	return arg;
}

static void check_totals(void)
{
	struct sysinfo si;
	uint64_t total;

	MUST(sysinfo(&si) == 0);
	total = (uint64_t)si.totalram * si.mem_unit;
	IS(total, 64 * MIB, "sysinfo tells the instance's memory");
	OK((uint64_t)si.freeram * si.mem_unit <= total, "and what is free");
	IS(sysconf(_SC_PHYS_PAGES) * (long)PG, 64 * MIB, "so does sysconf");
}

int main(void)
{
	pthread_t t;

	fault_init();
	check_totals();
	check_big();
	check_small();
	check_protect();
	check_brk();
	IS(pthread_create(&t, NULL, thread_empty, NULL), 0, "a thread");
	pthread_join(t, NULL);
	check_malloc();
	return tap_done();
}
