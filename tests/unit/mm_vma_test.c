/* SPDX-License-Identifier: MIT */
/* mm_vma_test.c - kernel/mm/vma.c beside an array of pages. */
/* links: kernel/mm/vma.c */
/* cflags: -DAZ_KERNEL */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"
#include "lib/errno.h"
#include "mm/mm.h"
#include "mm/vma.h"

#define NPAGES 256
#define BASE   0x100000ULL
#define ROUNDS 20000

struct page {
	bool mapped;
	uint32_t flags;
	uint64_t object, offset;
};

static struct page model[NPAGES];
static struct vma_set set;
static int ntests, nfailed;
static bool heap_empty;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

_Noreturn void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	abort();
}

void *kalloc(size_t size)
{
	return heap_empty ? NULL : calloc(1, size);
}

void kfree(void *p)
{
	free(p);
}

static uint64_t addr_of(uint32_t page)
{
	return BASE + page * AZ_PAGE_SIZE;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)random() % n;
}

/* --- the same thing done to both --- */

static void both_remove(uint32_t lo, uint32_t hi)
{
	struct vma_totals before = set.sum, gone;

	vma_overlap(&set, addr_of(lo), addr_of(hi), &gone);
	vma_remove(&set, addr_of(lo), addr_of(hi));
	if (set.sum.size != before.size - gone.size ||
	    set.sum.data != before.data - gone.data ||
	    set.sum.charged != before.charged - gone.charged ||
	    set.sum.locked != before.locked - gone.locked)
		panic("vma_overlap is not what vma_remove took\n");
	memset(&model[lo], 0, (hi - lo) * sizeof(model[0]));
}

static void both_insert(uint32_t lo, uint32_t hi, const struct vma_tag *tag)
{
	vma_insert(&set, addr_of(lo), addr_of(hi), tag);
	for (uint32_t i = lo; i < hi; i++)
		model[i] = (struct page){
			true, tag->flags, tag->object,
			tag->object ? tag->offset + (i - lo) * AZ_PAGE_SIZE : 0
		};
}

static void both_flags(uint32_t lo, uint32_t hi, uint32_t flags)
{
	uint64_t at = addr_of(lo);
	struct vma *v;

	while (at < addr_of(hi) && (v = vma_find(&set, at)) &&
	       v->start < addr_of(hi)) {
		v = vma_isolate(&set, v, at, addr_of(hi));
		at = v->end;
		vma_retag(&set, v, flags, v->charge);
		vma_join(&set, v);
	}
	for (uint32_t i = lo; i < hi; i++)
		if (model[i].mapped)
			model[i].flags = flags;
}

/* --- are they the same? --- */

static bool pages_join(const struct page *a, const struct page *b)
{
	return a->mapped == b->mapped &&
	       (!a->mapped ||
		(a->flags == b->flags && a->object == b->object &&
		 (!a->object || a->offset + AZ_PAGE_SIZE == b->offset)));
}

/* Page by page, and vmas begin and end exactly where the model changes. */
static bool same(void)
{
	const struct vma *v = set.first;

	for (uint32_t i = 0; i < NPAGES; i++) {
		const struct page *p = &model[i];
		bool first = i == 0 || !pages_join(p - 1, p);

		while (v && v->end <= addr_of(i))
			v = v->next;
		if (p->mapped != (v && v->start <= addr_of(i)))
			return false;
		if (!p->mapped)
			continue;
		if (v->flags != p->flags || v->object != p->object)
			return false;
		if (p->object && v->offset + addr_of(i) - v->start != p->offset)
			return false;
		if (first != (v->start == addr_of(i)))
			return false;
	}
	return true;
}

/* Lowest fit, as the model sees it. */
static uint64_t model_hole(uint32_t lo, uint32_t hi, uint32_t len,
			   struct vma_align align)
{
	for (uint32_t i = lo; i + len <= hi; i++) {
		uint32_t n = 0;

		if ((addr_of(i) + align.before) % align.align)
			continue;
		while (n < len && !model[i + n].mapped)
			n++;
		if (n == len)
			return addr_of(i);
	}
	return 0;
}

static bool same_holes(void)
{
	uint32_t lo = below(NPAGES), hi = lo + below(NPAGES - lo) + 1;
	uint32_t len = 1 + below(12), align = 1U << below(4);
	uint64_t before = below(align) * AZ_PAGE_SIZE;
	struct vma_align a = { align * AZ_PAGE_SIZE, before };
	uint64_t got =
	    vma_hole(&set, addr_of(lo), addr_of(hi), len * AZ_PAGE_SIZE, a);

	uint64_t want = model_hole(lo, hi, len, a);

	/* With alignment, another hole may be taken, or none be found. */
	if (align == 1)
		return got == want;
	if (!got)
		return true;
	return want && !((got + before) % (align * AZ_PAGE_SIZE)) &&
	       got >= addr_of(lo) && got + len * AZ_PAGE_SIZE <= addr_of(hi) &&
	       vma_free_range(&set, got, got + len * AZ_PAGE_SIZE);
}

static bool same_lookups(void)
{
	uint32_t i = below(NPAGES), j = i, end = i + below(NPAGES - i) + 1;
	const struct vma *v = vma_find(&set, addr_of(i) + 5);

	while (j < NPAGES && !model[j].mapped)
		j++;
	if (j == NPAGES ? v != NULL
			: !v || v->end <= addr_of(j) || v->start > addr_of(j))
		return false;
	for (j = i; j < end && model[j].mapped;)
		j++;
	if (vma_covered(&set, addr_of(i), addr_of(end)) != addr_of(j))
		return false;
	for (j = i; j < end && !model[j].mapped;)
		j++;
	return vma_free_range(&set, addr_of(i), addr_of(end)) == (j == end);
}

/* --- tests --- */

static const uint32_t some_flags[] = {
	VMA_READ,
	VMA_READ | VMA_WRITE,
	VMA_READ | VMA_EXEC,
	VMA_READ | VMA_WRITE | VMA_LOCKED,
};

static void random_step(void)
{
	uint32_t lo = below(NPAGES), hi = lo + 1 + below(MIN(NPAGES - lo, 24U));
	uint32_t flags = some_flags[below(ARRAY_SIZE(some_flags))];
	struct vma_tag tag = { .flags = flags };

	if (vma_reserve(&set))
		panic("no memory\n");
	switch (below(4)) {
	case 0:
		both_remove(lo, hi);
		break;
	case 1:
		both_flags(lo, hi, flags);
		break;
	default:
		if (below(3) == 0) {
			/* Offsets that can join with those of neighbours. */
			tag.object = 1 + below(2);
			tag.offset = addr_of(lo);
		}
		if (flags & VMA_WRITE)
			tag.charge = below(hi - lo + 1) * AZ_PAGE_SIZE;
		both_remove(lo, hi);
		if (vma_reserve(&set))
			panic("no memory\n");
		both_insert(lo, hi, &tag);
	}
}

static void test_random(void)
{
	bool pages = true, holes = true, lookups = true;

	for (int i = 0; i < ROUNDS && pages && holes && lookups; i++) {
		random_step();
		vma_check(&set);
		pages = same();
		holes = same_holes();
		lookups = same_lookups();
	}
	ok(pages, "random changes give what an array of pages has");
	ok(holes, "holes are found where there are some");
	ok(lookups, "find, covered and free_range agree with the pages");
	both_remove(0, NPAGES);
	vma_check(&set);
	ok(!set.root && !set.first && !set.last && !set.sum.size &&
	       !set.sum.charged,
	   "nothing is left when all is removed");
}

static void test_depth(void)
{
	uint32_t n = 20000;

	/* Every second page: nothing merges. Ascending is the worst order. */
	for (uint32_t i = 0; i < n; i++) {
		struct vma_tag tag = { .flags = VMA_READ };

		if (vma_reserve(&set))
			panic("no memory\n");
		vma_insert(&set, addr_of(2 * i), addr_of(2 * i + 1), &tag);
	}
	vma_check(&set);
	/* An AVL tree of n nodes is at most 1.44 log2 n high. */
	ok(set.count == n && set.root->height <= 21,
	   "20000 vmas make a tree at most 21 high");
	vma_remove(&set, 0, addr_of(2 * n));
	vma_check(&set);
	ok(!set.count, "and are removed at one stroke");
}

static void test_stack_gap(void)
{
	struct vma_tag tag = { .flags = VMA_READ | VMA_WRITE | VMA_GROWSDOWN };
	struct vma_align any = { AZ_PAGE_SIZE, 0 };
	uint64_t at = 0x10000000;

	if (vma_reserve(&set))
		panic("no memory\n");
	vma_insert(&set, at, at + AZ_PAGE_SIZE, &tag);
	ok(!vma_hole(&set, at - STACK_GAP, at, AZ_PAGE_SIZE, any) &&
	       vma_hole(&set, at - STACK_GAP - AZ_PAGE_SIZE, at, AZ_PAGE_SIZE,
			any) == at - STACK_GAP - AZ_PAGE_SIZE,
	   "the guard gap below a stack is not given away");
	vma_remove(&set, at, at + AZ_PAGE_SIZE);
}

static void test_no_memory(void)
{
	struct vma_tag tag = { .flags = VMA_READ };
	int taken = 0;

	heap_empty = true;
	while (vma_reserve(&set) == 0)
		vma_insert(&set, addr_of(2U * (uint32_t)taken),
			   addr_of(2U * (uint32_t)taken + 1), &tag),
		    taken++;
	vma_check(&set);
	ok(set.count == (uint64_t)taken && vma_reserve(&set) == -ENOMEM,
	   "an empty heap is noticed before anything changes");
	heap_empty = false;
	ok(vma_reserve(&set) == 0, "and a filled one afterwards");
	vma_remove(&set, 0, UINT64_MAX);
}

static void free_spares(void)
{
	while (set.spare) {
		struct vma *v = set.spare;

		set.spare = v->next;
		free(v);
	}
}

int main(void)
{
	srandom(1);
	test_random();
	test_depth();
	test_stack_gap();
	test_no_memory();
	free_spares();
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
