/* SPDX-License-Identifier: MIT */
/*
 * ptimer.c - POSIX timers, timer_create(2).
 *
 * As in Linux, a timer has one queue entry of its own. When it expires, the
 * entry is queued and the timer rests (QUEUED) until the signal is taken;
 * then the intervals that have passed are counted as overruns and the timer
 * is armed for the next. So a short interval costs nothing while the signal
 * is blocked.
 *
 * Locks: set_lock makes creating, setting and deleting one thing at a time;
 * it is never taken where timers expire or signals are taken, so timers may
 * be cancelled under it. `lock` guards the table and what changes in a timer;
 * it comes before threads_lock. A timer is armed under it, only while ARMED:
 * after a change of state and timer_cancel() it stays disarmed. Arming waits
 * for expire() to end on another core, so while expire() may yet want `lock`
 * (sending) it does the arming itself. A timer is freed when it is out of the
 * table, cancelled and unqueued.
 */
#include "sys/ptimer.h"

#include "calls.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "sched/thread.h"
#include "sys/clockid.h"
#include "sys/limits.h"
#include "sys/sys.h"

/* sigevent.notify, <asm-generic/siginfo.h>. */
#define SIGEV_SIGNAL    0
#define SIGEV_NONE      1
#define SIGEV_THREAD    2
#define SIGEV_THREAD_ID 4

#define RLIMIT_SIGPENDING 11
#define FIRST_SLOTS       16

/* An ignored signal's timer is looked at no more often than this. */
#define IGNORED_STEP_MIN 1000000ULL

#define STATE_DISARMED 0U
#define STATE_ARMED    1U
#define STATE_QUEUED   2U /* expired; its signal has not been taken */

/* struct sigevent: 64 bytes. */
struct sigevent64 {
	uint64_t value;
	int32_t signo, notify, tid;
	int32_t pad[11];
};

struct itimerspec64 {
	struct timespec64 interval, value;
};

struct ptimer {
	struct timer timer;
	struct sigqueue_entry entry;
	int32_t notify;
	int32_t tid; /* SIGEV_THREAD_ID, or 0: the process */
	uint32_t state;
	bool sending;       /* expire() is between its two halves */
	struct clock base;  /* as timer_create named it */
	struct clock clock; /* that `at` is on */
	uint64_t at, interval;
	uint64_t overrun;      /* intervals gone by since it was QUEUED */
	uint64_t overrun_last; /* of the signal that was taken last */
};

_Static_assert(sizeof(struct sigevent64) == 64, "struct sigevent");

static struct spinlock set_lock;
static struct spinlock lock;
static struct ptimer **slots;
static uint32_t nslots;
static uint32_t ntimers;
static uint32_t next_id; /* ids are not used again soon */

static struct ptimer *find(int id)
{
	return id >= 0 && (uint32_t)id < nslots ? slots[id] : NULL;
}

/* at has passed: move it on; how many intervals. */
static uint64_t forward(struct ptimer *p, uint64_t now)
{
	uint64_t n;

	if (p->at > now)
		return 0;
	n = (now - p->at) / p->interval + 1;
	p->at = time_add(p->at, n * p->interval);
	return n;
}

static void arm(struct ptimer *p, uint64_t step_min)
{
	p->state = STATE_ARMED;
	if (!p->sending)
		timer_arm(&p->timer, MAX(clock_when(&p->clock, p->at),
					 clock_mono() + step_min));
}

/* --- expiry --- */

/* Nobody will take the signal: on to the next interval. lock held. */
static void skip(struct ptimer *p)
{
	if (p->state != STATE_QUEUED)
		return;
	p->state = STATE_DISARMED;
	if (p->interval) {
		forward(p, clock_now(&p->clock));
		arm(p, IGNORED_STEP_MIN);
	}
}

static bool expired(struct ptimer *p)
{
	if (p->state != STATE_ARMED)
		return false;
	if (clock_now(&p->clock) < p->at) {
		arm(p, 0);
		return false;
	}
	p->state = STATE_QUEUED;
	p->overrun = 0;
	p->sending = true;
	return true;
}

static void expire(struct timer *t)
{
	struct ptimer *p = container_of(t, struct ptimer, timer);
	bool due;
	int sent;

	spin_lock(&lock);
	due = expired(p);
	spin_unlock(&lock);
	if (!due)
		return;
	sent = signal_send_timer(p->tid, &p->entry);
	spin_lock(&lock);
	p->sending = false;
	if (sent == 0)
		skip(p);
	else if (p->state == STATE_ARMED) /* taken already */
		arm(p, TIMER_STEP_MIN);
	spin_unlock(&lock);
}

void ptimer_delivered(struct siginfo *si)
{
	struct ptimer *p;

	spin_lock(&lock);
	p = find(si->timer.tid);
	if (p && p->state == STATE_QUEUED) {
		p->state = STATE_DISARMED;
		p->overrun_last = 0;
		if (p->interval) {
			p->overrun += forward(p, clock_now(&p->clock));
			p->overrun_last = p->overrun ? p->overrun - 1 : 0;
			arm(p, TIMER_STEP_MIN);
		}
		si->timer.overrun =
		    (int32_t)MIN(p->overrun_last, (uint64_t)INT32_MAX);
	}
	spin_unlock(&lock);
}

void ptimer_resume(void)
{
	spin_lock(&lock);
	for (uint32_t i = 0; i < nslots; i++)
		if (slots[i] && !slots[i]->entry.queue)
			skip(slots[i]);
	spin_unlock(&lock);
}

void ptimer_fork_child(void)
{
	for (uint32_t i = 0; i < nslots; i++) {
		kfree(slots[i]);
		slots[i] = NULL;
	}
	ntimers = 0;
	next_id = 0;
}

/* --- creating --- */

/* Make room in the table. set_lock held. */
static bool grow(void)
{
	uint32_t n = nslots ? 2 * nslots : FIRST_SLOTS;
	struct ptimer **new = kalloc(n * sizeof(struct ptimer *));
	struct ptimer **old = slots;

	if (!new)
		return false;
	spin_lock(&lock);
	if (old)
		memcpy(new, old, nslots * sizeof(struct ptimer *));
	slots = new;
	nslots = n;
	spin_unlock(&lock);
	kfree(old);
	return true;
}

/* Enter p into the table; its id, or -EAGAIN. */
static int insert(struct ptimer *p)
{
	uint64_t limit = limits_get(RLIMIT_SIGPENDING).soft;
	int id = -EAGAIN;

	spin_lock(&set_lock);
	if (ntimers >= limit)
		goto out_unlock;
	if (ntimers == nslots && !grow())
		goto out_unlock;
	spin_lock(&lock);
	while (slots[next_id % nslots])
		next_id++;
	id = (int)(next_id++ % nslots);
	p->entry.info.timer.tid = id;
	slots[id] = p;
	ntimers++;
	spin_unlock(&lock);
out_unlock:
	spin_unlock(&set_lock);
	return id;
}

/* Take timer id out of the table and out of everybody's hands. */
static int ptimer_remove(int id)
{
	struct ptimer *p;

	spin_lock(&set_lock);
	spin_lock(&lock);
	p = find(id);
	if (p) {
		slots[id] = NULL;
		ntimers--;
		p->state = STATE_DISARMED;
	}
	spin_unlock(&lock);
	if (p) {
		timer_cancel(&p->timer);
		signal_unqueue(&p->entry);
	}
	spin_unlock(&set_lock);
	if (!p)
		return -EINVAL;
	kfree(p);
	return 0;
}

static bool event_valid(const struct sigevent64 *ev)
{
	switch (ev->notify) {
	case SIGEV_THREAD_ID:
		if (ev->tid <= 0 || !signal_thread_exists(ev->tid))
			return false;
		break;
	case SIGEV_SIGNAL:
	case SIGEV_THREAD:
		break;
	case SIGEV_NONE:
		return true;
	default:
		return false;
	}
	return ev->signo > 0 && ev->signo <= NSIG;
}

/* Which clocks have timers. */
static int clock_timed(int32_t id, struct clock *c)
{
	struct timespec64 ts;
	int err = clock_resolve(id, c);

	if (err)
		return err;
	if (c->kind == CLOCK_KIND_HOST)
		return id < 0 ? -EINVAL : -EOPNOTSUPP;
	if ((id == CLOCK_REALTIME_ALARM || id == CLOCK_BOOTTIME_ALARM) &&
	    host_call(AZ_SYS_clock_getres, (uint64_t)id, (uint64_t)&ts, 0, 0, 0,
		      0))
		return -EOPNOTSUPP;
	return 0;
}

long sys_timer_create(const uint64_t a[6])
{
	struct sigevent64 ev = { .signo = SIGALRM, .notify = SIGEV_SIGNAL };
	struct clock clock;
	struct ptimer *p;
	int32_t id;
	int err;

	if (a[1] && copy_from_user(&ev, a[1], sizeof(ev)))
		return -EFAULT;
	err = clock_timed((int32_t)a[0], &clock);
	if (err)
		return err;
	if (!event_valid(&ev))
		return -EINVAL;
	p = kalloc(sizeof(*p));
	if (!p)
		return -EAGAIN;
	p->timer.fn = expire;
	list_init(&p->timer.link);
	p->base = clock;
	p->clock = clock;
	p->notify = ev.notify;
	p->tid = ev.notify == SIGEV_THREAD_ID ? ev.tid : 0;
	p->entry.owned = true;
	p->entry.info.signo = ev.signo;
	p->entry.info.code = SI_TIMER;
	p->entry.info.timer.value = ev.value;
	id = insert(p);
	if (id < 0) {
		kfree(p);
		return id;
	}
	if (!a[1])
		p->entry.info.timer.value = (uint32_t)id;
	if (copy_to_user(a[2], &id, sizeof(id))) {
		ptimer_remove(id);
		return -EFAULT;
	}
	return 0;
}

long sys_timer_delete(const uint64_t a[6])
{
	return ptimer_remove((int)a[0]);
}

/* --- setting --- */

/* What is left, and the interval. lock held. */
static struct itimerspec64 ptimer_read(struct ptimer *p)
{
	struct itimerspec64 v = { timespec_of(p->interval), { 0, 0 } };
	uint64_t now = clock_now(&p->clock);

	if (p->state == STATE_DISARMED ||
	    (p->state == STATE_QUEUED && !p->interval))
		return v;
	if (p->interval &&
	    (p->state == STATE_QUEUED || p->notify == SIGEV_NONE))
		p->overrun += forward(p, now);
	if (p->at > now)
		v.value = timespec_of(p->at - now);
	else if (p->notify != SIGEV_NONE)
		v.value.nsec = 1; /* about to expire: not yet disarmed */
	return v;
}

/* lock held; p is disarmed. */
static void start(struct ptimer *p, uint64_t value, uint64_t interval, bool abs)
{
	p->overrun = 0;
	p->overrun_last = 0;
	p->interval = 0;
	if (!value)
		return;
	/* A span of time does not depend on how the clock is set. */
	if (!abs && (p->clock.kind == CLOCK_KIND_REAL ||
		     p->clock.kind == CLOCK_KIND_TAI))
		p->clock.kind = CLOCK_KIND_MONO;
	p->interval = interval;
	p->at = abs ? value : time_add(clock_now(&p->clock), value);
	if (p->notify == SIGEV_NONE)
		p->state = STATE_ARMED; /* never looked at by a core */
	else
		arm(p, 0);
}

static int set(int id, uint64_t value, uint64_t interval, bool abs,
	       struct itimerspec64 *old)
{
	struct ptimer *p;

	spin_lock(&set_lock);
	spin_lock(&lock);
	p = find(id);
	if (p) {
		*old = ptimer_read(p);
		p->state = STATE_DISARMED;
	}
	spin_unlock(&lock);
	if (p) {
		timer_cancel(&p->timer);
		/* A signal of the setting before is not for this one. */
		signal_unqueue(&p->entry);
		p->clock = p->base;
		spin_lock(&lock);
		start(p, value, interval, abs);
		spin_unlock(&lock);
	}
	spin_unlock(&set_lock);
	return p ? 0 : -EINVAL;
}

long sys_timer_settime(const uint64_t a[6])
{
	struct itimerspec64 new, old;
	uint64_t value, interval;
	int err;

	if (!a[2])
		return -EINVAL;
	if (copy_from_user(&new, a[2], sizeof(new)))
		return -EFAULT;
	if (timespec_ns(&new.interval, &interval) ||
	    timespec_ns(&new.value, &value))
		return -EINVAL;
	err = set((int)a[0], value, interval, a[1] & TIMER_ABSTIME, &old);
	if (err)
		return err;
	if (a[3] && copy_to_user(a[3], &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

long sys_timer_gettime(const uint64_t a[6])
{
	struct itimerspec64 v;
	struct ptimer *p;

	spin_lock(&lock);
	p = find((int)a[0]);
	if (p)
		v = ptimer_read(p);
	spin_unlock(&lock);
	if (!p)
		return -EINVAL;
	return copy_to_user(a[1], &v, sizeof(v));
}

long sys_timer_getoverrun(const uint64_t a[6])
{
	struct ptimer *p;
	long r = -EINVAL;

	spin_lock(&lock);
	p = find((int)a[0]);
	if (p)
		r = (long)MIN(p->overrun_last, (uint64_t)INT32_MAX);
	spin_unlock(&lock);
	return r;
}
