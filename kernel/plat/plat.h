/* SPDX-License-Identifier: MIT */
/*
 * plat.h - the guest half of each platform, as mon.c sees it.
 *
 * Every function does what its mon_ namesake promises (monitor.h), or what is
 * said here.
 */
#ifndef PLAT_PLAT_H
#define PLAT_PLAT_H

#include <stdint.h>

#include "core.h"
#include "lib/types.h"

struct azm_page;
struct siginfo;
struct ucontext;

/* --- entry.S, ipc.S, kernel.lds --- */

extern const char text_start[], text_end[], exit_begin[], exit_end[],
    exit_iret[], light_begin[], light_end[], ipc_exit_begin[], ipc_exit_end[];
void trap_entry(void);
void exit_to_program(void);
void light_exit(void);
void ipc_exit_slow(void);
void core_entry(struct az_core *az);

/* --- mon.c --- */

/* Is this the unikernel's own code? */
static inline bool plat_in_text(uint64_t rip)
{
	return rip >= (uint64_t)text_start && rip < (uint64_t)text_end;
}

/* plat_restart - where a core goes on that a kick has found at rip. */
uint64_t plat_restart(uint64_t rip);

/*
 * plat_fixup - where the unikernel goes on after a fault at rip, other than
 * exit_iret: there the program's own %rip, %rsp or selectors are bad, while its
 * frame is whole. Does not return if no fault was expected.
 */
uint64_t plat_fixup(uint32_t vec, uint64_t rip, uint64_t addr);

/* --- pico.c --- */

extern const char pico_gate_begin[], pico_gate_end[], pico_gate_abort[];
void pico_signal(int sig, struct siginfo *si, struct ucontext *uc);
void pico_restorer(void);

void pico_core_init(struct core *c);
void pico_halt(uint64_t deadline);
void pico_timer(uint64_t deadline);
bool pico_timer_over(struct core *c);
void pico_wake(uint32_t core); /* which is in mon_halt */
void pico_upcall(uint32_t core);
long pico_call(uint32_t nr, const uint64_t arg[6]);     /* mon_direct */
long pico_call_now(uint32_t nr, const uint64_t arg[6]); /* mon_direct_now */
void pico_relax(void);
int pico_sync_cores(void);
void pico_set_fs(uint64_t base);
uint64_t pico_get_fs(void);
uint32_t pico_signal_raised(void);
long pico_vfork(uint64_t flags, void *sp, uint64_t ptid);
_Noreturn void pico_exit(int status);

/* --- metal.c, metal_entry.S: kvm and metal --- */

void metal_trap(struct azm_page *page);
void metal_syscall(void);

void metal_core_init(void);
bool metal_clocks(struct az_clocks *c);
void metal_halt(uint64_t deadline);
void metal_timer(uint64_t deadline);
bool metal_timer_over(struct core *c);
void metal_interrupt(uint32_t core);                 /* wakes, or upcalls */
long metal_call(uint32_t nr, const uint64_t arg[6]); /* mon_direct_now */
uint32_t metal_signal_raised(void);
long metal_vfork(uint64_t flags, uint64_t ptid);
bool metal_vfork_over(struct core *c);
void metal_relax(void);
int metal_sync_cores(void);
void metal_set_fs(uint64_t base);
uint64_t metal_get_fs(void);
_Noreturn void metal_exit(int status);

#endif
