/* SPDX-License-Identifier: MIT */
/*
 * ucontext.h - the signal frame of Linux/x86-64 (asm/ucontext.h,
 * asm/sigcontext.h): what the host gives pico_signal, and what the program's
 * handlers get from sigframe.c.
 */
#ifndef SYS_UCONTEXT_H
#define SYS_UCONTEXT_H

#include "lib/types.h"

struct sigcontext {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	uint64_t fpstate; /* address of the XSAVE image, or 0 */
	uint64_t reserved[8];
};

struct ucontext {
	uint64_t flags; /* UC_FP_XSTATE ... */
	uint64_t link;
	struct {
		uint64_t sp;
		int32_t flags, pad;
		uint64_t size;
	} stack;
	struct sigcontext mcontext;
	uint64_t sigmask;
};

_Static_assert(sizeof(struct sigcontext) == 256, "struct sigcontext");
_Static_assert(offsetof(struct ucontext, mcontext) == 40, "struct ucontext");
_Static_assert(offsetof(struct ucontext, sigmask) == 296, "struct ucontext");

#endif
