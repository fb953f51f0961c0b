/* SPDX-License-Identifier: MIT */
/*
 * timer.c - deadlines of a core.
 *
 * Each core has a list of armed timers in order of deadline, under its
 * timers_lock. A timer is in the list of the core that t->core names while
 * t->armed is set. timer_cancel from another core may find fn running: then it
 * waits for `running` of that core to move on.
 */
#include "sched/timer.h"

#include "core.h"
#include "monitor.h"

/* The timer whose fn a core runs now; not cancelled until it is done. */
static struct timer *running[AZ_MAX_CORES];

static struct core *timer_lock(struct timer *t)
{
	for (;;) {
		uint32_t i = __atomic_load_n(&t->core, __ATOMIC_ACQUIRE);
		struct core *c = core_at(i);

		spin_lock(&c->timers_lock);
		if (t->core == i)
			return c;
		spin_unlock(&c->timers_lock);
	}
}

void timer_cancel(struct timer *t)
{
	struct core *c = timer_lock(t);

	if (t->armed) {
		list_remove(&t->link);
		t->armed = 0;
	}
	spin_unlock(&c->timers_lock);
	/* Pairs with the release in timer_run. */
	while (c != core_self() &&
	       __atomic_load_n(&running[c->az.index], __ATOMIC_ACQUIRE) == t)
		mon_relax();
}

void timer_arm(struct timer *t, uint64_t at)
{
	struct core *c;
	struct list *before;

	timer_cancel(t);
	c = core_self();
	spin_lock(&c->timers_lock);
	t->at = at;
	t->armed = 1;
	__atomic_store_n(&t->core, c->az.index, __ATOMIC_RELEASE);
	before = &c->timers;
	/* From the end: most deadlines are later than those that wait. */
	while (before->prev != &c->timers &&
	       list_entry(before->prev, struct timer, link)->at > at)
		before = before->prev;
	list_insert(before, &t->link);
	/* A new first deadline: see to mon_timer on the way out. */
	if (c->timers.next == &t->link)
		__atomic_store_n(&c->az.pending, 1, __ATOMIC_RELAXED);
	spin_unlock(&c->timers_lock);
}

static struct timer *timer_due(struct core *c, uint64_t *next)
{
	struct timer *t = NULL;

	*next = AZ_NO_DEADLINE;
	if (list_empty(&c->timers))
		return NULL;
	spin_lock(&c->timers_lock);
	if (!list_empty(&c->timers)) {
		t = list_entry(c->timers.next, struct timer, link);
		*next = t->at;
		if (t->at > clock_mono()) {
			t = NULL;
		} else {
			list_remove(&t->link);
			t->armed = 0;
			running[c->az.index] = t;
		}
	}
	spin_unlock(&c->timers_lock);
	return t;
}

uint64_t timer_run(void)
{
	struct core *c = core_self();
	struct timer *t;
	uint64_t next;

	while ((t = timer_due(c, &next))) {
		t->fn(t);
		/* Pairs with timer_cancel. */
		__atomic_store_n(&running[c->az.index], NULL, __ATOMIC_RELEASE);
	}
	return next;
}
