/* SPDX-License-Identifier: MIT */
/*
 * stub.c - where stubs are, and what a place in one of them stands for.
 *
 * Areas come from mm_stub_area and are never given back; each has slots for one
 * stub, most of which fit into the slot's first cache line. A stub that no site leads to is
 * dead, not free: a core may still be in it, which then has to be told where
 * it is (stub_where). It becomes free when all cores have been stopped.
 *
 * The lock of mm guards it all, but for stub_where: areas are entered before a
 * core can get there, and what a stub is does not change while one is in it.
 */
#include "patch/stub.h"

#include "lib/errno.h"
#include "mm/mm.h"

#define SLOT   128U
#define NSLOTS (STUB_AREA / SLOT)
#define NAREAS 32U
/* rel32, less what a moved instruction may refer to beyond the site. */
#define REACH 0x7c000000ULL

struct area {
	uint64_t base;
	uint32_t used; /* slots below are or were in use */
	uint32_t dead; /* stubs */
	bool gone;     /* the program has taken its place */
	struct stub stub[NSLOTS];
};

static struct area *areas[NAREAS];
static uint32_t nareas;

_Static_assert(PATCH_STUB_MAX <= SLOT, "a slot holds a stub");

int stub_area_add(uint64_t base)
{
	struct area *a;

	if (nareas == NAREAS)
		return -ENOMEM;
	a = kalloc_pages(sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->base = base;
	areas[nareas] = a;
	/* Pairs with stub_where. */
	__atomic_store_n(&nareas, nareas + 1, __ATOMIC_RELEASE);
	return 0;
}

bool stub_area_drop(uint64_t lo, uint64_t hi)
{
	bool any = false;

	for (uint32_t i = 0; i < nareas; i++)
		if (areas[i]->base < hi && areas[i]->base + STUB_AREA > lo)
			any = areas[i]->gone = true;
	return any;
}

static bool reaches(const struct area *a, uint64_t near)
{
	uint64_t d = a->base > near ? a->base - near : near - a->base;

	return !a->gone && d < REACH;
}

static struct stub *area_reuse(struct area *a)
{
	for (uint32_t i = 0; i < a->used; i++)
		if (!a->stub[i].site)
			return &a->stub[i];
	return NULL;
}

static struct stub *area_alloc(struct area *a)
{
	struct stub *s;

	if (a->used == NSLOTS)
		return area_reuse(a);
	s = &a->stub[a->used];
	s->at = a->base + (uint64_t)a->used++ * SLOT;
	return s;
}

struct stub *stub_alloc(uint64_t near)
{
	for (uint32_t i = 0; i < nareas; i++) {
		struct stub *s =
		    reaches(areas[i], near) ? area_alloc(areas[i]) : NULL;

		if (s)
			return s;
	}
	return NULL;
}

static struct area *area_of(uint64_t at)
{
	/* Pairs with stub_area_add. */
	uint32_t n = __atomic_load_n(&nareas, __ATOMIC_ACQUIRE);

	/* Newest first: one that is gone may lie in the same place. */
	while (n-- > 0)
		if (at - areas[n]->base < STUB_AREA)
			return areas[n];
	return NULL;
}

void stub_free(struct stub *s)
{
	s->dead = true;
	area_of(s->at)->dead++;
}

bool stub_dead_near(uint64_t near)
{
	for (uint32_t i = 0; i < nareas; i++)
		if (areas[i]->dead && reaches(areas[i], near))
			return true;
	return false;
}

void stub_sweep(void)
{
	for (uint32_t i = 0; i < nareas; i++) {
		struct area *a = areas[i];

		for (uint32_t k = 0; a->dead && k < a->used; k++)
			if (a->stub[k].dead) {
				a->stub[k].dead = false;
				a->stub[k].site = 0;
				a->dead--;
			}
	}
}

const struct stub *stub_where(uint64_t rip)
{
	const struct area *a = area_of(rip);
	uint32_t i;

	if (likely(!a))
		return NULL;
	i = (uint32_t)((rip - a->base) / SLOT);
	if (!a->stub[i].site || rip - a->stub[i].at >= a->stub[i].marks.len)
		return NULL;
	return &a->stub[i];
}
