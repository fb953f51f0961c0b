/* SPDX-License-Identifier: MIT */
/*
 * mlock.c - mlock(2), mlockall(2) and their kin.
 *
 * The tree knows what is locked, the host does it. A range is first locked on
 * fault only, under mm.lock, which is quick and tells whether the host lets
 * us; filling it comes afterwards, without the lock. mlockall is never passed
 * on: it would lock the owner's own memory.
 */
#include <asm/unistd.h>
#include <linux/mman.h>

#include "lib/errno.h"
#include "mm/space.h"
#include "sys/sys.h"

#define LOCK_FLAGS (VMA_LOCKED | VMA_ONFAULT)

void map_lock(uint64_t start, uint64_t end, uint32_t flags)
{
	if (flags & VMA_ONFAULT)
		host_call(__NR_mlock2, start, end - start, MLOCK_ONFAULT, 0, 0,
			  0);
	else
		host_call(__NR_mlock, start, end - start, 0, 0, 0, 0);
}

/* Give all of [start, end), which has no hole, these lock flags. */
static void note(uint64_t start, uint64_t end, uint32_t flags)
{
	while (start < end) {
		struct vma *v = vma_find(&mm.set, start);

		v = vma_isolate(&mm.set, v, start, end);
		start = v->end;
		vma_retag(&mm.set, v,
			  (v->flags & ~(uint32_t)LOCK_FLAGS) | flags,
			  v->charge);
		vma_join(&mm.set, v);
	}
}

/* flags: 0 to unlock. Returns how far it went in *done; 0 or -errno. */
static long change(uint64_t start, uint64_t end, uint32_t flags, uint64_t *done)
{
	long err;

	*done = vma_covered(&mm.set, start, end);
	if (*done == start)
		return -ENOMEM;
	err = vma_reserve(&mm.set);
	if (!err && flags)
		err = host_call(__NR_mlock2, start, *done - start,
				MLOCK_ONFAULT, 0, 0, 0);
	else if (!err)
		err = host_call(__NR_munlock, start, *done - start, 0, 0, 0, 0);
	if (err)
		return err;
	note(start, *done, flags);
	return *done < end ? -ENOMEM : 0;
}

static long range_lock(uint64_t addr, uint64_t len, uint32_t flags)
{
	uint64_t start = addr & ~PAGE_MASK;
	uint64_t size = page_up(len + (addr & PAGE_MASK));
	uint64_t end = start + size, done;
	struct vma_totals in;
	long err = 0;

	spin_lock(&mm.lock);
	err = mm_prepare(start, MAX(start, end));
	if (!err && flags) {
		vma_overlap(&mm.set, start, MAX(start, end), &in);
		err = mm_may_lock(size, in.locked);
	}
	if (!err && end < start)
		err = -EINVAL;
	if (!err && size)
		err = change(start, end, flags, &done);
	spin_unlock(&mm.lock);
	if (!err && size && flags && !(flags & VMA_ONFAULT))
		err = host_call(__NR_mlock, start, size, 0, 0, 0, 0);
	return err;
}

long sys_mlock(const uint64_t a[6])
{
	return range_lock(a[0], a[1], VMA_LOCKED);
}

long sys_mlock2(const uint64_t a[6])
{
	int flags = (int)a[2];

	if (flags & ~MLOCK_ONFAULT)
		return -EINVAL;
	return range_lock(a[0], a[1], flags ? LOCK_FLAGS : VMA_LOCKED);
}

long sys_munlock(const uint64_t a[6])
{
	return range_lock(a[0], a[1], 0);
}

/* --- everything --- */

/* Lock or unlock all that is mapped at or above *at; false: nothing is. */
static bool next_change(uint64_t *at, uint64_t *start, uint32_t flags)
{
	struct vma *v;
	bool found;

	spin_lock(&mm.lock);
	v = vma_find(&mm.set, *at);
	while (v && (v->flags & (VMA_STUBS | VMA_SLAB)))
		v = v->next;
	found = v != NULL;
	if (found) {
		*start = v->start;
		change(v->start, v->end, flags, at);
	}
	spin_unlock(&mm.lock);
	return found;
}

static void change_all(uint32_t flags)
{
	uint64_t at = 0, start;

	while (next_change(&at, &start, flags))
		/* What cannot be filled, like PROT_NONE, does not matter. */
		if (flags == VMA_LOCKED)
			host_call(__NR_mlock, start, at - start, 0, 0, 0, 0);
}

long sys_mlockall(const uint64_t a[6])
{
	int flags = (int)a[0];
	uint32_t lock = flags & MCL_ONFAULT ? LOCK_FLAGS : VMA_LOCKED;
	long err = 0;

	if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) ||
	    flags == MCL_ONFAULT)
		return -EINVAL;
	spin_lock(&mm.lock);
	err = mm_may_lock(0, 0);
	if (err != -EPERM)
		err = flags & MCL_CURRENT
			  ? mm_may_lock(mm.set.sum.size, mm.set.sum.locked)
			  : 0;
	if (!err)
		err = mm_prepare(WINDOW_POOL, POOL_END);
	if (!err) {
		mm.def_flags = flags & MCL_FUTURE ? lock : 0;
		mm_replan();
	}
	spin_unlock(&mm.lock);
	if (!err && (flags & MCL_CURRENT))
		change_all(lock);
	return err;
}

long sys_munlockall(const uint64_t a[6])
{
	(void)a;
	spin_lock(&mm.lock);
	mm.def_flags = 0;
	mm_replan();
	/* There is nothing to unlock in slabs, nor to change. */
	spin_unlock(&mm.lock);
	change_all(0);
	return 0;
}
