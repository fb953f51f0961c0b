/* SPDX-License-Identifier: MIT */
/* exec_stack.h - the program's first stack, between exec.c and exec_stack.c. */
#ifndef SYS_EXEC_STACK_H
#define SYS_EXEC_STACK_H

#include "lib/types.h"

/*
 * What the auxiliary vector says of the loaded files, and where the stack is
 * to end. [top - exec_stack_need(), top) must be mapped and zero.
 */
struct exec_stack {
	uint64_t top;
	uint64_t phdr, phnum;
	uint64_t base;  /* of the interpreter; 0: none */
	uint64_t entry; /* of the program, not of its interpreter */
	uint64_t vdso;
};

/* exec_stack_need - bytes that arguments, environment and auxv take at most */
uint64_t exec_stack_need(void);

/*
 * exec_stack_build - write them, as Linux lays them out, and note in
 * exec_layout where. 0 with the stack pointer in *sp, or -EFAULT.
 */
int exec_stack_build(const struct exec_stack *st, uint64_t *sp);

#endif
