/* SPDX-License-Identifier: MIT */
/*
 * space.h - what the files of mm/ share: the program's one address space.
 *
 * mm.lock guards everything in struct mm but `plain` and `exact`, which are
 * looked at without it, and which slabs there are (pool.h). Host calls that change mappings are made while it
 * is held, so that tree and host never differ for anyone who looks; calls that
 * only fill, write back or look at pages are made without it.
 */
#ifndef MM_SPACE_H
#define MM_SPACE_H

#include "calls.h"
#include "layout.h"
#include "lib/spin.h"
#include "mm/mm.h"
#include "mm/vma.h"

#define PAGE_MASK (AZ_PAGE_SIZE - 1)
/* Linux's TASK_SIZE_MAX with four-level tables (asm/page_64_types.h). */
#define TASK_SIZE 0x7ffffffff000ULL

/*
 * The window: first programs and their heaps, which grow upwards; then the
 * chunks of small mappings (pool.c); then, after room for code that must be
 * near to libraries (mm_stub_area), everything else.
 */
#define WINDOW_PROGRAMS AZ_WINDOW_BASE
#define WINDOW_POOL     POOL_BASE
#define WINDOW_MAPS     (AZ_WINDOW_BASE + 0x20000000000ULL)

/* Mappings below this size come from the pool. */
#define POOL_LIMIT 0x100000ULL
/* PROT_NONE and NORESERVE ranges from this size on are reservations. */
#define RESERVE_LIMIT 0x40000000ULL
/*
 * Anonymous mappings from HUGE_LIMIT on get big pages; from AZ_CHUNK_SIZE on if
 * those that were unmapped last had been filled: a big page takes 60 us, 512
 * small ones 900, but one small one 2 (bench/mmap.c).
 */
#define HUGE_LIMIT 0x400000ULL
/* With big pages it cannot be seen: one of so many goes without. */
#define DENSE_PROBE 128U
#define DENSE_MAX   8
/* Pages at the end of a mapping that tell whether it was filled. */
#define DENSE_LOOK 16U

struct mm {
	struct spinlock lock;
	struct vma_set set;
	uint64_t limit; /* on set.sum.charged */
	uint64_t rlim_as, rlim_data, rlim_stack, rlim_memlock;
	uint64_t brk_start, brk;
	/* Mapped on the host up to brk_top, zero from brk_clean on; pages. */
	uint64_t brk_top, brk_clean;
	uint64_t objects; /* the last vma_tag.object given out */
	/* Medium mappings that were filled, less those that were not. */
	int32_t dense;
	uint32_t medium;    /* such mappings made */
	uint32_t def_flags; /* of new mappings: mlockall(MCL_FUTURE) */
	uint32_t nstubs;    /* vmas with VMA_STUBS */
	uint32_t plain;     /* no limits or locks that small mappings heed */
	uint32_t exact;     /* the program would notice a late unmapping */
};

extern struct mm mm;

/* Whole pages of len; 0 if that overflows. */
static inline uint64_t page_up(uint64_t len)
{
	return (len + PAGE_MASK) & ~PAGE_MASK;
}

/* mm.c */

/* mm_admit - may a mapping like `add` be made where `gone` goes away? */
int mm_admit(uint32_t flags, uint64_t len, uint64_t charge,
	     const struct vma_totals *gone);
/* mm_admit_data - the same for what is mapped already and becomes data. */
int mm_admit_data(uint32_t flags, uint64_t len, uint64_t charge,
		  const struct vma_totals *gone);
/* mm_charge - what len bytes with these flags count against the limit. */
uint64_t mm_charge(uint32_t flags, uint64_t len);
/* mm_publish - show set.sum.charged to the tools. */
void mm_publish(void);
/* mm_insert, mm_remove - change the tree and show the totals. */
void mm_insert(uint64_t start, uint64_t end, const struct vma_tag *tag);
void mm_remove(uint64_t start, uint64_t end);
/* mm_new_object - a number for vma_tag.object. */
uint64_t mm_new_object(void);
/* mm_replan - def_flags or a limit has changed: set mm.plain. */
void mm_replan(void);
/*
 * mm_prepare - the program is about to do something to [start, end): stub areas
 * in it go, slabs become ordinary vmas. First thing under mm.lock in every call
 * that takes a range. 0 or -ENOMEM.
 */
int mm_prepare(uint64_t start, uint64_t end);
/* mm_expose - the same, but protections may stay loose (loose.c). */
int mm_expose(uint64_t start, uint64_t end);
/*
 * mm_changing - what is mapped in [start, end) is about to change: tells
 * text_changed() of what is executable there. Under mm.lock, before the host
 * changes anything.
 */
void mm_changing(uint64_t start, uint64_t end);
/*
 * mm_may_lock - RLIMIT_MEMLOCK for len bytes, `already` of which are locked:
 * 0, -EPERM (none at all) or -ENOMEM (not so many).
 */
int mm_may_lock(uint64_t len, uint64_t already);

/* mmap.c */

/* unmap_locked - munmap for a checked range, the lock being held. */
long unmap_locked(uint64_t start, uint64_t end);
/*
 * map_settle - the host would not map over [start, end). Kernels before 6.12
 * may have unmapped some of what was there; then it is gone from the tree too.
 */
void map_settle(uint64_t start, uint64_t end);
/* map_fresh - memory like that of v, new and zero, on the host. 0 or -errno. */
long map_fresh(const struct vma *v, uint64_t start, uint64_t end);
/* map_hugify - ask the host for big pages in a new mapping. */
void map_hugify(uint64_t start, uint64_t end);

/* mlock.c */

/* map_lock - lock a new mapping on the host, filling it unless ONFAULT. */
void map_lock(uint64_t start, uint64_t end, uint32_t flags);

/* brk.c */

/* brk_claim - something is going to be mapped at [start, end). */
void brk_claim(uint64_t start, uint64_t end);
/* brk_settle - what is mapped on the host behind the heap faults. */
void brk_settle(void);

/* loose.c */

/* loose_claim - the host is to have [start, end) as the tree has it. */
void loose_claim(uint64_t start, uint64_t end);
/*
 * loose_protect - all of [start, end) is about to get this protection in the
 * tree. true: the host need not be told now.
 */
bool loose_protect(uint64_t start, uint64_t end, uint32_t prot);

/* place.c */

/* place_find - room for a mapping with these flags; 0: there is none. */
uint64_t place_find(uint64_t len, uint32_t flags, struct vma_align align);
uint64_t place_32bit(uint64_t len);
/* place_stack - for MAP_GROWSDOWN: with room below. */
uint64_t place_stack(uint64_t len);
/* place_hint - addr if len bytes are free there, else 0. */
uint64_t place_hint(uint64_t addr, uint64_t len);
/* place_align - where a mapping of len bytes may start; huge: map_hugify. */
struct vma_align place_align(uint64_t len, bool huge);

/* place_near - room for code within reach of near: mm_stub_area. */
uint64_t place_near(uint64_t near, uint64_t len);

/* pool.c: see pool.h */

static inline bool pool_holds(uint64_t start, uint64_t end)
{
	return start < POOL_END && end > WINDOW_POOL;
}

/* What abi/syscall.tbl calls local, declared as the table has it. */
#define MM_PROTO(nr, name) long sys_##name(const uint64_t a[6]);
AZ_LOCAL_CALLS(MM_PROTO)
#undef MM_PROTO

#endif
