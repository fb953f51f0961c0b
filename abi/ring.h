/* SPDX-License-Identifier: MIT */
/*
 * ring.h - how a core hands system calls to the owner's workers.
 *
 * One ring per core at AZ_RING_BASE + core * AZ_RING_STRIDE. Indices run
 * freely and are taken modulo AZ_RING_SLOTS. A slot has two cache lines: the
 * call, written by the unikernel only, and the answer.
 *
 *   core:   fill slot.call; queue[head % N] = slot; fill last; head++
 *   worker: tail != head (acquire); tail CAS +1; run; fill slot.result;
 *           exchange slot.done with the call's seq, and if AZ_DONE_WAIT was
 *           set there, kick the core
 *
 * What one call costs is the cache lines that change sides. The newest call
 * is therefore in the same line as head: a worker that is not behind reads
 * that line only, and answers in one other. That copy is guarded by two
 * counts (as a seqlock): the core writes begin, the call, then head; a worker
 * reads head, the call, then begin.
 *
 * Everything a worker reads here is hostile input: copy once, check, use.
 */
#ifndef AZ_RING_H
#define AZ_RING_H

#include <stddef.h>
#include <stdint.h>

#include "layout.h"

#define AZ_RING_SLOTS 256U

/* az_call.flags */
#define AZ_CALL_INTERNAL 2U /* made by the unikernel itself, not the program */
#define AZ_CALL_MAYBLOCK 4U /* must not hold up the calls behind it */

struct az_call {
	uint32_t nr;
	uint32_t flags;
	uint64_t arg[6];
	uint32_t seq;    /* differs from the slot's last one; < AZ_DONE_WAIT */
	uint32_t cancel; /* not 0: answer -EINTR as soon as possible */
};

/* az_call.cancel: the program is not to see it, its call is made again. */
#define AZ_CANCEL_AGAIN 2U

/* In az_slot.done: nobody spins, kick the core when it is answered. */
#define AZ_DONE_WAIT 0x80000000U

struct az_slot {
	_Alignas(64) struct az_call call; /* the unikernel's line */
	_Alignas(64) int64_t result;      /* the workers' line */
	uint32_t done;   /* == call.seq: result is valid; or | AZ_DONE_WAIT */
	uint32_t raised; /* signal that the call itself raised, or 0 */
};

/* The newest call of a ring: number head - 1. */
struct az_last {
	uint32_t head;
	uint32_t begin; /* == head: nothing below is being changed */
	uint32_t seq;
	uint16_t nr;
	uint8_t flags;
	uint8_t slot;
	uint64_t arg[6];
};

struct az_ring {
	_Alignas(64) struct az_last last; /* written by the core */
	_Alignas(64) uint32_t tail;       /* written by workers */
	_Alignas(64) uint16_t queue[AZ_RING_SLOTS];
	struct az_slot slot[AZ_RING_SLOTS];
};

_Static_assert(sizeof(struct az_call) == 64, "one cache line");
_Static_assert(sizeof(struct az_slot) == 128, "two cache lines");
_Static_assert(sizeof(struct az_last) == 64, "one cache line");
_Static_assert(AZ_RING_SLOTS <= 256, "az_last.slot");
_Static_assert(sizeof(struct az_ring) <= AZ_RING_STRIDE, "ring stride");

#endif
