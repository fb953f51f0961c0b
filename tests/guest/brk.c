/* SPDX-License-Identifier: MIT */
/* brk.c - the heap: grows, shrinks, is zero, and stops at its limits. */
#include <sys/mman.h>
#include <sys/resource.h>

#include "fault.h"

#define PG 4096UL

static char *do_brk(const void *at)
{
	return (char *)syscall(SYS_brk, at);
}

static void check_grow(void)
{
	char *start = do_brk(NULL), *end;

	OK(start && start == do_brk(NULL), "brk(0) tells where it is");
	OK(do_brk(start + 1) == start + 1, "brk is exact to the byte");
	OK(do_brk(NULL) == start + 1, "and remembers it");
	end = start + 100 * PG + 5;
	OK(do_brk(end) == end, "growing by a hundred pages");
	for (char *p = start; p < end; p += PG)
		if (*p)
			OK(0, "a new heap page is zero");
	end[-1] = 1;
	memset(start, 0x77, 100 * PG);
	OK(do_brk(start + 10 * PG) == start + 10 * PG, "shrinking");
	FAULT(fault_read(start + 60 * PG), SIGSEGV, SEGV_MAPERR,
	      start + 60 * PG, "what was given back is gone");
	OK(do_brk(end) == end, "growing again");
	OK(start[5 * PG] == 0x77, "what was kept is kept");
	OK(start[60 * PG] == 0, "what comes back is zero");
	OK(do_brk(start) == start, "back to the start");
}

static void check_refused(void)
{
	char *start = do_brk(NULL), *at;

	OK(do_brk((char *)PG) == start, "below the start: nothing changes");
	OK(do_brk((char *)(1UL << 47)) == start, "too far: nothing changes");
	OK(do_brk((char *)-1UL) == start, "absurd: nothing changes");
	/* The page after next is taken: brk must stop in front of it. */
	at = (char *)(((uintptr_t)start + PG - 1) & -PG) + 4 * PG;
	MUST(mmap(at, PG, PROT_READ,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		  0) == at);
	OK(do_brk(at + PG) == start, "not into another mapping");
	MUST(munmap(at, PG) == 0);
	OK(do_brk(at + PG) == at + PG, "free again");
	OK(do_brk(start) == start, "and back");
}

static void check_limit(void)
{
	char *start = do_brk(NULL);
	struct rlimit old, lim;

	MUST(getrlimit(RLIMIT_DATA, &old) == 0);
	lim = old;
	lim.rlim_cur = 64UL << 20;
	MUST(setrlimit(RLIMIT_DATA, &lim) == 0);
	OK(do_brk(start + (65UL << 20)) == start, "RLIMIT_DATA stops it");
	MUST(setrlimit(RLIMIT_DATA, &old) == 0);
	OK(do_brk(start + (65UL << 20)) == start + (65UL << 20),
	   "and lets it go again");
	OK(do_brk(start) == start, "shrunk");
}

static void check_libc(void)
{
	char *a = sbrk(0), *b;

	b = sbrk(12345);
	OK(b == a, "sbrk gives the old end");
	b[12344] = 1;
	OK(sbrk(0) == a + 12345, "and moves it");
	OK(sbrk(-12345) == a + 12345 && sbrk(0) == a, "and back");
}

int main(void)
{
	fault_init();
	/* The test owns the heap: nothing here calls malloc. */
	check_grow();
	check_refused();
	check_limit();
#ifdef __GLIBC__
	check_libc();
#else
	(void)check_libc;
#endif
	return tap_done();
}
