/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * enter.S - the last of Linux that a CPU executes before the stub.
 *
 * Alone in its page, which the park table has at the same address: so the
 * instruction after the load of CR3 is there.
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

	.section .note.GNU-stack, "", @progbits
