/* SPDX-License-Identifier: MIT */
/*
 * ring.h - how a core hands system calls to the owner's workers.
 *
 * One ring per core at AZ_RING_BASE + core * AZ_RING_STRIDE. A slot has two
 * cache lines: the first is written by the unikernel only, the second by
 * workers only. Indices run freely and are taken modulo AZ_RING_SLOTS.
 *
 *   core:   fill slot.call; queue[head % N] = slot; head++ (release)
 *   worker: tail != head (acquire); tail CAS +1; run; slot.done = slot.seq
 *           (release); if slot.call.wait, kick the core
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
	uint32_t seq;   /* differs from the slot's last one */
	uint8_t wait;   /* 1: nobody spins, kick the core when done */
	uint8_t cancel; /* 1: answer -EINTR as soon as possible */
	uint16_t pad;
};

struct az_slot {
	_Alignas(64) struct az_call call; /* the unikernel's line */
	_Alignas(64) int64_t result;      /* the workers' line */
	uint32_t done;                    /* == call.seq: result is valid */
	uint32_t worker_tid; /* who runs it, for an interruption; 0: nobody */
	uint32_t raised;     /* signal that the call itself raised, or 0 */
};

struct az_ring {
	_Alignas(64) uint32_t head; /* written by the core */
	_Alignas(64) uint32_t tail; /* written by workers */
	_Alignas(64) uint16_t queue[AZ_RING_SLOTS];
	struct az_slot slot[AZ_RING_SLOTS];
};

_Static_assert(sizeof(struct az_call) == 64, "one cache line");
_Static_assert(sizeof(struct az_slot) == 128, "two cache lines");
_Static_assert(sizeof(struct az_ring) <= AZ_RING_STRIDE, "ring stride");

#endif
