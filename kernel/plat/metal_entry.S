/* SPDX-License-Identifier: MIT */
/*
 * metal_entry.S - where the stub enters the unikernel (abi/metal.h).
 *
 * %gs is this core's block and the flags are clear, whatever the program has
 * made of them.
 * An interrupt in here changes nothing but az_core.pending, which is looked at
 * on the way out. Offsets into struct az_frame are those of entry.S.
 */
#define __ASSEMBLER__ 1
#include "core.h"
#include "frame.h"

#define VEC_SYSCALL 0x80

	.text

/*
 * metal_syscall - a program's `syscall`: %rcx is the address after it, %r11
 * its flags, all else its own. No red zone is touched: on the thread's kernel
 * stack from the first push.
 */
	.globl metal_syscall
	.hidden metal_syscall
	.balign 16
metal_syscall:
	movq %rsp, %gs:CORE_SCRATCH
	movq %gs:CORE_FRAME, %rsp
	addq $168, %rsp
	pushq $0
	movw %ss, (%rsp)
	pushq %gs:CORE_SCRATCH
	pushq %r11
	pushq $0
	movw %cs, (%rsp)
	pushq %rcx
	pushq %rax	/* orig_rax */
	pushq %rdi
	frame_push
	movl $VEC_SYSCALL, %edi
	xorl %esi, %esi
	xorl %edx, %edx
	movq %rsp, %rcx
	jmp trap_entry

/* metal_trap - everything else, on the trap stack; %rdi the monitor page. */
	.globl metal_trap
	.hidden metal_trap
metal_trap:
	xorl %ebp, %ebp
	call metal_upcall

/* void metal_enter_trap(vec, error, addr, frame) - as trap_entry wants it */
	.globl metal_enter_trap
	.hidden metal_enter_trap
metal_enter_trap:
	movq %rcx, %rsp
	jmp trap_entry

/* void metal_return(frame) - back into the unikernel's text, past a fault */
	.globl metal_return
	.hidden metal_return
metal_return:
	movq %rdi, %rsp
	frame_pop
	iretq

	.section .note.GNU-stack,"",@progbits
