/* SPDX-License-Identifier: MIT */
/*
 * clock_test.c - kernel/sched/clock.c against a machine that is made up here.
 *
 * The TSC and the owner's clocks are functions of one number, sim_ns, the true
 * time. Reading either takes some of it. The last tests use the real machine.
 */
/* cflags: -pthread */
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vdso/vdso.h"

#define _LINUX_TIME_H /* its structs are in <time.h> already */

static uint64_t sim_tsc(void);
#define vdso_tsc sim_tsc
#include "monitor.h"

#include "../../kernel/sched/clock.c"
#undef vdso_tsc

static int ntests, nfailed;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

/* --- the machine --- */
static struct {
	bool real_machine;
	double ns;              /* the truth */
	double mhz;             /* ticks per us */
	double ntp;             /* what Linux's clock gains, ns per ns */
	double tsc_off;         /* added to the TSC: ticks */
	double tsc_ns, mono_ns; /* integrals of the above */
	double real_off, boot_off;
	double call_ns;   /* what a host call takes */
	double hiccup_ns; /* what it takes now and then */
	unsigned int hiccup_1_in;
	uint64_t calls;
} sim;

static uint32_t lcg = 1;

static uint32_t random_below(uint32_t n)
{
	lcg = lcg * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)lcg * n) >> 32);
}

static void pass(double ns)
{
	sim.ns += ns;
	sim.tsc_ns += ns;
	sim.mono_ns += ns * (1 + sim.ntp);
}

static uint64_t sim_tsc(void)
{
	if (sim.real_machine)
		return vdso_tsc();
	pass(10);
	return (uint64_t)(sim.tsc_ns * sim.mhz / 1000 + sim.tsc_off);
}

long host_call(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
	       uint64_t a4, uint64_t a5)
{
	struct timespec *ts = (void *)a1;
	double t;

	(void)a2, (void)a3, (void)a4, (void)a5;
	if (sim.real_machine)
		return syscall((long)nr, a0, a1);
	if (nr == SYS_clock_getres) {
		*ts = (struct timespec){ .tv_nsec = 4000000 };
		return 0;
	}
	if (nr != SYS_clock_gettime)
		return -ENOSYS;
	sim.calls++;
	pass(sim.call_ns * (0.3 + random_below(40) / 100.0));
	if (sim.hiccup_1_in && !random_below(sim.hiccup_1_in))
		pass(sim.hiccup_ns * random_below(100) / 100);
	t = sim.mono_ns;
	if (a0 == CLOCK_REALTIME)
		t += sim.real_off;
	else if (a0 == CLOCK_BOOTTIME)
		t += sim.boot_off;
	else if (a0 != CLOCK_MONOTONIC)
		return -EINVAL;
	pass(sim.call_ns * 0.3);
	if (sim.hiccup_1_in && !random_below(sim.hiccup_1_in))
		pass(sim.hiccup_ns * random_below(100) / 100);
	ts->tv_sec = (time_t)(t / 1e9);
	ts->tv_nsec = (long)(t - (double)ts->tv_sec * 1e9);
	return 0;
}

/* One call each, as on pico and metal. */
int mon_clocks(struct az_clocks *c)
{
	(void)c;
	return 0;
}

void spin_wait(struct spinlock *l)
{
	(void)l;
	abort(); /* the clock only tries */
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	abort();
}

static struct az_time_sample boot_sample(double error_ns)
{
	struct az_time_sample s = {
		.tsc = sim_tsc(),
		.mono_ns = (uint64_t)(sim.mono_ns + error_ns),
		.real_ns = (uint64_t)(sim.mono_ns + sim.real_off)
	};

	return s;
}

/* Start an instance whose owner measured the TSC wrong by rate_error. */
static void start(double mhz, double rate_error, uint32_t flags)
{
	memset(&sim, 0, sizeof(sim));
	sim.ns = 1e12;
	sim.tsc_ns = 3e12;
	sim.mono_ns = 1e12;
	sim.real_off = 1.7e18 - 1e12;
	sim.boot_off = 5e10;
	sim.mhz = mhz;
	sim.call_ns = 150;
	memset(&clock_vvar, 0, sizeof(clock_vvar));
	memset(&anchor, 0, sizeof(anchor));
	use_tsc = false;
	doubted_rate = 0;
	BOOT->flags = flags;
	BOOT->time[0] = boot_sample(0);
	pass(500e3);
	BOOT->time[1] = boot_sample(500e3 * rate_error);
	pass(200e3);
	clock_init();
}

/* Statistics of a walk: readings, now and then, for a while. */
struct walk {
	double worst;      /* |mono - truth| of all readings, ns */
	double worst_late; /* of those in the second half */
	double worst_real; /* |(real - mono) - truth| */
	bool back;         /* a clock went back */
};

static struct walk walk(double duration, uint32_t pause_ns)
{
	struct walk w = { 0 };
	double from = sim.ns, end = from + duration;
	uint64_t last = 0, last_real = 0;

	while (sim.ns < end) {
		uint64_t m = clock_mono(), r;
		double e = (double)m - sim.mono_ns;

		w.back |= m < last;
		last = m;
		e = e < 0 ? -e : e;
		w.worst = MAX(w.worst, e);
		if (sim.ns > from + duration / 2)
			w.worst_late = MAX(w.worst_late, e);
		r = clock_real();
		w.back |= r < last_real;
		last_real = r;
		e = (double)(int64_t)(r - m) - sim.real_off;
		/* doubles of 1.7e18 are whole multiples of 256 */
		e = (e < 0 ? -e : e) - 512 - 50;
		w.worst_real = MAX(w.worst_real, e);
		pass(random_below(pause_ns));
	}
	return w;
}

static void test_converges(void)
{
	static const double mhz[] = { 800, 2445.428, 5700 };
	bool good = true, back = false, real = true;

	for (int i = 0; i < 3; i++)
		for (int sign = -1; sign <= 1; sign++) {
			struct walk w;

			start(mhz[i], sign * 3e-4, AZ_BOOT_TSC);
			w = walk(5e8, 20000);
			good &= w.worst < 2000 && w.worst_late < 500;
			back |= w.back;
			real &= w.worst_real < 300;
			w = walk(20e9, 2000000);
			good &= w.worst < 500;
			back |= w.back;
			real &= w.worst_real < 300;
		}
	ok(good, "a rate measured wrong by 3e-4 is put right, within 0.5 us");
	ok(!back, "meanwhile no clock goes back");
	ok(real, "CLOCK_REALTIME keeps its distance");
}

static void test_bad_calibration(void)
{
	struct walk w;

	start(2000, 0.2, AZ_BOOT_TSC);
	walk(1e9, 20000);
	w = walk(1e9, 20000);
	ok(w.worst < 1000 && !w.back, "a calibration off by 20 % is recovered");
}

static void test_ntp(void)
{
	struct walk w;

	start(2400, 0, AZ_BOOT_TSC);
	walk(5e9, 100000);
	sim.ntp = 500e-6;
	w = walk(10e9, 100000);
	ok(w.worst < 1.2e6 && w.worst_late < 1000 && !w.back,
	   "the owner's clock gaining 500 ppm is followed");
	sim.ntp = -500e-6;
	w = walk(10e9, 100000);
	ok(w.worst < 1.2e6 && w.worst_late < 1000 && !w.back,
	   "the owner's clock losing 500 ppm is followed");
}

static double off_by(void)
{
	double e = (double)clock_mono() - sim.mono_ns;

	return e < 0 ? -e : e;
}

static void test_idle(void)
{
	bool good = true;
	uint64_t before;

	start(3000, 1e-4, AZ_BOOT_TSC);
	for (int i = 0; i < 50; i++) {
		walk(random_below(50) * 1e6, 10000);
		before = clock_mono();
		pass(random_below(1000) * 7.2e9);
		good &= off_by() < 1000 && clock_mono() > before;
	}
	ok(good, "after up to two idle hours the first reading is right");
	before = clock_mono();
	sim.tsc_ns += 3600e9; /* asleep: CLOCK_MONOTONIC stands still */
	sim.boot_off += 3600e9;
	pass(1e9);
	good = clock_mono() > before && clock_mono() < before + 4000000000ULL;
	walk(40e9, 1000000);
	good &= off_by() < 1000;
	ok(good, "an hour asleep is not counted by CLOCK_MONOTONIC");
	ok(clock_boot() - clock_mono() > 3600000000000ULL,
	   "but by CLOCK_BOOTTIME");
}

/* Wait until clock_mono says `at`, as a core does. How often it woke. */
static uint32_t wait_until(uint64_t at)
{
	uint32_t n = 0;

	while (clock_mono() < at && ++n < 100) {
		uint64_t until = clock_deadline(at), now = sim_tsc();

		if (until > now)
			pass((double)(until - now) * 1000 / sim.mhz);
	}
	return n;
}

static void test_deadlines(void)
{
	uint32_t woke = 0;
	uint64_t late = 0;

	start(2445, 1e-4, AZ_BOOT_TSC);
	walk(5e9, 100000);
	for (int i = 0; i < 400; i++) {
		uint64_t at = clock_mono() + 1000 +
			      random_below(1000000000) * (i % 40 ? 1ULL : 3600);

		sim.ntp = (i / 100 - 1) * 250e-6;
		woke = MAX(woke, wait_until(at));
		late = MAX(late, clock_mono() - at);
	}
	ok(late < 2000, "a deadline of a core is never late, up to an hour");
	ok(woke <= 6, "and it wakes but a few times before");
	ok(wait_until(clock_mono()) == 0 &&
	       clock_deadline(clock_mono() - 1000000) <= sim_tsc(),
	   "a deadline that is over is now");
	pass(1e9);
	ok(clock_deadline(AZ_NO_DEADLINE - 1) > sim_tsc() + (1ULL << 50),
	   "one that never comes is far");
}

static void test_steps(void)
{
	struct walk w;

	start(2445, 0, AZ_BOOT_TSC);
	walk(3e9, 100000);
	sim.real_off += 3600e9;
	walk(1.1e9, 100000);
	w = walk(1e9, 100000);
	ok(w.worst_real < 300, "CLOCK_REALTIME set forward: followed in 1 s");
	sim.real_off -= 7200e9;
	walk(1.1e9, 100000);
	w = walk(1e9, 100000);
	ok(w.worst_real < 300, "CLOCK_REALTIME set back: followed in 1 s");
}

static void test_hiccups(void)
{
	struct walk w;

	start(2445, 1e-4, AZ_BOOT_TSC);
	sim.hiccup_1_in = 4;
	sim.hiccup_ns = 8e6;
	w = walk(60e9, 3000000);
	ok(!w.back && w.worst < 10e6, "losing the CPU half of the time while "
				      "sampling: no clock goes back");
	sim.hiccup_1_in = 0;
	walk(20e9, 1000000);
	w = walk(5e9, 1000000);
	ok(w.worst < 1000, "and once it is calm, they are right again");
}

static void test_tsc_reset(void)
{
	uint64_t before;
	struct walk w;

	start(2445, 0, AZ_BOOT_TSC);
	walk(3e9, 100000);
	before = clock_mono();
	sim.tsc_off = 1000 - sim.tsc_ns * sim.mhz / 1000;
	w = walk(3e9, 100000);
	ok(clock_mono() > before && !w.back && w.worst_late < 1000,
	   "a TSC that starts at 0 again does no harm");
}

static void test_skew(void)
{
	bool good = true;
	uint64_t last, calls;

	start(2445, 0, AZ_BOOT_TSC);
	walk(3e9, 100000);
	pass(2e9);
	last = clock_mono();
	calls = sim.calls;
	for (int i = 0; i < 100; i++) {
		uint64_t now;

		sim.tsc_off = i % 2 ? -20000 : 0;
		now = clock_mono();
		good &= now >= last - 20000;
		last = now;
	}
	ok(good && sim.calls == calls,
	   "a core whose TSC lags a little does not ask the owner");
}

static void test_no_tsc(void)
{
	uint64_t m;

	start(2445, 0, 0);
	m = clock_mono();
	ok((double)m <= sim.mono_ns && (double)m > sim.mono_ns - 200 &&
	       clock_vvar.span == 0 && sim.calls == 1,
	   "without a TSC every reading is the owner's");
	start(2445, 0, AZ_BOOT_TSC);
	BOOT->time[1] = BOOT->time[0];
	memset(&clock_vvar, 0, sizeof(clock_vvar));
	use_tsc = false;
	clock_init();
	ok(!use_tsc, "nor is the TSC used if it could not be measured");
}

static void test_cost(void)
{
	uint64_t calls;

	start(2445, 1e-4, AZ_BOOT_TSC);
	walk(10e9, 100000);
	calls = sim.calls;
	walk(10e9, 100000);
	ok(sim.calls - calls <= 60, "resyncs settle at one a second");
}

/* --- the real machine --- */
static uint64_t newest; /* the latest time that any thread has seen */
static bool stop, went_back;

static void *reader(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint64_t seen = __atomic_load_n(&newest, __ATOMIC_ACQUIRE);
		uint64_t now = clock_mono();

		if (now < seen)
			__atomic_store_n(&went_back, true, __ATOMIC_RELAXED);
		while (seen < now && !__atomic_compare_exchange_n(
					 &newest, &seen, now, false,
					 __ATOMIC_RELEASE, __ATOMIC_ACQUIRE))
			;
	}
	return NULL;
}

static struct az_time_sample real_sample(void)
{
	struct timespec m, r;
	struct az_time_sample s = { .tsc = vdso_tsc() };

	clock_gettime(CLOCK_MONOTONIC, &m);
	clock_gettime(CLOCK_REALTIME, &r);
	s.mono_ns = (uint64_t)m.tv_sec * NSEC_PER_SEC + (uint64_t)m.tv_nsec;
	s.real_ns = (uint64_t)r.tv_sec * NSEC_PER_SEC + (uint64_t)r.tv_nsec;
	return s;
}

static int64_t real_error(void)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < 100; i++) {
		struct timespec a, b;
		int64_t lo, hi, now;

		clock_gettime(CLOCK_MONOTONIC, &a);
		now = (int64_t)clock_mono();
		clock_gettime(CLOCK_MONOTONIC, &b);
		lo = (int64_t)a.tv_sec * 1000000000 + a.tv_nsec - now;
		hi = now - (int64_t)b.tv_sec * 1000000000 - b.tv_nsec;
		best = MIN(best, MAX(0, MAX(lo, hi)));
	}
	return best;
}

static void test_threads(void)
{
	struct timespec nap = { .tv_nsec = 500000 };
	pthread_t th[3];
	uint32_t generation;

	memset(&clock_vvar, 0, sizeof(clock_vvar));
	sim.real_machine = true;
	BOOT->flags = AZ_BOOT_TSC;
	BOOT->time[0] = real_sample();
	nanosleep(&nap, NULL);
	BOOT->time[1] = real_sample();
	clock_init();
	for (int i = 0; i < 3; i++)
		pthread_create(&th[i], NULL, reader, NULL);
	for (int i = 0; i < 1000; i++) {
		/* Resync as often as never in earnest. */
		if (spin_trylock(&resync_lock)) {
			interval = 20000;
			spin_unlock(&resync_lock);
		}
		nanosleep(&nap, NULL);
	}
	generation = clock_vvar.generation;
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(th[i], NULL);
	ok(!went_back, "three threads never see the clock of another go back");
	ok(generation > 500, "through hundreds of resyncs");
	ok(real_error() < 50000, "and it is Linux's CLOCK_MONOTONIC");
}

int main(void)
{
	void *boot =
	    mmap((void *)AZ_BOOT_BASE, sizeof(struct az_boot),
		 PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (boot != (void *)AZ_BOOT_BASE) {
		printf("1..0 # SKIP cannot map az_boot at its address\n");
		return 0;
	}
	test_converges();
	test_bad_calibration();
	test_ntp();
	test_idle();
	test_deadlines();
	test_steps();
	test_hiccups();
	test_tsc_reset();
	test_skew();
	test_no_tsc();
	test_cost();
	test_threads();
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
