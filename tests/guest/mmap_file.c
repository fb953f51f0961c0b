/* SPDX-License-Identifier: MIT */
/*
 * mmap_file.c - file mappings: shared and private, coherent with read and
 * write, SIGBUS behind the end, memfd and anonymous shared memory.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fault.h"

#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)

static int file_new(size_t len)
{
	int fd = open("mapfile.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);

	MUST(fd >= 0 && ftruncate(fd, (off_t)len) == 0);
	return fd;
}

static void check_shared(void)
{
	int fd = file_new(4 * PG);
	char *p = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);
	char *q = mmap(NULL, 2 * PG, PROT_READ, MAP_SHARED, fd, PG);
	char buf[16] = { 0 };

	OK(p != MAP_FAILED && q != MAP_FAILED, "a shared file mapping");
	memcpy(p + PG, "by mapping", 10);
	MUST(pread(fd, buf, 10, PG) == 10);
	OK(!memcmp(buf, "by mapping", 10), "read sees what a mapping wrote");
	MUST(pwrite(fd, "by pwrite", 9, PG + 100) == 9);
	OK(!memcmp(p + PG + 100, "by pwrite", 9), "and the reverse");
	OK(!memcmp(q + 100, "by pwrite", 9), "two mappings, one file");
	FAULT(fault_write(q), SIGSEGV, SEGV_ACCERR, q, "read-only is");
	IS(msync(p, 4 * PG, MS_SYNC), 0, "msync");
	close(fd);
	p[0] = 'c';
	IS(p[0], 'c', "the mapping outlives the descriptor");
	munmap(p, 4 * PG);
	munmap(q, 2 * PG);
	unlink("mapfile.tmp");
}

static void check_private(void)
{
	int fd = file_new(2 * PG);
	char *p, buf[8] = { 0 };

	MUST(pwrite(fd, "original", 8, 0) == 8);
	p = mmap(NULL, 2 * PG, RW, MAP_PRIVATE, fd, 0);
	OK(p != MAP_FAILED && !memcmp(p, "original", 8), "a private mapping");
	memcpy(p, "modified", 8);
	MUST(pread(fd, buf, 8, 0) == 8);
	OK(!memcmp(buf, "original", 8), "its changes stay in memory");
	MUST(pwrite(fd, "changed!", 8, 0) == 8);
	OK(!memcmp(p, "modified", 8), "and are kept");
	munmap(p, 2 * PG);
	close(fd);
	unlink("mapfile.tmp");
}

static void check_end(void)
{
	int fd = file_new(PG + 100);
	char *p = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);
	int bad = 0;

	MUST(p != MAP_FAILED);
	MUST(pwrite(fd, "tail", 4, PG + 96) == 4);
	for (size_t i = 100; i < PG; i++)
		bad += p[PG + i] != 0;
	IS(bad, 0, "the last page is zero behind the end");
	FAULT(fault_read(p + 2 * PG), SIGBUS, BUS_ADRERR, p + 2 * PG,
	      "the page behind the end");
	FAULT(fault_write(p + 3 * PG + 7), SIGBUS, BUS_ADRERR, p + 3 * PG + 7,
	      "and the next");
	ERR(write(fd, p + 2 * PG, 10), EFAULT, "write(2) from there");
	MUST(ftruncate(fd, 3 * PG) == 0);
	IS(fault_read(p + 2 * PG), 0, "a grown file can be read");
	MUST(ftruncate(fd, 0) == 0);
	FAULT(fault_read(p), SIGBUS, BUS_ADRERR, p, "an emptied one cannot");
	munmap(p, 4 * PG);
	close(fd);
	unlink("mapfile.tmp");
}

static void check_memfd(void)
{
	int fd = (int)syscall(SYS_memfd_create, "guest", 3U);
	struct stat st;
	char *p, *q;

	OK(fd >= 0, "memfd_create");
	MUST(ftruncate(fd, 1 << 20) == 0);
	p = mmap(NULL, 1 << 20, RW, MAP_SHARED, fd, 0);
	q = mmap(NULL, 1 << 20, RW, MAP_SHARED, fd, 0);
	MUST(p != MAP_FAILED && q != MAP_FAILED);
	p[12345] = 'm';
	IS(q[12345], 'm', "two views of a memfd");
	IS(fstat(fd, &st), 0, "fstat of it");
	IS(st.st_size, 1 << 20, "its size");
	munmap(q, 1 << 20);
	IS(fcntl(fd, 1033 /* ADD_SEALS */, 2 /* SHRINK */), 0, "a seal");
	ERR(ftruncate(fd, 10), EPERM, "holds");
	munmap(p, 1 << 20);
	close(fd);
}

static void check_anon_shared(void)
{
	char *p = mmap(NULL, 3 << 20, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	size_t bad = 0;

	OK(p != MAP_FAILED, "anonymous shared memory");
	for (size_t i = 0; i < 3 << 20; i += PG)
		bad += p[i] != 0;
	IS(bad, 0, "is zero");
	memset(p, 1, 3 << 20);
	MUST(munmap(p + PG, PG) == 0);
	FAULT(fault_read(p + PG), SIGSEGV, SEGV_MAPERR, p + PG, "with a hole");
	munmap(p, 3 << 20);
}

static void check_many(void)
{
	enum {
		N = 300
	};
	static char *at[N];
	int fd = file_new(N * PG), bad = 0;

	for (int i = 0; i < N; i++) {
		char c = (char)i;

		MUST(pwrite(fd, &c, 1, i * (off_t)PG) == 1);
	}
	for (int i = 0; i < N; i++) {
		int page = i * 7 % N;

		at[i] = mmap(NULL, PG, PROT_READ, MAP_PRIVATE, fd,
			     page * (off_t)PG);
		MUST(at[i] != MAP_FAILED);
	}
	for (int i = 0; i < N; i++)
		bad += at[i][0] != (char)(i * 7 % N);
	IS(bad, 0, "three hundred mappings, each at its offset");
	for (int i = 0; i < N; i++)
		MUST(munmap(at[i], PG) == 0);
	close(fd);
	unlink("mapfile.tmp");
}

static void check_populate(void)
{
	unsigned char vec[32];
	char *p = mmap(NULL, 32 * PG, RW,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int bad = 0;

	MUST(p != MAP_FAILED);
	IS(mincore(p, 32 * PG, vec), 0, "mincore of a populated mapping");
	for (int i = 0; i < 32; i++)
		bad += !(vec[i] & 1);
	IS(bad, 0, "MAP_POPULATE made its pages present");
	munmap(p, 32 * PG);
}

int main(void)
{
	fault_init();
	check_shared();
	check_private();
	check_end();
	check_memfd();
	check_anon_shared();
	check_many();
	check_populate();
	return tap_done();
}
