/* SPDX-License-Identifier: MIT */
/*
 * snapshot.h - all cores stand still, so that the owner can copy the memory;
 * and go on from there, in the process of another owner.
 */
#ifndef SYS_SNAPSHOT_H
#define SYS_SNAPSHOT_H

#include "core.h"
#include "sched/thread.h"
#include "sched/vector.h"

/*
 * core_suspend - keep what core c, the caller's, needs to go on here: 0. In a
 * process that has been made from this memory it returns 1, on core_resume. A
 * macro, as its caller must not have returned by then.
 */
#define core_suspend(c) (suspend_registers(c), __builtin_setjmp((c)->resume))

void suspend_registers(struct core *c);

/* core_resume - go on where this core was suspended. */
_Noreturn void core_resume(struct core *c);

/* snapshot_make - see snapshot_look. */
void snapshot_make(void);

/*
 * snapshot_look - if the owner wants to copy the memory, and this is the core to
 * see to it: have it done. Called where a core may stand still.
 */
static inline void snapshot_look(void)
{
	if (unlikely(__atomic_load_n(&BOOT->snap_want, __ATOMIC_RELAXED)))
		snapshot_make();
}

#endif
