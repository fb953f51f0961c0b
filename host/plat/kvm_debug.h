/* SPDX-License-Identifier: MIT */
/*
 * kvm_debug.h - how the threads of vCPUs let a debugger have their registers.
 *
 * The debugger is another process, which traces these threads (ptrace(2)) and
 * writes this process's memory. A core that is to stop puts its registers into
 * its slip, at a fixed address, and raises AZ_SIG_KICK with KVM_SLIP_MARK in
 * it: there the debugger holds it, reads and writes the slip, and lets it go
 * on. Nobody waits for anything else, so a debugger that dies leaves a program
 * that runs.
 */
#ifndef PLAT_KVM_DEBUG_H
#define PLAT_KVM_DEBUG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"
#include "monitor.h"

struct kvm_run;

/* Above all that is the unikernel's: the owner's own. */
#define KVM_SLIPS     (AZ_OWNER_BASE + 0x100000000ULL)
#define KVM_SLIP_SIZE 0x2000ULL

/* In the signal's value, with the core's number below. */
#define KVM_SLIP_MARK 0x5b1b0000U

/* Why a core has stopped. */
#define KVM_SLIP_BEGIN  1U /* it is about to run for the first time */
#define KVM_SLIP_HELD   2U /* the debugger wants it */
#define KVM_SLIP_BREAK  3U /* int3, at rip - 1: whose it is the debugger knows */
#define KVM_SLIP_STEP   4U /* it has made its step */
#define KVM_SLIP_WATCH  5U /* a debug register matched: dr6 */
#define KVM_SLIP_DIVERT 6U /* its step would be an upcall */

struct kvm_slip {
	/* The debugger's. In the first slip only: */
	uint32_t attached;
	/* Of each core: */
	uint32_t hold;      /* stop as soon as you can */
	uint32_t step;      /* make a step */
	uint32_t changed;   /* frame, bases and xsave are to be taken over */
	uint32_t new_watch; /* likewise dr */
	uint32_t ours;      /* the breakpoint is the debugger's */
	uint64_t dr[4], dr7;
	/* The core's. */
	uint32_t why; /* KVM_SLIP_ */
	uint32_t dr6;
	uint32_t no_watch; /* debug registers do nothing here */
	uint32_t pad;
	uint64_t fs_base, gs_base;
	struct az_frame frame;
	_Alignas(64) uint8_t xsave[4096]; /* standard format */
};

_Static_assert(sizeof(struct kvm_slip) <= KVM_SLIP_SIZE, "kvm_slip");

static inline struct kvm_slip *kvm_slip(uint32_t i)
{
	return (struct kvm_slip *)(KVM_SLIPS + i * KVM_SLIP_SIZE);
}

/* kvm_debugged - is there a debugger? */
static inline bool kvm_debugged(void)
{
	return __atomic_load_n(&kvm_slip(0)->attached, __ATOMIC_ACQUIRE);
}

/* A core, as its thread has it; its registers are in run->s.regs. */
struct kvm_debugged {
	uint32_t index;
	int fd;
	struct kvm_run *run;
};

/*
 * kvm_debug_create - room for the slips. expected: a debugger traces this
 * process already. 0 or -errno.
 */
int kvm_debug_create(bool expected);

/*
 * kvm_debug_begin - the core's thread, first of all. watches: does this KVM
 * give guests debug registers?
 */
void kvm_debug_begin(const struct kvm_debugged *c, bool watches);

/* kvm_debug_hold - before the core runs: stop if the debugger wants that. */
void kvm_debug_hold(const struct kvm_debugged *c);

/*
 * kvm_debug_trap - the core has met AZ_VEC_BP or AZ_VEC_DB. True: that was for
 * the debugger, and it goes on.
 */
bool kvm_debug_trap(const struct kvm_debugged *c, uint32_t vec);

/* kvm_debug_exit - KVM_EXIT_DEBUG: a debug register has matched. */
void kvm_debug_exit(const struct kvm_debugged *c);

/* kvm_debug_upcall - the core is about to go to the unikernel. */
void kvm_debug_upcall(const struct kvm_debugged *c);

/* kvm_debug_steps - so it takes no kick now. */
static inline bool kvm_debug_steps(uint32_t i)
{
	return kvm_debugged() && kvm_slip(i)->step;
}

#endif
