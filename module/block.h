/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * block.h - what the module and the stub share about one CPU.
 *
 * The stub is all that runs privileged on a CPU that was taken from Linux. It
 * is a program of its own (stub.c, stub_entry.S), linked at STUB_BASE, with
 * page tables of its own: none of Linux's memory is mapped there, but this:
 *
 *	STUB_BASE	its text and constants
 *	STUB_LAPIC	the local APIC's registers, where there is no x2APIC
 *	STUB_BLOCK(cpu)	struct azm_block: the first pages of STUB_BLOCK_SIZE
 *			bytes, the rest of which are its stacks
 *	STUB_ALIAS(cpu)	two pages of the instance's that the module has pinned:
 *			the one with az_core, and the core's monitor page
 *
 * A table of this kind, with a lower half that is empty, is what a parked CPU
 * has in CR3 (park); an instance's has the owner's lower half below guest_end.
 *
 * Who writes what: fields under "module" by the module, under "stub" by this
 * CPU's stub, under "both" as said there. Nothing here is ever writable for
 * CPL 3.
 */
#ifndef AZM_BLOCK_H
#define AZM_BLOCK_H

#define STUB_BASE       0xffffff0000000000
#define STUB_LAPIC      0xffffff0010000000
#define STUB_BLOCKS     0xffffff0020000000
#define STUB_BLOCK_SIZE 0x8000 /* 8 pages, one allocation of order 3 */
#define STUB_ALIASES    0xffffff0060000000
#define STUB_ALIAS_SIZE 0x2000
#define STUB_MAX_CPUS   8192

/* Interrupt vectors on a core. */
#define STUB_VEC_IPI      0xf0
#define STUB_VEC_TIMER    0xf1
#define STUB_VEC_SPURIOUS 0xff

/* The GDT, selectors as in Linux: only what a core needs. */
#define STUB_KERNEL_CS 0x10
#define STUB_USER_DS   0x2b
#define STUB_USER_CS   0x33
#define STUB_TSS       0x40

/*
 * azm_block.state, written by the stub. QUIET: belongs to an instance, park in
 * CR3, interrupts off or hlt; loads CR3 anew before it goes on.
 */
#define STUB_OFF    0 /* not here (module writes it when it takes or gives) */
#define STUB_PARKED 1 /* waits for a START; no instance's memory mapped */
#define STUB_QUIET  2
#define STUB_RUN    3 /* the instance's CR3 is loaded */
#define STUB_DEAD   4 /* a fault in the stub itself: see bug_ */

/* azm_block.cmd, written by the module */
#define STUB_CMD_NONE  0
#define STUB_CMD_START 1 /* PARKED only: take what is under "start" */
#define STUB_CMD_STOP  2 /* drop what you do and park */

/*
 * azm_block.request, stub to module; 0 when there is none. FAULT: fault_addr,
 * fault_error; answer 0: try again, STUB_FAULT_SEGV or STUB_FAULT_BUS: upcall.
 */
#define STUB_REQ_NONE  0
#define STUB_REQ_FAULT 1
#define STUB_REQ_HOST  2 /* the thread makes page->call */
#define STUB_REQ_EXIT  3 /* no answer: wait for STOP */

#define STUB_FAULT_SEGV 1
#define STUB_FAULT_BUS  2

#define STUB_MAX_CORES 1024

/* Stacks: the rest of the block. Tops, from its start. */
#define STUB_STACKS     0x4000
#define STUB_STACK_DB   0x4800
#define STUB_STACK_MC   0x5000
#define STUB_STACK_DF   0x5800
#define STUB_STACK_NMI  0x6000
#define STUB_STACK_MAIN 0x8000

/* Offsets for the assembly half. */
#define BLOCK_SELF     0
#define BLOCK_KSTACK   8
#define BLOCK_SCRATCH  16
#define BLOCK_TEXT     24
#define BLOCK_TEXT_LEN 32
#define BLOCK_SYSCALL  40
#define BLOCK_CORE_VA  48
#define BLOCK_SYSCALLS 56
#define BLOCK_FSGSBASE 64

#ifndef __ASSEMBLY__

#include "metal.h"

struct azm_block {
	/* stub; first, for the assembly half */
	uint64_t self;    /* STUB_BLOCK(cpu) */
	uint64_t kstack;  /* its top */
	uint64_t scratch; /* %rsp at a syscall */
	/* module, at START */
	uint64_t text, text_len, syscall;
	uint64_t core_va; /* az_core's address for the program: %gs */
	/* stub: system calls of the program that came by a trap */
	uint64_t syscalls;
	/* module: CR4.FSGSBASE is on */
	uint32_t fsgsbase, pad0;
	/* module, at START */
	uint64_t entry, trap, trap_stack, guest_end;
	uint64_t stack; /* its top, for the first function: entry */
	uint64_t cr3;   /* of the instance */
	struct az_restart restart[AZ_NRESTART];
	uint32_t core, ncores;
	uint32_t start_pad[2];

	/* module, before the CPU comes here */
	uint64_t park_cr3;
	uint32_t cpu, apicid;
	uint32_t x2apic;       /* 1: IPIs by MSR */
	uint32_t tsc_deadline; /* 1: the timer takes the TSC */
	uint64_t lapic_mult;   /* else, by the stub: LAPIC ticks = TSC ticks
				* this >> 32 */
	uint32_t has_xsave;
	uint32_t pad2;
	uint64_t xcr0;

	/* module; the stub reads */
	_Alignas(64) uint32_t cmd;
	uint32_t notify_apicid; /* of the Linux CPU that hears of requests */
	uint32_t notify_vector;
	uint32_t hold; /* 1, with an IPI: wait, QUIET, until it is 0 */
	/*
	 * TLB: the module writes lo and hi, then adds 1 to flush_req, and if
	 * state is RUN sends an IPI and waits until flush_done reaches it or
	 * state is no longer RUN. One at a time.
	 */
	uint64_t flush_lo, flush_hi; /* [lo, hi); hi 0: everything */
	uint32_t flush_req;
	uint32_t answered; /* == request_seq: `answer` is there */
	int32_t answer;

	/* both: set to 1 with an IPI by who kicks, to 0 by the stub */
	_Alignas(64) uint32_t kick;
	uint32_t sync_req; /* + 1 by the stub of another core, with an IPI */

	/* stub; the module reads */
	_Alignas(64) uint32_t state;
	uint32_t flush_done;
	uint32_t sync_done;
	uint32_t request;
	uint32_t request_seq;
	/* Set to 1 after a request, before the IPI; the module's interrupt
	 * handler exchanges it for 0 and wakes the core's thread. */
	uint32_t notify;
	uint32_t sleeps; /* in hlt: an answer, kick or cmd needs an IPI */
	uint32_t fault_error;
	uint64_t fault_addr;
	uint64_t timer_at;          /* TSC; ~0: none */
	uint64_t run_tsc, halt_tsc; /* total spent in the instance, and of
				       that in AZM_CALL_HALT's hlt */
	uint64_t entered_tsc;       /* 0, or the TSC when it entered */
	/* Of run_tsc, all that was spent waiting (QUIET), the wait that goes on
	 * excepted; and when that began, or 0. */
	uint64_t idle_tsc, idle_since;
	/* of this instance; traps: upcalls but for system calls */
	uint64_t interrupts, kicks, flushes, timers, nmis, faults, calls, halts,
	    traps;
	uint64_t bug_vec, bug_error, bug_rip, bug_addr;

	/* module, at START: the CPU of each core of the instance, or ~0 */
	_Alignas(64) uint32_t cpu_of[STUB_MAX_CORES];

	/* stub: what the CPU needs */
	_Alignas(4096) uint64_t idt[512];
	uint64_t gdt[16];
	uint32_t tss[32];
	uint8_t pad3[8];
	_Alignas(64) uint8_t xsave_init[576]; /* header and legacy area */
};

#define STUB_BLOCK(cpu) (STUB_BLOCKS + (uint64_t)(cpu)*STUB_BLOCK_SIZE)
#define STUB_ALIAS(cpu) (STUB_ALIASES + (uint64_t)(cpu)*STUB_ALIAS_SIZE)

/* The first bytes of the stub's image. */
struct azm_stub_header {
	uint64_t magic;      /* STUB_MAGIC */
	uint64_t start;      /* %rdi: block. Interrupts off, CR3 loaded */
	uint64_t block_size; /* sizeof(struct azm_block), a check */
};
#define STUB_MAGIC 0x42555453415a4100 /* "\0AZASTUB" */

#endif
#endif
