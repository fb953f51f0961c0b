/* SPDX-License-Identifier: MIT */
/* runtime.S - build/azi-runtime, with which `azalea build` begins an image. */
	.section .rodata.runtime,"a",@progbits
	.balign 8
	.globl azi_runtime, azi_runtime_end
	.hidden azi_runtime, azi_runtime_end
azi_runtime:
	.incbin "azi-runtime"
azi_runtime_end:
	.section .note.GNU-stack,"",@progbits
