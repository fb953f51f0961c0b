/* SPDX-License-Identifier: MIT */
/*
 * vma.h - an ordered set of disjoint address ranges, and the holes between.
 *
 * A balanced tree by address, threaded as a list, that knows for each subtree
 * the largest hole before one of its ranges: finding an address and finding
 * room both take O(log n). No locking: the caller has one. Neighbours that
 * could be one vma are one, but while a caller takes them apart with
 * vma_isolate and puts them together with vma_join.
 *
 * Nodes come from a stock that vma_reserve fills, so that nothing that changes
 * the set can fail half way.
 */
#ifndef MM_VMA_H
#define MM_VMA_H

#include "lib/types.h"

struct vma {
	struct vma *parent, *left, *right;
	struct vma *prev, *next; /* by address */
	uint64_t start, end;
	uint64_t max_hole; /* largest hole before a vma of this subtree */
	uint64_t object;   /* what is mapped: see vma_tag */
	uint64_t offset;   /* in the object, bytes; 0 if object is 0 */
	uint64_t charge;   /* bytes that count against the limit, <= size */
	uint32_t flags;
	uint32_t height;
};

/*
 * What a range is besides its place. Two neighbours are one vma if flags and
 * object are the same, and the offsets go on. object is 0 for private
 * anonymous memory and unlike any other for each other mapping.
 */
struct vma_tag {
	uint64_t object, offset, charge;
	uint32_t flags;
};

struct vma_totals {
	uint64_t size, data, text, stack, locked, charged; /* bytes */
};

struct vma_set {
	struct vma *root, *first, *last;
	struct vma *spare; /* stock of nodes, by next */
	uint32_t nspare;
	uint64_t count;
	struct vma_totals sum;
};

/* The most nodes that one operation on a range needs. */
#define VMA_SPARES 4

/* vma_reserve - have VMA_SPARES nodes in stock. 0 or -ENOMEM. */
int vma_reserve(struct vma_set *s);

/* vma_reserve_more - have so many more than that. 0 or -ENOMEM. */
int vma_reserve_more(struct vma_set *s, uint32_t more);

/* vma_find - the vma that holds addr, or the first above it, or NULL. */
struct vma *vma_find(const struct vma_set *s, uint64_t addr);

/* vma_free_range - is nothing mapped in [start, end)? */
bool vma_free_range(const struct vma_set *s, uint64_t start, uint64_t end);

/*
 * vma_covered - the first address of [start, end] that is in no vma: end if
 * all of the range is mapped.
 */
uint64_t vma_covered(const struct vma_set *s, uint64_t start, uint64_t end);

/* Which addresses will do: those `before` bytes before a multiple of align. */
struct vma_align {
	uint64_t align, before;
};

/*
 * vma_hole - the lowest address in [lo, hi) that will do and has len free
 * bytes, or 0. A hole that fits only just may be passed over if there are many
 * others of its size that do not.
 */
uint64_t vma_hole(const struct vma_set *s, uint64_t lo, uint64_t hi,
		  uint64_t len, struct vma_align align);

/* What is left free below a stack: Linux's stack_guard_gap (mm/mmap.c). */
#define STACK_GAP 0x100000ULL

/* vma_hole_end - where the room before v ends: a stack keeps a guard gap. */
uint64_t vma_hole_end(const struct vma *v);

/* vma_insert - [start, end), which is free; returns the (merged) vma. */
struct vma *vma_insert(struct vma_set *s, uint64_t start, uint64_t end,
		       const struct vma_tag *tag);

/* vma_extend - v grows at its end into free room; charge is added to it. */
struct vma *vma_extend(struct vma_set *s, struct vma *v, uint64_t end,
		       uint64_t charge);

/* vma_remove - unmap [start, end); holes do not matter. */
void vma_remove(struct vma_set *s, uint64_t start, uint64_t end);

/* vma_isolate - make v cover no more than [start, end), splitting it. */
struct vma *vma_isolate(struct vma_set *s, struct vma *v, uint64_t start,
			uint64_t end);

/* vma_retag - change what v is; vma_join afterwards. */
void vma_retag(struct vma_set *s, struct vma *v, uint32_t flags,
	       uint64_t charge);

/* vma_join - merge v with its neighbours if they are equal. */
struct vma *vma_join(struct vma_set *s, struct vma *v);

/* vma_charge - what would be charged of v if only [lo, hi) were left. */
uint64_t vma_charge(const struct vma *v, uint64_t lo, uint64_t hi);

/* vma_overlap - what vma_remove(start, end) would take off the totals. */
void vma_overlap(const struct vma_set *s, uint64_t start, uint64_t end,
		 struct vma_totals *sum);

/* vma_is_data - does Linux count flags as data (RLIMIT_DATA)? */
bool vma_is_data(uint32_t flags);

/* vma_check - AZ_ASSERT that the set is what this page says. For tests. */
void vma_check(const struct vma_set *s);

#endif
