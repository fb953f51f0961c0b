/* SPDX-License-Identifier: MIT */
/*
 * timer.h - deadlines of a core.
 *
 * A timer belongs to the core that armed it and its function runs there, in
 * the unikernel, with no lock held and no thread context to rely on: it may
 * wake threads, post signals and arm timers; it may not block or touch
 * program memory.
 */
#ifndef SCHED_TIMER_H
#define SCHED_TIMER_H

#include "lib/list.h"
#include "lib/spin.h"

struct timer {
	struct list link;
	uint64_t at; /* CLOCK_MONOTONIC, ns */
	void (*fn)(struct timer *);
	uint32_t core;
	uint32_t armed;
};

/* timer_arm - run t->fn at `at`; replaces an earlier deadline. */
void timer_arm(struct timer *t, uint64_t at);

/* timer_cancel - afterwards fn does not run and is not running. */
void timer_cancel(struct timer *t);

/* timer_run - run what is due on this core; returns the next deadline. */
uint64_t timer_run(void);

/* clock_mono, clock_real - CLOCK_MONOTONIC and CLOCK_REALTIME in ns. */
uint64_t clock_mono(void);
uint64_t clock_real(void);

#endif
