/* SPDX-License-Identifier: MIT */
/*
 * ptimer_test.c - kernel/sys/ptimer.c and itimer.c in made-up time.
 *
 * Time passes only in pass(), which runs the timers that are due, in order.
 * Signals are not delivered but counted; take() stands for their delivery.
 */
/* cflags: -DAZ_KERNEL */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define lock     itimer_lock
#define set_lock itimer_set_lock
#define expire   itimer_expire
#include "../../kernel/sys/itimer.c"
#undef lock
#undef set_lock
#undef expire
#undef NSEC_PER_USEC
#undef arm
#include "../../kernel/sys/ptimer.c"

#define MS 1000000ULL

static int ntests, nfailed;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

/* --- the rest of the unikernel --- */

static uint64_t now = 1000 * MS;
static uint64_t cpu_now; /* processor time */
static bool running;     /* it passes as time does */
static struct list armed = { &armed, &armed };
static uint64_t nexpiries; /* timer functions run */
static struct sigqueue queue = { 0, { &queue.infos, &queue.infos } };
static bool ignored, no_memory;
static int posted; /* signals sent by itimers */
static int last_posted;
static uint64_t limit = 1000;
static int nblocks;

void spin_wait(struct spinlock *l)
{
	(void)l;
	abort(); /* one thread: nobody would let go */
}

void *kalloc(size_t n)
{
	if (no_memory)
		return NULL;
	nblocks++;
	return calloc(1, n);
}

void kfree(void *p)
{
	nblocks -= p != NULL;
	free(p);
}

uint64_t clock_mono(void)
{
	return now;
}

uint64_t clock_now(const struct clock *c)
{
	switch (c->kind) {
	case CLOCK_KIND_MONO:
		return now;
	case CLOCK_KIND_REAL:
		return now + 5000 * MS;
	default:
		return cpu_now;
	}
}

uint64_t clock_when(const struct clock *c, uint64_t at)
{
	uint64_t cur = clock_now(c);
	uint64_t left = at > cur ? at - cur : 0;

	if (c->kind == CLOCK_KIND_PROCESS && !running)
		left = MAX(left, 10 * MS);
	return now + left;
}

void clock_fork_child(void)
{
}

int clock_resolve(int32_t id, struct clock *c)
{
	static const uint32_t kinds[] = { CLOCK_KIND_REAL, CLOCK_KIND_MONO,
					  CLOCK_KIND_PROCESS };

	*c = (struct clock){ 0 };
	if (id == CLOCK_MONOTONIC_RAW) {
		c->kind = CLOCK_KIND_HOST;
		return 0;
	}
	if (id < 0 || id > 2)
		return -EINVAL;
	c->kind = kinds[id];
	return 0;
}

int timespec_ns(const struct timespec64 *ts, uint64_t *ns)
{
	if (ts->sec < 0 || ts->nsec < 0 || ts->nsec >= 1000000000)
		return -EINVAL;
	*ns = (uint64_t)ts->sec * NSEC_PER_SEC + (uint64_t)ts->nsec;
	return 0;
}

void timer_arm(struct timer *t, uint64_t at)
{
	struct list *before = &armed;

	timer_cancel(t);
	t->at = at;
	t->armed = 1;
	while (before->prev != &armed &&
	       list_entry(before->prev, struct timer, link)->at > at)
		before = before->prev;
	list_insert(before, &t->link);
}

void timer_cancel(struct timer *t)
{
	if (t->armed)
		list_remove(&t->link);
	t->armed = 0;
}

int copy_from_user(void *dst, uint64_t src, size_t n)
{
	if (src < 4096)
		return -EFAULT;
	memcpy(dst, (const void *)src, n);
	return 0;
}

int copy_to_user(uint64_t dst, const void *src, size_t n)
{
	if (dst < 4096)
		return -EFAULT;
	memcpy((void *)dst, src, n);
	return 0;
}

long host_call(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
	       uint64_t a4, uint64_t a5)
{
	(void)nr, (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
	return -EINVAL;
}

struct az_rlimit limits_get(uint32_t resource)
{
	(void)resource;
	return (struct az_rlimit){ limit, limit };
}

bool signal_thread_exists(int tid)
{
	return tid == 42;
}

int signal_send_process(const struct siginfo *si)
{
	posted++;
	last_posted = si->signo;
	return 0;
}

int signal_send_timer(int tid, struct sigqueue_entry *e)
{
	if (tid && tid != 42)
		return -ESRCH;
	if (ignored)
		return 0;
	if (!e->queue) {
		e->queue = &queue;
		list_append(&queue.infos, &e->link);
	}
	return 1;
}

bool signal_unqueue(struct sigqueue_entry *e)
{
	bool was = e->queue;

	if (was)
		list_remove(&e->link);
	e->queue = NULL;
	return was;
}

/* --- helpers --- */

static void pass(uint64_t ns)
{
	uint64_t end = now + ns;

	while (!list_empty(&armed) &&
	       list_entry(armed.next, struct timer, link)->at <= end) {
		struct timer *t = list_entry(armed.next, struct timer, link);
		uint64_t step = t->at > now ? t->at - now : 0;

		now += step;
		cpu_now += running ? step : 0;
		timer_cancel(t);
		nexpiries++;
		t->fn(t);
	}
	cpu_now += running ? end - now : 0;
	now = end;
}

/* Deliver a signal: its overruns, or -1 if none is queued. */
static int take(void)
{
	struct sigqueue_entry *e;
	struct siginfo si;

	if (list_empty(&queue.infos))
		return -1;
	e = list_entry(queue.infos.next, struct sigqueue_entry, link);
	si = e->info;
	signal_unqueue(e);
	ptimer_delivered(&si);
	return si.timer.overrun;
}

static int32_t create(int32_t clock, int32_t notify)
{
	struct sigevent64 ev = { 77, 34, notify, 42, { 0 } };
	int32_t id = -1;
	const uint64_t a[6] = { (uint64_t)clock, (uint64_t)&ev, (uint64_t)&id };
	long r = sys_timer_create(a);

	return r ? (int32_t)r : id;
}

static long set_timer(int id, uint64_t value, uint64_t interval, uint64_t flags,
		      struct itimerspec64 *old)
{
	struct itimerspec64 its = { timespec_of(interval), timespec_of(value) };
	const uint64_t a[6] = { (uint64_t)id, flags, (uint64_t)&its,
				(uint64_t)old };

	return sys_timer_settime(a);
}

/* What timer_gettime says is left, or -1. */
static int64_t left(int id)
{
	struct itimerspec64 its;
	const uint64_t a[6] = { (uint64_t)id, (uint64_t)&its };

	if (sys_timer_gettime(a))
		return -1;
	return its.value.sec * (int64_t)NSEC_PER_SEC + its.value.nsec;
}

static long call1(long (*fn)(const uint64_t a[6]), int id)
{
	const uint64_t a[6] = { (uint64_t)id };

	return fn(a);
}

/* --- POSIX timers --- */

static void test_oneshot(void)
{
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL);

	ok(id >= 0 && left(id) == 0, "a new timer is disarmed");
	set_timer(id, 10 * MS, 0, 0, NULL);
	pass(4 * MS);
	ok(left(id) == 6 * MS && take() == -1, "it runs");
	pass(6 * MS);
	ok(left(id) == 0 && take() == 0 && take() == -1, "and expires once");
	pass(100 * MS);
	ok(take() == -1 && list_empty(&armed), "then it rests");
	set_timer(id, now, 0, TIMER_ABSTIME, NULL);
	pass(0);
	ok(take() == 0, "a time that has passed expires at once");
	set_timer(id, 10 * MS, 0, 0, NULL);
	set_timer(id, 0, 0, 0, NULL);
	pass(20 * MS);
	ok(take() == -1 && left(id) == 0, "0 disarms");
	call1(sys_timer_delete, id);
}

static void test_interval(void)
{
	struct itimerspec64 old;
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL);

	set_timer(id, 10 * MS, 5 * MS, 0, NULL);
	pass(10 * MS);
	ok(take() == 0 && left(id) == 5 * MS, "an interval timer goes on");
	pass(5 * MS);
	nexpiries = 0;
	pass(20 * MS);
	ok(nexpiries == 0, "but not while its signal waits");
	ok(take() == 4 && call1(sys_timer_getoverrun, id) == 4 &&
	       left(id) == 5 * MS,
	   "then it counts overruns and keeps its beat");
	pass(5 * MS);
	pass(12 * MS);
	ok(left(id) == 3 * MS && take() == 2, "timer_gettime moves it on too");
	set_timer(id, 1000 * MS, 0, 0, &old);
	ok(old.interval.nsec == 5 * MS && old.value.nsec == 3 * MS,
	   "timer_settime tells of the setting before");
	set_timer(id, 5 * MS, 5 * MS, 0, NULL);
	pass(7 * MS);
	set_timer(id, 50 * MS, 0, 0, NULL);
	ok(take() == -1, "a new setting takes a waiting signal back");
	set_timer(id, 1, 1, 0, NULL);
	nexpiries = 0;
	for (int i = 0; i < 1000; i++) {
		pass(MS / 100);
		take();
	}
	ok(nexpiries <= 101, "a very short one leaves time to run");
	call1(sys_timer_delete, id);
}

static void test_ignored(void)
{
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL);

	ignored = true;
	set_timer(id, 1, 1, 0, NULL);
	nexpiries = 0;
	pass(100 * MS);
	ok(take() == -1 && nexpiries <= 101,
	   "an ignored signal's timer goes on slowly");
	ignored = false;
	pass(2 * MS);
	ok(take() > 0, "and comes again when it is not ignored");
	pass(2 * MS);
	signal_unqueue(
	    list_entry(queue.infos.next, struct sigqueue_entry, link));
	ptimer_resume();
	pass(2 * MS);
	ok(take() >= 0, "a flushed signal does not stop it");
	pass(2 * MS);
	ok(call1(sys_timer_delete, id) == 0 && take() == -1 &&
	       list_empty(&armed),
	   "deleting takes timer and signal away");
}

static void test_clocks(void)
{
	int id = create(CLOCK_REALTIME, SIGEV_SIGNAL);
	int cpu = create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL);

	set_timer(id, now + 5010 * MS, 0, TIMER_ABSTIME, NULL);
	ok(left(id) == 10 * MS, "an absolute time is on the timer's clock");
	set_timer(id, 20 * MS, 0, 0, NULL);
	ok(left(id) == 20 * MS, "a relative one is a span");
	pass(20 * MS);
	ok(take() == 0, "which passes");
	running = false;
	set_timer(cpu, 30 * MS, 0, 0, NULL);
	nexpiries = 0;
	pass(1000 * MS);
	ok(take() == -1 && nexpiries <= 101,
	   "processor time stands still, and is looked at seldom");
	running = true;
	pass(40 * MS);
	ok(take() == 0, "it expires when it has passed");
	running = false;
	call1(sys_timer_delete, id);
	call1(sys_timer_delete, cpu);
}

static void test_none(void)
{
	int id = create(CLOCK_MONOTONIC, SIGEV_NONE);

	set_timer(id, 10 * MS, 3 * MS, 0, NULL);
	ok(list_empty(&armed), "SIGEV_NONE asks nothing of a core");
	pass(11 * MS);
	ok(left(id) == 2 * MS, "but tells the time");
	set_timer(id, 10 * MS, 0, 0, NULL);
	pass(11 * MS);
	ok(left(id) == 0, "until it has expired");
	call1(sys_timer_delete, id);
}

static void test_errors(void)
{
	struct sigevent64 ev = { 0, 34, 9, 0, { 0 } };
	struct itimerspec64 its = { { 0, 0 }, { 0, 1000000000 } };
	uint64_t a[6] = { CLOCK_MONOTONIC, (uint64_t)&ev, 0 };
	int id;

	ok(create(33, 0) == -EINVAL &&
	       create(CLOCK_MONOTONIC_RAW, 0) == -EOPNOTSUPP,
	   "clocks without timers");
	ok(sys_timer_create(a) == -EINVAL, "an unknown way to notify");
	ev.notify = SIGEV_THREAD_ID;
	ev.tid = 43;
	ok(sys_timer_create(a) == -EINVAL, "a thread that is not there");
	ev.notify = 0;
	ev.signo = 65;
	ok(sys_timer_create(a) == -EINVAL, "a signal that is not there");
	ev.signo = 64;
	ok(sys_timer_create(a) == -EFAULT && ntimers == 0,
	   "nowhere to put the id: no timer is left");
	a[1] = 8;
	ok(sys_timer_create(a) == -EFAULT, "no event there");
	no_memory = true;
	ok(create(CLOCK_MONOTONIC, 0) == -EAGAIN, "no memory");
	no_memory = false;
	limit = 3;
	for (int i = 0; i < 3; i++)
		create(CLOCK_MONOTONIC, 0);
	ok(create(CLOCK_MONOTONIC, 0) == -EAGAIN, "RLIMIT_SIGPENDING");
	limit = 1000;
	itimer_fork_child();
	id = create(CLOCK_MONOTONIC, 0);
	a[0] = (uint64_t)id;
	a[1] = 0;
	a[2] = (uint64_t)&its;
	ok(sys_timer_settime(a) == -EINVAL, "10^9 ns");
	a[2] = 0;
	ok(sys_timer_settime(a) == -EINVAL, "no value");
	a[2] = 8;
	ok(sys_timer_settime(a) == -EFAULT, "no value there");
	call1(sys_timer_delete, id);
	ok(call1(sys_timer_delete, id) == -EINVAL && left(id) == -1 &&
	       call1(sys_timer_getoverrun, -1) == -EINVAL &&
	       set_timer(1 << 30, 1, 0, 0, NULL) == -EINVAL,
	   "timers that are not there");
}

static void test_many(void)
{
	int ids[300], n = 0;
	bool distinct = true;

	for (int i = 0; i < 300; i++) {
		ids[i] = create(CLOCK_MONOTONIC, 0);
		for (int j = 0; j < i; j++)
			distinct = distinct && ids[i] != ids[j];
		set_timer(ids[i], (uint64_t)(300 - i) * MS, 0, 0, NULL);
	}
	pass(150 * MS);
	while (take() == 0)
		n++;
	ok(distinct && n == 150, "three hundred timers");
	list_init(&armed); /* a child's cores start without timers */
	itimer_fork_child();
	ok(ntimers == 0 && create(CLOCK_MONOTONIC, 0) == 0,
	   "the child of a fork has none");
	call1(sys_timer_delete, 0);
}

/* --- interval timers --- */

static struct itimer_ns set_itimer(int which, uint64_t value, uint64_t interval)
{
	struct itimer_ns new = { interval, value };

	posted = 0;
	return itimer_set(which, &new);
}

static void test_itimer(void)
{
	struct itimer_ns v;

	set_itimer(ITIMER_REAL, 10 * MS, 5 * MS);
	pass(4 * MS);
	v = itimer_get(ITIMER_REAL);
	ok(v.value == 6 * MS && v.interval == 5 * MS && !posted,
	   "setitimer runs");
	pass(16 * MS);
	ok(posted == 3 && last_posted == SIGALRM, "and repeats");
	now += 50 * MS; /* the core was away */
	pass(0);
	ok(posted == 4 && itimer_get(ITIMER_REAL).value == 5 * MS,
	   "what was missed comes once");
	v = set_itimer(ITIMER_REAL, 0, 0);
	pass(50 * MS);
	ok(v.value == 5 * MS && posted == 0, "0 disarms");
	set_itimer(ITIMER_REAL, 1, 1);
	pass(10 * MS);
	ok(posted > 50 && posted <= 101, "a very short one leaves time to run");
	set_itimer(ITIMER_REAL, 0, 0);

	set_itimer(ITIMER_PROF, 10 * MS, 10 * MS);
	pass(100 * MS);
	ok(posted == 0, "ITIMER_PROF counts processor time");
	running = true;
	pass(100 * MS);
	ok(posted == 10 || posted == 9, "at its pace");
	running = false;
	set_itimer(ITIMER_PROF, 0, 0);
}

static void test_alarm(void)
{
	ok(call1(sys_alarm, 10) == 0, "alarm");
	pass(600 * MS);
	ok(call1(sys_alarm, 5) == 9, "is told to the nearest second");
	pass(4900 * MS);
	ok(call1(sys_alarm, 0) == 1, "but not as 0 while it runs");
	ok(call1(sys_alarm, 0) == 0, "and 0 stops it");
}

int main(void)
{
	test_oneshot();
	test_interval();
	test_ignored();
	test_clocks();
	test_none();
	test_errors();
	test_many();
	test_itimer();
	test_alarm();
	kfree(slots);
	slots = NULL;
	ok(nblocks == 0, "nothing is left allocated");
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
