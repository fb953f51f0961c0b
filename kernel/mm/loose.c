/* SPDX-License-Identifier: MIT */
/*
 * loose.c - memory that the host gives more access to than the tree.
 *
 * A program that makes the same few pages read-only and writable by turns, or
 * that opens an arena page by page, pays for each step with a call to the host
 * that takes longer than what it does between them. For such programs, and
 * only while they are in a hurry (pool_exact):
 *
 * - a range that was protected to and fro before stays writable on the host
 *   when it is closed once more ("toggled");
 * - a range that grows at its end into PROT_NONE memory is opened some way
 *   ahead ("ahead").
 *
 * All of it is private anonymous memory that the program itself has had or is
 * about to have writable. Whatever else is done to such a range first makes the
 * host agree with the tree. mm.lock guards both tables.
 */
#include <asm/unistd.h>

#include "mm/pool.h"
#include "mm/space.h"
#include "sys/sys.h"

#define RANGES 8
/* A toggled range has at most so many bytes, and has been seen so often. */
#define TOGGLE_MAX  0x40000ULL
#define TOGGLE_SEEN 8U
/* How far to open ahead; whole big pages from BIG_ARENA on. */
#define AHEAD     0x40000ULL
#define BIG_ARENA 0x800000ULL

#define RW (VMA_READ | VMA_WRITE)

struct range {
	uint64_t start, end;
	uint32_t seen;
	bool loose; /* writable on the host, not in the tree */
};

static struct range toggled[RANGES];
/* loose always: PROT_NONE in the tree; empty if start == end */
static struct range ahead[RANGES];

static bool is_plain(const struct vma *v)
{
	return !v->object &&
	       !(v->flags &
		 ~(uint32_t)(RW | VMA_NORESERVE | VMA_STACK | VMA_AUTOHUGE));
}

static void host_protect(uint64_t start, uint64_t end, uint32_t prot)
{
	/* If the host will not: it stays loose for good, and harms nobody. */
	host_call(__NR_mprotect, start, end - start, prot, 0, 0, 0);
}

static void range_settle(struct range *r)
{
	const struct vma *v = vma_find(&mm.set, r->start);

	if (r->loose && r->start < r->end && v && v->start <= r->start)
		host_protect(r->start, MIN(r->end, v->end), v->flags & RW);
	*r = (struct range){ 0 };
}

static bool meets(const struct range *r, uint64_t start, uint64_t end)
{
	return r->start < end && r->end > start;
}

void loose_claim(uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < RANGES; i++) {
		if (meets(&toggled[i], start, end))
			range_settle(&toggled[i]);
		if (meets(&ahead[i], start, end))
			range_settle(&ahead[i]);
	}
}

/* The others than r that meet what it is about. */
static void claim_others(const struct range *r, uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < RANGES; i++) {
		if (&toggled[i] != r && meets(&toggled[i], start, end))
			range_settle(&toggled[i]);
		if (&ahead[i] != r && meets(&ahead[i], start, end))
			range_settle(&ahead[i]);
	}
}

/* Open [start, end), which lies at the end of an open range. */
static bool open_ahead(const struct vma *v, uint64_t start, uint64_t end)
{
	struct range *r = &ahead[v->end / AZ_CHUNK_SIZE % RANGES];
	uint64_t to = end + AHEAD;

	if (r->start == start && r->end >= end) {
		claim_others(r, start, end);
		r->start = end;
		return true;
	}
	if (pool_exact())
		return false;
	if (r->start != start)
		range_settle(r);
	*r = (struct range){ 0 }; /* less than is wanted now */
	claim_others(r, start, end);
	if (end - v->prev->start >= BIG_ARENA)
		to = ALIGN_UP(end, AZ_CHUNK_SIZE) + AZ_CHUNK_SIZE;
	to = MIN(to, v->end);
	if (host_call(__NR_mprotect, start, to - start, RW, 0, 0, 0))
		return false;
	if (to - start >= AZ_CHUNK_SIZE)
		map_hugify(ALIGN_UP(start, AZ_CHUNK_SIZE), to);
	*r = (struct range){ .start = end, .end = to, .loose = true };
	return true;
}

static bool toggle(uint64_t start, uint64_t end, uint32_t prot)
{
	struct range *r = &toggled[start / AZ_PAGE_SIZE % RANGES];
	bool was_loose;

	if (r->start != start || r->end != end) {
		range_settle(r);
		claim_others(r, start, end);
		*r = (struct range){ .start = start, .end = end };
		return false;
	}
	claim_others(r, start, end);
	was_loose = r->loose;
	r->seen++;
	if (prot == RW) {
		r->loose = false;
		return was_loose;
	}
	/* What is loose was writable; closing it further changes nothing. */
	r->loose = was_loose || (r->seen >= TOGGLE_SEEN &&
				 (vma_find(&mm.set, start)->flags & RW) == RW);
	if (r->loose && pool_exact()) {
		r->loose = false;
		return false;
	}
	return r->loose;
}

bool loose_protect(uint64_t start, uint64_t end, uint32_t prot)
{
	const struct vma *v = vma_find(&mm.set, start);
	bool plain = !mm.exact && v && v->start <= start && v->end >= end &&
		     is_plain(v) && !(prot & VMA_EXEC) && prot != VMA_WRITE;

	if (plain && prot == RW && !(v->flags & RW) && v->start == start &&
	    v->prev && v->prev->end == start && is_plain(v->prev) &&
	    (v->prev->flags & RW) == RW && open_ahead(v, start, end))
		return true;
	if (plain && end - start <= TOGGLE_MAX && toggle(start, end, prot))
		return true;
	if (!plain || end - start > TOGGLE_MAX)
		loose_claim(start, end);
	return false;
}
