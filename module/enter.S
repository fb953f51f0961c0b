/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * enter.S - the last of Linux that a CPU executes before the stub; and calls
 * of functions that Linux does not export.
 *
 * azm_enter is alone in its page, which the park table has at the same address:
 * so the instruction after the load of CR3 is there.
 */
	.section .text.azalea_enter, "ax"
	.balign 4096
/* void azm_enter(u64 cr3, u64 cr4, u64 start, u64 block) */
	.globl azm_enter
	.type azm_enter, @function
azm_enter:
	movq %rdi, %cr3
	movq %rsi, %cr4		/* clears PGE: no global entry survives */
	movq %rcx, %rdi
	xorl %ebp, %ebp
	xorl %esp, %esp
	jmp *%rdx
	.size azm_enter, . - azm_enter
	.balign 4096, 0xcc

	.text
/* u64 azm_call(u64 fn, u64 a, u64 b, u64 c): go there by a return. */
	.globl azm_call
	.type azm_call, @function
azm_call:
	movq %rdi, %rax
	movq %rsi, %rdi
	movq %rdx, %rsi
	movq %rcx, %rdx
	pushq %rax
	ret
	.size azm_call, . - azm_call

	.section .note.GNU-stack, "", @progbits
