/* SPDX-License-Identifier: MIT */
/* blob.S - azalea.elf inside the azalea binary, on pages of its own. */
	.section .rodata.image,"a",@progbits
	.balign 4096
	.globl azalea_image, azalea_image_end
	.hidden azalea_image, azalea_image_end
azalea_image:
	.incbin "azalea.stripped"
azalea_image_end:
	.balign 4096
	.globl azalea_image_id
	.hidden azalea_image_id
azalea_image_id:
	.incbin "azalea.id"
	.section .note.GNU-stack,"",@progbits
