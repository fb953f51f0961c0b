/* SPDX-License-Identifier: MIT */
/* clock.h - the instance's clocks. clock_mono and clock_real: timer.h. */
#ifndef SCHED_CLOCK_H
#define SCHED_CLOCK_H

#include "lib/types.h"
#include "sched/timer.h"
#include "vdso/vdso.h"

/* clock_init - once, on the first core, before any other use of a clock. */
void clock_init(void);

/*
 * clock_resume - the owner is another one, perhaps on another machine: go on
 * at mono, our CLOCK_MONOTONIC when the old one was left. No core runs.
 */
void clock_resume(uint64_t mono);

/*
 * clock_of_host - what the owner's CLOCK_MONOTONIC will be when ours is at, both
 * ns. clock_shift - ours less the owner's: 0 but after clock_resume.
 */
uint64_t clock_of_host(uint64_t at);
int64_t clock_shift(void);

/* clock_boot - CLOCK_BOOTTIME in ns. */
uint64_t clock_boot(void);

/*
 * clock_deadline - the TSC when CLOCK_MONOTONIC reaches `at` (ns), or, if that
 * is long until then, up to 1/256 of the time sooner; never later.
 */
uint64_t clock_deadline(uint64_t at);

/*
 * clock_coarse_lag - what CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE and
 * time(2) are behind the fine clocks, ns; see vdso.h.
 */
uint64_t clock_coarse_lag(void);

extern struct az_vvar clock_vvar; /* what the vDSO reads, too */

/*
 * clock_ticks - for short intervals: the cheapest clock there is, in its own
 * unit. clock_span - ns from one reading to a later one, of whatever core.
 * clock_in_ticks - ns, at most 4 s, in that unit.
 */
static inline uint64_t clock_ticks(void)
{
	uint32_t lo, hi;

	if (unlikely(!clock_vvar.mult))
		return clock_mono();
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static inline uint64_t clock_span(uint64_t from, uint64_t to)
{
	uint64_t mult = clock_vvar.mult;

	if ((int64_t)(to - from) < 0)
		return 0;
	return mult ? vdso_scale(to - from, mult) : to - from;
}

static inline uint64_t clock_in_ticks(uint64_t ns)
{
	uint64_t mult = clock_vvar.mult;

	return mult ? (ns << 32) / mult : ns;
}

#endif
