/* SPDX-License-Identifier: MIT */
/*
 * entry.S - into the unikernel and back to the program.
 *
 * Each thread has a kernel stack with its struct az_frame at the top, where
 * %gs:CORE_FRAME points while the thread runs. The way out reads registers
 * from the frame and never changes it, and nothing but the way out runs
 * between the last look at az_core.pending and the program: so a kick that
 * arrives inside [exit_begin, exit_end) just sends the core back to
 * exit_to_program (plat/: *_signal).
 */
#define __ASSEMBLER__ 1
#include "core.h"

#define R_R11 48
#define R_R10 56
#define R_R9 64
#define R_R8 72
#define R_RAX 80
#define R_RCX 88
#define R_RDX 96
#define R_RSI 104
#define R_RDI 112
#define R_ORIG 120
#define R_RIP 128
#define R_CS 136
#define R_FLAGS 144
#define R_RSP 152
#define R_SS 160

	.text

/*
 * trap_entry - the monitor's upcall. %rdi vector, %rsi error, %rdx address,
 * %rcx = %rsp = frame, which the monitor has filled.
 */
	.globl trap_entry
	.hidden trap_entry
trap_entry:
	xorl %ebp, %ebp
	call trap
	jmp exit_to_program

/*
 * syscall_entry - a system call as a jump: registers as at a syscall
 * instruction, %rcx the address to return to, the program's stack untouched.
 */
	.globl syscall_entry
	.hidden syscall_entry
	.balign 64
syscall_entry:
	movq %rsp, %gs:CORE_SCRATCH
	movq %gs:CORE_FRAME, %rsp
	pushfq
	popq R_FLAGS(%rsp)
	cld
	movq %r15, 0(%rsp)
	movq %r14, 8(%rsp)
	movq %r13, 16(%rsp)
	movq %r12, 24(%rsp)
	movq %rbp, 32(%rsp)
	movq %rbx, 40(%rsp)
	movq R_FLAGS(%rsp), %r11
	movq %r11, R_R11(%rsp)
	movq %r10, R_R10(%rsp)
	movq %r9, R_R9(%rsp)
	movq %r8, R_R8(%rsp)
	movq %rax, R_RAX(%rsp)
	movq %rcx, R_RCX(%rsp)
	movq %rdx, R_RDX(%rsp)
	movq %rsi, R_RSI(%rsp)
	movq %rdi, R_RDI(%rsp)
	movq %rax, R_ORIG(%rsp)
	movq %rcx, R_RIP(%rsp)
	movq %gs:CORE_SCRATCH, %rax
	movq %rax, R_RSP(%rsp)
	movl %cs, %eax
	movq %rax, R_CS(%rsp)
	movl %ss, %eax
	movq %rax, R_SS(%rsp)
	xorl %ebp, %ebp
	movq %rsp, %rdi
	call syscall_jumped	/* 0: only rax changed in the frame */
	testl %eax, %eax
	jnz exit_to_program
	movq %gs:CORE_FRAME, %rsp
	.globl exit_begin
	.hidden exit_begin
exit_begin:
	cmpl $0, %gs:CORE_PENDING
	jne exit_slow
	movq 0(%rsp), %r15
	movq 8(%rsp), %r14
	movq 16(%rsp), %r13
	movq 24(%rsp), %r12
	movq 32(%rsp), %rbp
	movq 40(%rsp), %rbx
	movq R_R10(%rsp), %r10
	movq R_R9(%rsp), %r9
	movq R_R8(%rsp), %r8
	movq R_RAX(%rsp), %rax
	movq R_RCX(%rsp), %rcx
	movq R_RDX(%rsp), %rdx
	movq R_RSI(%rsp), %rsi
	movq R_RDI(%rsp), %rdi
	movq R_RSP(%rsp), %rsp
	jmp *%rcx

	.globl exit_to_program
	.hidden exit_to_program
exit_to_program:
	movq %gs:CORE_FRAME, %rsp
	cmpl $0, %gs:CORE_PENDING
	jne exit_slow
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
	.globl exit_iret
	.hidden exit_iret
exit_iret:
	iretq
	.globl exit_end
	.hidden exit_end
exit_end:

exit_slow:
	movq %gs:CORE_FRAME, %rsp
	movq %rsp, %rdi
	call exit_work
	jmp exit_to_program

/* void context_switch(uint64_t *save_sp, uint64_t load_sp) */
	.globl context_switch
	.hidden context_switch
context_switch:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret

/* A new thread's first switch returns here. */
	.globl thread_entry
	.hidden thread_entry
thread_entry:
	xorl %ebp, %ebp
	call sched_arrived
	jmp exit_to_program

	.section .note.GNU-stack,"",@progbits
