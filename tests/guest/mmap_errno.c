/* SPDX-License-Identifier: MIT */
/*
 * mmap_errno.c - mmap, munmap, mprotect, mremap, msync, mincore and madvise
 * called wrongly: each returns Linux's errno and changes nothing.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "tap.h"

#define PG    4096UL
#define PAGES (8 * PG)
#define ANON  (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW    (PROT_READ | PROT_WRITE)

static char *area;

static long sys_mmap(unsigned long addr, unsigned long len, unsigned long prot,
		     unsigned long flags, long fd, unsigned long off)
{
	return syscall(SYS_mmap, addr, len, prot, flags, fd, off);
}

static void check_mmap(int ro, int wo)
{
	ERR(sys_mmap(0, 0, RW, ANON, -1, 0), EINVAL, "mmap of length 0");
	ERR(sys_mmap(0, PG, RW, MAP_ANONYMOUS, -1, 0), EINVAL,
	    "mmap neither shared nor private");
	ERR(sys_mmap(0, -PG, RW, ANON, -1, 0), ENOMEM, "mmap of 2^64 - 4K");
	ERR(sys_mmap(0, -1UL, RW, ANON, -1, 0), ENOMEM, "mmap of 2^64 - 1");
	ERR(sys_mmap(0, 1UL << 47, RW, ANON, -1, 0), ENOMEM, "mmap of 128 TiB");
	ERR(sys_mmap((unsigned long)area + 1, PG, RW, ANON | MAP_FIXED, -1, 0),
	    EINVAL, "MAP_FIXED off a page boundary");
	ERR(sys_mmap(-PG, PG, RW, ANON | MAP_FIXED, -1, 0), ENOMEM,
	    "MAP_FIXED at the top of the address space");
	ERR(sys_mmap(1UL << 47, PG, RW, ANON | MAP_FIXED, -1, 0), ENOMEM,
	    "MAP_FIXED above user addresses");
	ERR(sys_mmap((unsigned long)area, PG, RW, ANON | MAP_FIXED_NOREPLACE,
		     -1, 0),
	    EEXIST, "MAP_FIXED_NOREPLACE over a mapping");
	ERR(sys_mmap(0, PG, PROT_READ, MAP_PRIVATE, -1, 0), EBADF,
	    "a file mapping without a file");
	ERR(sys_mmap(0, PG, PROT_READ, MAP_PRIVATE, 9999, 0), EBADF,
	    "a file mapping of no descriptor");
	ERR(sys_mmap(0, PG, PROT_READ, MAP_PRIVATE, ro, 1), EINVAL,
	    "an odd file offset");
	ERR(sys_mmap(0, PG, PROT_READ, MAP_PRIVATE, ro, 4095), EINVAL,
	    "an offset just below a page");
	ERR(sys_mmap(0, PG, RW, MAP_SHARED, ro, 0), EACCES,
	    "shared and writable over a read-only file");
	ERR(sys_mmap(0, PG, PROT_READ, MAP_PRIVATE, wo, 0), EACCES,
	    "reading a write-only file");
	ERR(sys_mmap(0, PG, PROT_READ, MAP_SHARED, wo, 0), EACCES,
	    "sharing a write-only file");
	ERR(sys_mmap(0, PG, RW, ANON, -1, 1), EINVAL,
	    "an odd offset, anonymous");
	ERR(sys_mmap(0, 2 * PG, PROT_READ, MAP_PRIVATE, ro, -PG), EOVERFLOW,
	    "an offset that overflows");
}

static void check_dirs(void)
{
	int dir = open("/", O_RDONLY | O_DIRECTORY), p[2];
	int path = open("/", O_PATH);

	MUST(dir >= 0 && path >= 0 && pipe(p) == 0);
	ERR(sys_mmap(0, PG, PROT_READ, MAP_PRIVATE, dir, 0), ENODEV,
	    "mmap of a directory");
	ERR(sys_mmap(0, PG, PROT_READ, MAP_PRIVATE, p[0], 0), ENODEV,
	    "mmap of a pipe");
	ERR(sys_mmap(0, PG, PROT_READ, MAP_PRIVATE, path, 0), EBADF,
	    "mmap of an O_PATH descriptor");
	close(dir);
	close(path);
	close(p[0]);
	close(p[1]);
}

static void check_munmap(void)
{
	unsigned long a = (unsigned long)area;

	ERR(syscall(SYS_munmap, a + 1, PG), EINVAL, "munmap off a boundary");
	ERR(syscall(SYS_munmap, a, 0), EINVAL, "munmap of length 0");
	ERR(syscall(SYS_munmap, a, -PG), EINVAL, "munmap of 2^64 - 4K");
	ERR(syscall(SYS_munmap, 1UL << 47, PG), EINVAL,
	    "munmap above user addresses");
	ERR(syscall(SYS_munmap, a, 1UL << 47), EINVAL, "munmap of too much");
	IS(syscall(SYS_munmap, a + PAGES, 1), 0, "munmap of a hole");
	IS(syscall(SYS_munmap, 0, PG), 0, "munmap of page 0");
	OK(area[0] == 'x' && area[PAGES - 1] == 'y', "nothing was unmapped");
}

static void check_mprotect(int ro)
{
	unsigned long a = (unsigned long)area;
	char *p;

	ERR(syscall(SYS_mprotect, a + 1, PG, RW), EINVAL,
	    "mprotect off a boundary");
	IS(syscall(SYS_mprotect, a, 0, RW), 0, "mprotect of length 0");
	ERR(syscall(SYS_mprotect, a, PG, 0x800), EINVAL,
	    "mprotect to unknown bits");
	ERR(syscall(SYS_mprotect, a, -PG, RW), ENOMEM,
	    "mprotect that wraps around");
	ERR(syscall(SYS_mprotect, 1UL << 47, PG, RW), ENOMEM,
	    "mprotect above user addresses");
	ERR(syscall(SYS_mprotect, a, PG, PROT_READ | 0x03000000), EINVAL,
	    "mprotect to grow up and down");
	ERR(syscall(SYS_mprotect, a, PG, RW | PROT_GROWSDOWN), EINVAL,
	    "PROT_GROWSDOWN on what does not");
	p = mmap(NULL, PG, PROT_READ, MAP_SHARED, ro, 0);
	MUST(p != MAP_FAILED);
	ERR(mprotect(p, PG, RW), EACCES,
	    "write access to a shared read-only file");
	munmap(p, PG);
	p = mmap(NULL, PG, PROT_READ, MAP_PRIVATE, ro, 0);
	MUST(p != MAP_FAILED);
	IS(mprotect(p, PG, RW), 0, "but to a private one");
	munmap(p, PG);
}

/* A hole in the middle: what comes before it is changed, as on Linux. */
static void check_mprotect_hole(void)
{
	char *p = mmap(NULL, 5 * PG, RW, ANON, -1, 0);
	unsigned char vec[8];

	MUST(p != MAP_FAILED);
	MUST(munmap(p + 2 * PG, PG) == 0);
	ERR(mprotect(p, 5 * PG, PROT_READ), ENOMEM, "mprotect over a hole");
	ERR(mprotect(p + 2 * PG, PG, RW), ENOMEM, "mprotect of a hole");
	ERR(read(open("/dev/zero", O_RDONLY), p, 1), EFAULT,
	    "the part before it is read-only now");
	p[3 * PG] = 1;
	OK(p[3 * PG] == 1, "the part after it is not");
	ERR(mincore(p, 5 * PG, vec), ENOMEM, "mincore over a hole");
	ERR(madvise(p, 5 * PG, MADV_DONTNEED), ENOMEM, "madvise over a hole");
	OK(p[3 * PG] == 0, "madvise goes on behind a hole");
	ERR(msync(p, 5 * PG, MS_SYNC), ENOMEM, "msync over a hole");
	ERR(mlock(p, 5 * PG), ENOMEM, "mlock over a hole");
	ERR(munlock(p, 5 * PG), ENOMEM, "munlock over a hole");
	munmap(p, 5 * PG);
}

static void check_mremap(void)
{
	unsigned long a = (unsigned long)area;

	ERR(syscall(SYS_mremap, a + 1, PG, PG, 0, 0), EINVAL,
	    "mremap off a boundary");
	ERR(syscall(SYS_mremap, a, PG, 0, 0, 0), EINVAL, "mremap to length 0");
	ERR(syscall(SYS_mremap, a, PG, PG, 0x80, 0), EINVAL,
	    "mremap with unknown flags");
	ERR(syscall(SYS_mremap, a, PG, PG, MREMAP_FIXED, a), EINVAL,
	    "MREMAP_FIXED without MAYMOVE");
	ERR(syscall(SYS_mremap, a, 2 * PG, 2 * PG,
		    MREMAP_FIXED | MREMAP_MAYMOVE, a + PG),
	    EINVAL, "mremap onto itself");
	ERR(syscall(SYS_mremap, a, PG, PG, MREMAP_FIXED | MREMAP_MAYMOVE,
		    a + PAGES + 1),
	    EINVAL, "mremap to an odd address");
	ERR(syscall(SYS_mremap, a, 0, PG, MREMAP_MAYMOVE, 0), EINVAL,
	    "mremap of old size 0, private");
	ERR(syscall(SYS_mremap, a + PAGES, PG, 2 * PG, MREMAP_MAYMOVE, 0),
	    EFAULT, "mremap of a hole");
	ERR(syscall(SYS_mremap, a, PAGES * 2, PAGES * 4, MREMAP_MAYMOVE, 0),
	    EFAULT, "mremap over the end");
	/* ENOMEM or EINVAL, by version. */
	OK(syscall(SYS_mremap, a, PG, 1UL << 47, MREMAP_MAYMOVE, 0) == -1,
	   "mremap to 128 TiB");
	ERR(syscall(SYS_mremap, a, 2 * PG, PG, MREMAP_DONTUNMAP, 0), EINVAL,
	    "MREMAP_DONTUNMAP without MAYMOVE");
}

static void check_others(void)
{
	unsigned long a = (unsigned long)area;
	unsigned char vec[8];

	ERR(syscall(SYS_msync, a + 1, PG, MS_SYNC), EINVAL,
	    "msync off a boundary");
	ERR(syscall(SYS_msync, a, PG, MS_SYNC | MS_ASYNC), EINVAL,
	    "msync both ways");
	ERR(syscall(SYS_msync, a, PG, 0x100), EINVAL, "msync, unknown flag");
	IS(syscall(SYS_msync, a, PG, MS_SYNC), 0, "msync of memory");
	IS(syscall(SYS_msync, a, 0, MS_SYNC), 0, "msync of nothing");
	ERR(syscall(SYS_mincore, a + 1, PG, vec), EINVAL,
	    "mincore off a boundary");
	ERR(syscall(SYS_mincore, a, PG, 8UL), EFAULT,
	    "mincore with a bad vector");
	ERR(syscall(SYS_mincore, a + PAGES, PG, vec), ENOMEM,
	    "mincore of a hole");
	IS(syscall(SYS_mincore, a, PAGES, vec), 0, "mincore");
	OK((vec[0] & 1) && (vec[7] & 1), "touched pages are in core");
	ERR(syscall(SYS_madvise, a + 1, PG, MADV_NORMAL), EINVAL,
	    "madvise off a boundary");
	ERR(syscall(SYS_madvise, a, PG, 12345), EINVAL, "unknown advice");
	ERR(syscall(SYS_madvise, a, -PG, MADV_NORMAL), EINVAL,
	    "madvise that wraps around");
	IS(syscall(SYS_madvise, a, 0, MADV_DONTNEED), 0, "madvise of nothing");
	ERR(syscall(SYS_madvise, a, 0, 12345), EINVAL,
	    "unknown advice for nothing");
	ERR(syscall(SYS_mlock2, a, PG, 8), EINVAL, "mlock2, unknown flag");
	ERR(syscall(SYS_mlockall, 0), EINVAL, "mlockall of nothing");
	ERR(syscall(SYS_mlockall, 8), EINVAL, "mlockall, unknown flag");
	ERR(syscall(SYS_mlockall, 4), EINVAL, "MCL_ONFAULT alone");
}

int main(void)
{
	int ro, wo;
	char *whole = mmap(NULL, PAGES + 8 * PG, RW, ANON, -1, 0);

	MUST(whole != MAP_FAILED);
	area = whole;
	MUST(munmap(area + PAGES, 8 * PG) == 0);
	for (size_t i = 0; i < PAGES; i += PG)
		area[i] = 'x';
	area[PAGES - 1] = 'y';
	ro = open("/proc/self/exe", O_RDONLY);
	MUST(ro >= 0);
	wo = open("errno.tmp", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	MUST(wo >= 0 && write(wo, "data", 4) == 4);
	check_mmap(ro, wo);
	check_dirs();
	check_munmap();
	check_mprotect(ro);
	check_mprotect_hole();
	check_mremap();
	check_others();
	unlink("errno.tmp");
	return tap_done();
}
