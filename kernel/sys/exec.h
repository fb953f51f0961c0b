/* SPDX-License-Identifier: MIT */
/* exec.h - loading a program into an empty address space. */
#ifndef SYS_EXEC_H
#define SYS_EXEC_H

#include "lib/types.h"

struct thread;

#define EXEC_AUXV_MAX 48 /* words */

/* What /proc/self/{auxv,stat} tell of the program. Addresses. */
struct exec_layout {
	uint64_t code_start, code_end;
	uint64_t data_start, data_end;
	uint64_t brk_start;
	uint64_t stack_start; /* rsp at the first instruction */
	uint64_t stack_top;   /* one past the main stack */
	uint64_t arg_start, arg_end;
	uint64_t env_start, env_end;
	uint64_t vdso;
	uint64_t auxv[EXEC_AUXV_MAX];
	uint32_t auxv_words; /* the final pair of AT_NULL included */
	uint32_t pad;
};

/* Written by exec_start only. */
extern struct exec_layout exec_layout;

/*
 * exec_start - load the program that az_boot names, with its interpreter, and
 * set t up to run it. 0; or, after a message that says why not, the exit
 * status to end with: 126 cannot be executed, 127 something is not there.
 * az_boot.exe_fd is closed in any case.
 */
int exec_start(struct thread *t);

#endif
