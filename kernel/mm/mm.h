/* SPDX-License-Identifier: MIT */
/*
 * mm.h - the program's address space, and the unikernel's own heap.
 *
 * The tree of vmas is the truth about what the program has mapped; the owner's
 * page tables follow it by host_call(mmap, mprotect, munmap, madvise, ...) at
 * the same addresses. One lock guards both together; see mm/space.h.
 */
#ifndef MM_MM_H
#define MM_MM_H

#include "layout.h"
#include "lib/types.h"

/* Where small mappings are: mm/pool.h. */
#define POOL_BASE (AZ_WINDOW_BASE + 0x10000000000ULL)
#define POOL_END  (AZ_WINDOW_BASE + 0x1ff00000000ULL)

/* vma.flags */
#define VMA_READ       1U /* == PROT_READ */
#define VMA_WRITE      2U /* == PROT_WRITE */
#define VMA_EXEC       4U /* == PROT_EXEC */
#define VMA_SHARED     0x10U
#define VMA_FILE       0x20U /* backed by a file */
#define VMA_NORESERVE  0x40U /* not charged as such */
#define VMA_STACK      0x80U /* MAP_STACK: charged in part */
#define VMA_GROWSDOWN  0x100U
#define VMA_HUGE       0x400U /* big pages asked for */
#define VMA_LOCKED     0x800U
#define VMA_HEAP       0x1000U /* brk */
#define VMA_MAIN_STACK 0x2000U
#define VMA_VDSO       0x4000U
#define VMA_VVAR       0x8000U
#define VMA_DONTFORK   0x10000U
#define VMA_HUGETLB    0x20000U
#define VMA_ONFAULT    0x40000U /* with VMA_LOCKED: MLOCK_ONFAULT */
/* madvise's lasting advice */
#define VMA_NOHUGE     0x80000U
#define VMA_RANDOM     0x100000U
#define VMA_SEQUENTIAL 0x200000U
#define VMA_DONTDUMP   0x400000U
#define VMA_WIPEONFORK 0x800000U
#define VMA_MERGEABLE  0x1000000U
/* Holds code of the unikernel's own, near the program's: mm_stub_area. */
#define VMA_STUBS 0x4000000U
/* Small mappings and the room between them: mm/pool.h. */
#define VMA_SLAB 0x8000000U
/* The unikernel's own choice of big pages; does not keep vmas apart. */
#define VMA_AUTOHUGE 0x2000000U
#define VMA_HINTS    VMA_AUTOHUGE

struct vma_info {
	uint64_t start, end;
	uint32_t flags;
	uint64_t offset; /* of the file, bytes */
};

/*
 * pool_refresh - a call to Linux names addr: if the program has unmapped what
 * was there, it is to fail. No lock is held.
 */
void pool_refresh(uint64_t addr);

/*
 * mm_watch_faults - the program has a handler for faults (SIGSEGV, SIGBUS): from
 * here on what it unmaps faults at once, however often it does. For good.
 */
void mm_watch_faults(void);

/*
 * pool_fork_child - in the child of a fork: the tree loses what Linux did not
 * give to the child (MADV_DONTFORK, locks), and what was unmapped faults.
 */
void pool_fork_child(void);

/* mm_init - before the first mapping. */
void mm_init(void);

/*
 * mm_map - mmap(2) for the unikernel's own needs (loader, stacks): prot, flags
 * as mmap's; vma_flags are added to the vma. Address or -errno.
 */
long mm_map(uint64_t addr, uint64_t len, int prot, int flags, int fd,
	    uint64_t off, uint32_t vma_flags);

/* mm_unmap, mm_protect - munmap(2), mprotect(2). 0 or -errno. */
long mm_unmap(uint64_t addr, uint64_t len);
long mm_protect(uint64_t addr, uint64_t len, int prot);

/* mm_set_brk - the loader tells where the heap starts. */
void mm_set_brk(uint64_t start);

/*
 * mm_find - the vma that holds addr, or else the first one above it. False:
 * there is none. For faults, futexes and /proc/self/maps.
 */
bool mm_find(uint64_t addr, struct vma_info *info);

/*
 * mm_fault - a page fault of the program at addr. 0: try again; -EFAULT:
 * nothing is mapped there; -EACCES: mapped, not with this protection.
 */
int mm_fault(uint64_t addr, bool write, bool exec);

/*
 * mm_set_rlimit - the program has set a soft limit (RLIMIT_AS, DATA, STACK,
 * MEMLOCK; others are ignored). BOOT's hold until then.
 */
void mm_set_rlimit(int resource, uint64_t soft);

/*
 * mm_stub_area - room for size bytes of code (whole pages), readable and
 * executable, within 2 GiB of every address from near - 64 MiB to
 * near + 64 MiB. The program does not see it: it is in no list and no total,
 * and what the program does to a range that holds it finds a hole there; before
 * that, text_changed() (sys/patch.h) is told. Address, or 0.
 */
uint64_t mm_stub_area(uint64_t near, uint64_t size);

/*
 * mm_lock, mm_unlock - keep the program's mappings as they are meanwhile. For
 * work on program text; text_changed() is called with this lock held. Host
 * calls are allowed inside; waiting and access to program memory are not.
 */
void mm_lock(void);
void mm_unlock(void);

/* mm_find_locked - mm_find for who holds the lock. */
bool mm_find_locked(uint64_t addr, struct vma_info *info);

/* Totals for /proc/self/status and sysinfo, in bytes. */
struct mm_usage {
	uint64_t size, committed, peak, limit, stack, data, text, locked;
};
void mm_usage(struct mm_usage *u);

/*
 * kalloc - memory for the unikernel itself, 16-aligned, zeroed; never in reach
 * of the program's pointers. NULL if there is none. kfree(NULL) is allowed.
 */
void *kalloc(size_t size);
void kfree(void *p);
/* kalloc_pages - page-aligned; size is rounded up to pages. */
void *kalloc_pages(size_t size);
void kfree_pages(void *p, size_t size);

#endif
