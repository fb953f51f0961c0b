/* SPDX-License-Identifier: MIT */
/*
 * trap.c - the upcall: what the monitor could not decide for the program.
 *
 * Runs on the current thread's kernel stack; the program's registers are in
 * frame, and its vector registers are live.
 */
#include "calls.h"
#include "core.h"
#include "sched/sched.h"
#include "sys/dispatch.h"
#include "sys/patch.h"
#include "sys/sys.h"

void trap(uint32_t vec, uint64_t error, uint64_t addr, struct az_frame *frame)
{
	struct core *c = core_self();

	switch (vec) {
	case AZ_VEC_SYSCALL:
		c->stats->traps++;
		patch_trap(frame);
		c->trapped = 1;
		syscall_dispatch(frame);
		syscall_finish(frame);
		break;
	case AZ_VEC_KICK:
		c->stats->upcalls++;
		patch_rip(frame);
		frame->orig_rax = ~0ULL;
		break; /* exit_work does the rest */
	default:
		if (vec == AZ_VEC_BP && patch_int3(frame))
			break;
		if (vec == AZ_VEC_DB)
			patch_step(frame);
		patch_rip(frame);
		c->stats->faults++;
		frame->orig_rax = ~0ULL;
		signal_fault(vec, error, addr, frame);
		break;
	}
}
