/* SPDX-License-Identifier: MIT */
/* mremap.c - mappings that grow, shrink and move, with what is in them. */
#include <fcntl.h>
#include <sys/mman.h>

#include "fault.h"

#define PG   4096UL
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW   (PROT_READ | PROT_WRITE)

static void fill(char *p, int pages)
{
	for (int i = 0; i < pages; i++)
		memset(p + i * PG, 'A' + i, PG);
}

static int holds(const char *p, int pages)
{
	for (int i = 0; i < pages; i++)
		if (p[i * PG] != 'A' + i || p[i * PG + PG - 1] != 'A' + i)
			return 0;
	return 1;
}

/* A stretch of address space with room behind the first `pages` pages. */
static char *roomy(int pages, int room)
{
	char *p = mmap(NULL, (pages + room) * PG, RW, ANON, -1, 0);

	MUST(p != MAP_FAILED);
	MUST(!room || munmap(p + pages * PG, room * PG) == 0);
	fill(p, pages);
	return p;
}

static void check_size(void)
{
	char *p = roomy(4, 8), *q;

	q = mremap(p, 4 * PG, 8 * PG, 0);
	OK(q == p, "grows in place where there is room");
	OK(q != MAP_FAILED && holds(p, 4) && p[4 * PG] == 0 &&
	       p[8 * PG - 1] == 0,
	   "old contents stay, new pages are zero");
	q = mremap(p, 8 * PG, 2 * PG, 0);
	OK(q == p && holds(p, 2), "shrinks in place");
	FAULT(fault_read(p + 2 * PG), SIGSEGV, SEGV_MAPERR, p + 2 * PG,
	      "what was cut off is unmapped");
	OK(mremap(p, 2 * PG, 2 * PG, 0) == p, "the same size does nothing");
	OK(mremap(p, 2 * PG, 2 * PG - 100, 0) == p, "sizes are rounded up");
	munmap(p, 2 * PG);
}

static void check_move(void)
{
	char *p = mmap(NULL, 9 * PG, RW, ANON, -1, 0), *q;

	MUST(p != MAP_FAILED);
	fill(p, 4);
	ERR(mremap(p, 4 * PG, 8 * PG, 0) == MAP_FAILED ? -1 : 0, ENOMEM,
	    "no room and not allowed to move");
	OK(holds(p, 4), "nothing changed");
	q = mremap(p, 4 * PG, 64 * PG, MREMAP_MAYMOVE);
	OK(q != MAP_FAILED && q != p, "moves where there is no room");
	OK(holds(q, 4) && q[4 * PG] == 0 && q[64 * PG - 1] == 0,
	   "contents move along");
	FAULT(fault_read(p), SIGSEGV, SEGV_MAPERR, p, "the old place is empty");
	IS(fault_read(p + 4 * PG), 0, "what was behind it stays");
	munmap(p, 9 * PG);
	munmap(q, 64 * PG);
}

static void check_fixed(void)
{
	char *p = roomy(4, 0), *to = roomy(8, 0), *q;

	q = mremap(p, 4 * PG, 4 * PG, MREMAP_MAYMOVE | MREMAP_FIXED,
		   to + 2 * PG);
	OK(q == to + 2 * PG, "MREMAP_FIXED onto other mappings");
	OK(holds(q, 4), "the contents are there");
	OK(to[0] == 'A' && to[6 * PG] == 'G', "what lies around stays");
	FAULT(fault_read(p), SIGSEGV, SEGV_MAPERR, p, "the old place is empty");
	munmap(to, 8 * PG);
	p = roomy(4, 0);
	to = roomy(1, 0);
	q = mremap(p + PG, 2 * PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	OK(q == to && q[0] == 'B', "moving and shrinking at once");
	FAULT(fault_read(p + 2 * PG), SIGSEGV, SEGV_MAPERR, p + 2 * PG,
	      "the cut page is gone");
	OK(p[0] == 'A' && p[3 * PG] == 'D', "both ends stay");
	munmap(p, 4 * PG);
	munmap(to, PG);
}

static void check_dontunmap(void)
{
	char *p = roomy(4, 0), *q;

	/* Raw: glibc 2.36 passes no address, the kernel looks at it. */
	q = (char *)syscall(SYS_mremap, p, 4 * PG, 4 * PG,
			    MREMAP_MAYMOVE | 4 /* DONTUNMAP */, 0);
	OK(q != MAP_FAILED && q != p && holds(q, 4), "MREMAP_DONTUNMAP moves");
	OK(fault_read(p) == 0 && p[0] == 0 && p[3 * PG] == 0,
	   "and leaves empty pages behind");
	munmap(p, 4 * PG);
	munmap(q, 4 * PG);
}

static void check_shared(void)
{
	char *p = mmap(NULL, 4 * PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *q;

	MUST(p != MAP_FAILED);
	fill(p, 4);
	q = mremap(p, 0, 4 * PG, MREMAP_MAYMOVE);
	OK(q != MAP_FAILED && q != p && holds(q, 4),
	   "old size 0 makes a second view of a shared mapping");
	if (q != MAP_FAILED) {
		q[5] = 'z';
		IS(p[5], 'z', "of the same pages");
		munmap(q, 4 * PG);
	}
	munmap(p, 4 * PG);
}

static void check_file(void)
{
	int fd = open("mremap.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *p, *q;

	MUST(fd >= 0 && ftruncate(fd, 8 * PG) == 0);
	MUST(pwrite(fd, "first", 5, 0) == 5);
	MUST(pwrite(fd, "seventh", 7, 6 * PG) == 7);
	p = mmap(NULL, 2 * PG, RW, MAP_SHARED, fd, 0);
	MUST(p != MAP_FAILED);
	q = mremap(p, 2 * PG, 8 * PG, MREMAP_MAYMOVE);
	OK(q != MAP_FAILED && !memcmp(q, "first", 5) &&
	       !memcmp(q + 6 * PG, "seventh", 7),
	   "a file mapping grows into the file");
	munmap(q, 8 * PG);
	p = mmap(NULL, 2 * PG, RW, MAP_PRIVATE, fd, 6 * PG);
	MUST(p != MAP_FAILED);
	p[0] = 'S';
	q = mremap(p, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED,
		   mmap(NULL, 2 * PG, RW, ANON, -1, 0));
	OK(q != MAP_FAILED && !memcmp(q, "Seventh", 7),
	   "a private copy moves with its changes");
	munmap(q, 2 * PG);
	close(fd);
	unlink("mremap.tmp");
}

static void check_protection(void)
{
	char *p = roomy(2, 8), *q;

	MUST(mprotect(p, 2 * PG, PROT_READ) == 0);
	q = mremap(p, 2 * PG, 40 * PG, MREMAP_MAYMOVE);
	MUST(q != MAP_FAILED);
	FAULT(fault_write(q + 30 * PG), SIGSEGV, SEGV_ACCERR, q + 30 * PG,
	      "protection holds for what was added");
	munmap(q, 40 * PG);
	p = roomy(4, 0);
	MUST(mprotect(p + PG, PG, PROT_READ) == 0);
	ERR(mremap(p, 4 * PG, 8 * PG, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0,
	    EFAULT, "a range of unlike mappings cannot grow");
	munmap(p, 4 * PG);
}

/* Like realloc of a large array. */
static void check_realloc(void)
{
	size_t size = PG;
	char *p = mmap(NULL, size, RW, ANON, -1, 0);
	int bad = 0;

	MUST(p != MAP_FAILED);
	for (size_t step = 1; size < 64UL << 20; step++) {
		char *q;

		memset(p + size - PG, (int)(step & 0x7f), PG);
		q = mremap(p, size, size * 2, MREMAP_MAYMOVE);
		MUST(q != MAP_FAILED);
		p = q;
		size *= 2;
		bad += p[size / 2] != 0 || p[0] != 1;
	}
	IS(bad, 0, "doubled fourteen times");
	munmap(p, size);
}

/* Moved, then grown in place: its parts have different histories. */
static void check_pieces(void)
{
	char *p = roomy(2, 1), *wall, *q;

	wall = mmap(p + 2 * PG, PG, PROT_NONE, ANON | MAP_FIXED, -1, 0);
	MUST(wall == p + 2 * PG);
	q = mmap(NULL, 17 * PG, PROT_NONE, ANON, -1, 0);
	MUST(q != MAP_FAILED && munmap(q, 16 * PG) == 0);
	OK(mremap(p, 2 * PG, 4 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q,
	   "moves to where there is room");
	fill(q, 4);
	OK(mremap(q, 4 * PG, 16 * PG, 0) == q, "grows in place there");
	fill(q, 16);
	MUST(madvise(q, 16 * PG, MADV_RANDOM) == 0);
	p = mremap(q, 16 * PG, 40 * PG, MREMAP_MAYMOVE);
	OK(p != MAP_FAILED && p != q && holds(p, 16) && p[16 * PG] == 0 &&
	       p[40 * PG - 1] == 0,
	   "moves and grows after advice");
	munmap(p, 40 * PG);
	munmap(wall, PG);
	munmap(q + 16 * PG, PG);
}

int main(void)
{
	fault_init();
	check_size();
	check_move();
	check_fixed();
	check_dontunmap();
	check_shared();
	check_file();
	check_protection();
	check_realloc();
	check_pieces();
	return tap_done();
}
