/* SPDX-License-Identifier: MIT */
/* regs.h - a thread's registers, and how gdb sees them. */
#ifndef GDB_REGS_H
#define GDB_REGS_H

#include <stdbool.h>
#include <stdint.h>

#include "gdb/rsp.h"
#include "monitor.h"

/* Which of them are known. */
#define REGS_KEPT    1U /* rbx, rbp, rsp, r12 to r15, rip */
#define REGS_GENERAL 2U /* the others, and flags and selectors */
#define REGS_BASES   4U
#define REGS_X87     8U
#define REGS_SSE     16U
#define REGS_AVX     32U
#define REGS_ALL     63U

#define REGS_XSAVE 832 /* legacy area, header, upper halves of ymm */

struct gdb_regs {
	/* In gdb's order: named below. */
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rip;
	uint32_t eflags, cs, ss, ds, es, fs, gs;
	uint64_t orig_rax, fs_base, gs_base;
	uint32_t known;
	/* XSAVE's standard format, Intel SDM 1 §13.4. */
	_Alignas(64) uint8_t xsave[REGS_XSAVE];
};

/* regs_frame, regs_to_frame - what a frame has of them, and the reverse. */
void regs_frame(struct gdb_regs *r, const struct az_frame *f);
void regs_to_frame(struct az_frame *f, const struct gdb_regs *r);

/* regs_description - target.xml, with or without AVX. */
const char *regs_description(bool avx);

/* regs_count - how many registers gdb then knows. */
unsigned int regs_count(bool avx);

/* regs_put - one of them, in hexadecimal. */
void regs_put(struct rsp_writer *w, const struct gdb_regs *r, unsigned int i);

/*
 * regs_set - from hexadecimal, *text moves on behind it. "xx" leaves it as it
 * is. False: no number.
 */
bool regs_set(struct gdb_regs *r, unsigned int i, const char **text);

#endif
