/* SPDX-License-Identifier: MIT */
/*
 * clockid.c - the clocks that calls name, and times as calls give them.
 *
 * Processor time is counted by the scheduler, by thread; that of threads that
 * have ended is kept here (ended_ns, atomic). A reading of the process's never
 * goes back (latest_ns): a thread that ends is for a moment in neither sum.
 */
#include "sys/clockid.h"

#include "calls.h"
#include "lib/errno.h"
#include "lib/user.h"
#include "sched/clock.h"
#include "sched/sched.h"
#include "sys/sys.h"

/* Parts of a processor-time clock id, <linux/posix-timers_types.h>. */
#define CPUCLOCK_KIND      3
#define CPUCLOCK_FD        3 /* not processor time but a device */
#define CPUCLOCK_PERTHREAD 4
#define CPUCLOCK_PID_SHIFT 3

/* How soon at the earliest, and at the latest while nothing runs, to look
 * again at processor time: Linux looks at ticks, 1 to 10 ms. */
#define CPU_LOOK_MIN  50000ULL
#define CPU_LOOK_IDLE 10000000ULL

static uint64_t ended_ns;
static uint64_t latest_ns;

/* --- clocks --- */

/* CLOCK_TAI differs from CLOCK_REALTIME by whole seconds. */
static uint64_t tai_offset(void)
{
	struct timespec64 tai = { 0 };
	struct timespec64 real = { 0 };
	int64_t sec;

	if (host_call(AZ_SYS_clock_gettime, CLOCK_REALTIME, (uint64_t)&real, 0,
		      0, 0, 0) ||
	    host_call(AZ_SYS_clock_gettime, CLOCK_TAI, (uint64_t)&tai, 0, 0, 0,
		      0))
		return 0;
	sec = tai.sec - real.sec;
	if (tai.nsec < real.nsec) /* a second began between the two */
		sec--;
	return sec > 0 ? (uint64_t)sec * NSEC_PER_SEC : 0;
}

/* Processor time of pid or tid, as clock_getcpuclockid(3) encodes it. */
static int resolve_cpu(int32_t id, struct clock *c)
{
	int pid = ~id >> CPUCLOCK_PID_SHIFT;
	bool ours;

	if ((id & CPUCLOCK_KIND) == CPUCLOCK_FD) {
		c->kind = CLOCK_KIND_HOST;
		return 0;
	}
	c->kind =
	    id & CPUCLOCK_PERTHREAD ? CLOCK_KIND_THREAD : CLOCK_KIND_PROCESS;
	c->tid = pid ? pid : thread_self()->tid;
	ours = c->tid == thread_self()->tid || signal_thread_exists(c->tid);
	if (c->kind == CLOCK_KIND_THREAD)
		return ours ? 0 : -EINVAL;
	if (pid && pid != (int)BOOT->pid && pid != thread_self()->tid) {
		if (ours) /* a thread's id is no process's */
			return -EINVAL;
		c->kind = CLOCK_KIND_HOST;
	}
	return 0;
}

int clock_resolve(int32_t id, struct clock *c)
{
	*c = (struct clock){ 0 };
	if (id < 0)
		return resolve_cpu(id, c);
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_ALARM:
		c->kind = CLOCK_KIND_REAL;
		return 0;
	case CLOCK_MONOTONIC:
		c->kind = CLOCK_KIND_MONO;
		return 0;
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		c->kind = CLOCK_KIND_BOOT;
		return 0;
	case CLOCK_TAI:
		c->kind = CLOCK_KIND_TAI;
		c->offset = tai_offset();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		c->kind = CLOCK_KIND_PROCESS;
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		c->kind = CLOCK_KIND_THREAD;
		c->tid = thread_self()->tid;
		return 0;
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
		c->kind = CLOCK_KIND_HOST;
		return 0;
	default:
		return -EINVAL;
	}
}

/* A thread that has never run has not come onto a core either. */
static uint64_t cpu_of(struct thread *t)
{
	return t->since ? thread_cpu_ns(t) : 0;
}

static uint64_t process_now(void)
{
	uint64_t last = __atomic_load_n(&latest_ns, __ATOMIC_RELAXED);
	uint64_t ns;

	spin_lock(&threads_lock);
	ns = __atomic_load_n(&ended_ns, __ATOMIC_RELAXED);
	list_for_each(pos, &threads)
		ns += cpu_of(list_entry(pos, struct thread, all));
	spin_unlock(&threads_lock);
	while (ns > last &&
	       !__atomic_compare_exchange_n(&latest_ns, &last, ns, 0,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	return MAX(ns, last);
}

static uint64_t thread_now(int tid)
{
	struct thread *t;
	uint64_t ns;

	if (tid == thread_self()->tid)
		return thread_cpu_ns(thread_self());
	spin_lock(&threads_lock);
	t = thread_find(tid);
	ns = t ? cpu_of(t) : 0;
	spin_unlock(&threads_lock);
	return ns;
}

uint64_t clock_now(const struct clock *c)
{
	switch (c->kind) {
	case CLOCK_KIND_MONO:
		return clock_mono();
	case CLOCK_KIND_REAL:
		return clock_real();
	case CLOCK_KIND_BOOT:
		return clock_boot();
	case CLOCK_KIND_TAI:
		return clock_real() + c->offset;
	case CLOCK_KIND_PROCESS:
		return process_now();
	case CLOCK_KIND_THREAD:
		return thread_now(c->tid);
	default:
		return 0;
	}
}

/* How many threads that count for c run now. */
static uint32_t running(const struct clock *c)
{
	uint32_t n = 0;

	spin_lock(&threads_lock);
	list_for_each(pos, &threads) {
		struct thread *t = list_entry(pos, struct thread, all);

		if (t->on_core && t->state == THREAD_RUNNING &&
		    (c->kind == CLOCK_KIND_PROCESS || t->tid == c->tid))
			n++;
	}
	spin_unlock(&threads_lock);
	return n;
}

uint64_t clock_when(const struct clock *c, uint64_t at)
{
	uint64_t now = clock_mono();
	uint64_t cur = clock_now(c);
	uint64_t left = at > cur ? at - cur : 0;
	uint32_t n;

	if (c->kind != CLOCK_KIND_PROCESS && c->kind != CLOCK_KIND_THREAD)
		return time_add(now, left);
	n = running(c);
	left = n ? left / n : MAX(left, CPU_LOOK_IDLE);
	return time_add(now, MAX(left, CPU_LOOK_MIN));
}

void clock_thread_gone(struct thread *t)
{
	__atomic_fetch_add(&ended_ns, cpu_of(t), __ATOMIC_RELAXED);
}

void clock_fork_child(void)
{
	ended_ns = 0;
	latest_ns = 0;
}

/* --- times --- */

uint64_t deadline_after(uint64_t ns)
{
	return time_add(clock_mono(), ns);
}

int timespec_ns(const struct timespec64 *ts, uint64_t *ns)
{
	if (ts->sec < 0 || ts->nsec < 0 || ts->nsec >= (int64_t)NSEC_PER_SEC)
		return -EINVAL;
	*ns = (uint64_t)ts->sec >= TIME_MAX / NSEC_PER_SEC
		  ? TIME_MAX
		  : (uint64_t)ts->sec * NSEC_PER_SEC + (uint64_t)ts->nsec;
	return 0;
}

int timespec_load(uint64_t uaddr, uint64_t *ns)
{
	struct timespec64 ts;

	if (copy_from_user(&ts, uaddr, sizeof(ts)))
		return -EFAULT;
	return timespec_ns(&ts, ns);
}

int timespec_store(uint64_t uaddr, uint64_t ns)
{
	struct timespec64 ts = timespec_of(ns);

	return copy_to_user(uaddr, &ts, sizeof(ts));
}
