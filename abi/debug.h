/* SPDX-License-Identifier: MIT */
/*
 * debug.h - what a debugger must know of the unikernel.
 *
 * One struct az_debug stands in the image (az_image_header.debug). Addresses
 * are the unikernel's; offsets are into struct core and struct thread.
 */
#ifndef AZ_DEBUG_H
#define AZ_DEBUG_H

#include <stdint.h>

struct az_debug {
	uint64_t threads;    /* head of the list of threads: next, previous */
	uint64_t auxv;       /* the program's auxiliary vector, */
	uint64_t auxv_words; /* how many words it has: uint32_t */
	/* The instruction that enters the program, %rsp: what iretq takes. */
	uint64_t enter;
	/*
	 * bool debug_signal(struct siginfo *): called when the thread is about
	 * to take a signal, its registers all in its frame. Whoever makes it
	 * return true has the signal dropped.
	 */
	uint64_t signal;
	uint64_t syscall_entry; /* %rcx: where the call returns to */
	uint16_t core_current, core_frame;
	uint16_t all; /* link in the list of threads */
	uint16_t tid, state, on_core, core, ksp, frame, fs, xsave, vector_full;
	uint16_t name;
	uint16_t ipc; /* %rip, %rsp and %rbp of a thread in THREAD_IPC_BARE */
	uint16_t pad[2];
};

_Static_assert(sizeof(struct az_debug) == 80, "az_debug");

#endif
