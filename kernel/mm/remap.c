/* SPDX-License-Identifier: MIT */
/*
 * remap.c - mremap(2).
 *
 * Checks come first and in Linux's order (mm/mremap.c); then the host moves
 * the pages with one call, which also makes room at the target and cuts off
 * what a shrinking source leaves behind; then the tree follows. mm.lock is
 * held throughout.
 */
#include <asm/unistd.h>
#include <linux/mman.h>

#include "lib/errno.h"
#include "mm/pool.h"
#include "mm/space.h"
#include "sys/sys.h"

#define FLAGS_ALL (MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)
/* Anonymous memory like this can grow by mapping more of the same. */
#define PLAIN_FLAGS                                                    \
	(VMA_READ | VMA_WRITE | VMA_EXEC | VMA_NORESERVE | VMA_STACK | \
	 VMA_AUTOHUGE)

struct remap {
	uint64_t addr, old_len, new_len, to;
	uint32_t flags;
};

static bool names_target(const struct remap *r)
{
	return r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);
}

static int check(const struct remap *r)
{
	if ((r->flags & ~(uint32_t)FLAGS_ALL) || (r->addr & PAGE_MASK) ||
	    !r->new_len || r->new_len > TASK_SIZE)
		return -EINVAL;
	if (!names_target(r))
		return 0;
	if (r->to > TASK_SIZE - r->new_len || (r->to & PAGE_MASK) ||
	    !(r->flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((r->flags & MREMAP_DONTUNMAP) && r->old_len != r->new_len)
		return -EINVAL;
	if (r->addr + r->old_len > r->to && r->to + r->new_len > r->addr)
		return -EINVAL;
	if (!(r->flags & MREMAP_FIXED))
		return 0;
	if (r->to < AZ_GUEST_MIN)
		return -EPERM;
	if (r->to + r->new_len > AZ_GUEST_END)
		return -ENOMEM;
	return 0;
}

/* What the new range counts beyond what the old one goes on counting. */
static uint64_t extra_charge(const struct remap *r, const struct vma *v)
{
	uint64_t more;

	if ((v->flags & VMA_SHARED) || !(v->charge || (v->flags & VMA_WRITE)))
		return 0;
	more = r->new_len > r->old_len ? r->new_len - r->old_len : 0;
	if (r->flags & MREMAP_DONTUNMAP)
		more = r->new_len;
	return mm_charge(v->flags | VMA_WRITE, more);
}

/* May v, which holds addr, be moved or grow? Nothing changes. */
static long check_source(const struct remap *r, const struct vma *v)
{
	uint64_t more = r->new_len > r->old_len ? r->new_len - r->old_len : 0;
	struct vma_totals gone = { 0 };
	int err;

	if (!r->old_len && !(v->flags & VMA_SHARED))
		return -EINVAL;
	if (r->old_len > v->end - r->addr)
		return -EFAULT;
	if ((v->flags & VMA_LOCKED) && more) {
		err = mm_may_lock(more, 0);
		if (err)
			return -EAGAIN;
	}
	if (r->flags & MREMAP_FIXED)
		vma_overlap(&mm.set, r->to, r->to + r->new_len, &gone);
	if (r->flags & MREMAP_DONTUNMAP)
		more = r->new_len;
	return more ? mm_admit(v->flags, more, extra_charge(r, v), &gone) : 0;
}

/* --- growing in place --- */

static bool wants_huge(const struct vma *v, uint64_t len)
{
	return len >= HUGE_LIMIT && !v->object &&
	       (v->flags & ~(uint32_t)VMA_AUTOHUGE) == (VMA_READ | VMA_WRITE);
}

static bool is_plain(const struct vma *v)
{
	return !v->object && (!(v->flags & ~(uint32_t)PLAIN_FLAGS) ||
			      BOOT->flags & AZ_BOOT_RESTORED);
}

static long host_grow(const struct remap *r, const struct vma *v)
{
	long ret;

	if (is_plain(v))
		return map_fresh(v, v->end, r->addr + r->new_len);
	ret = host_call(__NR_mremap, r->addr, r->old_len, r->new_len, 0, 0, 0);
	return ret < 0 ? ret : 0;
}

/* Is there room behind v, and did the host fill it? */
static bool grow(const struct remap *r, struct vma *v)
{
	uint64_t end = v->end, to = r->addr + r->new_len;
	struct vma_tag tag = { .object = v->object,
			       .flags = v->flags,
			       .charge = extra_charge(r, v) };

	if (to > AZ_GUEST_END || to < r->addr ||
	    (v->next && vma_hole_end(v->next) < to))
		return false;
	if (v->object)
		tag.offset = v->offset + (end - v->start);
	brk_claim(end, to);
	if (host_grow(r, v))
		return false;
	if (wants_huge(v, r->new_len)) {
		map_hugify(r->addr, to);
		tag.flags |= VMA_AUTOHUGE;
	}
	mm_insert(end, to, &tag);
	return true;
}

/* --- moving --- */

static long target(struct remap *r, const struct vma *v)
{
	if (r->flags & MREMAP_FIXED)
		return 0;
	r->to = names_target(r) ? place_hint(r->to, r->new_len) : 0;
	if (!r->to)
		r->to = place_find(r->new_len, v->flags,
				   place_align(r->new_len,
					       wants_huge(v, r->new_len)));
	return r->to ? 0 : -ENOMEM;
}

/* MREMAP_DONTUNMAP leaves the source, empty and unlocked. */
static void unlock_source(const struct remap *r, struct vma *v)
{
	v = vma_isolate(&mm.set, v, r->addr, r->addr + r->old_len);
	vma_retag(&mm.set, v, v->flags & ~(uint32_t)(VMA_LOCKED | VMA_ONFAULT),
		  v->charge);
	vma_join(&mm.set, v);
}

/* The tree follows: r->addr has become r->to. */
static void move_vma(const struct remap *r, struct vma *v, uint64_t more,
		     uint32_t hints)
{
	uint64_t end = r->addr + r->old_len;
	struct vma_tag tag = { .object = v->object,
			       .flags = v->flags | hints,
			       .charge = more };
	uint64_t kept = MIN(end, r->addr + r->new_len);
	struct vma_totals moved;

	if (v->object)
		tag.offset = v->offset + (r->addr - v->start);
	vma_overlap(&mm.set, r->addr, kept, &moved);
	if (r->flags & MREMAP_DONTUNMAP) {
		unlock_source(r, v);
	} else if (r->old_len) {
		tag.charge += moved.charged;
		mm_remove(r->addr, end);
	}
	mm_remove(r->to, r->to + r->new_len);
	mm_insert(r->to, r->to + r->new_len, &tag);
}

/* Move [from, from + len); *done: how much of it. 0 or -errno. */
static long move_some(uint64_t from, uint64_t len, uint64_t to, uint64_t *done)
{
	uint64_t n = len;

	for (*done = 0; *done < len; n = len - *done) {
		long ret;

		/* Halve the piece until it is within one vma. */
		while ((ret = host_call(__NR_mremap, from + *done, n, n,
					MREMAP_MAYMOVE | MREMAP_FIXED,
					to + *done, 0)) == -EFAULT &&
		       n > AZ_PAGE_SIZE)
			n = page_up(n / 2);
		if (ret < 0)
			return ret;
		*done += n;
	}
	return 0;
}

/* What came to [.., at) grows to `to`, in place of what lies there. */
static long grow_moved(const struct vma *v, uint64_t at, uint64_t to)
{
	long ret;

	if (is_plain(v))
		return map_fresh(v, at, to);
	ret = host_call(__NR_munmap, at, to - at, 0, 0, 0, 0);
	if (!ret)
		ret = host_call(__NR_mremap, at - AZ_PAGE_SIZE, AZ_PAGE_SIZE,
				AZ_PAGE_SIZE + to - at, 0, 0, 0);
	return ret < 0 ? ret : 0;
}

/*
 * What is one vma in the tree may be several on the host, which merges
 * memory only if it was touched in the right order, or has big pages in one
 * part. Linux before 6.17 moves only one vma at a time.
 */
static long move_pieces(const struct remap *r, const struct vma *v)
{
	uint64_t len = MIN(r->old_len, r->new_len), done;
	long err = move_some(r->addr, len, r->to, &done);

	if (!err && r->new_len > len)
		err = grow_moved(v, r->to + len, r->to + r->new_len);
	if (!err && r->old_len > len)
		err = host_call(__NR_munmap, r->addr + len, r->old_len - len, 0,
				0, 0, 0);
	if (err)
		move_some(r->to, done, r->addr, &done);
	return err ? err : (long)r->to;
}

static long move(struct remap *r, struct vma *v)
{
	uint64_t more = extra_charge(r, v);
	bool huge = wants_huge(v, r->new_len);
	long ret = target(r, v);

	if (ret)
		return ret;
	mm_changing(r->addr, r->addr + r->old_len);
	mm_changing(r->to, r->to + r->new_len);
	brk_claim(r->to, r->to + r->new_len);
	/* What is mapped from a file must not grow. */
	if (BOOT->flags & AZ_BOOT_RESTORED && !v->object &&
	    r->new_len > r->old_len)
		ret = -EFAULT;
	else
		ret = host_call(__NR_mremap, r->addr, r->old_len, r->new_len,
				r->flags | MREMAP_MAYMOVE | MREMAP_FIXED, r->to,
				0);
	if (ret == -EFAULT && r->old_len && !(r->flags & MREMAP_DONTUNMAP))
		ret = move_pieces(r, v);
	if (ret < 0) {
		map_settle(r->to, r->to + r->new_len);
		map_settle(r->addr, r->addr + r->old_len);
		return ret;
	}
	if (r->flags & MREMAP_DONTUNMAP && is_plain(v))
		map_fresh(v, r->addr, r->addr + r->old_len);
	if (huge)
		map_hugify(r->to, r->to + r->new_len);
	move_vma(r, v, more, huge ? VMA_AUTOHUGE : 0);
	return (long)r->to;
}

static long remap_locked(struct remap *r)
{
	struct vma *v;
	long err;

	err = mm_prepare(r->addr, r->addr + MAX(r->old_len, r->new_len));
	if (!err && names_target(r))
		err = mm_prepare(r->to, r->to + r->new_len);
	if (err)
		return err;
	v = vma_find(&mm.set, r->addr);
	if (!v || v->start > r->addr)
		return -EFAULT;
	if (!names_target(r) && r->old_len >= r->new_len) {
		uint64_t end = r->addr + r->old_len;

		if (r->old_len > TASK_SIZE - r->addr)
			return -EINVAL;
		err =
		    unmap_locked(r->addr + r->new_len, MIN(end, AZ_GUEST_END));
		return err ? err : (long)r->addr;
	}
	err = check_source(r, v);
	if (!err)
		err = vma_reserve(&mm.set);
	if (err)
		return err;
	if (!names_target(r)) {
		if (r->old_len == v->end - r->addr && grow(r, v))
			return (long)r->addr;
		if (!(r->flags & MREMAP_MAYMOVE))
			return -ENOMEM;
	}
	return move(r, v);
}

long sys_mremap(const uint64_t a[6])
{
	struct remap r = { .addr = a[0],
			   .old_len = page_up(a[1]),
			   .new_len = page_up(a[2]),
			   .flags = (uint32_t)a[3],
			   .to = a[4] };
	long ret = a[3] >> 32 ? -EINVAL : check(&r);

	if (ret)
		return ret;
	if (!names_target(&r) && r.old_len && r.old_len <= POOL_LIMIT &&
	    r.new_len <= POOL_LIMIT) {
		ret = pool_resize(r.addr, r.old_len, r.new_len,
				  r.flags & MREMAP_MAYMOVE);
		if (ret != 1)
			return ret;
	}
	spin_lock(&mm.lock);
	ret = remap_locked(&r);
	spin_unlock(&mm.lock);
	return ret;
}
