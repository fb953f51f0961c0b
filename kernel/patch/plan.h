/* SPDX-License-Identifier: MIT */
/*
 * plan.h - how a system call instruction can become a jump.
 *
 * Pure functions over bytes: the unikernel uses them on a running program,
 * tools can use them on a file. Nothing here trusts the bytes.
 *
 * A site is the address of a syscall instruction, 0f 05. It gets a stub, near
 * enough for a rel32, which does what was overwritten, loads %rcx with the
 * address after the site and jumps through %gs. Two forms:
 *
 *   PATCH_MOVE	one or more whole instructions right before the site move
 *		into the stub, and the first of them, of 5 bytes at least,
 *		becomes e9 rel32. The others, and the site, stay: a jump to
 *		any of them does what it did before.
 *   PATCH_PAD	0f 05 becomes eb rel8, to an e9 rel32 in padding that no
 *		program executes.
 */
#ifndef PATCH_PLAN_H
#define PATCH_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "stats.h"

#define PATCH_MOVE AZ_SITE_MOVE
#define PATCH_PAD  AZ_SITE_PAD
/*
 * With PATCH_MOVE: over NOPs that align a loop, too. Then only the first round
 * is led to the stub, which is all there is to a loop around exit(2), and
 * better than nothing for others.
 */
#define PATCH_PAST 0x80U

/* Bytes on each side of the site that a plan can make use of. */
#define PATCH_REACH 160U

#define PATCH_JUMP    5U  /* e9 rel32 */
#define PATCH_SITE    2U  /* 0f 05, eb rel8 */
#define PATCH_MOVED   32U /* bytes moved at most */
#define PATCH_NMOVED  6U  /* instructions likewise */
#define PATCH_LONGEST 15U /* the first of them */

/* Why there is no plan. */
#define PATCH_OK        AZ_SITE_OK
#define PATCH_NO_SITE   AZ_SITE_NONE
#define PATCH_NO_SPACE  AZ_SITE_NO_SPACE
#define PATCH_UNCERTAIN AZ_SITE_UNCERTAIN

/* A piece of the program's text: bytes[i] is at base + i. */
struct patch_text {
	const uint8_t *bytes;
	size_t len;
	uint64_t base;
};

struct patch_plan {
	uint64_t site;
	uint64_t jump; /* where e9 rel32 goes */
	uint32_t form;
	uint8_t jump_len;         /* bytes written there: filled up with NOPs */
	uint8_t moved;            /* bytes in front of the site that move */
	uint8_t nmoved;           /* instructions they are */
	uint8_t returns;          /* 1: a ret follows the site */
	uint8_t at[PATCH_NMOVED]; /* where each starts in the moved bytes */
	uint8_t rip_disp[PATCH_NMOVED]; /* see insn.h, from its start */
	uint8_t len[PATCH_NMOVED];
	uint8_t code[PATCH_MOVED];  /* the moved bytes */
	uint8_t old[PATCH_LONGEST]; /* what jump_len bytes replace */
};

/*
 * patch_plan - how to rewrite the site, in one of the forms (a mask). PATCH_OK
 * or a reason.
 */
int patch_plan(const struct patch_text *t, uint64_t site, uint32_t forms,
	       struct patch_plan *out);

/* What a stub is made of besides the plan. */
#define PATCH_STUB_CALL   AZ_SITE_CALL
#define PATCH_STUB_GETPID AZ_SITE_GETPID
#define PATCH_STUB_GETTID AZ_SITE_GETTID

struct patch_stub {
	uint64_t at; /* where it will be */
	uint32_t kind;
	uint32_t hits; /* offset of the site's counter from %gs, or: */
#define PATCH_NO_HITS 0xffffffffU /* do not count */
	uint32_t entry;  /* offset of the unikernel's entry, likewise */
	uint32_t pid;    /* of the process id */
	uint32_t thread; /* of the pointer to the current thread */
	uint32_t tid;    /* of the thread id in it */
};

#define PATCH_STUB_MAX 96U

/* Offsets in a stub. */
struct patch_marks {
	uint8_t at[PATCH_NMOVED]; /* of the moved instructions */
	uint8_t body;   /* they are done: as at the site, but %rcx and %r11 */
	uint8_t load;   /* the answer is about to be loaded */
	uint8_t answer; /* as after the site; = len if the unikernel does it */
	uint8_t len;
};

/*
 * patch_emit - the stub's code, PATCH_STUB_MAX bytes at most. 0, or -1: the
 * stub is too far from the site or from what a moved instruction refers to.
 */
int patch_emit(const struct patch_plan *p, const struct patch_stub *s,
	       uint8_t *code, struct patch_marks *marks);

/* patch_jump - p->jump_len bytes for p->jump: a jump to the stub. 0 or -1. */
int patch_jump(const struct patch_plan *p, uint64_t stub, uint8_t *code);

/* patch_hop - for PATCH_PAD, the two bytes for the site. */
void patch_hop(const struct patch_plan *p, uint8_t code[PATCH_SITE]);

#endif
