/* SPDX-License-Identifier: MIT */
/*
 * timecalls.c - the calls that read clocks and sleep.
 *
 * A sleeper waits for a deadline of its core; the clock is looked at after
 * every wake, so an early one does no harm. No state of its own.
 */
#include "calls.h"
#include "lib/errno.h"
#include "lib/user.h"
#include "sched/clock.h"
#include "sched/sched.h"
#include "sys/clockid.h"
#include "sys/sys.h"

#define NSEC_PER_USEC 1000ULL

/* --- reading --- */

/* Linux answers for id. */
static long host_gettime(int32_t id, uint64_t uaddr)
{
	struct timespec64 ts;
	long r = host_call(AZ_SYS_clock_gettime, (uint64_t)id, (uint64_t)&ts, 0,
			   0, 0, 0);

	if (r)
		return r;
	if (clock_shift() &&
	    (id == CLOCK_MONOTONIC_RAW || id == CLOCK_BOOTTIME_ALARM))
		ts = timespec_of((uint64_t)ts.sec * NSEC_PER_SEC +
				 (uint64_t)(ts.nsec + clock_shift()));
	return copy_to_user(uaddr, &ts, sizeof(ts));
}

/* The alarm clocks exist only where Linux has a device that wakes it. */
static int alarm_clock_check(int32_t id)
{
	struct timespec64 ts;

	if (id != CLOCK_REALTIME_ALARM && id != CLOCK_BOOTTIME_ALARM)
		return 0;
	return (int)host_call(AZ_SYS_clock_getres, (uint64_t)id, (uint64_t)&ts,
			      0, 0, 0, 0);
}

long sys_clock_gettime(const uint64_t a[6])
{
	int32_t id = (int32_t)a[0];
	struct clock c;
	int err = clock_resolve(id, &c);

	if (err)
		return err;
	if (id == CLOCK_REALTIME_COARSE)
		return timespec_store(a[1], clock_real() - clock_coarse_lag());
	if (id == CLOCK_MONOTONIC_COARSE)
		return timespec_store(a[1], clock_mono() - clock_coarse_lag());
	if (c.kind == CLOCK_KIND_HOST || c.kind == CLOCK_KIND_TAI ||
	    id == CLOCK_REALTIME_ALARM || id == CLOCK_BOOTTIME_ALARM)
		return host_gettime(id, a[1]);
	return timespec_store(a[1], clock_now(&c));
}

long sys_clock_getres(const uint64_t a[6])
{
	struct timespec64 ts = { 0, 1 };
	struct clock c;
	long r = clock_resolve((int32_t)a[0], &c);

	if (r)
		return r;
	if (c.kind != CLOCK_KIND_PROCESS && c.kind != CLOCK_KIND_THREAD) {
		r = host_call(AZ_SYS_clock_getres, a[0], (uint64_t)&ts, 0, 0, 0,
			      0);
		if (r)
			return r;
	}
	return a[1] ? copy_to_user(a[1], &ts, sizeof(ts)) : 0;
}

/*
 * The clocks are the machine's: refused as to a program without the right to
 * set them, and only CLOCK_REALTIME and others' processor time have a setting.
 */
long sys_clock_settime(const uint64_t a[6])
{
	int32_t id = (int32_t)a[0];
	struct clock c;
	uint64_t ns;
	int err = clock_resolve(id, &c);

	if (err)
		return err;
	if (id >= 0 && id != CLOCK_REALTIME)
		return -EINVAL;
	err = timespec_load(a[1], &ns);
	return err ? err : -EPERM;
}

long sys_gettimeofday(const uint64_t a[6])
{
	uint64_t now = clock_real();
	struct timeval64 tv = {
		.sec = (int64_t)(now / NSEC_PER_SEC),
		.usec = (int64_t)(now % NSEC_PER_SEC / NSEC_PER_USEC),
	};
	int32_t zone[2]; /* struct timezone */

	if (a[0] && copy_to_user(a[0], &tv, sizeof(tv)))
		return -EFAULT;
	if (!a[1])
		return 0;
	host_call(AZ_SYS_gettimeofday, 0, (uint64_t)zone, 0, 0, 0, 0);
	return copy_to_user(a[1], zone, sizeof(zone));
}

long sys_time(const uint64_t a[6])
{
	int64_t sec =
	    (int64_t)((clock_real() - clock_coarse_lag()) / NSEC_PER_SEC);

	if (a[0] && copy_to_user(a[0], &sec, sizeof(sec)))
		return -EFAULT;
	return sec;
}

/*
 * Linux knows how much of the owner's processor time was spent in the kernel;
 * the total is ours, as workers and waiting are not the program's. Linux
 * itself scales its samples to the exact total in the same way.
 */
long sys_times(const uint64_t a[6])
{
	const struct clock cpu = { .kind = CLOCK_KIND_PROCESS };
	int64_t tms[4] = { 0 }; /* struct tms: user, system, of children */
	long r = host_call(AZ_SYS_times, (uint64_t)tms, 0, 0, 0, 0, 0);
	int64_t total = (int64_t)(clock_now(&cpu) /
				  (NSEC_PER_SEC / MAX(BOOT->clktck, 1ULL)));
	int64_t sampled = tms[0] + tms[1];

	if (!a[0])
		return r;
	tms[1] = sampled > 0 ? total * tms[1] / sampled : 0;
	tms[0] = total - tms[1];
	if (copy_to_user(a[0], tms, sizeof(tms)))
		return -EFAULT;
	return r;
}

/* --- sleeping --- */

/* Sleep until c reaches `at`. 0 or -EINTR. */
static int sleep_until(const struct clock *c, uint64_t at)
{
	if (clock_now(c) >= at) {
		sched_yield();
		return 0;
	}
	for (;;) {
		sched_prepare();
		sched_wait(clock_when(c, at), true);
		if (clock_now(c) >= at)
			return 0;
		if (signal_interrupts())
			return -EINTR;
	}
}

static long sleep_for(const struct clock *c, uint64_t ns, uint64_t urem)
{
	uint64_t at = time_add(clock_now(c), ns);
	uint64_t now;
	int err = sleep_until(c, at);

	if (err != -EINTR)
		return err;
	now = clock_now(c);
	if (now >= at)
		return 0;
	if (urem && timespec_store(urem, at - now))
		return -EFAULT;
	return -EINTR;
}

/*
 * Linux's timers go by its own clocks. A descriptor does not tell which clock it
 * is for; but times of CLOCK_REALTIME are decades from those since a boot.
 */
long sys_timerfd_settime(const uint64_t a[6])
{
	struct {
		struct timespec64 interval, value;
	} its;
	uint64_t at;

	if (likely(!clock_shift()) || !(a[1] & TIMER_ABSTIME))
		return offload(AZ_SYS_timerfd_settime, a);
	if (copy_from_user(&its, a[2], sizeof(its)) ||
	    (a[3] && !user_range_ok(a[3], sizeof(its))))
		return -EFAULT;
	if (!timespec_ns(&its.value, &at) && at && at < clock_real() / 2)
		its.value = timespec_of(MAX(clock_of_host(at), 1));
	return host_call(AZ_SYS_timerfd_settime, a[0], a[1], (uint64_t)&its,
			 a[3], 0, 0);
}

long sys_nanosleep(const uint64_t a[6])
{
	static const struct clock mono = { .kind = CLOCK_KIND_MONO };
	uint64_t ns;
	int err = timespec_load(a[0], &ns);

	return err ? err : sleep_for(&mono, ns, a[1]);
}

/* The clocks that one can sleep on. */
static int sleepable(int32_t id, const struct clock *c)
{
	if (c->kind == CLOCK_KIND_HOST || id == CLOCK_THREAD_CPUTIME_ID ||
	    alarm_clock_check(id))
		return -EOPNOTSUPP;
	return 0;
}

long sys_clock_nanosleep(const uint64_t a[6])
{
	int32_t id = (int32_t)a[0];
	struct clock c;
	uint64_t ns;
	int err = clock_resolve(id, &c);

	if (!err)
		err = sleepable(id, &c);
	if (!err)
		err = timespec_load(a[2], &ns);
	/* A thread cannot wait for its own processor time. */
	if (!err && c.kind == CLOCK_KIND_THREAD && c.tid == thread_self()->tid)
		err = -EINVAL;
	if (err)
		return err;
	if (a[1] & TIMER_ABSTIME) {
		err = sleep_until(&c, ns);
		return err ? -ERESTARTNOHAND : 0;
	}
	/* A span of time does not depend on how the clock is set. */
	if (c.kind == CLOCK_KIND_REAL || c.kind == CLOCK_KIND_TAI)
		c.kind = CLOCK_KIND_MONO;
	return sleep_for(&c, ns, a[3]);
}
