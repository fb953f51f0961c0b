/* SPDX-License-Identifier: MIT */
/*
 * place.c - where a mapping goes that the program has not placed itself.
 *
 * First fit, upwards, in the area that its kind has (see space.h and
 * abi/layout.h); if that is full, anywhere but in the pool. Mappings of 2 MiB
 * and more are placed so that big pages fit.
 * mm.lock guards the tree.
 */
#include "mm/space.h"

/* MAP_32BIT's range, as Linux has it (arch/x86/kernel/sys_x86_64.c). */
#define LOW_START 0x40000000ULL
#define LOW_END   0x80000000ULL
/*
 * Mappings that get big pages start so far before a multiple of 2 MiB: their
 * head is in small pages, and a program that touches only the beginning does
 * not pay for a big one. One vma on the host all the same, unlike two kinds of
 * advice in one mapping, which mremap could not move.
 */
#define SMALL_HEAD 0x10000ULL
/* From here on a big page more does not matter: no small ones at all. */
#define VAST 0x4000000ULL
/*
 * What is left free below a mapping that grows down: less than any reservation
 * takes, and those are the neighbours in its area.
 */
#define STACK_ROOM (RESERVE_LIMIT - AZ_CHUNK_SIZE)

/* How far off code may be that 32-bit displacements reach, with some room. */
#define NEAR_REACH 0x78000000ULL
/* Nothing of ours goes below: programs that map there mean to do so. */
#define NEAR_LOW 0x100000ULL

struct area {
	uint64_t lo, hi;
};

enum {
	AREA_MAPS,
	AREA_RESERVE,
	AREA_SHARED,
	AREA_PROGRAMS,
	AREA_LOW
};

static const struct area areas[] = {
	[AREA_MAPS] = { WINDOW_MAPS, AZ_WINDOW_END },
	[AREA_RESERVE] = { AZ_RESERVE_BASE, AZ_RESERVE_END },
	[AREA_SHARED] = { AZ_SHARED_BASE, AZ_SHARED_END },
	[AREA_PROGRAMS] = { WINDOW_PROGRAMS, WINDOW_POOL },
	[AREA_LOW] = { AZ_GUEST_MIN, AZ_WINDOW_BASE },
};

struct vma_align place_align(uint64_t len, bool huge)
{
	struct vma_align a = { .align = AZ_PAGE_SIZE };

	if (len >= AZ_CHUNK_SIZE)
		a.align = AZ_CHUNK_SIZE;
	if (huge && len >= HUGE_LIMIT && len < VAST && mm.dense <= 0)
		a.before = SMALL_HEAD;
	return a;
}

static uint32_t area_of(uint64_t len, uint32_t flags)
{
	bool idle = !(flags & (VMA_READ | VMA_WRITE | VMA_EXEC)) ||
		    (flags & VMA_NORESERVE);

	if ((flags & (VMA_SHARED | VMA_FILE)) == (VMA_SHARED | VMA_FILE))
		return AREA_SHARED;
	if (idle && len >= RESERVE_LIMIT)
		return AREA_RESERVE;
	return AREA_MAPS;
}

static uint64_t area_find(const struct area *a, uint64_t len,
			  struct vma_align align)
{
	return vma_hole(&mm.set, a->lo, a->hi, len, align);
}

uint64_t place_find(uint64_t len, uint32_t flags, struct vma_align align)
{
	uint64_t addr = area_find(&areas[area_of(len, flags)], len, align);

	for (uint32_t i = 0; !addr && i < ARRAY_SIZE(areas); i++)
		addr = area_find(&areas[i], len, align);
	return addr;
}

uint64_t place_stack(uint64_t len)
{
	uint64_t addr = area_find(&areas[AREA_RESERVE], len + STACK_ROOM,
				  place_align(0, false));

	return addr ? addr + STACK_ROOM : 0;
}

uint64_t place_32bit(uint64_t len)
{
	return vma_hole(&mm.set, LOW_START, LOW_END, len,
			place_align(0, false));
}

/*
 * Below near if possible: above programs there is their heap, and mappings
 * grow upwards.
 */
uint64_t place_near(uint64_t near, uint64_t len)
{
	uint64_t lo =
	    near > NEAR_REACH + NEAR_LOW ? near - NEAR_REACH : NEAR_LOW;
	uint64_t hi = MIN(near + NEAR_REACH, AZ_GUEST_END);
	struct vma_align align = place_align(0, false);
	uint64_t addr = 0;

	if (near > lo)
		addr = vma_hole(&mm.set, lo, near, len, align);
	if (!addr && near + NEAR_REACH / 2 < hi)
		addr = vma_hole(&mm.set, near + NEAR_REACH / 2, hi, len, align);
	if (!addr && near < hi)
		addr = vma_hole(&mm.set, near, hi, len, align);
	return addr;
}

uint64_t place_hint(uint64_t addr, uint64_t len)
{
	struct vma *next;

	addr &= ~PAGE_MASK;
	if (!addr)
		return 0;
	addr = MAX(addr, AZ_GUEST_MIN);
	if (len > AZ_GUEST_END || addr > AZ_GUEST_END - len)
		return 0;
	next = vma_find(&mm.set, addr);
	if (next && (next->start <= addr || vma_hole_end(next) < addr + len))
		return 0;
	return addr;
}
