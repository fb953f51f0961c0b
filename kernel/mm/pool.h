/* SPDX-License-Identifier: MIT */
/*
 * pool.h - small anonymous mappings without the host, and without mm.lock.
 *
 * A slab is a chunk of 2 MiB in [WINDOW_POOL, POOL_END) that a core has opened:
 * mapped read-write on the host with one call, one vma (VMA_SLAB) in the tree.
 * What the program has of it are the pages in slab.used; the tree does not
 * know more. Whatever is not a plain mmap or munmap of such pages first turns
 * the slab into ordinary vmas (pool_dissolve), so that nothing but pool.c and
 * those who look (mm_find, faults, madvise) ever meet one.
 */
#ifndef MM_POOL_H
#define MM_POOL_H

#include "core.h"
#include "lib/list.h"
#include "lib/spin.h"
#include "lib/types.h"
#include "mm/vma.h"

#define SLAB_PAGES ((uint32_t)(AZ_CHUNK_SIZE / AZ_PAGE_SIZE))
#define SLAB_WORDS (SLAB_PAGES / 64)

/*
 * A page of an open slab is used, or free. If it is free, it may be dirty (was
 * used; still there on the host, not zero) or gone (not there on the host), or
 * neither: there, and zero.
 *
 * lock guards all but links, which mm.lock guards; open and owner change with
 * both held. It is taken inside mm.lock. Slabs are never freed: what was one
 * may be looked at at any time.
 */
struct slab {
	struct spinlock lock;
	bool open;
	bool sealed;    /* charged for what is used only: nothing is added */
	uint16_t owner; /* core that cuts from it + 1; 0: none */
	uint32_t nused;
	uint64_t start;
	uint64_t used[SLAB_WORDS];
	uint64_t dirty[SLAB_WORDS];
	uint64_t gone[SLAB_WORDS];
	struct list links; /* of open slabs */
};

void pool_init(void);

/*
 * pool_alloc - len bytes (whole pages, <= POOL_LIMIT), zero and read-write; 0:
 * not from here. No lock is held.
 */
uint64_t pool_alloc(uint64_t len);

/*
 * pool_free - munmap(2) of [start, end), if all of it lies in one open slab;
 * 1: it does not. 0 or -errno. No lock is held.
 */
long pool_free(uint64_t start, uint64_t end);

/*
 * pool_resize - mremap(2) within the pool: from old_len bytes at addr to
 * new_len. The address, 1: not possible here, or -errno. No lock is held.
 */
long pool_resize(uint64_t addr, uint64_t old_len, uint64_t new_len,
		 bool may_move);

/*
 * pool_used - the first stretch of used pages at or above addr in the slab that
 * holds addr; false: none, or no open slab.
 */
bool pool_used(uint64_t addr, uint64_t *start, uint64_t *end);

/* The rest under mm.lock. */

/* pool_dissolve - open slabs that meet [start, end) become ordinary vmas. */
int pool_dissolve(uint64_t start, uint64_t end);
/* pool_seal - stop charging for what is free in open slabs. */
void pool_seal(void);
/* pool_settle - what is free in open slabs faults. */
void pool_settle(void);
/* pool_adopt_all - in the child of a fork: core 0 has all slabs. */
void pool_adopt_all(void);
/* pool_unused - bytes of open slabs that are free; those that are charged. */
uint64_t pool_unused(uint64_t *charged);
/*
 * in_a_hurry - does the program make calls that change its memory so often
 * that it matters what they cost? False for a burst, and once in a while.
 * Counts each time.
 */
bool in_a_hurry(void);
/*
 * pool_exact - must what is unmapped now fault at the next access? If not,
 * the host need not be called: see pool.c.
 */
bool pool_exact(void);

#endif
