/* SPDX-License-Identifier: MIT */
/*
 * snapshot.c - stand still for a copy of all memory, and go on from one.
 *
 * Core 0 stops the others as for a fork. Each notes where it stands, in its
 * block (az.suspended, resume) and in its current thread; calls under way are
 * ended, to be made again. So memory alone is all of the instance: what is
 * elsewhere belongs to the owner, its threads, and Linux. Another owner that
 * has the same memory starts the same cores, and each goes on where it stood,
 * inside stop_park or, core 0, in stand_still.
 *
 * What the new owner differs in is put right by core 0 while the others wait:
 * the pid, the clock, whatever was counted in ticks of the TSC.
 */
#include "sys/snapshot.h"

#include "monitor.h"
#include "sched/clock.h"
#include "sched/stop.h"
#include "sys/offload.h"

void suspend_registers(struct core *c)
{
	struct thread *t = c->current;

	if (t->xsave) { /* else it is where the core booted */
		t->fs = mon_get_fs();
		vector_save(c, t);
	}
	c->az.suspended = 1;
}

void core_resume(struct core *c)
{
	struct thread *t = c->current;

	mon_core_init(c);
	c->up = BOOT->pid;
	c->timer_at = AZ_NO_DEADLINE;
	c->tick = 0;
	c->az.pending = 1;
	c->vector_full = 1; /* nobody knows */
	if (t->xsave) {
		mon_set_fs(t->fs);
		vector_load(c, t);
	}
	__builtin_longjmp(c->resume, 1);
}

static bool vfork_runs(void)
{
	for (uint32_t i = 0; i < BOOT->ncores; i++)
		if (core_at(i)->az.started && core_at(i)->vfork)
			return true;
	return false;
}

/* This process is another one than that which wrote the memory. */
static void take_over(void)
{
	uint64_t now;

	clock_resume(BOOT->snap_mono_ns);
	thread_rename((int)BOOT->snap_pid);
	now = clock_ticks();
	list_for_each(e, &threads)
		list_entry(e, struct thread, all)->since = now;
	for (uint32_t i = 0; i < BOOT->ncores; i++) {
		struct core *c = core_at(i);

		if (!c->az.started)
			continue;
		c->turn_from = c->token_tsc = now;
		c->busy_since = BOOT->snap_mono_ns;
		c->spread_at = 0;
	}
	STATS->enter_mono_ns = clock_of_host(clock_mono());
}

static void stand_still(struct core *c)
{
	offload_end_calls();
	BOOT->snap_pid = BOOT->pid;
	BOOT->snap_mono_ns = clock_mono();
	if (core_suspend(c)) {
		take_over();
		return;
	}
	__atomic_store_n(&BOOT->snap_ready, AZ_SNAP_READY, __ATOMIC_SEQ_CST);
	mon_owner();
	while (__atomic_load_n(&BOOT->snap_want, __ATOMIC_ACQUIRE))
		mon_relax();
}

void snapshot_make(void)
{
	struct core *c = core_self();

	if (c->az.index || c->vfork)
		return;
	if (!stop_cores()) {
		c->az.pending = 1; /* again, behind stop_park */
		return;
	}
	if (vfork_runs()) {
		BOOT->snap_want = 0;
		__atomic_store_n(&BOOT->snap_ready, AZ_SNAP_VFORK,
				 __ATOMIC_SEQ_CST);
		mon_owner();
	} else {
		stand_still(c);
	}
	core_self()->az.suspended = 0;
	stop_release();
}
