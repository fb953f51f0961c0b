/* SPDX-License-Identifier: MIT */
/*
 * plan_fuzz.c - what patch/plan.h promises, for any bytes around a site.
 *
 * The first byte says where in the rest the site is, the second how far away
 * the stub. The plan must lie inside of the text, not touch itself, and what
 * it writes must decode to jumps that lead to the stub.
 */
/* links: kernel/patch/plan.c kernel/patch/insn.c */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "patch/insn.h"
#include "patch/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CHECK(cond)              \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

#define BASE 0x101000400000ULL

static void check_move(const struct patch_text *t, const struct patch_plan *p)
{
	const uint8_t *from = t->bytes + (p->site - p->moved - t->base);
	uint32_t at = 0;

	CHECK(p->site - p->moved >= t->base && p->moved <= PATCH_MOVED);
	CHECK(p->jump == p->site - p->moved && p->jump_len <= p->moved);
	CHECK(p->jump_len == p->len[0] && p->jump_len <= PATCH_LONGEST);
	CHECK(p->nmoved >= 1 && p->nmoved <= PATCH_NMOVED);
	CHECK(!memcmp(p->code, from, p->moved));
	for (uint32_t i = 0; i < p->nmoved; i++) {
		struct insn insn;

		CHECK(p->at[i] == at);
		CHECK(!insn_decode(from + at, p->moved - at, &insn));
		CHECK(insn.len == p->len[i]);
		CHECK(insn.kind == INSN_PLAIN || insn.kind == INSN_NOP);
		at += p->len[i];
	}
	CHECK(at == p->moved);
}

static void check_pad(const struct patch_text *t, const struct patch_plan *p)
{
	struct insn insn;
	uint8_t hop[PATCH_SITE];

	CHECK(p->jump_len >= PATCH_JUMP && p->jump_len <= PATCH_LONGEST);
	CHECK(!p->nmoved && !p->moved && p->jump >= t->base);
	CHECK(p->jump + p->jump_len <= t->base + t->len);
	CHECK(p->jump >= p->site + PATCH_SITE ||
	      p->jump + p->jump_len <= p->site);
	patch_hop(p, hop);
	CHECK(!insn_decode(hop, sizeof(hop), &insn));
	CHECK(insn.kind == INSN_JMP);
	CHECK(p->site + insn.len + (uint64_t)(int64_t)insn.rel == p->jump);
}

static void check_code(const struct patch_plan *p, uint64_t at)
{
	struct patch_stub s = { .at = at, .hits = 0x1000, .entry = 88 };
	uint8_t code[PATCH_STUB_MAX], jump[PATCH_LONGEST];
	struct patch_marks marks;
	struct insn insn;

	for (s.kind = PATCH_STUB_CALL; s.kind <= PATCH_STUB_GETTID; s.kind++) {
		if (patch_emit(p, &s, code, &marks))
			continue;
		CHECK(marks.len <= PATCH_STUB_MAX && marks.body < marks.len);
		/* It is instructions from one end to the other. */
		for (uint32_t n = 0; n < marks.len; n += insn.len)
			CHECK(!insn_decode(code + n, marks.len - n, &insn));
	}
	if (patch_jump(p, at, jump))
		return;
	CHECK(!insn_decode(jump, p->jump_len, &insn));
	CHECK(insn.kind == INSN_JMP);
	CHECK(p->jump + insn.len + (uint64_t)(int64_t)insn.rel == at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct patch_text t = { .base = BASE };
	uint8_t *copy;

	if (len < 4)
		return 0;
	t.len = len - 2;
	copy = malloc(t.len);
	memcpy(copy, data + 2, t.len);
	t.bytes = copy;
	copy[data[0] % (t.len - 1)] = 0x0f;
	copy[data[0] % (t.len - 1) + 1] = 0x05;
	for (uint32_t forms = PATCH_MOVE; forms <= 3; forms++) {
		struct patch_plan p;

		if (patch_plan(&t, BASE + data[0] % (t.len - 1), forms, &p))
			continue;
		CHECK(p.form & forms);
		if (p.form == PATCH_MOVE)
			check_move(&t, &p);
		else
			check_pad(&t, &p);
		check_code(&p, BASE + ((uint64_t)data[1] << 24));
	}
	free(copy);
	return 0;
}
