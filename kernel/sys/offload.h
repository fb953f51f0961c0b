/* SPDX-License-Identifier: MIT */
/* offload.h - the core's end of the ring, and signals from outside. */
#ifndef SYS_OFFLOAD_H
#define SYS_OFFLOAD_H

#include "core.h"

/* ring_init - all slots of this core's ring are free. */
void ring_init(struct core *c);

/* ring_poll - wake the threads whose calls this core's ring has answered. */
void ring_poll(void);

/*
 * ring_spin - wait a bounded time for an answer on this core's ring. True:
 * there is one, or the core was kicked.
 */
bool ring_spin(void);

/* inbox_drain - post the signals that the owner has received. */
void inbox_drain(void);

/* How the last offloaded call of the calling thread was made, for tracing. */
const char *offload_how(void);

/*
 * offload_end_calls - all other cores stand still: end the calls of their rings,
 * which the threads then make again. When it returns, no call is under way.
 */
void offload_end_calls(void);

#endif
