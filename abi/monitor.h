/* SPDX-License-Identifier: MIT */
/*
 * monitor.h - the platform contract: six calls down, one up.
 *
 * Each platform implements the mon_ functions in kernel/plat/<name>.c, behind
 * mon.c there, and its half of the owner in host/plat/<name>.c. Nothing else in
 * the unikernel knows on which platform it runs.
 */
#ifndef AZ_MONITOR_H
#define AZ_MONITOR_H

#ifdef __KERNEL__
#include <linux/stddef.h>
#include <linux/types.h>
#else
#include <stddef.h>
#include <stdint.h>
#endif

#include "gate.h"
#include "layout.h"

/*
 * What the two sides share about one core. The first line of its per-core
 * block, so that %gs:0 reaches it.
 */
struct az_core {
	uint64_t self;      /* address of this block */
	uint32_t index;     /* core number, 0 .. ncores-1 */
	uint32_t host_tid;  /* pico, kvm: the thread that runs the core */
	uint32_t pending;   /* 1: kicked and not yet looked (futex) */
	uint32_t halted;    /* 0 or AZ_CORE_ */
	uint32_t started;   /* 1: start_core was called for it */
	uint32_t creds_seq; /* of az_boot: the credentials it has */
	uint32_t suspended; /* 1: goes on where it was, kernel/sys/snapshot.c */
	uint32_t pad;
	uint64_t gate[3]; /* where the unikernel has them: gate.h */
};

_Static_assert(offsetof(struct az_core, gate) == AZ_GATE_CALL, "gate.h");

#define AZ_CORE_HALTED 1U /* inside mon_halt: futex at pending */
#define AZ_CORE_LOOKS \
	2U /* has nothing to do and looks at pending all the time */

/*
 * The program's registers at an upcall, in the order of Linux's pt_regs, so
 * that the tail is what iretq takes.
 */
struct az_frame {
	uint64_t r15, r14, r13, r12, rbp, rbx;
	uint64_t r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t orig_rax;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* Upcall vectors: the CPU's own where it has one. */
#define AZ_VEC_DE      0
#define AZ_VEC_DB      1
#define AZ_VEC_BP      3
#define AZ_VEC_UD      6
#define AZ_VEC_GP      13
#define AZ_VEC_PF      14
#define AZ_VEC_MF      16
#define AZ_VEC_AC      17
#define AZ_VEC_XM      19
#define AZ_VEC_SYSCALL 0x80
#define AZ_VEC_KICK    0x81
#define AZ_VEC_BUS     0x82 /* page present in the map, absent in the file */

/* The error of AZ_VEC_DB where DR6 is empty: the instruction int1 (icebp). */
#define AZ_DB_ICEBP 1

#define AZ_NRESTART 4

/* A kick that finds a core in [begin, end) sends it to target. */
struct az_restart {
	uint64_t begin, end, target;
};

/* What start_core's rip and rsp mean: the unikernel's entry points. */
struct az_image_header {
	uint64_t magic;
	uint32_t version;
	uint32_t pad;
	uint64_t entry;          /* core_entry(struct az_core *) in %rdi */
	uint64_t text, text_end; /* where system calls are not dispatched */
	uint64_t pico_signal;    /* handler for every signal on a core */
	uint64_t pico_restorer;  /* its SA_RESTORER */
	uint64_t metal_trap, metal_syscall; /* metal.h */
	struct az_restart restart[AZ_NRESTART];
	uint64_t debug; /* struct az_debug (debug.h) */
};
#define AZ_IMAGE_MAGIC   0x454741494145415aULL
#define AZ_IMAGE_VERSION 2

#define AZ_NO_DEADLINE UINT64_MAX

/* Where the stack of a core begins; of one that goes on where it was. */
#define AZ_CORE_STACK        AZ_CORE_STRIDE
#define AZ_CORE_RESUME_STACK 0x38000ULL
/* Where a core counts the use of call sites: uint64_t[AZ_SITES] (stats.h). */
#define AZ_CORE_HITS 0x8000ULL
/* The page of a per-core block that is the platform's own. */
#define AZ_CORE_PLAT 0x7000ULL

/* The owner's clocks, read in this order: the TSC, and ns of three others. */
struct az_clocks {
	uint64_t tsc, mono, tsc2, real, boot, mono2;
};

#ifdef AZ_KERNEL
/*
 * mon_halt - stop this core until it is kicked or CLOCK_MONOTONIC reaches
 * deadline (ns; AZ_NO_DEADLINE: no limit). Returns at once if az_core.pending
 * is set. May return early.
 */
void mon_halt(uint64_t deadline);

/*
 * mon_timer - kick this core when CLOCK_MONOTONIC reaches deadline (ns), even
 * if it runs program code. AZ_NO_DEADLINE disarms. One timer a core; a new
 * deadline replaces the old one.
 */
void mon_timer(uint64_t deadline);

/*
 * mon_timer_over - 1 if the deadline of mon_timer has come since this was
 * last asked; az_core.pending has been set then, too.
 */
int mon_timer_over(void);

/*
 * mon_kick - make a core notice pending work: sets az_core.pending, wakes it
 * if it is halted, else upcalls it as soon as it runs program code. Ends a
 * mon_direct call of that core with -EINTR.
 */
void mon_kick(uint32_t core);

/*
 * mon_nudge - mon_kick of a core that is bound to look at az_core.pending
 * before it runs program code: wakes it if it is halted, but no upcall.
 * mon_upcall - have a core look that was nudged and turns out not to be so.
 */
void mon_nudge(uint32_t core);
void mon_upcall(uint32_t core);

/* mon_doorbell - wake one sleeping worker. */
void mon_doorbell(void);

/*
 * mon_owner - make the owner's main thread look at az_boot.want_cores and
 * want_workers.
 */
void mon_owner(void);

/*
 * mon_fault_in - ask the owner to make an address present. 0, or -EFAULT if
 * the owner has nothing there.
 */
int mon_fault_in(uint64_t addr, int write);

/*
 * mon_exit - end the instance. status as wait4 encodes it: exit code << 8, or
 * a signal number that the owner is to die of.
 */
_Noreturn void mon_exit(int status);

/* mon_clocks - read the clocks; 0: that is no faster than by host_call. */
int mon_clocks(struct az_clocks *c);

/* mon_relax - called while spinning on something another core must do. */
void mon_relax(void);

/*
 * mon_direct_ok - 1 if this platform can make system calls on the core.
 * mon_direct - make one: the raw result. Interruptible by mon_kick: then
 * -EINTR, also if the kick came before the call began. Only if mon_direct_ok.
 */
int mon_direct_ok(void);
long mon_direct(uint32_t nr, const uint64_t arg[6]);
/*
 * mon_direct_now - the same, not ended by kicks: for calls that do not block.
 * Where there is no mon_direct, a thread of the owner makes it, which takes
 * long, and refuses what the program might not do by ring either.
 */
long mon_direct_now(uint32_t nr, const uint64_t arg[6]);

/*
 * mon_vfork - a process that shares this one's memory goes on as this core,
 * with its stack at sp: sys/vfork.h:vfork_arrived. Returns its pid when it has
 * left the memory, or -errno. flags, ptid: as clone(2). Meanwhile mon_direct
 * and mon_direct_now are calls of that process's, on every platform.
 * mon_vfork_over - 1 where the core itself must see that it has left.
 */
long mon_vfork(uint64_t flags, void *sp, uint64_t ptid);
int mon_vfork_over(void);

/*
 * mon_patch - write n bytes of program text, which the program itself may not
 * write. 0 or -errno.
 */
int mon_patch(uint64_t addr, const uint8_t *bytes, size_t n);

/*
 * mon_sync_cores - when it returns, every core has executed a serializing
 * instruction since it was called, or will before the program's next one. 0,
 * or -errno: this platform cannot.
 */
int mon_sync_cores(void);

/* mon_set_fs, mon_get_fs - the program's %fs base on this core. */
void mon_set_fs(uint64_t base);
uint64_t mon_get_fs(void);

/* mon_signal_raised - a signal that the last mon_direct raised, or 0. */
uint32_t mon_signal_raised(void);

/* mon_core_init - first thing on every core; sets up %gs. */
struct core;
void mon_core_init(struct core *c);
#endif

/* Signals that pico keeps for itself on the owner's threads. */
#define AZ_SIG_KICK 64

#endif
