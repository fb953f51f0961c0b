/* SPDX-License-Identifier: MIT */
/*
 * advise.c - madvise(2), mincore(2) and msync(2).
 *
 * Advice that lasts (a flag of the vma on Linux) is noted in the tree and
 * given to the host under mm.lock. What only fills, drops, writes back or
 * looks at pages is done by the host without it: if another thread unmaps the
 * range meanwhile, the program could not have told which came first.
 */
#include <asm/unistd.h>
#include <linux/mman.h>

#include "lib/errno.h"
#include "lib/user.h"
#include "mm/pool.h"
#include "mm/space.h"
#include "sched/thread.h"
#include "sys/sys.h"

/* Private anonymous memory like this can be cleared instead of dropped. */
#define PLAIN_FLAGS                                                        \
	(VMA_READ | VMA_WRITE | VMA_NORESERVE | VMA_STACK | VMA_AUTOHUGE | \
	 VMA_HEAP | VMA_SLAB)
/* Clearing more than this is not for the unikernel. */
#define CLEAR_MAX 0x40000ULL
/* Pages that mincore looks at in one go. */
#define MINCORE_PAGES 512

struct advice {
	uint8_t advice;
	bool once; /* nothing to remember */
	uint32_t set, clear;
};

static const struct advice advices[] = {
	{ MADV_NORMAL, false, 0, VMA_RANDOM | VMA_SEQUENTIAL },
	{ MADV_RANDOM, false, VMA_RANDOM, VMA_SEQUENTIAL },
	{ MADV_SEQUENTIAL, false, VMA_SEQUENTIAL, VMA_RANDOM },
	{ MADV_DONTFORK, false, VMA_DONTFORK, 0 },
	{ MADV_DOFORK, false, 0, VMA_DONTFORK },
	{ MADV_MERGEABLE, false, VMA_MERGEABLE, 0 },
	{ MADV_UNMERGEABLE, false, 0, VMA_MERGEABLE },
	{ MADV_HUGEPAGE, false, VMA_HUGE, VMA_NOHUGE | VMA_AUTOHUGE },
	{ MADV_NOHUGEPAGE, false, VMA_NOHUGE, VMA_HUGE | VMA_AUTOHUGE },
	{ MADV_DONTDUMP, false, VMA_DONTDUMP, 0 },
	{ MADV_DODUMP, false, 0, VMA_DONTDUMP },
	{ MADV_WIPEONFORK, false, VMA_WIPEONFORK, 0 },
	{ MADV_KEEPONFORK, false, 0, VMA_WIPEONFORK },
	{ MADV_WILLNEED, true, 0, 0 },
	{ MADV_DONTNEED, true, 0, 0 },
	{ MADV_DONTNEED_LOCKED, true, 0, 0 },
	{ MADV_FREE, true, 0, 0 },
	{ MADV_REMOVE, true, 0, 0 },
	{ MADV_COLD, true, 0, 0 },
	{ MADV_PAGEOUT, true, 0, 0 },
	{ MADV_POPULATE_READ, true, 0, 0 },
	{ MADV_POPULATE_WRITE, true, 0, 0 },
	{ MADV_COLLAPSE, true, 0, 0 },
};

static const struct advice *advice_find(int advice)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(advices); i++)
		if (advices[i].advice == advice)
			return &advices[i];
	return NULL;
}

/*
 * The next stretch of [*lo, end) that is mapped without a hole; *lo moves to
 * its start. Returns its end, or 0 if there is none.
 */
static uint64_t next_run(uint64_t *lo, uint64_t end)
{
	uint64_t hi = 0;
	struct vma_info v;

	spin_lock(&mm.lock);
	if (mm_find_locked(*lo, &v) && v.start < end) {
		*lo = MAX(*lo, v.start);
		hi = MIN(v.end, end);
	}
	spin_unlock(&mm.lock);
	return hi;
}

/* Does it change what is read there next? */
static bool drops(int advice)
{
	return advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED ||
	       advice == MADV_FREE || advice == MADV_REMOVE;
}

static bool has_text(uint64_t lo, uint64_t hi)
{
	for (struct vma *v = vma_find(&mm.set, lo); v && v->start < hi;
	     v = v->next)
		if (v->flags & VMA_EXEC)
			return true;
	return false;
}

/* What comes back after a drop is zero, not a snapshot's. The lock is held. */
static long drop_restored(uint64_t lo, uint64_t hi, int advice)
{
	long err = 0;

	for (struct vma *v = vma_find(&mm.set, lo); !err && v && v->start < hi;
	     v = v->next) {
		uint64_t start = MAX(lo, v->start), end = MIN(hi, v->end);

		err = v->object || advice == MADV_REMOVE
			  ? host_call(__NR_madvise, start, end - start,
				      (uint64_t)advice, 0, 0, 0)
			  : map_fresh(v, start, end);
	}
	return err;
}

/* Dropped text must not be rewritten while it goes: under the lock. */
static long advise_run(uint64_t lo, uint64_t hi, int advice)
{
	bool locked = false;
	long err;

	if (drops(advice)) {
		spin_lock(&mm.lock);
		locked = has_text(lo, hi) || BOOT->flags & AZ_BOOT_RESTORED;
		if (locked)
			mm_changing(lo, hi);
		else
			spin_unlock(&mm.lock);
	}
	if (locked && BOOT->flags & AZ_BOOT_RESTORED)
		err = drop_restored(lo, hi, advice);
	else
		err = host_call(__NR_madvise, lo, hi - lo, (uint64_t)advice, 0,
				0, 0);
	if (locked)
		spin_unlock(&mm.lock);
	return err;
}

static long advise_once(uint64_t start, uint64_t end, int advice)
{
	bool populate =
	    advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE;
	long hole = 0;

	while (start < end) {
		uint64_t lo = start;
		uint64_t hi = next_run(&lo, end);
		long err;

		if (!hi)
			return -ENOMEM;
		if (lo > start) {
			hole = -ENOMEM;
			if (populate)
				break;
		}
		err = advise_run(lo, hi, advice);
		if (err)
			return err;
		start = hi;
	}
	return hole;
}

/* One vma's part of the range; the lock is held. */
static long note_one(struct vma *v, uint64_t lo, uint64_t hi,
		     const struct advice *d)
{
	uint32_t flags = (v->flags | d->set) & ~d->clear;
	long err = vma_reserve(&mm.set);

	if (!err)
		err = host_call(__NR_madvise, lo, hi - lo, d->advice, 0, 0, 0);
	if (err)
		return err;
	if (flags != v->flags) {
		v = vma_isolate(&mm.set, v, lo, hi);
		vma_retag(&mm.set, v, flags, v->charge);
		vma_join(&mm.set, v);
	}
	return 0;
}

static long advise_lasting(uint64_t start, uint64_t end, const struct advice *d)
{
	long hole = 0, err = 0;

	spin_lock(&mm.lock);
	err = mm_prepare(start, end);
	while (start < end && !err) {
		struct vma *v = vma_find(&mm.set, start);
		uint64_t hi;

		if (!v || v->start >= end) {
			hole = -ENOMEM;
			break;
		}
		if (v->start > start)
			hole = -ENOMEM;
		start = MAX(start, v->start);
		hi = MIN(v->end, end);
		err = note_one(v, start, hi, d);
		start = hi;
	}
	spin_unlock(&mm.lock);
	return err ? err : hole;
}

/* --- MADV_DONTNEED without the host --- */

/* Is v private memory with nothing special about it? */
static bool is_plain(const struct vma *v)
{
	return (v->flags & ~(uint32_t)PLAIN_FLAGS) == 0 &&
	       (v->flags & VMA_WRITE) && (!v->object || v->flags & VMA_SLAB);
}

/*
 * Is [start, end) the dead part of the stack at sp, perhaps with the guard page
 * below it? C libraries drop that when a thread ends, megabytes that were
 * never touched. What is below the stack pointer has no contents that anyone
 * may rely on.
 */
static bool is_dead_stack(uint64_t start, uint64_t end, uint64_t sp)
{
	const struct vma *v = vma_find(&mm.set, end - 1), *guard = v->prev;

	if (sp < end || v->start >= end || v->end < sp ||
	    (v->flags & VMA_SLAB) || !is_plain(v))
		return false;
	return v->start <= start ||
	       (guard && guard->end == v->start && guard->start <= start &&
		!guard->object && !(guard->flags & 7));
}

/* Was this dropped before, not many others ago? */
static bool dropped_before(uint64_t start)
{
	struct core *c = core_self();
	uint64_t *p = &c->dropped[start / AZ_PAGE_SIZE % DROPPED];
	bool same = *p == start;

	*p = start;
	return same;
}

/*
 * What is dropped over and over, a little at a time, is cleared: the host would
 * take the pages away only to bring them again. What is dropped once is not
 * meant to stay resident.
 */
static bool may_clear(uint64_t start, uint64_t end)
{
	uint64_t lo = start, hi = end;
	const struct vma *v;

	if (end - start > CLEAR_MAX || !dropped_before(start))
		return false;
	v = vma_find(&mm.set, start);
	if (!v || v->start > start || v->end < end || !is_plain(v))
		return false;
	if (v->flags & VMA_SLAB)
		return pool_used(start, &lo, &hi) && lo <= start && hi >= end;
	return true;
}

/* true: done. */
static bool drop_quickly(uint64_t start, uint64_t end)
{
	uint64_t sp;
	bool dead = false, clear = false;

	if ((BOOT->flags & AZ_BOOT_STRICT_UNMAP) || !in_a_hurry())
		return false;
	sp = thread_self()->frame->rsp;
	spin_lock(&mm.lock);
	if (vma_find(&mm.set, end - 1)) {
		dead = is_dead_stack(start, end, sp);
		clear = !dead && may_clear(start, end);
	}
	spin_unlock(&mm.lock);
	return dead || (clear && !zero_user(start, end - start));
}

long sys_madvise(const uint64_t a[6])
{
	uint64_t start = a[0], len = page_up(a[1]);
	int advice = (int)a[2];
	const struct advice *d = advice_find(advice);

	/* They would hurt the host, and need CAP_SYS_ADMIN there. */
	if (advice == MADV_HWPOISON || advice == MADV_SOFT_OFFLINE)
		return -EPERM;
	if (!d || (start & PAGE_MASK) || (a[1] && !len) || start + len < start)
		return -EINVAL;
	if (!len)
		return 0;
	if (advice == MADV_DONTNEED && drop_quickly(start, start + len))
		return 0;
	return d->once ? advise_once(start, start + len, advice)
		       : advise_lasting(start, start + len, d);
}

/* --- mincore --- */

long sys_mincore(const uint64_t a[6])
{
	uint64_t start = a[0], vec = a[2];
	uint64_t pages = a[1] / AZ_PAGE_SIZE + !!(a[1] & PAGE_MASK);
	unsigned char buf[MINCORE_PAGES];

	if (start & PAGE_MASK)
		return -EINVAL;
	if (!user_range_ok(start, a[1]))
		return -ENOMEM;
	if (!user_range_ok(vec, pages))
		return -EFAULT;
	while (pages) {
		uint64_t n = MIN(pages, MINCORE_PAGES);
		uint64_t lo = start;
		uint64_t hi = next_run(&lo, start + n * AZ_PAGE_SIZE);
		long err;

		if (!hi || lo > start)
			return -ENOMEM;
		n = (hi - lo) / AZ_PAGE_SIZE;
		err = host_call(__NR_mincore, lo, hi - lo, (uint64_t)buf, 0, 0,
				0);
		if (err)
			return err;
		if (copy_to_user(vec, buf, n))
			return -EFAULT;
		start = hi;
		vec += n;
		pages -= n;
	}
	return 0;
}

/* --- msync --- */

/* What msync has to do for one vma: 0: nothing; 1: write back; or -errno. */
static int sync_kind(uint32_t flags, int how)
{
	if ((how & MS_INVALIDATE) && (flags & VMA_LOCKED))
		return -EBUSY;
	return (how & MS_SYNC) &&
	       (flags & (VMA_FILE | VMA_SHARED)) == (VMA_FILE | VMA_SHARED);
}

long sys_msync(const uint64_t a[6])
{
	uint64_t start = a[0], end = a[0] + page_up(a[1]);
	int how = (int)a[2];
	struct vma_info v;
	long hole = 0;

	if ((how & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) ||
	    (start & PAGE_MASK) || ((how & MS_ASYNC) && (how & MS_SYNC)))
		return -EINVAL;
	if (end < start)
		return -ENOMEM;
	while (start < end) {
		uint64_t hi;
		long err;

		if (!mm_find(start, &v) || v.start >= end)
			return -ENOMEM;
		if (v.start > start)
			hole = -ENOMEM;
		start = MAX(start, v.start);
		hi = MIN(end, v.end);
		err = sync_kind(v.flags, how);
		if (err > 0)
			err = host_call(__NR_msync, start, hi - start,
					(uint64_t)how, 0, 0, 0);
		if (err)
			return err;
		start = hi;
	}
	return hole;
}
