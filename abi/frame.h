/* SPDX-License-Identifier: MIT */
/*
 * frame.h - struct az_frame (monitor.h) for assembly: its registers in order.
 */
#ifndef AZ_FRAME_H
#define AZ_FRAME_H

#ifdef __ASSEMBLER__
/* clang-format off */

/* Below rdi, which has been pushed: the rest of a frame, down to r15. */
	.macro frame_push
	pushq %rsi
	pushq %rdx
	pushq %rcx
	pushq %rax
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	.endm

/* %rsp is a frame: load its registers; what is left is what iretq takes. */
	.macro frame_pop
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rax
	popq %rcx
	popq %rdx
	popq %rsi
	popq %rdi
	addq $8, %rsp
	.endm

/* clang-format on */
#endif
#endif
