/* SPDX-License-Identifier: MIT */
/*
 * clock.c - the instance's clocks, from the TSC.
 *
 * clock_vvar (vdso.h) holds a linear relation of time to the TSC that is good
 * for `span` ticks. Whoever reads a clock after that renews it (clock_resync):
 * reads the owner's clocks, and chooses the slope so that our clock and the
 * owner's meet at the next resync. Nothing happens while nobody asks.
 *
 * Invariant: no core ever sees CLOCK_MONOTONIC go back. A new line starts on
 * or above the old one, at a tick read while seq is odd, when no reader can
 * succeed with the old line any more. Beyond 2 * span the old line counts as
 * flat (line_at), so that nobody can have read more of it than that, and a
 * clock not read for hours may be set right in one step.
 *
 * Locking: resync_lock guards the variables below and the writing of clock_vvar.
 * It is only ever tried: who does not get it uses the old line. It is held
 * over host_call, and clock_mono() may be called with any other spinlock held:
 * nothing else is taken under it. clock_vvar is read without it, by seq.
 */
#include "sched/clock.h"

#include <asm/unistd.h>
#include <linux/time.h>

#include "core.h"
#include "lib/spin.h"
#include "sched/timer.h"
#include "sys/sys.h"
#include "vdso/vdso.h"

#define INTERVAL_MIN 1000000ULL   /* ns between resyncs, at first */
#define INTERVAL_MAX NSEC_PER_SEC /* and after doubling */
#define STEP_NS      1000000      /* behind by more: jump forward */
#define RATE_NOISE   4096         /* baseline / error that a rate needs */
#define RATE_ERROR   10000        /* ns: a worse sample tells nothing of it */
#define RATE_SHIFT   9            /* believe 1/512 (NTP: 1/2000) of change */
#define SAMPLE_TRIES 3
#define SAMPLE_GOOD  1000 /* ns: no need to try again */
/* Plausible ns per tick, 32.32: 62 MHz to 64 GHz. */
#define RATE_MIN (1ULL << 26)
#define RATE_MAX (1ULL << 36)
/* The owner's first two samples are not bracketed; assume this error, ns. */
#define BOOT_ERROR 200

/* One reading of the owner's clocks. */
struct sample {
	uint64_t tsc;
	uint64_t mono;
	uint64_t error;            /* of mono at tsc, ns either way */
	uint64_t real_lo, real_hi; /* bounds of real - mono */
	uint64_t boot_lo, boot_hi; /* bounds of boot - mono */
};

struct az_vvar clock_vvar;

static bool use_tsc;
static int64_t shift; /* our CLOCK_MONOTONIC less the owner's, ns */
static struct spinlock resync_lock;
static struct sample anchor;  /* start of the baseline that gives the rate */
static uint64_t rate;         /* of the owner's clock, ns per tick, 32.32 */
static uint64_t doubted_rate; /* measured once, and not believed */
static uint64_t interval;     /* to the next resync, ns */

/* The line in force. */
struct line {
	uint64_t tsc_base, span, mult, mono_base;
	uint64_t real_off, boot_off;
};

/* a * 2^32 / b; the quotient must fit. */
static uint64_t div_fixed(uint64_t a, uint64_t b)
{
	uint64_t q, rest;

	__asm__("divq %4"
		: "=a"(q), "=d"(rest)
		: "0"(a << 32), "1"(a >> 32), "r"(b)
		: "cc");
	return q;
}

/* nr: clock_gettime or clock_getres */
static uint64_t host_time(uint32_t nr, int id)
{
	struct {
		int64_t sec, nsec;
	} ts;
	long r = host_call(nr, (uint64_t)id, (uint64_t)&ts, 0, 0, 0, 0);

	AZ_ASSERT(r == 0);
	return (uint64_t)ts.sec * NSEC_PER_SEC + (uint64_t)ts.nsec;
}

static uint64_t host_clock(int id)
{
	uint64_t ns = host_time(__NR_clock_gettime, id);

	return id == CLOCK_REALTIME ? ns : ns + (uint64_t)shift;
}

/* line_at - what the line says of a tick; flat outside [base, base + 2 span) */
static uint64_t line_at(const struct line *l, uint64_t tsc)
{
	int64_t ticks = (int64_t)(tsc - l->tsc_base);

	if (ticks < 0)
		return l->mono_base;
	return l->mono_base +
	       vdso_scale(MIN((uint64_t)ticks, 2 * l->span), l->mult);
}

static void line_load(struct line *l)
{
	const struct az_vvar *v = &clock_vvar;

	l->tsc_base = __atomic_load_n(&v->tsc_base, __ATOMIC_RELAXED);
	l->span = __atomic_load_n(&v->span, __ATOMIC_RELAXED);
	l->mult = __atomic_load_n(&v->mult, __ATOMIC_RELAXED);
	l->mono_base = __atomic_load_n(&v->mono_base, __ATOMIC_RELAXED);
	l->real_off = __atomic_load_n(&v->real_off, __ATOMIC_RELAXED);
	l->boot_off = __atomic_load_n(&v->boot_off, __ATOMIC_RELAXED);
}

/*
 * Replace the line by one that begins now: where the old one is, but not below
 * floor at floor_tsc. next's tsc_base and mono_base are filled in here.
 */
static void vvar_publish(const struct line *old, struct line *next,
			 uint64_t floor, uint64_t floor_tsc)
{
	struct az_vvar *v = &clock_vvar;
	uint64_t now;

	__atomic_store_n(&v->seq, v->seq + 1, __ATOMIC_RELAXED);
	/* Seen before the TSC is read; pairs with vdso.h:vdso_read_retry. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	now = vdso_tsc();
	next->tsc_base = now;
	next->mono_base = line_at(old, now);
	if (floor)
		next->mono_base = MAX(
		    next->mono_base, floor + vdso_scale(now - floor_tsc, rate));
	__atomic_store_n(&v->tsc_base, next->tsc_base, __ATOMIC_RELAXED);
	__atomic_store_n(&v->span, next->span, __ATOMIC_RELAXED);
	__atomic_store_n(&v->mult, next->mult, __ATOMIC_RELAXED);
	__atomic_store_n(&v->mono_base, next->mono_base, __ATOMIC_RELAXED);
	__atomic_store_n(&v->real_off, next->real_off, __ATOMIC_RELAXED);
	__atomic_store_n(&v->boot_off, next->boot_off, __ATOMIC_RELAXED);
	__atomic_store_n(&v->generation, v->generation + 1, __ATOMIC_RELAXED);
	/* Pairs with the acquire in vdso.h:vdso_read_begin. */
	__atomic_store_n(&v->seq, v->seq + 1, __ATOMIC_RELEASE);
}

static void host_clocks(struct az_clocks *c)
{
	c->tsc = vdso_tsc();
	c->mono = host_clock(CLOCK_MONOTONIC);
	c->tsc2 = vdso_tsc();
	c->real = host_clock(CLOCK_REALTIME);
	c->boot = host_clock(CLOCK_BOOTTIME);
	c->mono2 = host_clock(CLOCK_MONOTONIC);
}

/*
 * Read the owner's clocks. The TSC before and after CLOCK_MONOTONIC bounds the
 * error; of a few tries the one with the smallest error counts, since Linux may
 * have taken the CPU away in between. The other clocks have a fixed distance
 * from CLOCK_MONOTONIC (until somebody sets them): bracketed by it, likewise.
 */
static void sample_take(struct sample *s)
{
	*s = (struct sample){ .error = UINT64_MAX };
	for (int i = 0; i < SAMPLE_TRIES; i++) {
		struct az_clocks c;
		uint64_t ticks, error;

		if (!mon_clocks(&c))
			host_clocks(&c);
		ticks = c.tsc2 - c.tsc;
		error = vdso_scale(ticks, rate) / 2 + 1;
		if (error >= s->error)
			continue;
		*s = (struct sample){ .tsc = c.tsc + ticks / 2,
				      .mono = c.mono,
				      .error = error,
				      .real_lo = c.real - c.mono2,
				      .real_hi = c.real - c.mono,
				      .boot_lo = c.boot - c.mono2,
				      .boot_hi = c.boot - c.mono };
		if (error <= SAMPLE_GOOD)
			return;
	}
}

static bool rate_near(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) <= b >> RATE_SHIFT;
}

/*
 * Measure the owner's rate from anchor to s, if they are so far apart that
 * their errors hardly matter. A rate far from the one in use is believed only
 * when measured twice: a machine that slept or moved gives a false one.
 */
static void rate_update(const struct sample *s)
{
	uint64_t mono = s->mono - anchor.mono, ticks = s->tsc - anchor.tsc;
	uint64_t r;

	if (s->tsc <= anchor.tsc || s->mono <= anchor.mono) {
		anchor = *s;
		return;
	}
	if (s->error > RATE_ERROR ||
	    mono < RATE_NOISE * (s->error + anchor.error))
		return;
	r = mono >> 32 < ticks ? div_fixed(mono, ticks) : 0;
	if (r < RATE_MIN || r > RATE_MAX) {
		anchor = *s;
		return;
	}
	if (rate_near(r, rate) || rate_near(r, doubted_rate)) {
		rate = r;
		doubted_rate = 0;
	} else {
		doubted_rate = r;
		interval = INTERVAL_MIN;
		anchor = *s;
	}
	if (mono >= NSEC_PER_SEC)
		anchor = *s;
}

/* What is certain of an error, given the uncertainty of its measurement. */
static int64_t certain(int64_t e, uint64_t uncertainty)
{
	int64_t u = (int64_t)MIN(uncertainty, (uint64_t)INT64_MAX);

	if (e > u)
		return e - u;
	return e < -u ? e + u : 0;
}

/*
 * The slope that makes up for e ns over the next ticks: at most 1/512 off the
 * true one, unless we are so far ahead that this would take seconds.
 */
static uint64_t slew(int64_t e, uint64_t ticks)
{
	uint64_t size = e < 0 ? -(uint64_t)e : (uint64_t)e;
	uint64_t most = rate >> (size > STEP_NS ? 4 : RATE_SHIFT);
	uint64_t change = size >> 32 < ticks ? div_fixed(size, ticks) : most;

	change = MIN(change, most);
	return e < 0 ? rate - change : rate + change;
}

static uint64_t clamp(uint64_t v, uint64_t lo, uint64_t hi)
{
	int64_t d = (int64_t)(v - lo);

	if (d < 0)
		return lo;
	return (int64_t)(v - hi) > 0 ? hi : v;
}

static void resync_locked(const struct line *old)
{
	struct sample s;
	struct line next;
	uint64_t floor = 0;
	int64_t e;

	sample_take(&s);
	rate_update(&s);
	e = (int64_t)(s.mono - line_at(old, s.tsc));
	/* Read by nobody for long, or too far behind: no slew upwards. */
	if (e > 0 && (e > STEP_NS || s.tsc - old->tsc_base > 2 * old->span)) {
		floor = s.mono;
		e = 0;
	}
	next.span = div_fixed(interval, rate);
	next.mult = slew(certain(e, s.error), next.span);
	next.real_off = clamp(old->real_off, s.real_lo, s.real_hi);
	next.boot_off = clamp(old->boot_off, s.boot_lo, s.boot_hi);
	vvar_publish(old, &next, floor, s.tsc);
	interval = MIN(2 * interval, INTERVAL_MAX);
}

/* True: there is a new line. False: another core is just making one. */
static bool clock_resync(void)
{
	struct line old;

	if (!spin_trylock(&resync_lock))
		return false;
	line_load(&old);
	/* Another core may have been here since the caller looked. */
	if (vdso_tsc() - old.tsc_base >= old.span)
		resync_locked(&old);
	spin_unlock(&resync_lock);
	return true;
}

/* Backwards by less than this is another core's TSC, not a reset one. */
#define TSC_SKEW 100000

/* The time by the line in force, with the line's own offsets in *l. */
static uint64_t clock_read(struct line *l)
{
	uint64_t tsc;

	do {
		uint32_t seq;

		do {
			seq = vdso_read_begin(&clock_vvar);
			tsc = vdso_tsc();
			line_load(l);
		} while (vdso_read_retry(&clock_vvar, seq));
		if (likely(tsc - l->tsc_base + TSC_SKEW < l->span + TSC_SKEW))
			break;
	} while (clock_resync());
	return line_at(l, tsc);
}

uint64_t clock_mono(void)
{
	struct line l;

	if (unlikely(!use_tsc))
		return host_clock(CLOCK_MONOTONIC);
	return clock_read(&l);
}

uint64_t clock_real(void)
{
	struct line l;

	if (unlikely(!use_tsc))
		return host_clock(CLOCK_REALTIME);
	return clock_read(&l) + l.real_off;
}

uint64_t clock_boot(void)
{
	struct line l;

	if (unlikely(!use_tsc))
		return host_clock(CLOCK_BOOTTIME);
	return clock_read(&l) + l.boot_off;
}

/* Quotients of longer times might not fit: 13 days. */
#define DEADLINE_MAX (1ULL << 50)

uint64_t clock_deadline(uint64_t at)
{
	struct line l;
	uint64_t ticks;

	if (!use_tsc) /* at worst early: no CPU's TSC has less than 1 GHz */
		return vdso_tsc() + (at - MIN(at, clock_mono()));
	clock_read(&l);
	if (at <= l.mono_base)
		return l.tsc_base;
	ticks = div_fixed(MIN(at - l.mono_base, DEADLINE_MAX), l.mult);
	/* The lines that follow this one may be steeper, by 1/512. */
	if (ticks > l.span)
		ticks -= (ticks - l.span) >> 8;
	return l.tsc_base + ticks;
}

uint64_t clock_coarse_lag(void)
{
	return clock_vvar.coarse_lag;
}

/* Sums of what is later than this might not fit: 146 years. */
#define HOST_MAX (1ULL << 62)

uint64_t clock_of_host(uint64_t at)
{
	int64_t ns = (int64_t)MIN(at, HOST_MAX) - shift;

	if (!shift || at == AZ_NO_DEADLINE)
		return at;
	return ns > 0 ? (uint64_t)ns : 0;
}

int64_t clock_shift(void)
{
	return shift;
}

void clock_resume(uint64_t mono)
{
	shift = (int64_t)(mono - BOOT->time[1].mono_ns);
	use_tsc = false;
	__atomic_store_n(&clock_vvar.mult, 0, __ATOMIC_RELAXED);
	clock_init();
}

void clock_init(void)
{
	const struct az_time_sample *t = BOOT->time;
	uint64_t ticks = t[1].tsc - t[0].tsc;
	uint64_t mono = t[1].mono_ns - t[0].mono_ns;

	clock_vvar.coarse_lag =
	    host_time(__NR_clock_getres, CLOCK_MONOTONIC_COARSE);
	if (!(BOOT->flags & AZ_BOOT_TSC) || t[1].tsc <= t[0].tsc ||
	    t[1].mono_ns <= t[0].mono_ns || mono >> 32 >= ticks)
		return;
	rate = div_fixed(mono, ticks);
	if (rate < RATE_MIN || rate > RATE_MAX)
		return;
	anchor = (struct sample){ .tsc = t[0].tsc,
				  .mono = t[0].mono_ns + (uint64_t)shift,
				  .error = BOOT_ERROR };
	interval = INTERVAL_MIN;
	/* A line long out of date, for the first resync to replace. */
	clock_vvar.tsc_base = t[1].tsc;
	clock_vvar.mono_base = t[1].mono_ns + (uint64_t)shift;
	clock_vvar.real_off = t[1].real_ns - clock_vvar.mono_base;
	clock_vvar.mult = rate;
	clock_vvar.span = 1;
	use_tsc = true;
	clock_resync();
}
