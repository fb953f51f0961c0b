/* SPDX-License-Identifier: MIT */
/*
 * insn.h - how long an instruction is, and what it does to the control flow.
 *
 * For 64-bit code, Intel SDM 2 (appendix A) and AMD APM 3. What is not known
 * for certain is refused: callers leave such code alone.
 */
#ifndef PATCH_INSN_H
#define PATCH_INSN_H

#include <stddef.h>
#include <stdint.h>

#define INSN_MAX 15 /* bytes */

/* insn.kind */
#define INSN_PLAIN    0 /* goes on with the next one */
#define INSN_NOP      1 /* does nothing */
#define INSN_INT3     2
#define INSN_SYSCALL  3
#define INSN_JMP      4 /* direct, unconditional */
#define INSN_BRANCH   5 /* direct, conditional */
#define INSN_CALL     6 /* direct */
#define INSN_JMP_IND  7
#define INSN_CALL_IND 8
#define INSN_RET      9
#define INSN_STOP     10 /* ud2, hlt: never goes on */
#define INSN_ODD      11 /* goes on, but is not to be moved */

struct insn {
	uint8_t len;
	uint8_t kind;
	uint8_t rip_disp; /* where a RIP-relative disp32 is in it, or 0 */
	uint8_t opcode;   /* of the one-byte map, or 0 */
	int32_t rel;      /* of a direct branch: from its end */
};

/*
 * insn_decode - the instruction at p, of which n bytes may be read. 0, or -1:
 * it is unknown, invalid in 64-bit code, or longer than n.
 */
int insn_decode(const uint8_t *p, size_t n, struct insn *out);

#endif
