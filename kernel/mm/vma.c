/* SPDX-License-Identifier: MIT */
/*
 * vma.c - the tree of vmas: an AVL tree (Adelson-Velsky, Landis 1962) whose
 * nodes also carry the largest hole before any node of their subtree.
 *
 * Invariants: start < end, both page-aligned; ranges are disjoint; the list
 * prev/next is the order of the tree; heights of two children differ by at
 * most one; sums equal what the vmas add up to. The caller's lock guards all.
 */
#include "mm/vma.h"

#include "layout.h"
#include "lib/errno.h"
#include "mm/mm.h"
#include "mm/space.h"

/* Nodes kept in stock at most; the rest goes back to the heap. */
#define SPARE_MAX 64
/* Holes that vma_hole looks at before it asks for room to align in. */
#define HOLE_TRIES 16

/* --- the tree --- */

static uint32_t height(const struct vma *v)
{
	return v ? v->height : 0;
}

static uint64_t max_hole(const struct vma *v)
{
	return v ? v->max_hole : 0;
}

uint64_t vma_hole_end(const struct vma *v)
{
	uint64_t low = v->prev ? v->prev->end : 0;

	if (!(v->flags & (VMA_GROWSDOWN | VMA_MAIN_STACK)))
		return v->start;
	return v->start - low > STACK_GAP ? v->start - STACK_GAP : low;
}

static uint64_t hole_before(const struct vma *v)
{
	return vma_hole_end(v) - (v->prev ? v->prev->end : 0);
}

static void update(struct vma *v)
{
	v->height = 1 + MAX(height(v->left), height(v->right));
	v->max_hole =
	    MAX(hole_before(v), MAX(max_hole(v->left), max_hole(v->right)));
}

/* The hole before v has changed: tell its ancestors. */
static void update_up(struct vma *v)
{
	while (v) {
		uint64_t old = v->max_hole;

		update(v);
		if (v->max_hole == old)
			break;
		v = v->parent;
	}
}

static void replace_child(struct vma_set *s, struct vma *parent,
			  struct vma *old, struct vma *new)
{
	if (!parent)
		s->root = new;
	else if (parent->left == old)
		parent->left = new;
	else
		parent->right = new;
	if (new)
		new->parent = parent;
}

static struct vma *rotate_left(struct vma_set *s, struct vma *v)
{
	struct vma *r = v->right;

	replace_child(s, v->parent, v, r);
	v->right = r->left;
	if (v->right)
		v->right->parent = v;
	r->left = v;
	v->parent = r;
	update(v);
	update(r);
	return r;
}

static struct vma *rotate_right(struct vma_set *s, struct vma *v)
{
	struct vma *l = v->left;

	replace_child(s, v->parent, v, l);
	v->left = l->right;
	if (v->left)
		v->left->parent = v;
	l->right = v;
	v->parent = l;
	update(v);
	update(l);
	return l;
}

static struct vma *balance(struct vma_set *s, struct vma *v)
{
	uint32_t l = height(v->left), r = height(v->right);

	if (l > r + 1) {
		if (height(v->left->left) < height(v->left->right))
			rotate_left(s, v->left);
		return rotate_right(s, v);
	}
	if (r > l + 1) {
		if (height(v->right->right) < height(v->right->left))
			rotate_right(s, v->right);
		return rotate_left(s, v);
	}
	update(v);
	return v;
}

static void rebalance_up(struct vma_set *s, struct vma *v)
{
	while (v)
		v = balance(s, v)->parent;
}

/* Hang v below its neighbour in the order, which has room on that side. */
static void tree_link(struct vma_set *s, struct vma *v)
{
	v->left = v->right = v->parent = NULL;
	if (v->next && !v->next->left) {
		v->parent = v->next;
		v->next->left = v;
	} else if (v->prev) {
		v->parent = v->prev;
		v->prev->right = v;
	} else {
		s->root = v;
	}
	rebalance_up(s, v);
}

/* Put v's successor, which has no left child, in v's place. */
static struct vma *tree_swap_successor(struct vma_set *s, struct vma *v)
{
	struct vma *n = v->right;
	struct vma *low = n;

	while (n->left)
		n = n->left;
	if (n != v->right) {
		low = n->parent;
		replace_child(s, low, n, n->right);
		n->right = v->right;
		n->right->parent = n;
	}
	n->left = v->left;
	n->left->parent = n;
	replace_child(s, v->parent, v, n);
	return low;
}

static void tree_unlink(struct vma_set *s, struct vma *v)
{
	struct vma *low = v->parent;

	if (!v->left)
		replace_child(s, v->parent, v, v->right);
	else if (!v->right)
		replace_child(s, v->parent, v, v->left);
	else
		low = tree_swap_successor(s, v);
	rebalance_up(s, low);
}

/* --- nodes --- */

int vma_reserve(struct vma_set *s)
{
	return vma_reserve_more(s, 0);
}

int vma_reserve_more(struct vma_set *s, uint32_t more)
{
	while (s->nspare < VMA_SPARES + more) {
		struct vma *v = kalloc(sizeof(*v));

		if (!v)
			return -ENOMEM;
		v->next = s->spare;
		s->spare = v;
		s->nspare++;
	}
	return 0;
}

static struct vma *node_take(struct vma_set *s)
{
	struct vma *v = s->spare;

	AZ_ASSERT(v);
	s->spare = v->next;
	s->nspare--;
	return v;
}

static void node_put(struct vma_set *s, struct vma *v)
{
	if (s->nspare >= SPARE_MAX) {
		kfree(v);
		return;
	}
	v->next = s->spare;
	s->spare = v;
	s->nspare++;
}

/* --- totals --- */

bool vma_is_data(uint32_t flags)
{
	return (flags & VMA_WRITE) &&
	       !(flags & (VMA_SHARED | VMA_GROWSDOWN | VMA_MAIN_STACK));
}

static void totals_add(struct vma_totals *t, uint32_t flags, uint64_t size,
		       uint64_t charge)
{
	if (flags & VMA_STUBS)
		return;
	t->size += size;
	t->charged += charge;
	if (flags & (VMA_GROWSDOWN | VMA_MAIN_STACK))
		t->stack += size;
	else if ((flags & (VMA_EXEC | VMA_WRITE)) == VMA_EXEC)
		t->text += size;
	if (vma_is_data(flags))
		t->data += size;
	if (flags & VMA_LOCKED)
		t->locked += size;
}

/* Unsigned arithmetic wraps: adding the negative takes off. */
static void count_in(struct vma_set *s, const struct vma *v)
{
	totals_add(&s->sum, v->flags, v->end - v->start, v->charge);
}

static void count_out(struct vma_set *s, const struct vma *v)
{
	totals_add(&s->sum, v->flags, v->start - v->end, 0 - v->charge);
}

/* --- looking --- */

struct vma *vma_find(const struct vma_set *s, uint64_t addr)
{
	struct vma *best = NULL;

	for (struct vma *v = s->root; v;) {
		if (v->end > addr) {
			best = v;
			v = v->left;
		} else {
			v = v->right;
		}
	}
	return best;
}

bool vma_free_range(const struct vma_set *s, uint64_t start, uint64_t end)
{
	const struct vma *v = vma_find(s, start);

	return !v || v->start >= end;
}

uint64_t vma_covered(const struct vma_set *s, uint64_t start, uint64_t end)
{
	for (const struct vma *v = vma_find(s, start); v; v = v->next) {
		if (v->start > start || start >= end)
			break;
		start = v->end;
	}
	return MIN(start, end);
}

/* The lowest vma of v's subtree with a hole of len before it, if any. */
static struct vma *lowest_with_hole(struct vma *v, uint64_t len)
{
	while (v) {
		if (max_hole(v->left) >= len)
			v = v->left;
		else if (hole_before(v) >= len)
			return v;
		else if (max_hole(v->right) >= len)
			v = v->right;
		else
			return NULL;
	}
	return NULL;
}

/* The first vma after v with a hole of len before it, or NULL. */
static struct vma *next_with_hole(struct vma *v, uint64_t len)
{
	if (max_hole(v->right) >= len)
		return lowest_with_hole(v->right, len);
	for (; v->parent; v = v->parent) {
		struct vma *p = v->parent;

		if (p->left != v)
			continue;
		if (hole_before(p) >= len)
			return p;
		if (max_hole(p->right) >= len)
			return lowest_with_hole(p->right, len);
	}
	return NULL;
}

static uint64_t fit(uint64_t from, uint64_t to, uint64_t len,
		    struct vma_align a)
{
	uint64_t addr = ALIGN_UP(from + a.before, a.align) - a.before;

	return addr < to && to - addr >= len ? addr : 0;
}

/* First fit among the holes of at least `size` bytes; at most `tries`. */
static uint64_t hole_search(const struct vma_set *s, uint64_t lo, uint64_t hi,
			    uint64_t size, uint64_t len, struct vma_align align,
			    uint32_t tries)
{
	struct vma *v = vma_find(s, lo);
	uint64_t addr;

	while (v && v->start < hi && tries--) {
		uint64_t from = MAX(lo, v->prev ? v->prev->end : 0);
		uint64_t to = MIN(hi, vma_hole_end(v));

		addr = from < to ? fit(from, to, len, align) : 0;
		if (addr)
			return addr;
		v = next_with_hole(v, size);
	}
	if (v && v->start < hi)
		return 0;
	/* All vmas from here on are above hi, or there are none. */
	lo = MAX(lo, v ? (v->prev ? v->prev->end : 0)
		       : (s->last ? s->last->end : 0));
	hi = v ? MIN(hi, vma_hole_end(v)) : hi;
	return lo < hi ? fit(lo, hi, len, align) : 0;
}

uint64_t vma_hole(const struct vma_set *s, uint64_t lo, uint64_t hi,
		  uint64_t len, struct vma_align align)
{
	uint64_t addr;

	if (align.align <= AZ_PAGE_SIZE)
		return hole_search(s, lo, hi, len, len, align, UINT32_MAX);
	addr = hole_search(s, lo, hi, len, len, align, HOLE_TRIES);
	if (!addr)
		addr = hole_search(s, lo, hi, len + align.align - AZ_PAGE_SIZE,
				   len, align, UINT32_MAX);
	return addr;
}

/* --- changing --- */

static void list_link(struct vma_set *s, struct vma *v, struct vma *next)
{
	v->next = next;
	v->prev = next ? next->prev : s->last;
	if (v->prev)
		v->prev->next = v;
	else
		s->first = v;
	if (next)
		next->prev = v;
	else
		s->last = v;
}

static void list_unlink(struct vma_set *s, struct vma *v)
{
	if (v->prev)
		v->prev->next = v->next;
	else
		s->first = v->next;
	if (v->next)
		v->next->prev = v->prev;
	else
		s->last = v->prev;
}

static void node_link(struct vma_set *s, struct vma *v, struct vma *next)
{
	list_link(s, v, next);
	tree_link(s, v);
	update_up(next);
	count_in(s, v);
	s->count++;
}

static void node_unlink(struct vma_set *s, struct vma *v)
{
	struct vma *next = v->next;

	count_out(s, v);
	s->count--;
	list_unlink(s, v);
	tree_unlink(s, v);
	update_up(next);
	node_put(s, v);
}

static void set_bounds(struct vma_set *s, struct vma *v, uint64_t start,
		       uint64_t end, uint64_t charge)
{
	count_out(s, v);
	v->start = start;
	v->end = end;
	v->charge = charge;
	count_in(s, v);
	update_up(v);
	update_up(v->next);
}

static bool mergeable(const struct vma *a, const struct vma *b)
{
	return a && b && a->end == b->start &&
	       !((a->flags ^ b->flags) & ~VMA_HINTS) &&
	       a->object == b->object &&
	       (!a->object || a->offset + (a->end - a->start) == b->offset);
}

/* a takes b, which follows it. */
static struct vma *absorb(struct vma_set *s, struct vma *a, struct vma *b)
{
	uint64_t end = b->end, charge = a->charge + b->charge;
	uint32_t hints = b->flags & VMA_HINTS;

	node_unlink(s, b);
	a->flags |= hints;
	set_bounds(s, a, a->start, end, charge);
	return a;
}

struct vma *vma_join(struct vma_set *s, struct vma *v)
{
	if (mergeable(v->prev, v))
		v = absorb(s, v->prev, v);
	if (mergeable(v, v->next))
		v = absorb(s, v, v->next);
	return v;
}

struct vma *vma_insert(struct vma_set *s, uint64_t start, uint64_t end,
		       const struct vma_tag *tag)
{
	struct vma *next = vma_find(s, start);
	struct vma *prev = next ? next->prev : s->last;
	struct vma *v;
	struct vma new = { .start = start,
			   .end = end,
			   .object = tag->object,
			   .offset = tag->object ? tag->offset : 0,
			   .charge = tag->charge,
			   .flags = tag->flags };

	AZ_ASSERT(start < end && (!next || next->start >= end));
	if (mergeable(prev, &new)) {
		prev->flags |= new.flags &VMA_HINTS;
		return vma_extend(s, prev, end, tag->charge);
	}
	v = node_take(s);
	*v = new;
	node_link(s, v, next);
	return vma_join(s, v);
}

struct vma *vma_extend(struct vma_set *s, struct vma *v, uint64_t end,
		       uint64_t charge)
{
	set_bounds(s, v, v->start, end, v->charge + charge);
	return vma_join(s, v);
}

/* Cut v at addr; v keeps the lower part, the upper one is returned. */
static struct vma *split(struct vma_set *s, struct vma *v, uint64_t addr)
{
	struct vma *u = node_take(s);

	*u = (struct vma){ .start = addr,
			   .end = v->end,
			   .object = v->object,
			   .flags = v->flags };
	if (v->object)
		u->offset = v->offset + (addr - v->start);
	u->charge = MIN(v->charge, v->end - addr);
	set_bounds(s, v, v->start, addr, v->charge - u->charge);
	node_link(s, u, v->next);
	return u;
}

struct vma *vma_isolate(struct vma_set *s, struct vma *v, uint64_t start,
			uint64_t end)
{
	if (v->start < start)
		v = split(s, v, start);
	if (v->end > end)
		split(s, v, end);
	return v;
}

void vma_remove(struct vma_set *s, uint64_t start, uint64_t end)
{
	struct vma *v = vma_find(s, start);

	while (v && v->start < end) {
		struct vma *next;

		if (v->start < start && v->end <= end) {
			/* The common trim needs no node. */
			uint64_t cut = MIN(v->charge, v->end - start);

			next = v->next;
			set_bounds(s, v, v->start, start, v->charge - cut);
		} else {
			v = vma_isolate(s, v, start, end);
			next = v->next;
			node_unlink(s, v);
		}
		v = next;
	}
}

void vma_retag(struct vma_set *s, struct vma *v, uint32_t flags,
	       uint64_t charge)
{
	count_out(s, v);
	v->flags = flags;
	v->charge = charge;
	count_in(s, v);
	update_up(v); /* a stack's guard gap may come or go */
}

/* As split shares it out: the upper part first. */
uint64_t vma_charge(const struct vma *v, uint64_t lo, uint64_t hi)
{
	uint64_t left = v->charge - MIN(v->charge, v->end - hi);

	return MIN(left, hi - lo);
}

void vma_overlap(const struct vma_set *s, uint64_t start, uint64_t end,
		 struct vma_totals *sum)
{
	*sum = (struct vma_totals){ 0 };
	for (const struct vma *v = vma_find(s, start); v && v->start < end;
	     v = v->next) {
		uint64_t lo = MAX(v->start, start), hi = MIN(v->end, end);

		totals_add(sum, v->flags, hi - lo, vma_charge(v, lo, hi));
	}
}

/* --- for tests --- */

static uint32_t check_subtree(const struct vma *v, const struct vma *parent)
{
	uint32_t l, r;

	if (!v)
		return 0;
	l = check_subtree(v->left, v);
	r = check_subtree(v->right, v);
	AZ_ASSERT(v->parent == parent);
	AZ_ASSERT(l <= r + 1 && r <= l + 1);
	AZ_ASSERT(v->height == 1 + MAX(l, r));
	AZ_ASSERT(!v->left || v->left->end <= v->start);
	AZ_ASSERT(!v->right || v->right->start >= v->end);
	AZ_ASSERT(v->max_hole == MAX(hole_before(v), MAX(max_hole(v->left),
							 max_hole(v->right))));
	return v->height;
}

static void check_totals(const struct vma_set *s)
{
	struct vma_totals t = { 0 };

	for (const struct vma *v = s->first; v; v = v->next)
		totals_add(&t, v->flags, v->end - v->start, v->charge);
	AZ_ASSERT(t.size == s->sum.size && t.data == s->sum.data);
	AZ_ASSERT(t.text == s->sum.text && t.stack == s->sum.stack);
	AZ_ASSERT(t.locked == s->sum.locked);
	AZ_ASSERT(t.charged == s->sum.charged);
}

void vma_check(const struct vma_set *s)
{
	const struct vma *prev = NULL;
	uint64_t n = 0;

	check_subtree(s->root, NULL);
	for (const struct vma *v = s->first; v; prev = v, v = v->next, n++) {
		AZ_ASSERT(v->prev == prev && v->start < v->end);
		AZ_ASSERT(!prev || prev->end <= v->start);
		AZ_ASSERT(!mergeable(prev, v));
		AZ_ASSERT(v->charge <= v->end - v->start);
	}
	AZ_ASSERT(s->last == prev && n == s->count);
	check_totals(s);
}
