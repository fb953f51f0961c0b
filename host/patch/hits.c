/* SPDX-License-Identifier: MIT */
/*
 * hits.c - how often rewritten call sites were used.
 *
 * Each core counts in its own block, which only the owner can see besides, so
 * it adds up when a tool asks. The unikernel does so itself at the end
 * (kernel/patch/site.c:patch_publish). Nothing is locked: cores go on, and a
 * site that is forgotten at this moment may show a stale number once.
 */
#include "patch/hits.h"

#include "monitor.h"
#include "stats.h"

#define STATS ((struct az_stats *)AZ_STATS_BASE)

static const uint64_t *hits_of(uint32_t core)
{
	return (const uint64_t *)(AZ_CORE_BASE + core * AZ_CORE_STRIDE +
				  AZ_CORE_HITS);
}

void hits_collect(uint32_t ncores)
{
	uint32_t n = __atomic_load_n(&STATS->nsites, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n && i < AZ_SITES; i++) {
		uint64_t sum = 0;

		for (uint32_t c = 0; c < ncores; c++)
			sum +=
			    __atomic_load_n(&hits_of(c)[i], __ATOMIC_RELAXED);
		if (STATS->site[i].addr)
			STATS->site[i].hits = sum - STATS->site[i].before;
	}
}
