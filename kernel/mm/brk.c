/* SPDX-License-Identifier: MIT */
/*
 * brk.c - brk(2): the heap behind the program.
 *
 * mm.brk is exact; its pages are one vma (VMA_HEAP), as long as the program
 * leaves it whole. A heap that grows or shrinks often has more memory on the
 * host than it has pages, up to mm.brk_top: what it gives back it gets again
 * cleared, and what it will want next is mapped ahead. Nobody else sees that
 * memory but who touches it; when something is to be mapped there, it goes.
 * mm.lock guards all of this.
 */
#include <asm/unistd.h>
#include <linux/mman.h>

#include "lib/user.h"
#include "mm/pool.h"
#include "mm/space.h"
#include "sys/sys.h"

#define HEAP_FLAGS (VMA_READ | VMA_WRITE | VMA_HEAP)
/* How far ahead of a heap that grows often. */
#define AHEAD 0x40000ULL
/* From this size on, whole big pages. */
#define BIG_HEAP 0x800000ULL
/* What a heap keeps that shrinks often. */
#define KEEP_MAX 0x100000ULL

void mm_set_brk(uint64_t start)
{
	spin_lock(&mm.lock);
	mm.brk_start = mm.brk = start;
	mm.brk_top = mm.brk_clean = page_up(start);
	spin_unlock(&mm.lock);
}

void brk_settle(void)
{
	uint64_t end = page_up(mm.brk);

	if (mm.brk_top > end &&
	    host_call(__NR_munmap, end, mm.brk_top - end, 0, 0, 0, 0))
		return; /* too many mappings: it stays */
	mm.brk_top = mm.brk_clean = end;
}

void brk_claim(uint64_t start, uint64_t end)
{
	if (start < mm.brk_top && end > page_up(mm.brk))
		brk_settle();
}

/* How far to map a heap that ends at new, if it is in a hurry. */
static uint64_t ahead(uint64_t new, const struct vma *next)
{
	uint64_t limit = AZ_GUEST_END - AZ_PAGE_SIZE;
	uint64_t top = new + AHEAD;

	if (next)
		limit = vma_hole_end(next) - AZ_PAGE_SIZE;
	if (new - mm.brk_start >= BIG_HEAP)
		top = ALIGN_UP(new, AZ_CHUNK_SIZE) + AZ_CHUNK_SIZE;
	return top <= limit ? top : new;
}

/* Have [old, new) on the host; new <= top is wanted as well. */
static bool host_grow(uint64_t old, uint64_t new, uint64_t top)
{
	uint64_t from = mm.brk_top;

	if (new <= from)
		return true;
	if (host_call(__NR_mmap, from, top - from, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1,
		      0) != (long)from)
		return false;
	if (top > new &&top - old >= AZ_CHUNK_SIZE)
		map_hugify(ALIGN_UP(from, AZ_CHUNK_SIZE), top);
	mm.brk_top = top;
	return true;
}

/* Map [old, new), both page-aligned. */
static bool grow(uint64_t old, uint64_t new)
{
	struct vma_totals none = { 0 };
	struct vma_tag tag = { .flags = HEAP_FLAGS | mm.def_flags,
			       .charge = new - old };
	struct vma *next;

	if (mm_prepare(old, new + AZ_PAGE_SIZE))
		return false;
	next = vma_find(&mm.set, old);
	/* Linux keeps a page free behind the heap. */
	if (new > AZ_GUEST_END - AZ_PAGE_SIZE ||
	    (next && new + AZ_PAGE_SIZE > vma_hole_end(next)))
		return false;
	if ((tag.flags & VMA_LOCKED) && mm_may_lock(new - old, 0))
		return false;
	if (mm_admit(tag.flags, new - old, new - old, &none) ||
	    vma_reserve(&mm.set))
		return false;
	if (tag.flags & VMA_LOCKED)
		brk_settle();
	if (!host_grow(old, new, pool_exact() ? new : ahead(new, next)))
		return false;
	mm_insert(old, new, &tag);
	return true;
}

/* Unmap [new, old). */
static bool shrink(uint64_t new, uint64_t old)
{
	bool plain = vma_free_range(&mm.set, old, mm.brk_top);
	struct vma *v = vma_find(&mm.set, new);

	plain = plain && v && v->start <= new && v->end == old &&
		v->flags == HEAP_FLAGS;
	if (!plain || mm.brk_top - new > KEEP_MAX || pool_exact()) {
		if (unmap_locked(new, old))
			return false;
		mm.brk = new;
		brk_settle();
		return true;
	}
	if (vma_reserve(&mm.set))
		return false;
	mm_remove(new, old);
	mm.brk_clean = MAX(mm.brk_clean, old);
	return true;
}

/* *lo, *hi: what has to be cleared before the program gets it. */
static bool brk_move(uint64_t brk, uint64_t *lo, uint64_t *hi)
{
	uint64_t old = page_up(mm.brk), new = page_up(brk);

	if (brk < mm.brk_start || new < brk)
		return false;
	if (new < old) {
		if (!shrink(new, old))
			return false;
	} else if (new > old) {
		if (mm.rlim_data && brk - mm.brk_start > mm.rlim_data)
			return false;
		if (!grow(old, new))
			return false;
		*lo = old;
		*hi = MIN(new, mm.brk_clean);
	}
	mm.brk = brk;
	return true;
}

long sys_brk(const uint64_t a[6])
{
	uint64_t old, brk, lo = 0, hi = 0;
	uint32_t lock;

	spin_lock(&mm.lock);
	old = page_up(mm.brk);
	if (mm.brk_start)
		brk_move(a[0], &lo, &hi);
	brk = mm.brk;
	lock = mm.def_flags;
	spin_unlock(&mm.lock);
	if (lo < hi)
		zero_user(lo, hi - lo);
	if (lock && page_up(brk) > old)
		map_lock(old, page_up(brk), lock);
	return (long)brk;
}
