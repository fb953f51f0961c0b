/* SPDX-License-Identifier: MIT */
/*
 * brk.c - brk(2): the heap behind the program.
 *
 * mm.brk is exact; its pages are one vma (VMA_HEAP), as long as the program
 * leaves it whole. mm.lock guards both.
 */
#include <asm/unistd.h>
#include <linux/mman.h>

#include "mm/space.h"
#include "sys/sys.h"

#define HEAP_FLAGS (VMA_READ | VMA_WRITE | VMA_HEAP)

void mm_set_brk(uint64_t start)
{
	spin_lock(&mm.lock);
	mm.brk_start = mm.brk = start;
	spin_unlock(&mm.lock);
}

/* Map [old, new), both page-aligned. */
static bool grow(uint64_t old, uint64_t new)
{
	struct vma_totals none = { 0 };
	struct vma_tag tag = { .flags = HEAP_FLAGS | mm.def_flags,
			       .charge = new - old };
	struct vma *next;

	mm_prepare(old, new + AZ_PAGE_SIZE);
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
	pool_claim(old, new);
	if (host_call(__NR_mmap, old, new - old, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1,
		      0) != (long)old)
		return false;
	mm_insert(old, new, &tag);
	return true;
}

static bool brk_move(uint64_t brk)
{
	uint64_t old = page_up(mm.brk), new = page_up(brk);

	if (brk < mm.brk_start || new < brk)
		return false;
	if (new < old) {
		if (unmap_locked(new, old))
			return false;
	} else if (new > old) {
		if (mm.rlim_data && brk - mm.brk_start > mm.rlim_data)
			return false;
		if (!grow(old, new))
			return false;
	}
	mm.brk = brk;
	return true;
}

long sys_brk(const uint64_t a[6])
{
	uint64_t old, brk;
	uint32_t lock;

	spin_lock(&mm.lock);
	old = page_up(mm.brk);
	if (mm.brk_start)
		brk_move(a[0]);
	brk = mm.brk;
	lock = mm.def_flags;
	spin_unlock(&mm.lock);
	if (lock && page_up(brk) > old)
		map_lock(old, page_up(brk), lock);
	return (long)brk;
}
