/* SPDX-License-Identifier: MIT */
/*
 * itimer.c - the interval timers of setitimer(2) and alarm(2).
 *
 * Processor time is not split into the program's own and the kernel's, so
 * ITIMER_VIRTUAL counts both, as ITIMER_PROF does.
 *
 * Locks: set_lock makes setting one thing at a time and is never taken by
 * expire(), so that a timer can be cancelled under it. `lock` guards at and
 * interval; a timer is armed with it held and at != 0, so that after at = 0
 * and timer_cancel() it stays disarmed.
 */
#include "sys/itimer.h"

#include "calls.h"
#include "lib/errno.h"
#include "lib/user.h"
#include "sched/thread.h"
#include "sys/clockid.h"
#include "sys/ptimer.h"

#define ITIMER_REAL    0
#define ITIMER_VIRTUAL 1
#define ITIMER_PROF    2

#define NSEC_PER_USEC 1000ULL
#define USEC_PER_SEC  1000000LL

struct itimer {
	struct timer timer;
	struct clock clock;
	int signo;
	uint64_t at; /* on clock, ns; 0: disarmed */
	uint64_t interval;
};

/* struct itimerval, and the same in ns. */
struct itimerval64 {
	struct timeval64 interval, value;
};

struct itimer_ns {
	uint64_t interval, value;
};

static void expire(struct timer *t);

static struct itimer itimers[] = {
	[ITIMER_REAL] = { .timer.fn = expire,
			  .clock.kind = CLOCK_KIND_MONO,
			  .signo = SIGALRM },
	[ITIMER_VIRTUAL] = { .timer.fn = expire,
			     .clock.kind = CLOCK_KIND_PROCESS,
			     .signo = SIGVTALRM },
	[ITIMER_PROF] = { .timer.fn = expire,
			  .clock.kind = CLOCK_KIND_PROCESS,
			  .signo = SIGPROF },
};
static struct spinlock set_lock;
static struct spinlock lock;

/* at has passed: the next time, or disarm. */
static void advance(struct itimer *it, uint64_t now)
{
	if (it->interval)
		it->at += ((now - it->at) / it->interval + 1) * it->interval;
	else
		it->at = 0;
}

static void expire(struct timer *t)
{
	struct itimer *it = container_of(t, struct itimer, timer);
	struct siginfo si = { .signo = it->signo, .code = SI_KERNEL };
	bool due = false;

	spin_lock(&lock);
	if (it->at) {
		uint64_t now = clock_now(&it->clock);

		due = now >= it->at;
		if (due)
			advance(it, now);
	}
	if (it->at)
		timer_arm(t, MAX(clock_when(&it->clock, it->at),
				 clock_mono() + (due ? TIMER_STEP_MIN : 0)));
	spin_unlock(&lock);
	if (due)
		signal_send_process(&si);
}

/* lock held. */
static struct itimer_ns itimer_read(const struct itimer *it)
{
	struct itimer_ns v = { it->interval, 0 };
	uint64_t now = clock_now(&it->clock);

	if (it->at) /* an armed timer never reads as disarmed */
		v.value = it->at > now ? MAX(it->at - now, NSEC_PER_USEC)
				       : NSEC_PER_USEC;
	return v;
}

static struct itimer_ns itimer_get(int which)
{
	struct itimer_ns v;

	spin_lock(&lock);
	v = itimer_read(&itimers[which]);
	spin_unlock(&lock);
	return v;
}

static struct itimer_ns itimer_set(int which, const struct itimer_ns *new)
{
	struct itimer *it = &itimers[which];
	struct itimer_ns old;

	spin_lock(&set_lock);
	spin_lock(&lock);
	old = itimer_read(it);
	it->at = 0;
	spin_unlock(&lock);
	timer_cancel(&it->timer);
	spin_lock(&lock);
	it->interval = new->interval;
	if (new->value) {
		it->at = time_add(clock_now(&it->clock), new->value);
		timer_arm(&it->timer, clock_when(&it->clock, it->at));
	}
	spin_unlock(&lock);
	spin_unlock(&set_lock);
	return old;
}

void itimer_fork_child(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(itimers); i++) {
		itimers[i].at = 0;
		itimers[i].interval = 0;
		itimers[i].timer.armed = 0;
	}
	ptimer_fork_child();
	clock_fork_child();
}

void itimer_carry(uint64_t out[3][2])
{
	for (int i = 0; i < 3; i++) {
		struct itimer_ns v = itimer_get(i);

		out[i][0] = v.value;
		out[i][1] = v.interval;
	}
}

void itimer_resume(const uint64_t from[3][2])
{
	for (int i = 0; i < 3; i++) {
		struct itimer_ns v = { .value = from[i][0],
				       .interval = from[i][1] };

		if (v.value)
			itimer_set(i, &v);
	}
}

static int timeval_ns(const struct timeval64 *tv, uint64_t *ns)
{
	struct timespec64 ts = { tv->sec, tv->usec * (int64_t)NSEC_PER_USEC };

	if (tv->usec < 0 || tv->usec >= USEC_PER_SEC)
		return -EINVAL;
	return timespec_ns(&ts, ns);
}

static struct timeval64 timeval_of(uint64_t ns)
{
	return (
	    struct timeval64){ (int64_t)(ns / NSEC_PER_SEC),
			       (int64_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC) };
}

static int itimerval_store(uint64_t uaddr, const struct itimer_ns *v)
{
	struct itimerval64 itv = { timeval_of(v->interval),
				   timeval_of(v->value) };

	return copy_to_user(uaddr, &itv, sizeof(itv));
}

long sys_getitimer(const uint64_t a[6])
{
	int which = (int)a[0];
	struct itimer_ns v;

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	v = itimer_get(which);
	return itimerval_store(a[1], &v);
}

long sys_setitimer(const uint64_t a[6])
{
	int which = (int)a[0];
	struct itimerval64 itv = { 0 };
	struct itimer_ns new, old;

	if (a[1] && copy_from_user(&itv, a[1], sizeof(itv)))
		return -EFAULT;
	if (timeval_ns(&itv.value, &new.value) ||
	    timeval_ns(&itv.interval, &new.interval) || which < ITIMER_REAL ||
	    which > ITIMER_PROF)
		return -EINVAL;
	old = itimer_set(which, &new);
	return a[2] ? itimerval_store(a[2], &old) : 0;
}

long sys_alarm(const uint64_t a[6])
{
	struct itimer_ns new = { .value =
				     (uint64_t)(uint32_t)a[0] * NSEC_PER_SEC };
	uint64_t left = itimer_set(ITIMER_REAL, &new).value;

	/* To the nearest second, but never 0 for an alarm that is set. */
	if (left && left < NSEC_PER_SEC)
		return 1;
	return (long)((left + NSEC_PER_SEC / 2) / NSEC_PER_SEC);
}
