/* SPDX-License-Identifier: MIT */
/* clock.h - the instance's clocks. clock_mono and clock_real: timer.h. */
#ifndef SCHED_CLOCK_H
#define SCHED_CLOCK_H

#include "lib/types.h"

/* clock_init - once, on the first core, before any other use of a clock. */
void clock_init(void);

/* clock_boot - CLOCK_BOOTTIME in ns. */
uint64_t clock_boot(void);

/*
 * clock_coarse_lag - what CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE and
 * time(2) are behind the fine clocks, ns; see vdso.h.
 */
uint64_t clock_coarse_lag(void);

#endif
