/* SPDX-License-Identifier: MIT */
/*
 * vector.h - vector, x87 and mask registers of threads that are not running.
 *
 * The unikernel does not use them, so the program's stay live in a core until
 * another thread of the program gets it.
 */
#ifndef SCHED_VECTOR_H
#define SCHED_VECTOR_H

#include "lib/types.h"

struct core;
struct thread;

/* vector_init - what a program starts with, as t's saved state. */
void vector_init(struct thread *t);

/*
 * vector_save - save what core c, which is the caller's, holds as t's state.
 * The registers stay as they are.
 */
void vector_save(struct core *c, struct thread *t);

/* vector_drop - the thread that ran last on c, the caller's, needs nothing. */
void vector_drop(struct core *c);

/* vector_load - load t's saved state, after vector_save or vector_drop. */
void vector_load(struct core *c, const struct thread *t);

#endif
