/* SPDX-License-Identifier: MIT */
/*
 * site.c - the call sites of the program, and which of them jump.
 *
 * A site is noted when a call traps there, and rewritten when that happens
 * again: most sites of a program's start are used once. If it goes on trapping,
 * since the program also jumps past what was moved, it is rewritten in the
 * other form as well. What cannot be rewritten goes on trapping.
 *
 * The lock of mm guards the table, so that a site's mapping stays as it is
 * while it is looked at and written; text_changed() is called with it. Program
 * text is read under the lock, against the rule of lib/user.h: the fixups make
 * that a failed read if somebody has cut the file short, and no fault needs
 * the lock. Lookups on traps are without it, and may miss: they look again.
 *
 * Each core counts the use of a site in a word of its own, which stubs reach
 * through %gs. A site's number is given out again once it is forgotten, so the
 * sum is kept of what was counted before.
 */
#include "calls.h"
#include "core.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "patch/plan.h"
#include "patch/stub.h"
#include "patch/text.h"
#include "sched/stop.h"
#include "sched/thread.h"
#include "sys/patch.h"

/* The trap that rewrites a site, and traps later that ask for more. */
#define FIRST_TRY 2U
#define NEXT_TRY  4U
#define NEVER     UINT32_MAX
/* Meetings with an int3 in a row, of which a rewriting explains a few. */
#define INT3_MANY 64

#define NBUCKETS 1024U
#define CHAIN    64U /* links that a lookup follows */
#define SYSCALL  2U  /* bytes */
#define FORMS    2U

/* One rewriting of a site. */
struct rewrite {
	uint64_t jump;
	struct stub *stub;
	uint8_t form;
	uint8_t len;
	uint8_t old[PATCH_LONGEST], new[PATCH_LONGEST];
	uint8_t hop[PATCH_SITE]; /* PATCH_PAD: what is at the site */
};

struct site {
	uint64_t addr;   /* 0: free */
	uint64_t offset; /* in the file, bytes */
	uint32_t next;   /* in its bucket: number + 1 */
	uint32_t traps;
	uint32_t next_try; /* at so many traps */
	uint32_t ndone;
	struct rewrite done[FORMS];
};

static const uint8_t syscall_bytes[SYSCALL] = { 0x0f, 0x05 };

static struct site sites[AZ_SITES];
static uint32_t buckets[NBUCKETS]; /* number + 1 */
static uint32_t nsites;            /* numbers given out so far */

static uint32_t number(const struct site *s)
{
	return (uint32_t)(s - sites);
}

static struct az_site *shown(const struct site *s)
{
	return &STATS->site[number(s)];
}

/* --- the table --- */

static uint32_t *bucket(uint64_t addr)
{
	return &buckets[(addr * 0x9e3779b97f4a7c15ULL >> 32) % NBUCKETS];
}

static struct site *site_find(uint64_t addr)
{
	uint32_t i = __atomic_load_n(bucket(addr), __ATOMIC_ACQUIRE);

	for (uint32_t n = 0; i && n < CHAIN; n++) {
		struct site *s = &sites[i - 1];

		if (__atomic_load_n(&s->addr, __ATOMIC_RELAXED) == addr)
			return s;
		i = __atomic_load_n(&s->next, __ATOMIC_ACQUIRE);
	}
	return NULL;
}

static uint64_t hits_sum(const struct site *s)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < BOOT->ncores; i++)
		if (core_at(i)->az.started)
			sum +=
			    __atomic_load_n(&core_at(i)->site_hits[number(s)],
					    __ATOMIC_RELAXED);
	return sum;
}

static struct site *site_free(void)
{
	if (nsites < AZ_SITES)
		return &sites[nsites++];
	for (uint32_t i = 0; i < AZ_SITES; i++)
		if (!sites[i].addr)
			return &sites[i];
	return NULL;
}

static struct site *site_add(uint64_t addr, const struct vma_info *v)
{
	struct site *s = site_free();
	uint32_t *b = bucket(addr);

	if (!s)
		return NULL;
	s->traps = s->ndone = 0;
	s->next_try = FIRST_TRY;
	s->next = *b;
	__atomic_store_n(&s->addr, addr, __ATOMIC_RELAXED);
	s->offset = v->offset + addr - v->start;
	*shown(s) = (struct az_site){ .addr = addr,
				      .offset = s->offset,
				      .before = hits_sum(s) };
	STATS->nsites = nsites;
	/* Pairs with site_find. */
	__atomic_store_n(b, number(s) + 1, __ATOMIC_RELEASE);
	return s;
}

static void site_remove(struct site *s)
{
	uint32_t *link = bucket(s->addr);

	while (*link != number(s) + 1)
		link = &sites[*link - 1].next;
	__atomic_store_n(link, s->next, __ATOMIC_RELEASE);
	__atomic_store_n(&s->addr, 0, __ATOMIC_RELAXED);
	STATS->sites_gone++;
	STATS->hits_gone += hits_sum(s) - shown(s)->before;
	memset(shown(s), 0, sizeof(*shown(s)));
}

/* --- rewriting --- */

static bool bytes_are(uint64_t addr, const uint8_t *bytes, size_t n)
{
	uint8_t now[PATCH_LONGEST];

	return !copy_from_user(now, addr, n) && !memcmp(now, bytes, n);
}

static bool is_there(const struct site *s, const struct rewrite *r)
{
	return bytes_are(r->jump, r->new, r->len) &&
	       (r->form != PATCH_PAD ||
		bytes_are(s->addr, r->hop, sizeof(r->hop)));
}

/* The program's own bytes again, if they have not changed otherwise. */
static void undo(const struct site *s, struct rewrite *r)
{
	if (r->form == PATCH_PAD && bytes_are(s->addr, r->hop, SYSCALL))
		(void)text_write(s->addr, r->hop, syscall_bytes, SYSCALL);
	if (bytes_are(r->jump, r->new, r->len))
		(void)text_write(r->jump, r->new, r->old, r->len);
	stub_free(r->stub);
}

/* Does the moved instruction say that this is getpid, and nothing else? */
static uint32_t stub_kind(const struct patch_plan *p)
{
	static const uint8_t mov7[] = { 0x48, 0xc7, 0xc0 };
	uint32_t nr = 0;

	if (p->form != PATCH_MOVE || p->nmoved != 1 ||
	    (BOOT->flags & AZ_BOOT_STRACE))
		return PATCH_STUB_CALL;
	if (p->moved == 5 && p->code[0] == 0xb8)
		memcpy(&nr, p->code + 1, sizeof(nr));
	else if (p->moved == 7 && !memcmp(p->code, mov7, sizeof(mov7)))
		memcpy(&nr, p->code + 3, sizeof(nr));
	if (nr == AZ_SYS_getpid)
		return PATCH_STUB_GETPID;
	return nr == AZ_SYS_gettid ? PATCH_STUB_GETTID : PATCH_STUB_CALL;
}

static int stub_write(const struct site *s, const struct patch_plan *p,
		      struct stub *stub)
{
	uint32_t hits = (uint32_t)offsetof(struct core, site_hits) +
			number(s) * (uint32_t)sizeof(uint64_t);
	struct patch_stub what = { .at = stub->at,
				   .kind = stub_kind(p),
				   .hits = hits,
				   .entry = CORE_ENTRY,
				   .pid = offsetof(struct core, up),
				   .thread = CORE_CURRENT,
				   .tid = offsetof(struct thread, tid) };
	uint8_t code[PATCH_STUB_MAX];

	if (patch_emit(p, &what, code, &stub->marks) ||
	    text_quiet(stub->at, code, stub->marks.len))
		return AZ_SITE_NO_STUB;
	stub->kind = what.kind;
	stub->moved = p->moved;
	stub->nmoved = p->nmoved;
	memcpy(stub->from, p->at, sizeof(stub->from));
	stub->dead = false;
	__atomic_store_n(&stub->site, s->addr, __ATOMIC_RELEASE);
	return PATCH_OK;
}

/* The stub stands: lead the site to it. */
static int site_lead(const struct site *s, const struct patch_plan *p,
		     struct rewrite *r)
{
	r->jump = p->jump;
	r->form = (uint8_t)p->form;
	r->len = p->jump_len;
	memcpy(r->old, p->old, sizeof(r->old));
	if (patch_jump(p, r->stub->at, r->new))
		return AZ_SITE_NO_STUB;
	if (p->form == PATCH_MOVE)
		return text_write(r->jump, r->old, r->new, r->len)
			   ? AZ_SITE_NO_WRITE
			   : PATCH_OK;
	patch_hop(p, r->hop);
	/* Nobody runs padding. */
	if (text_quiet(r->jump, r->new, r->len))
		return AZ_SITE_NO_WRITE;
	if (text_write(s->addr, syscall_bytes, r->hop, SYSCALL)) {
		(void)text_quiet(r->jump, r->old, r->len);
		return AZ_SITE_NO_WRITE;
	}
	return PATCH_OK;
}

static int site_rewrite(struct site *s, const struct patch_plan *p)
{
	struct rewrite *r = &s->done[s->ndone];
	int why;

	r->stub = stub_alloc(p->jump);
	if (!r->stub)
		return AZ_SITE_NO_STUB;
	why = stub_write(s, p, r->stub);
	if (!why)
		why = site_lead(s, p, r);
	if (why) {
		/* No core has seen it. */
		r->stub->site = 0;
		return why;
	}
	s->ndone++;
	shown(s)->form |= (uint8_t)p->form;
	shown(s)->kind = (uint8_t)r->stub->kind;
	return PATCH_OK;
}

/* May the mapping be rewritten: private, and not for the program to change? */
static bool is_plain_text(const struct vma_info *v, uint64_t addr)
{
	return v->start <= addr &&
	       (v->flags & (VMA_EXEC | VMA_WRITE | VMA_SHARED | VMA_VDSO)) ==
		   VMA_EXEC;
}

/* The plan for the site's next form. */
static int site_plan(const struct site *s, const struct vma_info *v,
		     struct patch_plan *p)
{
	uint8_t bytes[2 * PATCH_REACH];
	uint64_t lo = MAX(v->start, s->addr - PATCH_REACH);
	uint64_t hi = MIN(v->end, s->addr + PATCH_REACH);
	struct patch_text t = { .bytes = bytes, .len = hi - lo, .base = lo };
	struct patch_plan pad;
	int why;

	if (copy_from_user(bytes, lo, hi - lo))
		return PATCH_NO_SITE;
	if (s->ndone)
		return patch_plan(
		    &t, s->addr,
		    s->done[0].form == PATCH_MOVE ? PATCH_PAD : PATCH_MOVE, p);
	/* One instruction is best; else where jumps past several go, too. */
	why = patch_plan(&t, s->addr, PATCH_MOVE, p);
	if (why || p->nmoved > 1)
		if (!patch_plan(&t, s->addr, PATCH_PAD, &pad)) {
			*p = pad;
			why = PATCH_OK;
		}
	if (why)
		why = patch_plan(&t, s->addr, PATCH_MOVE | PATCH_PAST, p);
	return why;
}

/* What was rewritten is gone without a word, as in the child of a fork. */
static void site_look(struct site *s)
{
	for (uint32_t i = 0; i < s->ndone; i++)
		if (!is_there(s, &s->done[i])) {
			while (s->ndone)
				undo(s, &s->done[--s->ndone]);
			shown(s)->form = 0;
			return;
		}
}

static int site_try(struct site *s, const struct vma_info *v,
		    struct patch_plan *p)
{
	int why = is_plain_text(v, s->addr) ? PATCH_OK : AZ_SITE_NO_TEXT;

	if (!why) {
		site_look(s);
		why = site_plan(s, v, p);
	}
	if (!why)
		why = site_rewrite(s, p);
	s->next_try = why || s->ndone == FORMS ? NEVER : s->traps + NEXT_TRY;
	shown(s)->why = s->ndone ? PATCH_OK : (uint8_t)why;
	return why;
}

/* --- traps --- */

/* The site, noted if it is new. NULL: the table is full, or it has gone. */
static struct site *site_note(uint64_t addr, const struct vma_info *v)
{
	struct site *s = site_find(addr);

	if (s)
		return s;
	s = site_add(addr, v);
	if (!s)
		STATS->sites_lost++;
	return s;
}

/* One look at the site, under the lock. AZ_SITE_NO_STUB: at `near`. */
static int look(uint64_t addr, uint64_t *near)
{
	struct patch_plan p = { .jump = addr };
	struct vma_info v;
	struct site *s;
	int why = PATCH_OK;

	mm_lock();
	/* The vDSO is ours, and calls by a jump where it matters. */
	s = mm_find_locked(addr, &v) && !(v.flags & VMA_VDSO)
		? site_note(addr, &v)
		: NULL;
	if (s && s->traps + 1 >= s->next_try)
		why = site_try(s, &v, &p);
	mm_unlock();
	*near = p.jump;
	return why;
}

/* Room for stubs near addr: that of dead ones, or a new area. */
static bool make_room(uint64_t addr)
{
	uint64_t base;
	bool dead, made;

	mm_lock();
	dead = stub_dead_near(addr);
	mm_unlock();
	if (dead) {
		while (!stop_cores()) {
			stop_park();
			mon_relax();
		}
		stub_sweep();
		stop_release();
		return true;
	}
	base = mm_stub_area(addr, STUB_AREA);
	if (!base)
		return false;
	mm_lock();
	made = !stub_area_add(base);
	mm_unlock();
	return made;
}

static void try_again(uint64_t addr)
{
	struct site *s;

	mm_lock();
	s = site_find(addr);
	if (s)
		s->next_try = s->traps;
	mm_unlock();
}

static void note(uint64_t addr)
{
	uint64_t near;

	for (int tries = 0; tries < 3; tries++) {
		if (look(addr, &near) != AZ_SITE_NO_STUB || !make_room(near))
			return;
		try_again(addr);
	}
}

void patch_trap(const struct az_frame *frame)
{
	uint64_t addr = frame->rip - SYSCALL;
	struct site *s;

	if ((BOOT->flags & AZ_BOOT_NOPATCH) ||
	    frame->orig_rax == AZ_SYS_rt_sigreturn)
		return;
	s = site_find(addr);
	if (unlikely(!s || s->traps + 1 >= s->next_try)) {
		if (!s && nsites == AZ_SITES && STATS->sites_lost > AZ_SITES)
			return; /* it is not worth the search */
		note(addr);
		s = site_find(addr);
	}
	if (s) {
		s->traps++;
		shown(s)->traps++;
	}
}

/* --- what becomes of text --- */

static bool touches(const struct site *s, uint64_t lo, uint64_t hi)
{
	/* A stub may know that a ret follows. */
	if (s->addr < hi && s->addr + SYSCALL + 1 > lo)
		return true;
	for (uint32_t i = 0; i < s->ndone; i++) {
		const struct rewrite *r = &s->done[i];

		if ((r->jump < hi && r->jump + r->len > lo) ||
		    (r->stub->at < hi && r->stub->at >= lo))
			return true;
	}
	return false;
}

void text_changed(uint64_t lo, uint64_t hi)
{
	bool any = false;

	if (!nsites)
		return;
	for (uint32_t i = 0; i < nsites; i++) {
		struct site *s = &sites[i];

		if (!s->addr || !touches(s, lo, hi))
			continue;
		for (uint32_t k = 0; k < s->ndone; k++)
			undo(s, &s->done[k]);
		any |= s->ndone;
		s->ndone = 0;
		site_remove(s);
	}
	any |= stub_area_drop(lo, hi);
	if (any)
		text_leave();
}

/* --- places in stubs --- */

static uint64_t moved_at(const struct stub *s, uint64_t off)
{
	for (uint32_t i = 0; i < s->nmoved; i++)
		if (s->marks.at[i] == off)
			return s->site - s->moved + s->from[i];
	return s->site;
}

void patch_rip(struct az_frame *frame)
{
	const struct stub *s = stub_where(frame->rip);
	uint64_t off;

	if (likely(!s))
		return;
	off = frame->rip - s->at;
	if (off < s->marks.body) {
		frame->rip = moved_at(s, off);
	} else if (s->kind == PATCH_STUB_CALL || off <= s->marks.load) {
		/* Only %rcx and %r11 differ, which a call changes anyway. */
		frame->rip = s->site;
	} else {
		frame->rax = s->kind == PATCH_STUB_GETPID
				 ? core_self()->up
				 : (uint32_t)thread_self()->tid;
		frame->rip = frame->rcx = s->site + SYSCALL;
		frame->r11 = frame->rflags;
	}
}

void patch_step(struct az_frame *frame)
{
	const struct stub *stub = stub_where(frame->rip);
	struct site *s;

	if (likely(!stub))
		return;
	mm_lock();
	s = site_find(stub->site);
	if (s) {
		while (s->ndone)
			undo(s, &s->done[--s->ndone]);
		s->next_try = NEVER;
		shown(s)->form = 0;
		shown(s)->why = AZ_SITE_NO_TEXT;
	}
	mm_unlock();
}

bool patch_int3(struct az_frame *frame)
{
	struct core *c = core_self();

	if (!text_was_written(frame->rip - 1))
		return false;
	frame->rip--;
	if (frame->rip != c->int3_at)
		c->int3_again = 0;
	c->int3_at = frame->rip;
	if (++c->int3_again % INT3_MANY == 0)
		text_look_again(frame->rip);
	return true;
}

/* --- counters --- */

void patch_publish(void)
{
	for (uint32_t i = 0; i < nsites; i++)
		if (sites[i].addr)
			shown(&sites[i])->hits =
			    hits_sum(&sites[i]) - shown(&sites[i])->before;
}

/* Counters of cores are zero again, and so are those that tools see. */
void patch_fork_child(void)
{
	STATS->nsites = nsites;
	for (uint32_t i = 0; i < nsites; i++) {
		struct site *s = &sites[i];
		struct az_site *a = shown(s);

		if (!s->addr)
			continue;
		s->traps = MIN(s->traps, FIRST_TRY - 1);
		*a = (struct az_site){ .addr = s->addr, .offset = s->offset };
		for (uint32_t k = 0; k < s->ndone; k++) {
			a->form |= s->done[k].form;
			a->kind = (uint8_t)s->done[k].stub->kind;
		}
	}
}
