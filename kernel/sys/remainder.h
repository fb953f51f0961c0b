/* SPDX-License-Identifier: MIT */
/* remainder.h - finishing what a kick has cut short. */
#ifndef SYS_REMAINDER_H
#define SYS_REMAINDER_H

#include "lib/types.h"

/*
 * remainder_finish - a call that the core made itself has moved `done` bytes
 * and may have been ended by a kick: move the rest, by the ring. Returns the
 * whole number; what ends the rest early (a signal, EAGAIN, an error) ends
 * the call as it would have without the kick.
 */
long remainder_finish(uint32_t nr, const uint64_t a[6], long done);

/* ring_offload - a call of the program by ring, see offload.c. */
long ring_offload(uint32_t nr, const uint64_t a[6]);

#endif
