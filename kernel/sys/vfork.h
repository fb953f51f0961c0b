/* SPDX-License-Identifier: MIT */
/* vfork.h - a child that borrows its parent's memory, and its core. */
#ifndef SYS_VFORK_H
#define SYS_VFORK_H

#include <linux/sched.h>

#include "sched/thread.h"

/* A child that has neither ended nor become another program: core.vfork. */
struct vfork {
	struct thread *thread;       /* its one thread */
	struct sigact actions[NSIG]; /* its own */
	const struct clone_args *args;
	void *room; /* memory that its execve took, or NULL */
	size_t size;
	uint64_t ksp; /* of its parent, unless the core is a thread's */
};

/*
 * process_vfork - clone with CLONE_VM and CLONE_VFORK: the child's pid when it
 * has become another program or ended; or -errno. The child itself returns to
 * the program as a new thread does.
 */
long process_vfork(const struct clone_args *ca);

/*
 * vfork_look - does not return if the child that has this core has left: its
 * parent goes on. Not to be called with locks.
 */
void vfork_look(void);

/*
 * vfork_arrived - the child's first step, on its own kernel stack.
 * vfork_entry - that and the way to the program, in assembly.
 */
void vfork_arrived(void);
void vfork_entry(void);

#endif
