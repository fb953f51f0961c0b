/* SPDX-License-Identifier: MIT */
/*
 * insn.c - a length decoder, by tables of what follows an opcode.
 *
 * Pure: no state, no locking. Operand sizes: a 66 prefix makes imm32 imm16, but
 * on branches, where Intel and AMD differ: those are refused. tests/unit/
 * insn_test.c compares it with Zydis.
 */
#include "patch/insn.h"

#include <stdbool.h>

/* What follows an opcode. */
#define NONE  0U
#define M     0x01U /* ModRM and what it says */
#define I8    0x02U
#define I16   0x04U
#define IZ    0x08U /* imm32; imm16 with 66 */
#define IV    0x10U /* likewise; imm64 with REX.W */
#define MOFFS 0x20U /* an address of 8 bytes; 4 with 67 */
#define REL8  0x40U
#define REL32 0x80U
#define BAD   0xffU

/* Rows of eight. */
/* clang-format off */
static const uint8_t one_byte[256] = {
	/* 00 */ M, M, M, M, I8, IZ, BAD, BAD,
	/* 08 */ M, M, M, M, I8, IZ, BAD, BAD,
	/* 10 */ M, M, M, M, I8, IZ, BAD, BAD,
	/* 18 */ M, M, M, M, I8, IZ, BAD, BAD,
	/* 20 */ M, M, M, M, I8, IZ, BAD, BAD,
	/* 28 */ M, M, M, M, I8, IZ, BAD, BAD,
	/* 30 */ M, M, M, M, I8, IZ, BAD, BAD,
	/* 38 */ M, M, M, M, I8, IZ, BAD, BAD,
	/* 40 */ BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
	/* 48 */ BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
	/* 50 */ NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
	/* 58 */ NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
	/* 60 */ BAD, BAD, BAD, M, BAD, BAD, BAD, BAD,
	/* 68 */ IZ, M | IZ, I8, M | I8, NONE, NONE, NONE, NONE,
	/* 70 */ REL8, REL8, REL8, REL8, REL8, REL8, REL8, REL8,
	/* 78 */ REL8, REL8, REL8, REL8, REL8, REL8, REL8, REL8,
	/* 80 */ M | I8, M | IZ, BAD, M | I8, M, M, M, M,
	/* 88 */ M, M, M, M, M, M, M, M,
	/* 90 */ NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
	/* 98 */ NONE, NONE, BAD, NONE, NONE, NONE, NONE, NONE,
	/* a0 */ MOFFS, MOFFS, MOFFS, MOFFS, NONE, NONE, NONE, NONE,
	/* a8 */ I8, IZ, NONE, NONE, NONE, NONE, NONE, NONE,
	/* b0 */ I8, I8, I8, I8, I8, I8, I8, I8,
	/* b8 */ IV, IV, IV, IV, IV, IV, IV, IV,
	/* c0 */ M | I8, M | I8, I16, NONE, BAD, BAD, M | I8, M | IZ,
	/* c8 */ I16 | I8, NONE, I16, NONE, NONE, I8, BAD, NONE,
	/* d0 */ M, M, M, M, BAD, BAD, BAD, NONE,
	/* d8 */ M, M, M, M, M, M, M, M,
	/* e0 */ REL8, REL8, REL8, REL8, I8, I8, I8, I8,
	/* e8 */ REL32, REL32, BAD, REL8, NONE, NONE, NONE, NONE,
	/* f0 */ BAD, NONE, BAD, BAD, NONE, NONE, M, M,
	/* f8 */ NONE, NONE, NONE, NONE, NONE, NONE, M, M,
};

/* After 0f. */
static const uint8_t two_byte[256] = {
	/* 00 */ M, M, M, M, BAD, NONE, NONE, NONE,
	/* 08 */ NONE, NONE, BAD, NONE, BAD, M, BAD, BAD,
	/* 10 */ M, M, M, M, M, M, M, M,
	/* 18 */ M, M, M, M, M, M, M, M,
	/* 20 */ BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
	/* 28 */ M, M, M, M, M, M, M, M,
	/* 30 */ NONE, NONE, NONE, NONE, NONE, NONE, BAD, BAD,
	/* 38 */ BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
	/* 40 */ M, M, M, M, M, M, M, M,
	/* 48 */ M, M, M, M, M, M, M, M,
	/* 50 */ M, M, M, M, M, M, M, M,
	/* 58 */ M, M, M, M, M, M, M, M,
	/* 60 */ M, M, M, M, M, M, M, M,
	/* 68 */ M, M, M, M, M, M, M, M,
	/* 70 */ M | I8, M | I8, M | I8, M | I8, M, M, M, NONE,
	/* 78 */ BAD, BAD, BAD, BAD, M, M, M, M,
	/* 80 */ REL32, REL32, REL32, REL32, REL32, REL32, REL32, REL32,
	/* 88 */ REL32, REL32, REL32, REL32, REL32, REL32, REL32, REL32,
	/* 90 */ M, M, M, M, M, M, M, M,
	/* 98 */ M, M, M, M, M, M, M, M,
	/* a0 */ NONE, NONE, NONE, M, M | I8, M, BAD, BAD,
	/* a8 */ NONE, NONE, BAD, M, M | I8, M, M, M,
	/* b0 */ M, M, M, M, M, M, M, M,
	/* b8 */ M, M, M | I8, M, M, M, M, M,
	/* c0 */ M, M, M | I8, M, M | I8, M | I8, M | I8, M,
	/* c8 */ NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
	/* d0 */ M, M, M, M, M, M, M, M,
	/* d8 */ M, M, M, M, M, M, M, M,
	/* e0 */ M, M, M, M, M, M, M, M,
	/* e8 */ M, M, M, M, M, M, M, M,
	/* f0 */ M, M, M, M, M, M, M, M,
	/* f8 */ M, M, M, M, M, M, M, BAD,
};
/* clang-format on */

/* What has been read of the instruction. */
struct decoder {
	const uint8_t *p;
	size_t n;  /* bytes there are */
	size_t at; /* bytes read */
	bool opsize, addrsize, rep, lock;
	uint8_t rex;
	uint8_t modrm;
};

static bool take(struct decoder *d, size_t n)
{
	if (d->n - d->at < n)
		return false;
	d->at += n;
	return true;
}

static int32_t read_32(const uint8_t *p)
{
	return (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 |
			 (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

static void prefixes(struct decoder *d)
{
	for (; d->at < d->n; d->at++) {
		switch (d->p[d->at]) {
		case 0x66:
			d->opsize = true;
			break;
		case 0x67:
			d->addrsize = true;
			break;
		case 0xf2:
		case 0xf3:
			d->rep = true;
			break;
		case 0xf0:
			d->lock = true;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
			break;
		default:
			return;
		}
	}
}

/* ModRM, SIB, displacement: Intel SDM 2 §2.1.5. */
static bool modrm(struct decoder *d, struct insn *out)
{
	uint8_t mod, rm;

	if (!take(d, 1))
		return false;
	d->modrm = d->p[d->at - 1];
	mod = d->modrm >> 6;
	rm = d->modrm & 7;
	if (mod == 3)
		return true;
	if (rm == 4) {
		if (!take(d, 1))
			return false;
		if (mod == 0 && (d->p[d->at - 1] & 7) == 5)
			return take(d, 4);
	} else if (mod == 0 && rm == 5) {
		out->rip_disp = (uint8_t)d->at;
		/* 67 makes it relative to EIP: not worth following. */
		return !d->addrsize && take(d, 4);
	}
	return take(d, mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

static bool relative(struct decoder *d, struct insn *out, size_t n)
{
	if (d->opsize || !take(d, n))
		return false;
	out->rel = n == 1 ? (int8_t)d->p[d->at - 1] : read_32(d->p + d->at - 4);
	return true;
}

/* Everything after the opcode. */
static bool operands(struct decoder *d, struct insn *out, uint8_t form)
{
	if (form == BAD)
		return false;
	if ((form & M) && !modrm(d, out))
		return false;
	if ((form & I8) && !take(d, 1))
		return false;
	if ((form & I16) && !take(d, 2))
		return false;
	if (form & REL8)
		return relative(d, out, 1);
	if (form & REL32)
		return relative(d, out, 4);
	if (form & MOFFS)
		return take(d, d->addrsize ? 4 : 8);
	if ((form & IV) && (d->rex & 8))
		return take(d, 8);
	if (form & (IZ | IV))
		return take(d, d->opsize && !(d->rex & 8) ? 2 : 4);
	return true;
}

/* ff /n and the like: what ModRM's middle digit says. */
static bool group(struct decoder *d, struct insn *out, uint8_t op)
{
	uint8_t reg = d->modrm >> 3 & 7;
	uint8_t mod = d->modrm >> 6;

	switch (op) {
	case 0x8f: /* others are AMD's XOP */
	case 0xc6:
	case 0xc7: /* others are TSX */
		return reg == 0;
	case 0x8d:
		return mod != 3;
	case 0xf6: /* test has an immediate */
		return reg > 1 || take(d, 1);
	case 0xf7:
		return reg > 1 || take(d, d->opsize && !(d->rex & 8) ? 2 : 4);
	case 0xfe:
		return reg <= 1;
	case 0xff:
		if (reg == 2 || reg == 3)
			out->kind = INSN_CALL_IND;
		else if (reg == 4 || reg == 5)
			out->kind = INSN_JMP_IND;
		return reg != 7 && !((reg == 3 || reg == 5) && mod == 3);
	default:
		return true;
	}
}

static uint8_t kind_one_byte(const struct decoder *d, uint8_t op)
{
	switch (op) {
	case 0x90: /* with REX.B it is xchg; f3 is pause */
		return d->rep || d->rex ? INSN_PLAIN : INSN_NOP;
	case 0xcc:
		return INSN_INT3;
	case 0xe8:
		return INSN_CALL;
	case 0xe9:
	case 0xeb:
		return INSN_JMP;
	case 0xc2:
	case 0xc3:
	case 0xca:
	case 0xcb:
	case 0xcf:
		return INSN_RET;
	case 0xf4:
		return INSN_STOP;
	case 0xcd:
	case 0xf1:
		return INSN_ODD;
	default:
		break;
	}
	if ((op & 0xf0) == 0x70 || (op & 0xfc) == 0xe0)
		return INSN_BRANCH;
	return INSN_PLAIN;
}

static int one_byte_op(struct decoder *d, struct insn *out, uint8_t op)
{
	out->opcode = op;
	out->kind = kind_one_byte(d, op);
	if (!operands(d, out, one_byte[op]) ||
	    ((one_byte[op] & M) && !group(d, out, op)))
		return -1;
	return 0;
}

static uint8_t kind_two_byte(const struct decoder *d, uint8_t op)
{
	switch (op) {
	case 0x05:
		return d->rep || d->opsize || d->lock ? INSN_ODD : INSN_SYSCALL;
	case 0x0b:
		return INSN_STOP;
	case 0x07:
	case 0x34:
	case 0x35:
		return INSN_ODD;
	case 0x1f:
		return INSN_NOP;
	default:
		return (op & 0xf0) == 0x80 ? INSN_BRANCH : INSN_PLAIN;
	}
}

static int two_byte_op(struct decoder *d, struct insn *out)
{
	uint8_t op;

	if (!take(d, 1))
		return -1;
	op = d->p[d->at - 1];
	if (op == 0x38 || op == 0x3a) {
		if (!take(d, 1))
			return -1;
		return operands(d, out, op == 0x38 ? M : M | I8) ? 0 : -1;
	}
	out->kind = kind_two_byte(d, op);
	/* b8 is popcnt with f3, and something else without. */
	if (op == 0xb8 && !d->rep)
		return -1;
	return operands(d, out, two_byte[op]) ? 0 : -1;
}

/* VEX and EVEX share the maps; those with an immediate have imm8. */
static int vector_op(struct decoder *d, struct insn *out, uint8_t map)
{
	uint8_t op, form = M;

	if (d->opsize || d->rep || d->lock || d->rex || !take(d, 1))
		return -1;
	op = d->p[d->at - 1];
	switch (map) {
	case 1:
		if (op == 0x77)
			form = NONE;
		else if ((op >= 0x70 && op <= 0x73) ||
			 (op >= 0xc2 && op <= 0xc6 && op != 0xc3))
			form = M | I8;
		else if ((op & 0xf0) == 0x80) /* branches of Knights Corner */
			form = BAD;
		break;
	case 2:
		break;
	case 3:
		form = M | I8;
		break;
	case 5: /* AVX512-FP16, EVEX only */
	case 6:
		break;
	default:
		return -1;
	}
	return operands(d, out, form) ? 0 : -1;
}

static int vex(struct decoder *d, struct insn *out, uint8_t op)
{
	uint8_t map = 1;
	size_t n = op == 0xc5 ? 1 : 2;

	if (!take(d, n))
		return -1;
	if (op == 0xc4)
		map = d->p[d->at - 2] & 0x1f;
	return map <= 3 ? vector_op(d, out, map) : -1;
}

static int evex(struct decoder *d, struct insn *out)
{
	uint8_t p0, p1;

	if (!take(d, 3))
		return -1;
	p0 = d->p[d->at - 3];
	p1 = d->p[d->at - 2];
	/* Bits that are constant: Intel SDM 2 §2.7.1. */
	if ((p0 & 8) || !(p1 & 4))
		return -1;
	return vector_op(d, out, p0 & 7);
}

static int opcode(struct decoder *d, struct insn *out)
{
	uint8_t op;

	prefixes(d);
	if (!take(d, 1))
		return -1;
	op = d->p[d->at - 1];
	if ((op & 0xf0) == 0x40) {
		d->rex = op;
		if (!take(d, 1))
			return -1;
		op = d->p[d->at - 1];
	}
	switch (op) {
	case 0x0f:
		return two_byte_op(d, out);
	case 0xc4:
	case 0xc5:
		return vex(d, out, op);
	case 0x62:
		return evex(d, out);
	default:
		return one_byte_op(d, out, op);
	}
}

int insn_decode(const uint8_t *p, size_t n, struct insn *out)
{
	struct decoder d = { .p = p, .n = n < INSN_MAX ? n : INSN_MAX };

	*out = (struct insn){ .kind = INSN_PLAIN };
	if (opcode(&d, out))
		return -1;
	/* A lock on what cannot have one is #UD: nothing to move. */
	if (d.lock && out->kind != INSN_PLAIN)
		return -1;
	out->len = (uint8_t)d.at;
	return 0;
}
