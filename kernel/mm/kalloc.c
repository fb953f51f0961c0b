/* SPDX-License-Identifier: MIT */
/*
 * kalloc.c - the unikernel's own heap, at AZ_HEAP_BASE.
 *
 * The heap begins with one byte for each of its pages, which says what the
 * page is: part of a slab of a size class, the first page of a run, or
 * neither. Runs are powers of two of pages, taken from a frontier that only
 * grows and kept in a list of their own size when freed: no coalescing, so
 * that address space follows the peak of each size and nothing else is
 * written. Slabs are runs cut into objects of one class; they stay what they
 * are.
 *
 * Memory beyond the frontier has never been written and is zero. Freed runs of
 * BIG_ORDER and up are given back to the host and are zero but for their
 * link; smaller ones are cleared when handed out again.
 *
 * Locks: one for each class and one for the runs, taken in this order.
 */
#include <asm/unistd.h>
#include <linux/mman.h>

#include "core.h"
#include "lib/errno.h"
#include "lib/spin.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sys/sys.h"

#define PAGES     (AZ_HEAP_SIZE / AZ_PAGE_SIZE)
#define ORDERS    23
#define BIG_ORDER 4 /* 64 KiB */
/* Freed runs below BIG_ORDER that may keep their memory, of each order. */
#define KEEP_RUNS 64

#define PAGE_NONE 0
#define PAGE_SLAB 1   /* + class */
#define PAGE_RUN  128 /* + order */

/* Objects larger than the last class are runs. */
static const uint16_t class_size[] = {
	16,  32,  48,  64,  80,  96,  112, 128,  160,  192,  224,  256,
	320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048,
};
#define CLASSES   ARRAY_SIZE(class_size)
#define CLASS_MAX 2048
/* A slab is one page for small objects, four for the others. */
#define SLAB_SMALL 256

struct free_link {
	struct free_link *next;
};

struct class_state {
	struct spinlock lock; /* guards the rest */
	struct free_link *free;
	uint64_t next, end; /* what is left of the newest slab */
};

struct order_state {
	struct free_link *free;
	uint32_t nfree;
};

static struct class_state classes[CLASSES];
static struct order_state orders[ORDERS];
static struct spinlock runs_lock; /* guards orders and frontier */
static uint64_t frontier;         /* first page never handed out */

static uint8_t *const page_kind = (uint8_t *)AZ_HEAP_BASE;

static uint64_t page_of(const void *p)
{
	uint64_t off = (uint64_t)p - AZ_HEAP_BASE;

	AZ_ASSERT(off < AZ_HEAP_SIZE);
	return off / AZ_PAGE_SIZE;
}

static void *page_address(uint64_t page)
{
	return (void *)(AZ_HEAP_BASE + page * AZ_PAGE_SIZE);
}

/* --- runs --- */

static uint32_t order_of(size_t size)
{
	uint64_t pages = (size + AZ_PAGE_SIZE - 1) / AZ_PAGE_SIZE;

	return pages <= 1 ? 0 : 64 - (uint32_t)__builtin_clzll(pages - 1);
}

static uint64_t order_bytes(uint32_t order)
{
	return AZ_PAGE_SIZE << order;
}

static void run_clear(void *p, uint32_t order)
{
	if (order < BIG_ORDER)
		memset(p, 0, order_bytes(order));
	else
		((struct free_link *)p)->next = NULL;
}

/* Never used before; the lock is held. */
static void *run_fresh(uint32_t order)
{
	uint64_t pages = 1ULL << order;
	uint64_t limit = BOOT->heap_size / AZ_PAGE_SIZE;
	void *p;

	if (!frontier)
		frontier = PAGES / AZ_PAGE_SIZE; /* behind page_kind */
	if (frontier + pages > limit)
		return NULL;
	p = page_address(frontier);
	frontier += pages;
	return p;
}

static void *run_alloc(uint32_t order)
{
	struct order_state *o = &orders[order];
	struct free_link *f;

	if (order >= ORDERS)
		return NULL;
	spin_lock(&runs_lock);
	f = o->free;
	if (f) {
		o->free = f->next;
		o->nfree--;
		spin_unlock(&runs_lock);
		run_clear(f, order);
		return f;
	}
	f = run_fresh(order);
	spin_unlock(&runs_lock);
	return f;
}

static void run_free(void *p, uint32_t order)
{
	struct order_state *o = &orders[order];
	struct free_link *f = p;

	if (order >= BIG_ORDER ||
	    __atomic_load_n(&o->nfree, __ATOMIC_RELAXED) >= KEEP_RUNS) {
		long err =
		    host_call(__NR_madvise, (uint64_t)p, order_bytes(order),
			      MADV_DONTNEED, 0, 0, 0);

		/* What the host did not take, or has in a snapshot's file,
		 * must be cleared here. */
		if ((err || BOOT->flags & AZ_BOOT_RESTORED) &&
		    order >= BIG_ORDER)
			memset(p, 0, order_bytes(order));
	}
	spin_lock(&runs_lock);
	f->next = o->free;
	o->free = f;
	o->nfree++;
	spin_unlock(&runs_lock);
}

void *kalloc_pages(size_t size)
{
	uint32_t order = order_of(size);
	void *p;

	if (!size || size > AZ_HEAP_SIZE)
		return NULL;
	p = run_alloc(order);
	if (p)
		page_kind[page_of(p)] = (uint8_t)(PAGE_RUN + order);
	return p;
}

/* Forget what the page is, so that a second kfree of it is caught. */
static void run_kfree(void *p, uint32_t order)
{
	page_kind[page_of(p)] = PAGE_NONE;
	run_free(p, order);
}

void kfree_pages(void *p, size_t size)
{
	if (!p)
		return;
	AZ_ASSERT((uint64_t)p % AZ_PAGE_SIZE == 0);
	AZ_ASSERT(page_kind[page_of(p)] == PAGE_RUN + order_of(size));
	run_kfree(p, order_of(size));
}

/* --- size classes --- */

static uint32_t class_of(size_t size)
{
	uint32_t octave;

	if (size <= 128)
		return size ? (uint32_t)(size - 1) / 16 : 0;
	/* Four classes for each power of two above 128. */
	octave = 63 - (uint32_t)__builtin_clzll(size - 1);
	return 8 + (octave - 7) * 4 +
	       (uint32_t)((size - 1) >> (octave - 2) & 3);
}

/* Cut a fresh object off the newest slab; the lock is held. */
static void *class_fresh(struct class_state *c, uint32_t class)
{
	uint64_t size = class_size[class];
	uint32_t order = size <= SLAB_SMALL ? 0 : 2;
	void *p;

	if (c->end - c->next < size) {
		char *slab = run_alloc(order);

		if (!slab)
			return NULL;
		memset(&page_kind[page_of(slab)], PAGE_SLAB + (int)class,
		       1ULL << order);
		c->next = (uint64_t)slab;
		c->end = c->next + order_bytes(order);
	}
	p = (void *)c->next;
	c->next += size;
	return p;
}

void *kalloc(size_t size)
{
	uint32_t class;
	struct class_state *c;
	struct free_link *f;

	if (size > CLASS_MAX)
		return kalloc_pages(size);
	class = class_of(size);
	c = &classes[class];
	spin_lock(&c->lock);
	f = c->free;
	if (!f) {
		f = class_fresh(c, class);
		spin_unlock(&c->lock);
		return f;
	}
	c->free = f->next;
	spin_unlock(&c->lock);
	memset(f, 0, class_size[class]);
	return f;
}

static void class_free(void *p, uint32_t class)
{
	struct class_state *c;
	struct free_link *f = p;

	AZ_ASSERT(class < CLASSES);
	c = &classes[class];
	spin_lock(&c->lock);
	f->next = c->free;
	c->free = f;
	spin_unlock(&c->lock);
}

void kfree(void *p)
{
	uint8_t kind;

	if (!p)
		return;
	kind = page_kind[page_of(p)];
	AZ_ASSERT(kind != PAGE_NONE);
	if (kind >= PAGE_RUN)
		run_kfree(p, kind - PAGE_RUN);
	else
		class_free(p, kind - PAGE_SLAB);
}
