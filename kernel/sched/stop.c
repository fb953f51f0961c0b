/* SPDX-License-Identifier: MIT */
/*
 * stop.c - hold all other cores where they have no lock and no call.
 *
 * stopper is the index + 1 of the core that holds the others, parked how many
 * of them wait. Cores park between threads, on the way back to the program,
 * and before and after calls they make themselves: never with a lock held.
 */
#include "sched/stop.h"

#include "core.h"
#include "monitor.h"
#include "sys/snapshot.h"

static uint32_t stopper, parked;

/* Not inlined: it keeps all registers that core_resume is to bring back. */
__attribute__((noinline)) static void park(struct core *c)
{
	/* A core that is resumed elsewhere was counted before. */
	if (!core_suspend(c))
		__atomic_fetch_add(&parked, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&stopper, __ATOMIC_ACQUIRE))
		mon_relax();
	core_self()->az.suspended = 0;
	__atomic_fetch_sub(&parked, 1, __ATOMIC_SEQ_CST);
}

void stop_park(void)
{
	struct core *c = core_self();
	uint32_t who = __atomic_load_n(&stopper, __ATOMIC_ACQUIRE);

	if (unlikely(who && who != c->az.index + 1))
		park(c);
}

/* Other cores that have been started, perhaps just now. */
static uint32_t others_started(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < BOOT->ncores; i++)
		n += i != core_self()->az.index &&
		     __atomic_load_n(&core_at(i)->az.started, __ATOMIC_SEQ_CST);
	return n;
}

bool stop_cores(void)
{
	uint32_t none = 0;

	if (!__atomic_compare_exchange_n(&stopper, &none,
					 core_self()->az.index + 1, 0,
					 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return false;
	for (uint32_t i = 0; i < BOOT->ncores; i++)
		if (i != core_self()->az.index && core_at(i)->az.started)
			mon_kick(i);
	while (__atomic_load_n(&parked, __ATOMIC_SEQ_CST) != others_started())
		mon_relax();
	return true;
}

void stop_release(void)
{
	__atomic_store_n(&stopper, 0, __ATOMIC_RELEASE);
	while (__atomic_load_n(&parked, __ATOMIC_SEQ_CST))
		mon_relax();
}

void stop_reset(void)
{
	stopper = 0;
	parked = 0;
}
