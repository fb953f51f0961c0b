/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* blob.S - the stub's image, as Kbuild made it. */
	.section .rodata
	.balign 16
	.globl azm_stub, azm_stub_end
azm_stub:
	.incbin "stub.bin"
azm_stub_end:

	.section .note.GNU-stack, "", @progbits
