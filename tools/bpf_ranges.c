/* SPDX-License-Identifier: MIT */
/*
 * bpf_ranges.c - the same seccomp filter, by ranges of call numbers.
 *
 * libseccomp makes a search tree with a leaf for each call. Neighbouring
 * numbers mostly have the same answer, so a tree over ranges is far smaller.
 * The answer for a number is found by running the reference filter; where that
 * looks at arguments, its instructions from there on are copied.
 */
#include "bpf_ranges.h"

#include <err.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NUMBERS 1024       /* beyond, all have the answer of the last */
#define X32_BIT 0x40000000 /* __X32_SYSCALL_BIT */
#define ARGS_AT offsetof(struct seccomp_data, args)

/* What becomes of a call: an action, or the place where arguments decide. */
struct answer {
	bool by_args;
	uint32_t value; /* action; or index in the reference */
};

struct range {
	uint32_t start;
	struct answer answer;
};

static const struct sock_filter *ref;
static size_t ref_len;
static struct sock_filter *out;
static size_t out_len;
static struct range ranges[NUMBERS];
static size_t nranges;
static const struct bpf_by_value *by_value;
static size_t nby_value;
static uint16_t moved_to[BPF_MAXINSNS]; /* of copied instructions, + 1 */

static bool jump_taken(const struct sock_filter *i, uint32_t a)
{
	switch (BPF_OP(i->code)) {
	case BPF_JEQ:
		return a == i->k;
	case BPF_JGT:
		return a > i->k;
	case BPF_JGE:
		return a >= i->k;
	case BPF_JSET:
		return a & i->k;
	default:
		errx(1, "a jump that is not known: %#x", i->code);
	}
}

static uint32_t load(const struct seccomp_data *d, uint32_t at)
{
	uint32_t v;

	if (at > sizeof(*d) - sizeof(v))
		errx(1, "a load from %u", at);
	memcpy(&v, (const char *)d + at, sizeof(v));
	return v;
}

/* Run a filter; with `stop`, only until it loads an argument. */
static struct answer run(const struct sock_filter *f, size_t n,
			 const struct seccomp_data *d, bool stop)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &f[pc];

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			if (stop && i->k >= ARGS_AT)
				return (struct answer){ true, (uint32_t)pc };
			a = load(d, i->k);
			break;
		case BPF_ALU:
			if (i->code != (BPF_ALU | BPF_AND | BPF_K))
				errx(1, "arithmetic: %#x", i->code);
			a &= i->k;
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA)
				pc += i->k;
			else
				pc += jump_taken(i, a) ? i->jt : i->jf;
			break;
		case BPF_RET:
			return (struct answer){ false, i->k };
		default:
			errx(1, "an instruction: %#x", i->code);
		}
	}
	errx(1, "a filter without an end");
}

static struct answer answer_for(uint32_t arch, uint32_t nr)
{
	struct seccomp_data d = { .nr = (int)nr, .arch = arch };

	return run(ref, ref_len, &d, true);
}

static void find_ranges(void)
{
	nranges = 0;
	for (uint32_t nr = 0; nr < NUMBERS; nr++) {
		struct answer a = answer_for(AUDIT_ARCH_X86_64, nr);
		struct range *last = &ranges[nranges - 1];

		if (nranges && last->answer.by_args == a.by_args &&
		    last->answer.value == a.value)
			continue;
		ranges[nranges++] = (struct range){ nr, a };
	}
}

static size_t emit(uint16_t code, uint32_t k)
{
	if (out_len >= BPF_MAXINSNS)
		errx(1, "the filter is too long");
	out[out_len] = (struct sock_filter){ .code = code, .k = k };
	return out_len++;
}

static uint8_t offset(size_t from, size_t to)
{
	if (to <= from || to - from - 1 > UINT8_MAX)
		errx(1, "a jump from %zu to %zu", from, to);
	return (uint8_t)(to - from - 1);
}

/* Jumps of a tree to an action: the returns stand once, behind the tree. */
static struct {
	size_t at;
	bool taken;
	uint32_t action;
} to_action[2 * NUMBERS];
static size_t nto_action;

static void emit_tree(const struct range *r, size_t lo, size_t hi);

/* One side of the comparison at `at`: ranges lo .. hi-1. */
static void emit_side(const struct range *r, size_t lo, size_t hi, size_t at,
		      bool taken)
{
	if (hi - lo == 1 && !r[lo].answer.by_args) {
		to_action[nto_action].at = at;
		to_action[nto_action].taken = taken;
		to_action[nto_action++].action = r[lo].answer.value;
		return;
	}
	if (taken)
		out[at].jt = offset(at, out_len);
	else
		out[at].jf = offset(at, out_len);
	emit_tree(r, lo, hi);
}

/* Ranges lo .. hi-1 of r; what ends in arguments is jumped to later. */
static void emit_tree(const struct range *r, size_t lo, size_t hi)
{
	size_t mid = (lo + hi) / 2, at;

	if (hi - lo == 1) {
		const struct answer *a = &r[lo].answer;

		if (a->by_args)
			emit(BPF_JMP | BPF_JA, a->value);
		else
			emit(BPF_RET | BPF_K, a->value);
		return;
	}
	at = emit(BPF_JMP | BPF_JGE | BPF_K, r[mid].start);
	emit_side(r, lo, mid, at, false);
	emit_side(r, mid, hi, at, true);
}

/* The returns of the tree just emitted. */
static void emit_returns(void)
{
	while (nto_action) {
		uint32_t action = to_action[0].action;
		size_t at = emit(BPF_RET | BPF_K, action), left = 0;

		for (size_t i = 0; i < nto_action; i++) {
			struct sock_filter *jump = &out[to_action[i].at];

			if (to_action[i].action != action)
				to_action[left++] = to_action[i];
			else if (to_action[i].taken)
				jump->jt = offset(to_action[i].at, at);
			else
				jump->jf = offset(to_action[i].at, at);
		}
		nto_action = left;
	}
}

/* Which instructions of the reference can follow pc? */
static void mark(size_t pc)
{
	const struct sock_filter *i = &ref[pc];

	if (pc >= ref_len)
		errx(1, "a jump out of the filter");
	if (moved_to[pc])
		return;
	moved_to[pc] = UINT16_MAX;
	if (BPF_CLASS(i->code) == BPF_RET)
		return;
	if (BPF_CLASS(i->code) != BPF_JMP) {
		mark(pc + 1);
	} else if (BPF_OP(i->code) == BPF_JA) {
		mark(pc + 1 + i->k);
	} else {
		mark(pc + 1 + i->jt);
		mark(pc + 1 + i->jf);
	}
}

/* Copy what is marked and set its jumps right; order stays, so all lead on. */
static void emit_copies(void)
{
	for (size_t pc = 0; pc < ref_len; pc++)
		if (moved_to[pc]) {
			moved_to[pc] = (uint16_t)(out_len + 1);
			out[emit(ref[pc].code, ref[pc].k)] = ref[pc];
		}
	for (size_t pc = 0; pc < ref_len; pc++) {
		struct sock_filter *i = &out[moved_to[pc] - 1];

		if (!moved_to[pc] || BPF_CLASS(ref[pc].code) != BPF_JMP)
			continue;
		if (BPF_OP(ref[pc].code) == BPF_JA) {
			i->k = (uint32_t)(moved_to[pc + 1 + ref[pc].k] -
					  moved_to[pc] - 1);
			continue;
		}
		i->jt = offset(moved_to[pc], moved_to[pc + 1 + ref[pc].jt]);
		i->jf = offset(moved_to[pc], moved_to[pc + 1 + ref[pc].jf]);
	}
}

static int order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The ranges of one argument's low half, in r; how many. */
static size_t value_ranges(const struct bpf_by_value *v, struct range *r)
{
	uint32_t *starts = calloc(2 * v->n + 1, sizeof(*starts));
	size_t n = 0;

	if (!starts)
		err(1, "calloc");
	for (size_t i = 0; i < v->n; i++) {
		starts[2 * i + 1] = v->values[i];
		starts[2 * i + 2] = v->values[i] + 1;
	}
	qsort(starts, 2 * v->n + 1, sizeof(*starts), order);
	for (size_t i = 0; i < 2 * v->n + 1; i++) {
		struct seccomp_data d = { .nr = (int)v->nr,
					  .arch = AUDIT_ARCH_X86_64 };
		struct answer a;

		d.args[v->arg] = starts[i];
		a = run(ref, ref_len, &d, false);
		if (!n || r[n - 1].answer.value != a.value)
			r[n++] = (struct range){ starts[i], a };
	}
	free(starts);
	return n;
}

static const struct bpf_by_value *find_by_value(const struct range *r)
{
	for (size_t i = 0; i < nby_value; i++)
		if (by_value[i].nr == r->start)
			return &by_value[i];
	return NULL;
}

/* A tree over the argument's values; where it starts. */
static size_t emit_by_value(const struct bpf_by_value *v)
{
	static struct range r[NUMBERS];
	size_t at =
	    emit(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(ARGS_AT + 8UL * v->arg));

	if (2 * v->n + 1 > NUMBERS)
		errx(1, "too many values for call %u", v->nr);
	emit_tree(r, 0, value_ranges(v, r));
	emit_returns();
	return at;
}

/* What the tree over numbers jumps to for those that depend on arguments. */
static void emit_by_args(size_t tree, size_t tree_end)
{
	size_t by_value_at[NUMBERS] = { 0 };

	memset(moved_to, 0, sizeof(moved_to));
	for (size_t i = 0; i < nranges; i++) {
		const struct bpf_by_value *v = find_by_value(&ranges[i]);

		if (v)
			by_value_at[i] = emit_by_value(v);
		else if (ranges[i].answer.by_args)
			mark(ranges[i].answer.value);
	}
	emit_copies();
	for (size_t i = tree; i < tree_end; i++)
		if (out[i].code == (BPF_JMP | BPF_JA)) {
			size_t k = 0;

			while (!ranges[k].answer.by_args ||
			       ranges[k].answer.value != out[i].k)
				k++;
			out[i].k = (uint32_t)((find_by_value(&ranges[k])
						   ? by_value_at[k]
						   : moved_to[out[i].k] - 1u) -
					      i - 1);
		}
}

static void compare(const struct seccomp_data *d)
{
	uint32_t want = run(ref, ref_len, d, false).value;
	uint32_t got = run(out, out_len, d, false).value;

	if (want != got)
		errx(1, "call %d: %#x by libseccomp, %#x by ranges", d->nr,
		     want, got);
}

/* Every number with many arguments: all small ones, and random bits. */
static void verify(void)
{
	static const uint32_t archs[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386,
					  0 };
	struct seccomp_data d = { 0 };

	srandom(1);
	for (size_t a = 0; a < sizeof(archs) / sizeof(archs[0]); a++)
		for (uint32_t nr = 0; nr < 2 * NUMBERS; nr++)
			for (int i = 0; i < 4000; i++) {
				d.arch = archs[a];
				d.nr = (int)(nr < NUMBERS
						 ? nr
						 : X32_BIT + nr - NUMBERS);
				for (int k = 0; k < 6; k++)
					d.args[k] =
					    i < 2000
						? (uint64_t)(i & 0x3ff) |
						      (uint64_t)(i & 0x400)
							  << 30
						: (uint64_t)random() << 31 >>
						      random() % 62;
				if (i % 2)
					d.args[1] |= 0x5400;
				compare(&d);
			}
}

/* The listed values and their neighbours, with anything in the upper half. */
static void verify_values(void)
{
	for (size_t i = 0; i < nby_value; i++)
		for (size_t k = 0; k < by_value[i].n; k++)
			for (int diff = -2; diff <= 2; diff++)
				for (int high = 0; high < 3; high++) {
					struct seccomp_data d = {
						.nr = (int)by_value[i].nr,
						.arch = AUDIT_ARCH_X86_64,
					};
					uint32_t v = by_value[i].values[k] +
						     (uint32_t)diff;

					d.args[by_value[i].arg] =
					    (uint64_t)high << 33 | v;
					compare(&d);
				}
}

size_t bpf_ranges(const struct sock_filter *reference, size_t n,
		  const struct bpf_by_value *values, size_t nvalues,
		  struct sock_filter *shrunk)
{
	size_t arch, x32, tree, tree_end;

	ref = reference;
	ref_len = n;
	by_value = values;
	nby_value = nvalues;
	out = shrunk;
	out_len = 0;
	find_ranges();
	emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	arch = emit(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64);
	out[arch].jt = 1;
	emit(BPF_RET | BPF_K, answer_for(0, 0).value);
	emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	x32 = emit(BPF_JMP | BPF_JGE | BPF_K, X32_BIT);
	out[x32].jf = 1;
	emit(BPF_RET | BPF_K, answer_for(AUDIT_ARCH_X86_64, X32_BIT).value);
	tree = out_len;
	emit_tree(ranges, 0, nranges);
	emit_returns();
	tree_end = out_len;
	emit_by_args(tree, tree_end);
	verify();
	verify_values();
	return out_len;
}
