/* SPDX-License-Identifier: MIT */
/*
 * protect.c - mprotect(2).
 *
 * Linux goes from vma to vma and stops at the first that it may not change or
 * at a hole; what came before stays changed. Here the part that will succeed
 * is found first, and changed on the host with one call. mm.lock is held.
 */
#include <asm/unistd.h>
#include <linux/mman.h>

#include "lib/errno.h"
#include "mm/space.h"
#include "sys/sys.h"

#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)

/* What one vma is to become between lo and hi. */
struct change {
	uint32_t flags;
	uint64_t charge; /* in addition */
};

/*
 * Making a piece of a reservation writable commits it: so do glibc's arenas
 * and V8. Linux would not count it, but here it is what -m limits. Whoever
 * opens GiBs at once means to go on using little of them.
 */
static uint64_t charge_of(uint32_t flags, uint64_t len)
{
	if (len < RESERVE_LIMIT)
		flags &= ~(uint32_t)VMA_NORESERVE;
	return mm_charge(flags, len);
}

static struct change change_of(const struct vma *v, uint64_t lo, uint64_t hi,
			       uint32_t prot)
{
	struct change c = { .flags = (v->flags & ~(uint32_t)PROT_ALL) | prot };

	/*
	 * Private memory counts from here on (Linux's mprotect_fixup()), unless
	 * it does already because it was writable before.
	 */
	if ((prot & PROT_WRITE) && !(v->flags & (VMA_WRITE | VMA_SHARED))) {
		uint64_t had = vma_charge(v, lo, hi);
		uint64_t want = charge_of(c.flags, hi - lo);

		c.charge = want > had ? want - had : 0;
	}
	return c;
}

/* How far [start, end) can be changed; *err says what ends it, or 0. */
static uint64_t plan(uint64_t start, uint64_t end, uint32_t prot, bool *differs,
		     long *err)
{
	uint64_t data = 0, charge = 0, at = start;
	struct vma_totals none = { 0 };

	*err = -ENOMEM;
	*differs = false;
	for (struct vma *v = vma_find(&mm.set, start); at < end; v = v->next) {
		uint64_t hi;
		struct change c;

		if (!v || v->start > at)
			return at;
		hi = MIN(v->end, end);
		c = change_of(v, at, hi, prot);
		if (vma_is_data(c.flags) && !vma_is_data(v->flags))
			data += hi - at;
		charge += c.charge;
		if ((data || charge) &&
		    mm_admit_data(c.flags, data, charge, &none))
			return at;
		*differs |= c.flags != v->flags;
		at = hi;
	}
	*err = 0;
	return at;
}

static void apply(uint64_t start, uint64_t end, uint32_t prot)
{
	while (start < end) {
		struct vma *v = vma_find(&mm.set, start);
		struct change c;

		v = vma_isolate(&mm.set, v, start, end);
		c = change_of(v, v->start, v->end, prot);
		start = v->end;
		vma_retag(&mm.set, v, c.flags, v->charge + c.charge);
		vma_join(&mm.set, v);
	}
	mm_publish();
}

/* The host refused the whole: as far as it goes, vma by vma. */
static long one_by_one(uint64_t start, uint64_t end, uint32_t prot)
{
	while (start < end) {
		struct vma *v = vma_find(&mm.set, start);
		uint64_t hi = MIN(v->end, end);
		long err =
		    host_call(__NR_mprotect, start, hi - start, prot, 0, 0, 0);

		if (!err)
			err = vma_reserve(&mm.set);
		if (err)
			return err;
		apply(start, hi, prot);
		start = hi;
	}
	return 0;
}

static long protect_locked(uint64_t start, uint64_t end, uint32_t prot)
{
	bool differs;
	long err, stop;
	uint64_t to = plan(start, end, prot, &differs, &stop);

	if (to == start || !differs)
		return stop;
	err = vma_reserve(&mm.set);
	if (err)
		return err;
	mm_changing(start, to);
	if (loose_protect(start, to, prot)) {
		apply(start, to, prot);
		return stop;
	}
	if (host_call(__NR_mprotect, start, to - start, prot, 0, 0, 0)) {
		err = one_by_one(start, to, prot);
		return err ? err : stop;
	}
	apply(start, to, prot);
	return stop;
}

/* PROT_GROWSDOWN: from the bottom of the stack that holds start. */
static long stack_bottom(uint64_t *start, uint64_t end)
{
	struct vma *v = vma_find(&mm.set, *start);

	if (!v || v->start >= end)
		return -ENOMEM;
	if (!(v->flags & (VMA_GROWSDOWN | VMA_MAIN_STACK)))
		return -EINVAL;
	*start = v->start;
	return 0;
}

static long protect(uint64_t start, uint64_t len, int prot)
{
	int grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
	uint64_t end;
	long err = 0;

	prot &= ~grows;
	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || (start & PAGE_MASK))
		return -EINVAL;
	if (!len)
		return 0;
	end = start + page_up(len);
	if (end <= start)
		return -ENOMEM;
	if (prot & ~(PROT_ALL | PROT_SEM))
		return -EINVAL;
	spin_lock(&mm.lock);
	err = mm_expose(start, end);
	if (err)
		goto out;
	if (grows == PROT_GROWSDOWN)
		err = stack_bottom(&start, end);
	else if (grows && vma_covered(&mm.set, start, end) > start)
		err = -EINVAL; /* nothing grows up on x86 */
	else if (grows)
		err = -ENOMEM;
	if (!err)
		err = protect_locked(start, end, (uint32_t)prot & PROT_ALL);
out:
	spin_unlock(&mm.lock);
	return err;
}

long mm_protect(uint64_t addr, uint64_t len, int prot)
{
	return protect(addr, len, prot);
}

long sys_mprotect(const uint64_t a[6])
{
	/* Bits that an int does not hold are no protection either. */
	return a[2] >> 32 ? -EINVAL : protect(a[0], a[1], (int)a[2]);
}
