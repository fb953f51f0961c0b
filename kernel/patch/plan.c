/* SPDX-License-Identifier: MIT */
/*
 * plan.c - how a system call instruction can become a jump.
 *
 * Pure. What is certain is only that an instruction starts at the site, since
 * the CPU has executed it. What lies before is found by decoding from very
 * many places in front of it: x86 code falls into step within a few
 * instructions, wherever one begins, so if all that come to the site agree on
 * an instruction before it, that is one. What is data, or too short to tell,
 * is left alone.
 */
#include "patch/plan.h"

#include <stdbool.h>

#include "patch/insn.h"

/* Starts from FAR to NEAR bytes in front are asked for their opinion. */
#define FAR  128U
#define NEAR 24U
/* So many there must be at least, and of them so many come to the place. */
#define VOTES_MIN   12U
#define VOTES_SHARE 2U   /* 1 of 2 */
#define ALIGN       16U  /* of functions and of jump targets */
#define CALLS_MAX   1024 /* numbers of calls are below */

static bool at_site(const struct patch_text *t, size_t at)
{
	return at + PATCH_SITE <= t->len && t->bytes[at] == 0x0f &&
	       t->bytes[at + 1] == 0x05;
}

/*
 * Unwinders know a signal's restorer by its bytes:
 * mov $15,%rax (48 c7 c0 0f 00 00 00); syscall.
 */
static bool is_restorer(const struct patch_text *t, size_t at)
{
	static const uint8_t mov[] = { 0xc0, 0x0f, 0, 0, 0 };
	static const uint8_t mov_short[] = { 0xb8, 0x0f, 0, 0, 0 };
	bool same = true, same_short = true;

	if (at < sizeof(mov))
		return false;
	for (size_t i = 0; i < sizeof(mov); i++) {
		same &= t->bytes[at - sizeof(mov) + i] == mov[i];
		same_short &= t->bytes[at - sizeof(mov) + i] == mov_short[i];
	}
	return same || same_short;
}

static int32_t load_32(const uint8_t *p)
{
	return (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 |
			 (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

/* --- where instructions start in front of a place --- */

struct votes {
	size_t first;            /* offset that index 0 stands for */
	size_t n;                /* indices; n stands for the place itself */
	uint8_t len[FAR];        /* of the instruction there; 0: none */
	uint8_t weight[FAR + 1]; /* voters whose way leads there */
	uint32_t voters, total;  /* asked; came to the place */
};

static void votes_decode(const struct patch_text *t, struct votes *v)
{
	struct insn i;

	for (size_t k = 0; k < v->n; k++)
		v->len[k] = insn_decode(t->bytes + v->first + k, v->n - k, &i)
				? 0
				: i.len;
}

/* Which starts lead to the place: known of all behind before those in front. */
static void votes_cast(struct votes *v)
{
	bool comes[FAR + 1];

	comes[v->n] = true;
	for (size_t k = v->n; k-- > 0;)
		comes[k] = v->len[k] && comes[k + v->len[k]];
	for (size_t k = 0; k <= v->n; k++)
		v->weight[k] = 0;
	for (size_t k = 0; k < v->n; k++) {
		bool voter = v->n - k >= NEAR;

		v->voters += voter;
		if (!comes[k])
			continue;
		v->total += voter;
		v->weight[k] = (uint8_t)(v->weight[k] + voter);
		v->weight[k + v->len[k]] =
		    (uint8_t)(v->weight[k + v->len[k]] + v->weight[k]);
	}
}

/* add %al,(%rax) is what zeros look like. Most came by some: data. */
static bool votes_saw_zeros(const struct patch_text *t, const struct votes *v)
{
	const uint8_t *p = t->bytes + v->first;

	for (size_t k = 0; k + 1 < v->n; k++)
		if (!p[k] && !p[k + 1] &&
		    v->weight[k] * VOTES_SHARE >= v->total)
			return true;
	return false;
}

/* Ask about the instructions in front of offset at. False: too few know. */
static bool votes_take(const struct patch_text *t, size_t at, struct votes *v)
{
	v->n = at < FAR ? at : FAR;
	v->first = at - v->n;
	v->voters = v->total = 0;
	votes_decode(t, v);
	votes_cast(v);
	return v->voters >= VOTES_MIN && v->total * VOTES_SHARE >= v->voters &&
	       !votes_saw_zeros(t, v);
}

/* --- moving what is in front of the site --- */

static bool may_move(const struct patch_text *t, size_t at, size_t len,
		     struct insn *i)
{
	if (insn_decode(t->bytes + at, len, i) || i->len != len)
		return false;
	return i->kind == INSN_PLAIN || i->kind == INSN_NOP;
}

/* The start of the instruction that ends at index k, or n: not certain. */
static size_t votes_before(const struct votes *v, size_t k)
{
	for (size_t j = k; j-- > 0 && k - j <= INSN_MAX;)
		if (v->weight[j] * 8U >= v->total * 7U && v->len[j] &&
		    j + v->len[j] == k)
			return j;
	return v->n;
}

static void move_note(const struct patch_text *t, const struct votes *v,
		      size_t from, struct patch_plan *p)
{
	struct insn i;
	size_t k = from;

	p->form = PATCH_MOVE;
	p->moved = (uint8_t)(v->n - from);
	p->jump = t->base + v->first + from;
	p->jump_len = v->len[from];
	p->nmoved = 0;
	for (; k < v->n; k += v->len[k]) {
		(void)insn_decode(t->bytes + v->first + k, v->len[k], &i);
		p->at[p->nmoved] = (uint8_t)(k - from);
		p->len[p->nmoved] = v->len[k];
		p->rip_disp[p->nmoved++] = i.rip_disp;
	}
	for (k = 0; k < p->moved; k++)
		p->code[k] = t->bytes[v->first + from + k];
	for (k = 0; k < p->jump_len; k++)
		p->old[k] = p->code[k];
}

/* Does i, which ends at offset next, jump to between lo and hi? */
static bool leads_into(const struct patch_text *t, const struct insn *i,
		       size_t next, uint64_t lo, uint64_t hi)
{
	uint64_t to = t->base + next + (uint64_t)(int64_t)i->rel;

	return (i->kind == INSN_JMP || i->kind == INSN_BRANCH ||
		i->kind == INSN_CALL) &&
	       to > lo && to < hi;
}

/*
 * Is there a jump into what will be overwritten, around here? Code that
 * overlaps so is rare, but a branch over a lock prefix is well known.
 */
static bool jumped_into(const struct patch_text *t, const struct votes *v,
			size_t site, uint64_t lo, uint64_t hi)
{
	struct insn i;

	for (size_t k = 0; k < v->n; k++)
		if (v->len[k] && v->weight[k] * VOTES_SHARE >= v->total &&
		    !insn_decode(t->bytes + v->first + k, v->n - k, &i) &&
		    leads_into(t, &i, v->first + k + i.len, lo, hi))
			return true;
	for (size_t at = site + PATCH_SITE; at < t->len; at += i.len)
		if (insn_decode(t->bytes + at, t->len - at, &i))
			return false;
		else if (leads_into(t, &i, at + i.len, lo, hi))
			return true;
	return false;
}

/* Padding in front of an entry or a jump's target: nobody comes by there. */
static bool aligns(const struct patch_text *t, size_t end, const struct insn *i)
{
	return i->kind == INSN_NOP && (t->base + end) % ALIGN == 0;
}

/*
 * What loads the number of a call as a rule, if its bytes are in front of the
 * site. Should the vote say that they are a part of something else, it may be
 * that data in front of a function has swallowed the function's beginning.
 */
static bool contradicts(const struct patch_text *t, size_t at,
			const struct votes *v)
{
	const uint8_t *p = t->bytes + at;
	size_t n = v->n;

	if (n >= 6 && p[-5] == 0xb8 && load_32(p - 4) >= 0 &&
	    load_32(p - 4) < CALLS_MAX)
		return v->weight[n - 5] != v->total &&
		       ((p[-6] & 0xf0) != 0x40 || v->weight[n - 6] != v->total);
	return n >= 2 && (p[-2] == 0x31 || p[-2] == 0x33) && p[-1] == 0xc0 &&
	       v->weight[n - 2] != v->total;
}

static int plan_move(const struct patch_text *t, size_t at,
		     const struct votes *v, bool past, struct patch_plan *p)
{
	struct insn i;
	size_t k = v->n;

	if (contradicts(t, at, v))
		return PATCH_UNCERTAIN;

	for (uint32_t n = 0; n < PATCH_NMOVED; n++) {
		size_t before = votes_before(v, k);
		uint64_t start = t->base + v->first + before;

		if (before == v->n)
			return n ? PATCH_NO_SPACE : PATCH_UNCERTAIN;
		if (v->n - before > PATCH_MOVED ||
		    !may_move(t, v->first + before, k - before, &i) ||
		    (!past && aligns(t, v->first + k, &i)))
			return PATCH_NO_SPACE;
		k = before;
		if (v->len[k] < PATCH_JUMP)
			continue;
		if (jumped_into(t, v, at, start, start + v->len[k]))
			return PATCH_NO_SPACE;
		move_note(t, v, k, p);
		return PATCH_OK;
	}
	return PATCH_NO_SPACE;
}

/* --- padding --- */

/* Bytes of NOPs or int3 at offset at, no more than n, if they end at n. */
static bool is_padding(const struct patch_text *t, size_t at, size_t n)
{
	struct insn i;

	while (n) {
		if (insn_decode(t->bytes + at, n, &i) ||
		    (i.kind != INSN_NOP && i.kind != INSN_INT3))
			return false;
		at += i.len;
		n -= i.len;
	}
	return true;
}

static bool never_goes_on(const struct insn *i)
{
	return i->kind == INSN_JMP || i->kind == INSN_JMP_IND ||
	       i->kind == INSN_RET || i->kind == INSN_STOP;
}

/* Does an instruction that never goes on end at offset at? */
static bool ends_before(const struct patch_text *t, size_t at)
{
	struct votes v;
	struct insn i;
	size_t k;

	if (!votes_take(t, at, &v))
		return false;
	k = votes_before(&v, v.n);
	if (k == v.n || insn_decode(t->bytes + v.first + k, v.n - k, &i))
		return false;
	return never_goes_on(&i);
}

/* Room that ends at offset end, a multiple of ALIGN: where, or 0. */
static size_t padding_before(const struct patch_text *t, size_t end)
{
	/* Longest first: what looks like a NOP may be the tail of one. */
	for (size_t n = ALIGN - 1; n >= PATCH_JUMP; n--)
		if (n < end && is_padding(t, end - n, n) &&
		    ends_before(t, end - n))
			return end - n;
	return 0;
}

/* All of it, so that what is left over remains a NOP. */
static void pad_note(const struct patch_text *t, size_t pad, size_t end,
		     struct patch_plan *p)
{
	p->form = PATCH_PAD;
	p->moved = p->nmoved = 0;
	p->jump = t->base + pad;
	p->jump_len = (uint8_t)(end - pad);
	for (size_t k = 0; k < p->jump_len; k++)
		p->old[k] = t->bytes[pad + k];
}

static int plan_pad(const struct patch_text *t, size_t at, struct patch_plan *p)
{
	size_t lo = at > 126 ? at - 126 : 0;
	size_t hi = at + 129 + ALIGN;
	size_t end = lo + (ALIGN - (t->base + lo) % ALIGN) % ALIGN;

	for (; end <= hi && end <= t->len; end += ALIGN) {
		size_t pad = padding_before(t, end);

		if (pad && pad >= lo && pad <= at + 129) {
			pad_note(t, pad, end, p);
			return PATCH_OK;
		}
	}
	return PATCH_NO_SPACE;
}

int patch_plan(const struct patch_text *t, uint64_t site, uint32_t forms,
	       struct patch_plan *out)
{
	size_t at = site - t->base;
	int why = PATCH_NO_SPACE;
	struct votes v;

	if (site < t->base || at >= t->len || !at_site(t, at) ||
	    is_restorer(t, at))
		return PATCH_NO_SITE;
	*out = (struct patch_plan){ .site = site };
	out->returns =
	    at + PATCH_SITE < t->len && t->bytes[at + PATCH_SITE] == 0xc3;
	/* With a prefix it starts earlier, where it is no site. */
	if (!votes_take(t, at, &v))
		return PATCH_UNCERTAIN;
	if (forms & PATCH_MOVE)
		why = plan_move(t, at, &v, forms & PATCH_PAST, out);
	if (why && (forms & PATCH_PAD) && !plan_pad(t, at, out))
		why = PATCH_OK;
	return why;
}

/* --- code --- */

struct code {
	uint8_t *p;
	uint64_t base;
	uint32_t n;
	bool bad; /* something is too far away */
};

static void put(struct code *c, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		c->p[c->n++] = p[i];
}

static void put_32(struct code *c, uint32_t v)
{
	for (uint32_t i = 0; i < 4; i++)
		c->p[c->n++] = (uint8_t)(v >> (8 * i));
}

#define PUT(c, ...)                                     \
	do {                                            \
		const uint8_t put_[] = { __VA_ARGS__ }; \
		put(c, put_, sizeof(put_));             \
	} while (0)

/* The distance from `from` to `to`, which must fit. */
static uint32_t distance(struct code *c, uint64_t to, uint64_t from)
{
	int64_t d = (int64_t)(to - from);

	c->bad |= d != (int32_t)d;
	return (uint32_t)d;
}

/* One moved instruction, which may refer to memory relative to itself. */
static void put_moved(struct code *c, const struct patch_plan *p, uint32_t i)
{
	const uint8_t *from = p->code + p->at[i];
	uint64_t end = p->site - p->moved + p->at[i] + p->len[i];
	uint32_t start = c->n, disp = p->rip_disp[i], d;

	put(c, from, p->len[i]);
	if (!disp)
		return;
	d = distance(c, end + (uint64_t)(int64_t)load_32(from + disp),
		     c->base + c->n);
	c->n = start + disp;
	put_32(c, d);
	c->n = start + p->len[i];
}

/* mov %gs:hits,%r11; lea 1(%r11),%r11; mov %r11,%gs:hits: no flag changes. */
static void put_count(struct code *c, uint32_t hits)
{
	PUT(c, 0x65, 0x4c, 0x8b, 0x1c, 0x25);
	put_32(c, hits);
	PUT(c, 0x4d, 0x8d, 0x5b, 0x01);
	PUT(c, 0x65, 0x4c, 0x89, 0x1c, 0x25);
	put_32(c, hits);
}

/* lea after-the-site(%rip),%rcx */
static void put_return(struct code *c, uint64_t ret)
{
	PUT(c, 0x48, 0x8d, 0x0d);
	put_32(c, distance(c, ret, c->base + c->n + 4));
}

/*
 * %r11 = the flags, as after a call, but for DF, which is clear at any call of
 * a function; %rax and %rcx are free here, and no flag changes:
 * lahf; movzbl %ah,%ecx; mov $0,%eax; seto %ah; lea 0x200(%rcx,%rax,8),%r11
 */
static void put_flags(struct code *c)
{
	PUT(c, 0x9f);
	PUT(c, 0x0f, 0xb6, 0xcc);
	PUT(c, 0xb8, 0, 0, 0, 0);
	PUT(c, 0x0f, 0x90, 0xc4);
	PUT(c, 0x4c, 0x8d, 0x9c, 0xc1, 0, 2, 0, 0);
}

static void put_answer(struct code *c, const struct patch_stub *s)
{
	if (s->kind == PATCH_STUB_GETPID) {
		PUT(c, 0x65, 0x8b, 0x04, 0x25); /* mov %gs:pid,%eax */
		put_32(c, s->pid);
	} else {
		PUT(c, 0x65, 0x48, 0x8b, 0x04, 0x25); /* mov %gs:thread,%rax */
		put_32(c, s->thread);
		PUT(c, 0x8b, 0x80); /* mov tid(%rax),%eax */
		put_32(c, s->tid);
	}
}

int patch_emit(const struct patch_plan *p, const struct patch_stub *s,
	       uint8_t *code, struct patch_marks *marks)
{
	struct code c = { .base = s->at };
	uint64_t ret = p->site + PATCH_SITE;

	c.p = code;
	for (uint32_t i = 0; i < p->nmoved; i++) {
		marks->at[i] = (uint8_t)c.n;
		put_moved(&c, p, i);
	}
	marks->body = (uint8_t)c.n;
	if (s->hits != PATCH_NO_HITS)
		put_count(&c, s->hits);
	marks->load = (uint8_t)c.n;
	if (s->kind != PATCH_STUB_CALL)
		put_flags(&c);
	put_return(&c, ret);
	if (s->kind == PATCH_STUB_CALL) {
		PUT(&c, 0x65, 0xff, 0x24, 0x25); /* jmp *%gs:entry */
		put_32(&c, s->entry);
		marks->answer = (uint8_t)c.n;
	} else {
		put_answer(&c, s);
		marks->answer = (uint8_t)c.n;
		/* Where getpid() ends as a rule: one jump less. */
		if (p->returns) {
			PUT(&c, 0xc3);
		} else {
			PUT(&c, 0xe9);
			put_32(&c, distance(&c, ret, c.base + c.n + 4));
		}
	}
	marks->len = (uint8_t)c.n;
	return c.bad ? -1 : 0;
}

/* Recommended NOPs of 1 to 9 bytes: Intel SDM 2, NOP. */
static void put_nops(struct code *c, uint32_t n)
{
	static const uint8_t nop[10][9] = {
		[1] = { 0x90 },
		[2] = { 0x66, 0x90 },
		[3] = { 0x0f, 0x1f, 0x00 },
		[4] = { 0x0f, 0x1f, 0x40, 0 },
		[5] = { 0x0f, 0x1f, 0x44, 0, 0 },
		[6] = { 0x66, 0x0f, 0x1f, 0x44, 0, 0 },
		[7] = { 0x0f, 0x1f, 0x80, 0, 0, 0, 0 },
		[8] = { 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 },
		[9] = { 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 },
	};

	while (n) {
		uint32_t k = n < 9 ? n : 9;

		put(c, nop[k], k);
		n -= k;
	}
}

int patch_jump(const struct patch_plan *p, uint64_t stub, uint8_t *code)
{
	struct code c = { .base = p->jump };

	c.p = code;
	PUT(&c, 0xe9);
	put_32(&c, distance(&c, stub, p->jump + PATCH_JUMP));
	put_nops(&c, p->jump_len - PATCH_JUMP);
	return c.bad ? -1 : 0;
}

void patch_hop(const struct patch_plan *p, uint8_t code[PATCH_SITE])
{
	code[0] = 0xeb;
	code[1] = (uint8_t)(p->jump - (p->site + PATCH_SITE));
}
