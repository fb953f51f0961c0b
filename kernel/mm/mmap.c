/* SPDX-License-Identifier: MIT */
/*
 * mmap.c - mmap(2) and munmap(2).
 *
 * Everything that can be refused is refused before anything changes; then the
 * host maps or unmaps, and if it will not (no memory, too many mappings,
 * a file that cannot be mapped so), nothing has changed either; then the
 * tree follows, which cannot fail. mm.lock is held throughout.
 */
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "core.h"
#include "lib/errno.h"
#include "mm/pool.h"
#include "mm/space.h"
#include "sys/sys.h"

#define HUGE_SHIFT_MASK 0x3fU /* at MAP_HUGE_SHIFT */

/* What the host is told of the program's flags. */
#define HOST_FLAGS                                                \
	(MAP_TYPE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_HUGETLB | \
	 (HUGE_SHIFT_MASK << MAP_HUGE_SHIFT) | MAP_SYNC)
/* Mappings that may come from a slab have no flags but these. */
#define POOL_FLAGS                                                \
	(MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_STACK | \
	 MAP_NONBLOCK | MAP_DENYWRITE | MAP_EXECUTABLE)
/* Flags that MAP_SHARED_VALIDATE need not see, for they mean nothing to it. */
#define PLAIN_FLAGS \
	(MAP_POPULATE | MAP_NONBLOCK | MAP_LOCKED | MAP_32BIT | MAP_STACK)

struct request {
	uint64_t addr, len, off;
	struct vma_align align;
	int prot, flags, fd;
	uint32_t vflags; /* of the vma */
	bool huge;       /* to have big pages */
};

static bool is_anon(const struct request *r)
{
	return r->flags & MAP_ANONYMOUS;
}

/* --- checks: nothing changes --- */

/* MAP_HUGETLB|MAP_ANONYMOUS: whole big pages of a size that there is. */
static int check_hugetlb(struct request *r)
{
	uint32_t shift = (uint32_t)r->flags >> MAP_HUGE_SHIFT & HUGE_SHIFT_MASK;

	if (!shift)
		shift = 21;
	if (shift != 21 && shift != 30)
		return -EINVAL;
	r->align.align = 1ULL << shift;
	r->len = ALIGN_UP(r->len, r->align.align);
	r->vflags |= VMA_HUGETLB;
	return 0;
}

static int check_type(struct request *r)
{
	switch (r->flags & MAP_TYPE) {
	case MAP_SHARED_VALIDATE:
		if (is_anon(r))
			return -EINVAL;
		__attribute__((fallthrough));
	case MAP_SHARED:
		r->vflags |= VMA_SHARED;
		__attribute__((fallthrough));
	case MAP_PRIVATE:
		break;
	default:
		return -EINVAL;
	}
	/* Of files, Linux says it after other things: host_map(). */
	if ((r->flags & MAP_GROWSDOWN) && is_anon(r) &&
	    (r->vflags & VMA_SHARED))
		return -EINVAL;
	return 0;
}

static void set_vflags(struct request *r)
{
	r->vflags |= (uint32_t)r->prot | mm.def_flags;
	if (!is_anon(r))
		r->vflags |= VMA_FILE;
	if (r->flags & MAP_NORESERVE)
		r->vflags |= VMA_NORESERVE;
	if (r->flags & MAP_STACK)
		r->vflags |= VMA_STACK;
	if (r->flags & MAP_GROWSDOWN)
		r->vflags |= VMA_GROWSDOWN;
	if (r->flags & MAP_LOCKED)
		r->vflags |= VMA_LOCKED;
}

static int check_fixed(const struct request *r)
{
	if (r->addr > TASK_SIZE - r->len)
		return -ENOMEM;
	if (r->addr & PAGE_MASK)
		return -EINVAL;
	if (r->addr < AZ_GUEST_MIN)
		return -EPERM;
	/* Linux would have this room; the instance's owner lives there. */
	if (r->len > AZ_GUEST_END || r->addr > AZ_GUEST_END - r->len)
		return -ENOMEM;
	if (mm_prepare(r->addr, r->addr + r->len))
		return -ENOMEM;
	if ((r->flags & MAP_FIXED_NOREPLACE) &&
	    !vma_free_range(&mm.set, r->addr, r->addr + r->len))
		return -EEXIST;
	return 0;
}

/* Order and errors as in Linux's do_mmap() (mm/mmap.c). */
static int check(struct request *r)
{
	int err;

	if (!r->len)
		return -EINVAL;
	if ((r->flags & MAP_HUGETLB) && is_anon(r)) {
		err = check_hugetlb(r);
		if (err)
			return err;
	}
	r->len = page_up(r->len);
	if (!r->len || r->len > TASK_SIZE)
		return -ENOMEM;
	if (r->flags & MAP_FIXED_NOREPLACE)
		r->flags |= MAP_FIXED;
	if (r->flags & MAP_FIXED) {
		err = check_fixed(r);
		if (err)
			return err;
	}
	err = check_type(r);
	if (err)
		return err;
	set_vflags(r);
	if (r->vflags & VMA_LOCKED) {
		err = mm_may_lock(r->len, 0);
		if (err)
			return err == -EPERM ? err : -EAGAIN;
	}
	return 0;
}

/* --- making a mapping --- */

long map_fresh(const struct vma *v, uint64_t start, uint64_t end)
{
	uint64_t flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	long ret;

	if (v->flags & VMA_NORESERVE)
		flags |= MAP_NORESERVE;
	ret = host_call(__NR_mmap, start, end - start, v->flags & 7, flags,
			(uint64_t)-1, 0);
	return ret < 0 ? ret : 0;
}

void map_hugify(uint64_t start, uint64_t end)
{
	host_call(__NR_madvise, start, end - start, MADV_HUGEPAGE, 0, 0, 0);
}

static bool wants_huge(const struct request *r)
{
	if (r->len < AZ_CHUNK_SIZE)
		return false;
	if (r->len < HUGE_LIMIT &&
	    (mm.dense <= 0 || ++mm.medium % DENSE_PROBE == 0))
		return false;
	return !(r->flags & (MAP_FIXED | MAP_STACK | MAP_GROWSDOWN)) &&
	       (r->vflags & (VMA_WRITE | VMA_FILE | VMA_SHARED | VMA_NORESERVE |
			     VMA_HUGETLB)) == VMA_WRITE;
}

void map_settle(uint64_t start, uint64_t end)
{
	while (start < end) {
		struct vma *v = vma_find(&mm.set, start);
		uint64_t hi;

		if (!v || v->start >= end)
			break;
		start = MAX(start, v->start);
		hi = MIN(v->end, end);
		if (host_call(__NR_msync, start, hi - start, MS_ASYNC, 0, 0,
			      0)) {
			host_call(__NR_munmap, start, hi - start, 0, 0, 0, 0);
			mm_remove(start, hi);
		}
		start = hi;
	}
}

static long host_map(const struct request *r)
{
	uint64_t flags = ((uint64_t)r->flags & HOST_FLAGS) | MAP_FIXED;
	long ret;

	if (r->flags & MAP_FIXED)
		mm_changing(r->addr, r->addr + r->len);
	brk_claim(r->addr, r->addr + r->len);
	if (!is_anon(r))
		flags |= (uint64_t)r->flags & MAP_GROWSDOWN;
	if ((r->flags & MAP_TYPE) == MAP_SHARED_VALIDATE)
		flags |= (uint64_t)r->flags & ~(uint64_t)PLAIN_FLAGS;
	ret = host_call(__NR_mmap, r->addr, r->len, (uint64_t)r->prot, flags,
			is_anon(r) ? (uint64_t)-1 : (uint64_t)r->fd,
			is_anon(r) ? 0 : r->off);
	if (ret != (long)r->addr) {
		AZ_ASSERT(ret < 0);
		if (ret == -ENOMEM)
			map_settle(r->addr, r->addr + r->len);
		return ret;
	}
	if (r->huge)
		map_hugify(r->addr, r->addr + r->len);
	return 0;
}

static uint64_t place(struct request *r)
{
	uint64_t addr = 0;

	if (r->flags & MAP_FIXED)
		return r->addr;
	if (r->addr) {
		/* If it fails, the hint is not taken. */
		mm_prepare(r->addr, r->addr + r->len);
		addr = place_hint(r->addr, r->len);
	}
	if (!addr && (r->flags & MAP_32BIT))
		return place_32bit(r->len);
	/* Linux looks for low room first even with a hint above. */
	if (addr && (r->flags & MAP_32BIT) && addr + r->len > 0x80000000ULL)
		return place_32bit(r->len);
	if (!addr && (r->vflags & VMA_GROWSDOWN))
		return place_stack(r->len);
	if (!r->align.align)
		r->align = place_align(r->len, r->huge);
	return addr ? addr : place_find(r->len, r->vflags, r->align);
}

/* Give the request its address and have it on the host. */
static long obtain(struct request *r)
{
	r->addr = place(r);
	return r->addr ? host_map(r) : -ENOMEM;
}

static long map_locked(struct request *r, uint32_t vflags)
{
	struct vma_totals gone = { 0 };
	struct vma_tag tag;
	long err = check(r);

	if (err)
		return err;
	r->vflags |= vflags;
	r->huge = wants_huge(r);
	tag.charge = mm_charge(r->vflags, r->len);
	if (r->flags & MAP_FIXED)
		vma_overlap(&mm.set, r->addr, r->addr + r->len, &gone);
	err = mm_admit(r->vflags, r->len, tag.charge, &gone);
	if (!err)
		err = vma_reserve(&mm.set);
	if (!err)
		err = obtain(r);
	if (err)
		return err;
	if (r->flags & MAP_FIXED)
		mm_remove(r->addr, r->addr + r->len);
	tag.flags = r->vflags | (r->huge ? VMA_AUTOHUGE : 0);
	tag.object = r->vflags & (VMA_FILE | VMA_SHARED) ? mm_new_object() : 0;
	tag.offset = is_anon(r) ? 0 : r->off;
	mm_insert(r->addr, r->addr + r->len, &tag);
	return (long)r->addr;
}

/* MAP_POPULATE: fault the pages in. Failing to is no failure, mmap(2). */
static void populate(uint64_t start, uint64_t len, uint32_t flags)
{
	bool write = (flags & (VMA_WRITE | VMA_SHARED)) == VMA_WRITE;

	if (flags & (VMA_READ | VMA_WRITE | VMA_EXEC))
		host_call(__NR_madvise, start, len,
			  write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ, 0,
			  0, 0);
}

/* What a new mapping needs that takes long: without the lock. */
static void finish(const struct request *r)
{
	if (r->vflags & VMA_LOCKED)
		map_lock(r->addr, r->addr + r->len, r->vflags);
	else if ((r->flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE)
		populate(r->addr, r->len, r->vflags);
}

static long map(struct request *r, uint32_t vflags)
{
	long ret;

	spin_lock(&mm.lock);
	ret = map_locked(r, vflags);
	spin_unlock(&mm.lock);
	if (ret > 0)
		finish(r);
	return ret;
}

long mm_map(uint64_t addr, uint64_t len, int prot, int flags, int fd,
	    uint64_t off, uint32_t vma_flags)
{
	struct request r = { .addr = addr,
			     .len = len,
			     .off = off,
			     .prot =
				 prot & (PROT_READ | PROT_WRITE | PROT_EXEC),
			     .flags = flags,
			     .fd = fd };

	return map(&r, vma_flags);
}

/* Is fd something that the program has open? */
static bool fd_valid(int fd)
{
	uint32_t n = (uint32_t)fd;

	if (fd < 0 || (n >= BOOT->fd_hidden_lo && n < BOOT->fd_hidden_hi))
		return false;
	return host_call(__NR_fcntl, n, F_GETFD, 0, 0, 0, 0) >= 0;
}

static bool fd_hidden(int fd)
{
	return fd >= 0 && (uint32_t)fd >= BOOT->fd_hidden_lo &&
	       (uint32_t)fd < BOOT->fd_hidden_hi;
}

static long map_any(const uint64_t a[6])
{
	int flags = (int)a[3], fd = (int)a[4];
	bool anon = flags & MAP_ANONYMOUS;
	long ret;

	if (a[5] & PAGE_MASK)
		return -EINVAL;
	if (!anon && fd_hidden(fd))
		return -EBADF;
	ret = mm_map(a[0], a[1], (int)a[2], flags, fd, a[5], 0);
	/* Linux looks at the descriptor before everything else. */
	if (ret < 0 && !anon && !fd_valid(fd))
		return -EBADF;
	return ret;
}

/* Is it a small mapping, placed by us? Without bits that it ought to fail for. */
static bool is_small(const uint64_t a[6])
{
	return !a[0] && a[1] - 1 < POOL_LIMIT &&
	       (int)a[2] == (PROT_READ | PROT_WRITE) &&
	       ((int)a[3] & (MAP_TYPE | MAP_ANONYMOUS)) ==
		   (MAP_PRIVATE | MAP_ANONYMOUS) &&
	       !((int)a[3] & ~POOL_FLAGS) && !(a[5] & PAGE_MASK);
}

long sys_mmap(const uint64_t a[6])
{
	uint64_t addr = is_small(a) ? pool_alloc(page_up(a[1])) : 0;

	if (!addr)
		return map_any(a);
	if (((int)a[3] & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE)
		populate(addr, page_up(a[1]), VMA_READ | VMA_WRITE);
	return (long)addr;
}

/* --- unmapping --- */

/* Was this mapping, about to go, filled to the end or not? */
static void note_density(uint64_t start, uint64_t end)
{
	const struct vma *v = vma_find(&mm.set, start);
	uint8_t vec[DENSE_LOOK];
	uint32_t there = 0;

	if (end - start < AZ_CHUNK_SIZE || v->start > start || v->end < end ||
	    v->object ||
	    (v->flags & ~(uint32_t)VMA_AUTOHUGE) != (VMA_READ | VMA_WRITE) ||
	    host_call(__NR_mincore, end - DENSE_LOOK * AZ_PAGE_SIZE,
		      DENSE_LOOK * AZ_PAGE_SIZE, (uint64_t)vec, 0, 0, 0))
		return;
	for (uint32_t i = 0; i < DENSE_LOOK; i++)
		there += vec[i] & 1;
	if (there >= DENSE_LOOK / 2)
		mm.dense = MIN(mm.dense + 1, DENSE_MAX);
	else
		mm.dense = MAX(mm.dense - 4, -DENSE_MAX);
}

long unmap_locked(uint64_t start, uint64_t end)
{
	long err;

	if (start >= end)
		return 0;
	if (mm_prepare(start, end))
		return -ENOMEM;
	if (vma_free_range(&mm.set, start, end))
		return 0;
	err = vma_reserve(&mm.set);
	if (err)
		return err;
	mm_changing(start, end);
	brk_claim(start, end);
	note_density(start, end);
	err = host_call(__NR_munmap, start, end - start, 0, 0, 0, 0);
	if (err)
		return err;
	mm_remove(start, end);
	return 0;
}

long mm_unmap(uint64_t addr, uint64_t len)
{
	uint64_t end;
	long err;

	if ((addr & PAGE_MASK) || addr > TASK_SIZE || len > TASK_SIZE - addr)
		return -EINVAL;
	end = addr + page_up(len);
	if (end == addr)
		return -EINVAL;
	/* Above the program's range nothing is mapped for it. */
	end = MIN(end, AZ_GUEST_END);
	if (addr >= end)
		return 0;
	err = pool_free(addr, end);
	if (err <= 0)
		return err;
	spin_lock(&mm.lock);
	err = unmap_locked(addr, end);
	spin_unlock(&mm.lock);
	return err;
}

long sys_munmap(const uint64_t a[6])
{
	return mm_unmap(a[0], a[1]);
}
