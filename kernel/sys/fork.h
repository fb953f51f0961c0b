/* SPDX-License-Identifier: MIT */
/* fork.h - a second instance over copy-on-write memory. */
#ifndef SYS_FORK_H
#define SYS_FORK_H

#include <linux/sched.h>

#include "sched/thread.h"

/*
 * process_fork - fork(2) with clone's flags: CLONE_PARENT_SETTID, _CHILD_SETTID,
 * _CHILD_CLEARTID and _SETTLS are understood. The child's pid, 0 in the
 * child, or -errno.
 */
long process_fork(const struct clone_args *ca);

/*
 * fork_child - first thing on core 0 of the child: forget what belonged to
 * other threads and to the parent; t goes on.
 */
void fork_child(struct thread *t);

#endif
