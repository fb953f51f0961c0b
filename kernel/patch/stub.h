/* SPDX-License-Identifier: MIT */
/*
 * stub.h - where stubs are, and what a place in one of them stands for.
 *
 * All but stub_where is called with the lock of mm held.
 */
#ifndef PATCH_STUB_H
#define PATCH_STUB_H

#include "lib/types.h"
#include "patch/plan.h"

#define STUB_AREA 0x10000ULL /* bytes */

struct stub {
	uint64_t at;
	uint64_t site; /* 0: free */
	uint32_t kind; /* PATCH_STUB_ */
	uint8_t moved; /* of the plan */
	uint8_t nmoved;
	uint8_t from[PATCH_NMOVED]; /* plan.at */
	struct patch_marks marks;
	bool dead; /* no site leads here any more */
};

/* stub_area_add - [base, base + STUB_AREA) is there for stubs. 0 or -ENOMEM. */
int stub_area_add(uint64_t base);

/* stub_area_drop - forget areas in [lo, hi). Was there one? */
bool stub_area_drop(uint64_t lo, uint64_t hi);

/*
 * stub_alloc - room for one, reachable from near. NULL: there is none.
 */
struct stub *stub_alloc(uint64_t near);
void stub_free(struct stub *s);

/* stub_dead_near - are there dead stubs that could be reused from near? */
bool stub_dead_near(uint64_t near);

/* stub_sweep - dead stubs are free: no core is in one. */
void stub_sweep(void);

/* stub_where - the stub that holds rip, dead or not, or NULL. */
const struct stub *stub_where(uint64_t rip);

#endif
