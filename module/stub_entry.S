/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * stub_entry.S - the ways into the stub, and out of it.
 *
 * Interrupts are off all the time here. The block of this CPU is found from
 * the stack, which is inside it: so %gs matters only at a system call, and an
 * NMI, which has a stack of its own, may come anywhere.
 */
#define __ASSEMBLY__ 1
#include "block.h"
#include "frame.h"

	.text

/* From enter.S: %rdi is the block. */
	.globl stub_start
stub_start:
	leaq STUB_STACK_MAIN(%rdi), %rsp
	xorl %ebp, %ebp
	call stub_main
	ud2

/* _Noreturn void stub_park(struct azm_block *): forget the stack. */
	.globl stub_park
stub_park:
	leaq STUB_STACK_MAIN(%rdi), %rsp
	xorl %ebp, %ebp
	call stub_park_loop
	ud2

/* _Noreturn void stub_enter(uint64_t rip, uint64_t rsp, uint64_t rdi) */
	.globl stub_enter
stub_enter:
	pushq $STUB_USER_DS
	pushq %rsi
	pushq $0x202
	pushq $STUB_USER_CS
	pushq %rdi
	movq %rdx, %rdi
	xorl %eax, %eax
	xorl %ebx, %ebx
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %ebp, %ebp
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	xorl %r12d, %r12d
	xorl %r13d, %r13d
	xorl %r14d, %r14d
	xorl %r15d, %r15d
	iretq

/*
 * LSTAR. From the unikernel's text it is a monitor call; from anywhere else a
 * system call of the program, which goes on in image->metal_syscall with its
 * registers as they are. The way back is by iretq there, since sysretq faults
 * at CPL 0 if %rcx is not canonical (SDM 2B, SYSRET); a monitor call's %rcx is
 * in the text.
 */
	.globl stub_syscall
stub_syscall:
	swapgs
	movq %rsp, %gs:BLOCK_SCRATCH
	movq %gs:BLOCK_KSTACK, %rsp
	pushq %gs:BLOCK_SCRATCH
	pushq %r11
	pushq %rcx
	movq %rcx, %r11
	subq %gs:BLOCK_TEXT, %r11
	cmpq %gs:BLOCK_TEXT_LEN, %r11
	jb monitor_call
	incq %gs:BLOCK_SYSCALLS
	pushq $STUB_USER_DS
	pushq 24(%rsp)		/* the program's %rsp */
	pushq $0x202
	pushq $STUB_USER_CS
	pushq %gs:BLOCK_SYSCALL
	cmpl $0, %gs:BLOCK_FSGSBASE
	movq %gs:BLOCK_CORE_VA, %r11
	swapgs
	je 1f
	wrgsbase %r11		/* the program may have changed it */
1:	movq 48(%rsp), %r11
	iretq

monitor_call:
	swapgs
	pushq %rdi
	pushq %rsi
	pushq %rdx
	pushq %r8
	pushq %r9
	pushq %r10
	movq %rdi, %rsi
	movl %eax, %edi
	call stub_call
	popq %r10
	popq %r9
	popq %r8
	popq %rdx
	popq %rsi
	popq %rdi
	popq %rcx
	popq %r11
	popq %rsp
	sysretq

/*
 * Exceptions and interrupts: 256 entries of 16 bytes. What is pushed makes a
 * struct az_frame, with the error code in orig_rax.
 */
	.globl stub_vectors
	.balign 16
stub_vectors:
	vector = 0
	.rept 256
	.balign 16
	.if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || \
	    vector == 21 || vector == 29 || vector == 30
	.else
	pushq $0
	.endif
	pushq %rdi
	movl $vector, %edi
	jmp trap_common
	vector = vector + 1
	.endr

trap_common:
	cld
	frame_push
	movq %rsp, %rsi
	call stub_trap
	frame_pop
	iretq

	.section .note.GNU-stack,"",@progbits
