/* SPDX-License-Identifier: MIT */
/*
 * mm_world.h - what the tests of kernel/mm stand on: the fixed addresses of
 * abi/layout.h, mapped in the test's own process, %gs for core_self(), and
 * host_call as a real system call that counts, and fails when told to. The
 * program's range is free in a process under ASan, so the unikernel's calls
 * do here what they do in an instance.
 */
#ifndef MM_WORLD_H
#define MM_WORLD_H

#include <asm/prctl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core.h"
#include "lib/errno.h"
#include "lib/user.h"
#include "mm/pool.h"
#include "mm/space.h"
#include "sys/patch.h"
#include "sys/sys.h"

static int ntests, nfailed;

static void ok(bool pass, const char *fmt, ...)
{
	va_list ap;

	ntests++;
	nfailed += !pass;
	printf("%sok %d - ", pass ? "" : "not ", ntests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

static int done(void)
{
	printf("1..%d\n", ntests);
	return nfailed != 0;
}

/* got == want, both results of calls */
static inline void is(long got, long want, const char *name)
{
	ok(got == want, "%s", name);
	if (got != want)
		printf("# got %ld (%#lx), want %ld (%#lx)\n", got, got, want,
		       want);
}

/* --- what the rest of the unikernel provides --- */

_Noreturn void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

/* No site was rewritten. */
void text_changed(uint64_t lo, uint64_t hi)
{
	(void)lo;
	(void)hi;
}

void spin_wait(struct spinlock *l)
{
	(void)l;
	panic("a lock is held that nobody can let go");
}

static long host_calls;        /* made so far */
static long host_fail_at = -1; /* this one, counted from now, fails */
static long host_last;         /* number of the last one */

long host_call(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
	       uint64_t a4, uint64_t a5)
{
	long r;

	host_calls++;
	host_last = nr;
	if (host_fail_at >= 0 && host_fail_at-- == 0)
		return -ENOMEM;
	r = syscall(nr, a0, a1, a2, a3, a4, a5);
	return r < 0 ? -errno : r;
}

int copy_to_user(uint64_t dst, const void *src, size_t n)
{
	struct iovec from = { (void *)(uint64_t)src, n };
	struct iovec to = { (void *)dst, n };

	return process_vm_writev(getpid(), &from, 1, &to, 1, 0) == (ssize_t)n
		   ? 0
		   : -EFAULT;
}

int zero_user(uint64_t dst, size_t n)
{
	memset((void *)dst, 0, n);
	return 0;
}

int copy_in_user(uint64_t dst, uint64_t src, size_t n)
{
	memcpy((void *)dst, (const void *)src, n);
	return 0;
}

static void map_at(uint64_t addr, uint64_t len)
{
	void *p = mmap((void *)addr, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE |
			   MAP_NORESERVE,
		       -1, 0);

	if (p != (void *)addr) {
		printf("Bail out! cannot map %#lx\n", addr);
		exit(1);
	}
}

static void core_use(uint32_t i)
{
	syscall(SYS_arch_prctl, ARCH_SET_GS, core_at(i));
}

static void world_init(uint32_t ncores, uint64_t mem_bytes)
{
	map_at(AZ_BOOT_BASE, sizeof(struct az_boot));
	map_at(AZ_STATS_BASE, AZ_STATS_SIZE);
	map_at(AZ_CORE_BASE, ncores * AZ_CORE_STRIDE);
	map_at(AZ_HEAP_BASE, AZ_HEAP_SIZE);
	BOOT->ncores = ncores;
	BOOT->mem_bytes = mem_bytes;
	BOOT->heap_size = AZ_HEAP_SIZE;
	BOOT->euid = geteuid();
	BOOT->fd_hidden_lo = 1000;
	BOOT->fd_hidden_hi = 1100;
	BOOT->flags = AZ_BOOT_STRICT_UNMAP;
	for (int i = 0; i < AZ_NRLIMITS; i++)
		BOOT->rlimit[i] = (struct az_rlimit){ UINT64_MAX, UINT64_MAX };
	for (uint32_t i = 0; i < ncores; i++) {
		core_at(i)->az.self = (uint64_t)core_at(i);
		core_at(i)->az.index = i;
	}
	core_use(0);
	mm_init();
}

/* A call as the program makes it. */
#define CALL(name, ...) sys_##name((const uint64_t[6]){ __VA_ARGS__ })

static inline long map_anon(uint64_t addr, uint64_t len, int prot, int flags)
{
	return CALL(mmap, addr, len, (uint64_t)prot,
		    (uint64_t)(flags | MAP_PRIVATE | MAP_ANONYMOUS),
		    (uint64_t)-1, 0);
}

/* Unmap everything that the program has. */
static inline void world_clear(void)
{
	pool_dissolve(WINDOW_POOL, POOL_END);
	while (mm.set.first)
		CALL(munmap, mm.set.first->start,
		     mm.set.first->end - mm.set.first->start);
}

/* --- the host's own view, from /proc/self/maps --- */

struct host_vma {
	uint64_t start, end, offset;
	uint32_t flags; /* VMA_READ ... VMA_SHARED */
	unsigned long inode;
};

/* The mappings that meet [lo, hi), at most max. */
static inline int host_maps(uint64_t lo, uint64_t hi, struct host_vma *out,
			    int max)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], perm[5];
	int n = 0;

	while (n < max && fgets(line, sizeof(line), f)) {
		struct host_vma *v = &out[n];

		if (sscanf(line, "%lx-%lx %4s %lx %*s %lu", &v->start, &v->end,
			   perm, &v->offset, &v->inode) != 5)
			continue;
		if (v->end <= lo || v->start >= hi)
			continue;
		v->flags = (perm[0] == 'r' ? VMA_READ : 0) |
			   (perm[1] == 'w' ? VMA_WRITE : 0) |
			   (perm[2] == 'x' ? VMA_EXEC : 0) |
			   (perm[3] == 's' ? VMA_SHARED : 0);
		n++;
	}
	fclose(f);
	return n;
}

#endif
