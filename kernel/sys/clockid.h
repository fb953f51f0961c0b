/* SPDX-License-Identifier: MIT */
/* clockid.h - the clocks that calls name, and times as calls give them. */
#ifndef SYS_CLOCKID_H
#define SYS_CLOCKID_H

#include "lib/types.h"

/* Linux's clock ids, <linux/time.h>. */
#define CLOCK_REALTIME           0
#define CLOCK_MONOTONIC          1
#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID  3
#define CLOCK_MONOTONIC_RAW      4
#define CLOCK_REALTIME_COARSE    5
#define CLOCK_MONOTONIC_COARSE   6
#define CLOCK_BOOTTIME           7
#define CLOCK_REALTIME_ALARM     8
#define CLOCK_BOOTTIME_ALARM     9
#define CLOCK_TAI                11

#define TIMER_ABSTIME 1

/*
 * Timers with a shorter interval do not fire more often than this, ns: taking
 * a signal and returning from its handler are two upcalls, some 50 us on pico,
 * and the program must get on with its work.
 */
#define TIMER_STEP_MIN 100000ULL

/* Times are ns in a uint64_t, at most this: 292 years. */
#define TIME_MAX ((uint64_t)INT64_MAX)

struct timespec64 {
	int64_t sec, nsec;
};

struct timeval64 {
	int64_t sec, usec;
};

struct thread;

/* clock.kind */
#define CLOCK_KIND_MONO    0U
#define CLOCK_KIND_REAL    1U
#define CLOCK_KIND_BOOT    2U
#define CLOCK_KIND_TAI     3U
#define CLOCK_KIND_PROCESS 4U /* processor time of the process */
#define CLOCK_KIND_THREAD  5U /* processor time of thread tid */
#define CLOCK_KIND_HOST    6U /* read by Linux only: RAW, other processes */

struct clock {
	uint32_t kind;
	int32_t tid;
	uint64_t offset; /* KIND_TAI: ahead of REAL, ns */
};

/* clock_resolve - what clock id means. 0 or -EINVAL. */
int clock_resolve(int32_t id, struct clock *c);

/*
 * clock_now - the time on c in ns; 0 for KIND_HOST. Takes threads_lock for
 * processor time.
 */
uint64_t clock_now(const struct clock *c);

/*
 * clock_when - CLOCK_MONOTONIC, ns, at which to look whether c has reached
 * `at`. Processor time stands still or runs at several times the speed of
 * time, so it may not have, then.
 */
uint64_t clock_when(const struct clock *c, uint64_t at);

/* clock_thread_gone - t has ended: the process keeps its processor time. */
void clock_thread_gone(struct thread *t);

/* clock_fork_child - the child of a fork has used no processor time. */
void clock_fork_child(void);

/* time_add - saturating. */
static inline uint64_t time_add(uint64_t a, uint64_t b)
{
	return a > TIME_MAX - MIN(b, TIME_MAX) ? TIME_MAX : a + b;
}

/* deadline_after - CLOCK_MONOTONIC ns from now, as sched_wait takes it. */
uint64_t deadline_after(uint64_t ns);

/* timespec_ns - 0 or -EINVAL. */
int timespec_ns(const struct timespec64 *ts, uint64_t *ns);

/* timespec_load - a struct timespec of the program. 0, -EFAULT, -EINVAL. */
int timespec_load(uint64_t uaddr, uint64_t *ns);

/* timespec_store - 0 or -EFAULT. */
int timespec_store(uint64_t uaddr, uint64_t ns);

static inline struct timespec64 timespec_of(uint64_t ns)
{
	return (struct timespec64){ (int64_t)(ns / NSEC_PER_SEC),
				    (int64_t)(ns % NSEC_PER_SEC) };
}

#endif
