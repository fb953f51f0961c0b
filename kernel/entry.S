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
#include "frame.h"
#include "lib/errno.h"

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

/* Below the frame while a light call runs: its arguments and its result. */
#define L_ARGS     0
#define L_RESULT   48
#define LIGHT_SIZE 64

#define FLAGS_DF 0x400
#define FLAGS_OF 0x800
#define FLAGS_NT 0x4000
#define FLAGS_AC 0x40000

	.text
	.cfi_sections .debug_frame

/*
 * For debuggers: the program's registers are in the frame at %rsp, or, while
 * a light call runs, partly above and partly still in registers.
 */
	.macro cfi_frame
	.cfi_def_cfa rsp, 0
	.cfi_offset r15, 0
	.cfi_offset r14, 8
	.cfi_offset r13, 16
	.cfi_offset r12, 24
	.cfi_offset rbp, 32
	.cfi_offset rbx, 40
	.cfi_offset r11, R_R11
	.cfi_offset r10, R_R10
	.cfi_offset r9, R_R9
	.cfi_offset r8, R_R8
	.cfi_offset rax, R_RAX
	.cfi_offset rcx, R_RCX
	.cfi_offset rdx, R_RDX
	.cfi_offset rsi, R_RSI
	.cfi_offset rdi, R_RDI
	.cfi_offset rip, R_RIP
	.cfi_offset rsp, R_RSP
	.endm

	.macro cfi_light
	.cfi_def_cfa rsp, 0
	.cfi_offset rdi, L_ARGS+0
	.cfi_offset rsi, L_ARGS+8
	.cfi_offset rdx, L_ARGS+16
	.cfi_offset r10, L_ARGS+24
	.cfi_offset r8, L_ARGS+32
	.cfi_offset r9, L_ARGS+40
	.cfi_offset rip, LIGHT_SIZE+R_RIP
	.cfi_offset rsp, LIGHT_SIZE+R_RSP
	.endm

/*
 * trap_entry - the monitor's upcall. %rdi vector, %rsi error, %rdx address,
 * %rcx = %rsp = frame, which the monitor has filled.
 */
	.globl trap_entry
	.hidden trap_entry
trap_entry:
	.cfi_startproc simple
	.cfi_signal_frame
	cfi_frame
	xorl %ebp, %ebp
	call trap
	jmp exit_to_program
	.cfi_endproc

/*
 * syscall_entry - a system call as a jump: registers as at a syscall
 * instruction, %rcx the address to return to, the program's stack untouched.
 *
 * Most calls need only their arguments, which lie in an array below the frame,
 * as the call's function takes them; of the frame itself only what is lost by
 * coming here is filled in. C code keeps %rbx, %rbp and %r12 to %r15, so the
 * whole frame can be made on the way out as well (light_exit), if there is a
 * signal to deliver. Calls that read or write all of the frame are not in
 * syscall_light (dispatch.c).
 */
	.globl syscall_entry
	.hidden syscall_entry
	.balign 64
syscall_entry:
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	movq %gs:CORE_FRAME, %r11
	movq %rsp, R_RSP(%r11)
	.cfi_def_cfa r11, 0
	.cfi_offset rsp, R_RSP
	leaq R_RSP(%r11), %rsp
	pushfq			/* to R_FLAGS */
	leaq -LIGHT_SIZE(%r11), %rsp
	movq %rdi, L_ARGS+0(%rsp)
	movq %rsi, L_ARGS+8(%rsp)
	movq %rdx, L_ARGS+16(%rsp)
	movq %r10, L_ARGS+24(%rsp)
	movq %r8, L_ARGS+32(%rsp)
	movq %r9, L_ARGS+40(%rsp)
	movq %rax, R_ORIG(%r11)
	movq %rcx, R_RIP(%r11)
	cfi_light
	cld
	testl $FLAGS_NT | FLAGS_AC, R_FLAGS(%r11)
	jnz entry_odd
	cmpq $LIGHT_CALLS, %rax
	jae entry_full
	leaq syscall_light(%rip), %rdx
	movq (%rdx, %rax, 8), %rdx
	testq %rdx, %rdx
	jz entry_full
	movq %gs:CORE_STATS, %rcx
	incq STATS_CALLS(%rcx, %rax, 8)
	movq %rsp, %rdi
	movl %eax, %esi
	call *%rdx
	movq %rax, L_RESULT(%rsp)
	/* Results that only signal_exit understands: -ERESTART*. */
	leaq AZ_ERESTART_LAST(%rax), %rcx
	cmpq $AZ_ERESTART_LAST - AZ_ERESTART_FIRST, %rcx
	jbe light_exit
	.globl light_begin
	.hidden light_begin
light_begin:
	cmpl $0, %gs:CORE_PENDING
	jne light_exit
	/* OF first: sahf leaves it alone, and mov all of them. */
	movzbl LIGHT_SIZE+R_FLAGS+1(%rsp), %eax
	testb $FLAGS_DF >> 8, %al
	jnz light_exit
	andl $FLAGS_OF >> 8, %eax
	shll $3, %eax
	addb %al, %al		/* 64 + 64: OF; 0 + 0: none */
	movb LIGHT_SIZE+R_FLAGS(%rsp), %ah
	sahf
	movq L_ARGS+0(%rsp), %rdi
	movq L_ARGS+8(%rsp), %rsi
	movq L_ARGS+16(%rsp), %rdx
	movq L_ARGS+24(%rsp), %r10
	movq L_ARGS+32(%rsp), %r8
	movq L_ARGS+40(%rsp), %r9
	movq LIGHT_SIZE+R_RIP(%rsp), %rcx
	movq LIGHT_SIZE+R_FLAGS(%rsp), %r11
	movq L_RESULT(%rsp), %rax
	movq LIGHT_SIZE+R_RSP(%rsp), %rsp
	jmp *%rcx
	.globl light_end
	.hidden light_end
light_end:
	.cfi_endproc

/* Fill in the frame at %r11 from what lies below it and from registers. */
	.macro frame_fill
	movq %r15, 0(%r11)
	movq %r14, 8(%r11)
	movq %r13, 16(%r11)
	movq %r12, 24(%r11)
	movq %rbp, 32(%r11)
	movq %rbx, 40(%r11)
	movq R_FLAGS(%r11), %rcx
	movq %rcx, R_R11(%r11)
	movq L_ARGS-LIGHT_SIZE+0(%r11), %rcx
	movq %rcx, R_RDI(%r11)
	movq L_ARGS-LIGHT_SIZE+8(%r11), %rcx
	movq %rcx, R_RSI(%r11)
	movq L_ARGS-LIGHT_SIZE+16(%r11), %rcx
	movq %rcx, R_RDX(%r11)
	movq L_ARGS-LIGHT_SIZE+24(%r11), %rcx
	movq %rcx, R_R10(%r11)
	movq L_ARGS-LIGHT_SIZE+32(%r11), %rcx
	movq %rcx, R_R8(%r11)
	movq L_ARGS-LIGHT_SIZE+40(%r11), %rcx
	movq %rcx, R_R9(%r11)
	movq R_RIP(%r11), %rcx
	movq %rcx, R_RCX(%r11)
	movl %cs, %ecx
	movq %rcx, R_CS(%r11)
	movl %ss, %ecx
	movq %rcx, R_SS(%r11)
	.endm

/* NT would make iretq fault, and AC what C code does to memory. */
entry_odd:
	.cfi_startproc simple
	.cfi_signal_frame
	cfi_light
	pushq $2
	popfq
/* A call that is not light, %r11 the frame. */
entry_full:
	movq %rax, R_RAX(%r11)
	frame_fill
	movq %r11, %rsp
	cfi_frame
	movq %r11, %rdi
	xorl %ebp, %ebp
	call syscall_jumped
	jmp exit_to_program
	.cfi_endproc

/*
 * The end of a light call that has more to do than return; also where a kick
 * in [light_begin, light_end) sends the core. Until the last instruction there
 * nothing is lost: what C code keeps was not touched.
 */
	.globl light_exit
	.hidden light_exit
light_exit:
	.cfi_startproc simple
	.cfi_signal_frame
	cfi_light
	movq %gs:CORE_FRAME, %r11
	movq L_RESULT-LIGHT_SIZE(%r11), %rax
	movq %rax, R_RAX(%r11)
	frame_fill
	movq %r11, %rsp
	cfi_frame
	movq %r11, %rdi
	xorl %ebp, %ebp
	call syscall_finish

	.globl exit_to_program
	.hidden exit_to_program
exit_to_program:
	movq %gs:CORE_FRAME, %rsp
	.globl exit_begin
	.hidden exit_begin
exit_begin:
	cmpl $0, %gs:CORE_PENDING
	jne exit_slow
	.cfi_remember_state
	frame_pop
	.cfi_def_cfa rsp, -R_RIP
	.cfi_same_value r15
	.cfi_same_value r14
	.cfi_same_value r13
	.cfi_same_value r12
	.cfi_same_value rbp
	.cfi_same_value rbx
	.cfi_same_value r11
	.cfi_same_value r10
	.cfi_same_value r9
	.cfi_same_value r8
	.cfi_same_value rax
	.cfi_same_value rcx
	.cfi_same_value rdx
	.cfi_same_value rsi
	.cfi_same_value rdi
	.globl exit_iret
	.hidden exit_iret
exit_iret:
	iretq
	.globl exit_end
	.hidden exit_end
exit_end:

exit_slow:
	.cfi_restore_state
	movq %gs:CORE_FRAME, %rsp
	movq %rsp, %rdi
	call exit_work
	jmp exit_to_program
	.cfi_endproc

/* void context_switch(uint64_t *save_sp, uint64_t load_sp) */
	.globl context_switch
	.hidden context_switch
context_switch:
	.cfi_startproc
	pushq %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq %r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq %r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq %r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq %r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq %r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq %r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq %r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq %rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	ret
	.cfi_endproc

/* A new thread's first switch returns here. */
	.globl thread_entry
	.hidden thread_entry
thread_entry:
	.cfi_startproc simple
	.cfi_signal_frame
	cfi_frame
	xorl %ebp, %ebp
	call sched_arrived
	jmp exit_to_program
	.cfi_endproc

	.section .note.GNU-stack,"",@progbits
