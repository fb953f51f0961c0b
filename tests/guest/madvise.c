/* SPDX-License-Identifier: MIT */
/*
 * madvise.c - what madvise does to contents: DONTNEED zeroes, file mappings
 * come back from the file, the rest changes nothing.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "fault.h"

#define PG   4096UL
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW   (PROT_READ | PROT_WRITE)

static void check_dontneed(size_t len)
{
	char *p = mmap(NULL, len, RW, ANON, -1, 0);
	size_t bad = 0;

	MUST(p != MAP_FAILED);
	memset(p, 1, len);
	IS(madvise(p + PG, len - 2 * PG, MADV_DONTNEED), 0, "MADV_DONTNEED");
	for (size_t i = PG; i < len - PG; i += 512)
		bad += p[i] != 0;
	IS(bad, 0, "reads as zero afterwards");
	OK(p[PG - 1] == 1 && p[len - PG] == 1, "the pages around it stay");
	p[2 * PG] = 5;
	OK(p[2 * PG] == 5 && p[2 * PG + 1] == 0, "and can be used again");
	IS(munmap(p, len), 0, "unmapped");
}

static void check_other(void)
{
	static const int plain[] = { MADV_NORMAL,     MADV_RANDOM,
				     MADV_SEQUENTIAL, MADV_WILLNEED,
				     MADV_HUGEPAGE,   MADV_NOHUGEPAGE,
				     MADV_DONTFORK,   MADV_DOFORK,
				     MADV_DONTDUMP,   MADV_DODUMP };
	char *p = mmap(NULL, 8 * PG, RW, ANON, -1, 0);
	int bad = 0;

	MUST(p != MAP_FAILED);
	memset(p, 9, 8 * PG);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (madvise(p, 8 * PG, plain[i]))
			bad++, tap_line("# advice %d: %d", plain[i], errno);
	IS(bad, 0, "the common advice is accepted");
	for (size_t i = 0; i < 8 * PG; i++)
		bad += p[i] != 9;
	IS(bad, 0, "contents stay");
	IS(madvise(p, 4 * PG, 8 /* MADV_FREE */), 0, "MADV_FREE");
	for (size_t i = 0; i < 4 * PG; i += PG)
		bad += p[i] != 9 && p[i] != 0;
	IS(bad, 0, "freed pages hold the old bytes or zeroes");
	p[0] = 4;
	IS(p[0], 4, "a write to them stays");
	IS(madvise(p, 4 * PG, 18 /* WIPEONFORK */), 0, "MADV_WIPEONFORK");
	IS(madvise(p, 4 * PG, 19 /* KEEPONFORK */), 0, "MADV_KEEPONFORK");
	IS(madvise(p, 8 * PG, 23 /* POPULATE_WRITE */), 0,
	   "MADV_POPULATE_WRITE");
	MUST(mprotect(p, 8 * PG, PROT_READ) == 0);
	ERR(madvise(p, 8 * PG, 23), EINVAL, "POPULATE_WRITE of read-only");
	IS(madvise(p, 8 * PG, 22 /* POPULATE_READ */), 0, "MADV_POPULATE_READ");
	IS(madvise(p, 8 * PG, MADV_DONTNEED), 0, "DONTNEED of read-only");
	IS(p[7 * PG], 0, "zeroes it too");
	munmap(p, 8 * PG);
}

static void check_file(void)
{
	int fd = open("madvise.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *p, *s;

	MUST(fd >= 0 && ftruncate(fd, 2 * PG) == 0);
	MUST(pwrite(fd, "file", 4, 0) == 4);
	p = mmap(NULL, 2 * PG, RW, MAP_PRIVATE, fd, 0);
	s = mmap(NULL, 2 * PG, RW, MAP_SHARED, fd, 0);
	MUST(p != MAP_FAILED && s != MAP_FAILED);
	p[0] = 'M';
	IS(madvise(p, 2 * PG, MADV_DONTNEED), 0, "DONTNEED, private file");
	OK(!memcmp(p, "file", 4), "the file's bytes come back");
	s[0] = 'S';
	IS(madvise(s, 2 * PG, MADV_DONTNEED), 0, "DONTNEED, shared file");
	OK(!memcmp(s, "Sile", 4), "a shared change stays");
	munmap(p, 2 * PG);
	munmap(s, 2 * PG);
	close(fd);
	unlink("madvise.tmp");
}

static void check_mincore(void)
{
	char *p = mmap(NULL, 64 * PG, RW, ANON, -1, 0);
	unsigned char vec[64];
	int bad = 0;

	MUST(p != MAP_FAILED);
	MUST(madvise(p, 64 * PG, MADV_NOHUGEPAGE) == 0);
	for (int i = 0; i < 64; i += 2)
		p[i * PG] = 1;
	IS(mincore(p, 64 * PG, vec), 0, "mincore");
	for (int i = 0; i < 64; i += 2)
		bad += !(vec[i] & 1);
	IS(bad, 0, "touched pages are resident");
	MUST(madvise(p, 64 * PG, MADV_DONTNEED) == 0);
	IS(mincore(p, 64 * PG, vec), 0, "mincore after DONTNEED");
	for (int i = 0; i < 64; i++)
		bad += vec[i] & 1;
	IS(bad, 0, "dropped pages are not");
	munmap(p, 64 * PG);
}

static void check_lock(void)
{
	char *p = mmap(NULL, 16 * PG, RW, ANON, -1, 0);
	unsigned char vec[16];
	int bad = 0;

	MUST(p != MAP_FAILED);
	IS(mlock(p, 4 * PG), 0, "mlock");
	IS(mincore(p, 4 * PG, vec), 0, "mincore of it");
	for (int i = 0; i < 4; i++)
		bad += !(vec[i] & 1);
	IS(bad, 0, "locked pages are resident");
	ERR(madvise(p, 4 * PG, MADV_DONTNEED), EINVAL,
	    "locked pages cannot be dropped");
	IS(munlock(p, 4 * PG), 0, "munlock");
	IS(madvise(p, 4 * PG, MADV_DONTNEED), 0, "now they can");
	IS(syscall(SYS_mlock2, p, 4 * PG, 1), 0, "mlock2 on fault");
	IS(munlock(p + 100, PG), 0, "munlock rounds outward");
	IS(munlockall(), 0, "munlockall");
	munmap(p, 16 * PG);
}

int main(void)
{
	fault_init();
	check_dontneed(16 * PG);
	check_dontneed(300 * PG);
	check_dontneed(9UL << 20);
	check_other();
	check_file();
	check_mincore();
	check_lock();
	return tap_done();
}
