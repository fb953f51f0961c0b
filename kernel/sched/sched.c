/* SPDX-License-Identifier: MIT */
/*
 * sched.c - which thread runs on which core.
 *
 * A thread is in at most one runqueue, and only while READY. The owner of the
 * step BLOCKED -> READY (a compare-and-swap in sched_wake) puts it there.
 * on_core stays set until the registers are saved: another core may take a
 * thread from a runqueue before, and must then leave it alone.
 *
 * There is no idle thread: a core without work waits on the stack of the
 * thread that ran last, in sched_away, so waking that thread costs no switch.
 *
 * Locks: a runqueue's lock is a leaf, but for threads_lock, taken before.
 */
#include "sched/sched.h"

#include "lib/errno.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sched/futex.h"
#include "sched/stop.h"
#include "sys/offload.h"
#include "sys/sys.h"

/* How long threads that share a core run at a time: 4 ms, as Linux's EEVDF. */
#define SLICE_NS 4000000ULL
/* How long one runs at least before a thread that was woken takes over. */
#define GRAIN_NS 100000ULL

void context_switch(uint64_t *save_sp, uint64_t load_sp);
void thread_entry(void);
void sched_arrived(void);
void exit_work(struct az_frame *frame);

static bool may_run_on(const struct thread *t, uint32_t core)
{
	return t->affinity[core / 64] >> (core % 64) & 1;
}

/* Has the core begun to look at its queue? Pairs with main.c:core_init. */
static bool core_up(const struct core *c)
{
	return c->az.started &&
	       __atomic_load_n(&c->up, __ATOMIC_ACQUIRE) == BOOT->pid;
}

static void place(struct thread *t);

/* --- runqueues --- */

/* Behind the threads that were woken, in front of those that had a turn. */
static struct list *rq_second(struct core *c)
{
	struct list *e = c->rq.ready.next;

	while (e != &c->rq.ready && list_entry(e, struct thread, rq)->woken)
		e = e->next;
	return e;
}

/*
 * Queue t: a thread that waited for something in front of those that had a
 * turn, as it usually needs little; `first` likewise.
 */
static void rq_insert(struct core *c, struct thread *t, bool first)
{
	spin_lock(&c->rq.lock);
	t->state = THREAD_READY;
	list_insert(first || t->woken ? rq_second(c) : &c->rq.ready, &t->rq);
	__atomic_store_n(&c->rq.len, c->rq.len + 1, __ATOMIC_SEQ_CST);
	spin_unlock(&c->rq.lock);
}

static void rq_push(struct core *c, struct thread *t)
{
	rq_insert(c, t, false);
}

/* Does a thread wait here that was woken? */
static bool rq_woken(struct core *c)
{
	bool woken;

	spin_lock(&c->rq.lock);
	woken = !list_empty(&c->rq.ready) &&
		list_entry(c->rq.ready.next, struct thread, rq)->woken;
	spin_unlock(&c->rq.lock);
	return woken;
}

/* c's queue locked: t is out of it. */
static void rq_remove(struct core *c, struct thread *t)
{
	list_remove(&t->rq);
	t->woken = 0;
	__atomic_store_n(&c->rq.len, c->rq.len - 1, __ATOMIC_RELAXED);
}

/*
 * Take the first thread that core `self` may run. Those whose registers are
 * still in another core are left where they are. One that has lost the right
 * to run here since it was queued goes where it has it.
 */
static struct thread *rq_take(struct core *c, struct core *self)
{
	struct thread *found = NULL;
	struct thread *stray = NULL;

	if (!__atomic_load_n(&c->rq.len, __ATOMIC_RELAXED))
		return NULL;
	spin_lock(&c->rq.lock);
	list_for_each_safe(e, next, &c->rq.ready) {
		struct thread *t = list_entry(e, struct thread, rq);
		bool here = may_run_on(t, self->az.index);
		bool held = __atomic_load_n(&t->on_core, __ATOMIC_ACQUIRE);

		if (t == self->current || (here && !held)) {
			rq_remove(c, t);
			found = t;
			break;
		}
		if (c == self && !here && !held && !stray) {
			rq_remove(c, t);
			stray = t;
		}
	}
	spin_unlock(&c->rq.lock);
	if (stray)
		place(stray);
	return found;
}

static struct thread *steal(struct core *self)
{
	uint32_t n = BOOT->ncores;

	for (uint32_t i = 1; i < n; i++) {
		struct core *c = core_at((self->az.index + i) % n);
		struct thread *t;

		if (!core_up(c))
			continue;
		t = rq_take(c, self);
		if (t) {
			self->stats->steals++;
			return t;
		}
	}
	return NULL;
}

/* --- placing --- */

static bool core_idle(const struct core *c)
{
	return __atomic_load_n(&c->az.halted, __ATOMIC_RELAXED) &&
	       !__atomic_load_n(&c->rq.len, __ATOMIC_RELAXED);
}

/* A core that is up and has nothing to do, or NULL. */
static struct core *find_idle(const struct thread *t)
{
	for (uint32_t i = 0; i < BOOT->ncores; i++) {
		struct core *c = core_at(i);

		if (core_up(c) && core_idle(c) && may_run_on(t, i))
			return c;
	}
	return NULL;
}

/* The core that t may use with the shortest queue; NULL: none is up. */
static struct core *find_least(const struct thread *t)
{
	struct core *best = NULL;

	for (uint32_t i = 0; i < BOOT->ncores; i++) {
		struct core *c = core_at(i);

		if (!core_up(c) || !may_run_on(t, i))
			continue;
		if (!best || c->rq.len < best->rq.len)
			best = c;
	}
	return best;
}

/*
 * Have the owner start one more core if t could use it. The core looks for
 * ready threads by itself when it comes up.
 */
static void want_core(const struct thread *t)
{
	uint32_t up = __atomic_load_n(&BOOT->want_cores, __ATOMIC_RELAXED);
	uint32_t need = up;

	for (uint32_t i = up; i < BOOT->ncores; i++)
		if (may_run_on(t, i)) {
			need = i + 1;
			break;
		}
	if (need == up ||
	    !__atomic_compare_exchange_n(&BOOT->want_cores, &up, need, 0,
					 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return;
	mon_owner();
}

static void notify(struct core *c)
{
	struct core *self = core_self();

	if (c == self)
		__atomic_store_n(&c->az.pending, 1, __ATOMIC_RELAXED);
	else
		mon_kick(c->az.index);
}

/* t is neither queued nor running: queue it where it runs soonest. */
static void place(struct thread *t)
{
	struct core *home = core_at(t->core);
	struct core *c = home;

	if (!core_up(home) || !may_run_on(t, t->core) || !core_idle(home)) {
		c = find_idle(t);
		if (!c)
			c = core_up(home) && may_run_on(t, t->core)
				? home
				: find_least(t);
	}
	if (!c) {
		/* Left with this core until one that t may use comes up. */
		want_core(t);
		c = core_self();
	}
	rq_push(c, t);
	notify(c);
}

void sched_wake(struct thread *t)
{
	uint32_t blocked = THREAD_BLOCKED;

	if (!__atomic_compare_exchange_n(&t->state, &blocked, THREAD_READY, 0,
					 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return;
	t->woken = 1;
	t->turn_ns = 0;
	/*
	 * A thread that is idling on its own stack must be woken there: no
	 * other core can run it before its registers are saved.
	 */
	if (__atomic_load_n(&t->on_core, __ATOMIC_ACQUIRE)) {
		struct core *c =
		    core_at(__atomic_load_n(&t->core, __ATOMIC_RELAXED));

		rq_push(c, t);
		notify(c);
		return;
	}
	place(t);
}

void sched_start(struct thread *t)
{
	struct core *idle = find_idle(t);

	t->core = idle ? idle->az.index : core_self()->az.index;
	if (!idle)
		want_core(t);
	t->state = THREAD_BLOCKED;
	sched_wake(t);
}

/* --- switching --- */

static void vector_save(struct thread *t)
{
	uint32_t lo = (uint32_t)BOOT->xsave_mask;
	uint32_t hi = (uint32_t)(BOOT->xsave_mask >> 32);

	if (BOOT->flags & AZ_BOOT_XSAVEC)
		__asm__ volatile("xsavec64 (%0)" ::"r"(t->xsave), "a"(lo),
				 "d"(hi)
				 : "memory");
	else if (BOOT->flags & AZ_BOOT_XSAVE)
		__asm__ volatile("xsave64 (%0)" ::"r"(t->xsave), "a"(lo),
				 "d"(hi)
				 : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" ::"r"(t->xsave) : "memory");
}

static void vector_load(const struct thread *t)
{
	uint32_t lo = (uint32_t)BOOT->xsave_mask;
	uint32_t hi = (uint32_t)(BOOT->xsave_mask >> 32);

	if (BOOT->flags & AZ_BOOT_XSAVE)
		__asm__ volatile("xrstor64 (%0)" ::"r"(t->xsave), "a"(lo),
				 "d"(hi)
				 : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" ::"r"(t->xsave) : "memory");
}

void thread_fork_vector(struct thread *child)
{
	vector_save(child);
}

/*
 * What a thread does first on a core, whether new or resumed: let go of the
 * one before.
 */
void sched_arrived(void)
{
	struct core *c = core_self();
	struct thread *prev = c->prev;

	c->prev = NULL;
	if (prev) {
		bool dead = prev->state == THREAD_DEAD;

		/* Pairs with rq_take: registers are saved before. */
		__atomic_store_n(&prev->on_core, 0, __ATOMIC_RELEASE);
		if (dead)
			thread_free(prev);
	}
	if (!c->current->xsave)
		return; /* where the core booted: nothing of the program's */
	mon_set_fs(c->current->fs);
	vector_load(c->current);
}

static void switch_to(struct core *c, struct thread *t)
{
	struct thread *cur = c->current;
	uint64_t now = clock_mono();

	cur->cpu_ns += now - cur->since;
	if (cur->xsave && cur->state != THREAD_DEAD) {
		cur->fs = mon_get_fs();
		vector_save(cur);
	}
	t->since = now;
	t->state = THREAD_RUNNING;
	__atomic_store_n(&t->core, c->az.index, __ATOMIC_RELAXED);
	__atomic_store_n(&t->on_core, 1, __ATOMIC_RELAXED);
	c->prev = cur;
	c->current = t;
	c->frame = t->frame;
	c->slice_end = 0;
	c->stats->switches++;
	/* The newcomer looks at its signals before it returns. */
	__atomic_store_n(&c->az.pending, 1, __ATOMIC_RELAXED);
	context_switch(&cur->ksp, t->ksp);
	sched_arrived();
}

/* Things a core must do between threads: answers, signals, deadlines. */
static uint64_t housekeeping(void)
{
	stop_park();
	if (core_self()->nwaiting)
		ring_poll();
	inbox_drain();
	return timer_run();
}

static void halt(struct core *c, uint64_t deadline)
{
	struct thread *cur = c->current;
	uint64_t begin = clock_mono();

	/* Idle time is nobody's processor time. */
	cur->cpu_ns += begin - cur->since;
	c->stats->busy_ns += begin - c->busy_since;
	c->stats->halts++;
	mon_halt(deadline);
	cur->since = c->busy_since = clock_mono();
}

/*
 * The current thread cannot go on (BLOCKED, DEAD, or READY and queued): run
 * others, or wait, until it is chosen again.
 */
static void sched_away(void)
{
	for (;;) {
		struct core *c = core_self();
		struct thread *t;
		uint64_t next;

		__atomic_store_n(&c->az.pending, 0, __ATOMIC_SEQ_CST);
		next = housekeeping();
		t = rq_take(c, c);
		if (!t)
			t = steal(c);
		if (t == c->current) {
			t->state = THREAD_RUNNING;
			__atomic_store_n(&c->az.pending, 1, __ATOMIC_RELAXED);
			return;
		}
		if (t) {
			switch_to(c, t);
			return;
		}
		if (c->nwaiting && ring_spin())
			continue;
		halt(c, next);
	}
}

/* --- waiting --- */

void sched_prepare(void)
{
	__atomic_store_n(&thread_self()->state, THREAD_BLOCKED,
			 __ATOMIC_SEQ_CST);
}

void sched_cancel(void)
{
	struct thread *t = thread_self();
	uint32_t blocked = THREAD_BLOCKED;

	if (__atomic_compare_exchange_n(&t->state, &blocked, THREAD_RUNNING, 0,
					__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return;
	/* Somebody woke it already: it is, or will be, in a runqueue. */
	sched_away();
}

static void wait_timeout(struct timer *timer)
{
	struct thread *t = container_of(timer, struct thread, timer);

	__atomic_store_n(&t->timed_out, 1, __ATOMIC_RELAXED);
	sched_wake(t);
}

int sched_wait(uint64_t deadline, bool interruptible)
{
	struct thread *t = thread_self();

	t->timed_out = 0;
	__atomic_store_n(&t->interruptible, interruptible, __ATOMIC_SEQ_CST);
	if (interruptible && signal_pending()) {
		t->interruptible = 0;
		sched_cancel();
		return -EINTR;
	}
	if (deadline != AZ_NO_DEADLINE) {
		t->timer.fn = wait_timeout;
		timer_arm(&t->timer, deadline);
	}
	sched_away();
	t->interruptible = 0;
	if (deadline != AZ_NO_DEADLINE)
		timer_cancel(&t->timer);
	if (t->timed_out)
		return -ETIMEDOUT;
	return interruptible && signal_pending() ? -EINTR : 0;
}

void sched_interrupt(struct thread *t)
{
	if (__atomic_load_n(&t->interruptible, __ATOMIC_SEQ_CST))
		sched_wake(t);
	if (__atomic_load_n(&t->on_core, __ATOMIC_SEQ_CST))
		notify(core_at(__atomic_load_n(&t->core, __ATOMIC_RELAXED)));
}

void sched_yield(void)
{
	struct core *c = core_self();
	struct thread *t = c->current;

	if (!__atomic_load_n(&c->rq.len, __ATOMIC_RELAXED))
		return;
	t->turn_ns = 0;
	rq_push(c, t);
	sched_away();
}

void sched_displace(struct thread *t)
{
	if (__atomic_load_n(&t->on_core, __ATOMIC_SEQ_CST)) {
		notify(core_at(__atomic_load_n(&t->core, __ATOMIC_RELAXED)));
		return;
	}
	/* It may be in any queue: rq_take finds it. */
	for (uint32_t i = 0; i < BOOT->ncores; i++)
		if (core_up(core_at(i)) &&
		    __atomic_load_n(&core_at(i)->rq.len, __ATOMIC_RELAXED))
			notify(core_at(i));
}

/*
 * Another core can take a thread only when its registers are saved: this core
 * goes back to where it booted, and places the thread from there.
 */
void sched_migrate(void)
{
	struct core *c = core_self();
	struct thread *t = c->current;

	if (may_run_on(t, c->az.index))
		return;
	c->moving = t;
	switch_to(c, (struct thread *)((uint64_t)c + CORE_BOOT_STACK));
}

void sched_exit(void)
{
	__atomic_store_n(&thread_self()->state, THREAD_DEAD, __ATOMIC_RELEASE);
	sched_away();
	panic("a dead thread ran");
}

void sched_run(struct thread *t)
{
	switch_to(core_self(), t);
}

void sched_core_main(void)
{
	for (;;) {
		struct core *c = core_self();
		struct thread *t = c->moving;

		c->current->state = THREAD_DEAD;
		c->moving = NULL;
		if (t) {
			t->state = THREAD_BLOCKED;
			sched_wake(t);
		}
		sched_away();
	}
}

uint64_t thread_cpu_ns(struct thread *t)
{
	uint64_t ns = t->cpu_ns;

	if (t->state == THREAD_RUNNING)
		ns += clock_mono() - t->since;
	return ns;
}

/* --- on the way back to the program --- */

/* This core has more threads than it can run: get somebody to steal them. */
static void offer_work(void)
{
	for (uint32_t i = 0; i < BOOT->ncores; i++) {
		struct core *c = core_at(i);

		if (core_up(c) && core_idle(c)) {
			mon_kick(i);
			return;
		}
	}
}

/*
 * A thread that was woken waits for this core: let it have the core as soon as
 * the present one has had some time, and go on afterwards.
 */
static bool give_way(struct core *c, uint64_t now)
{
	uint64_t since = c->current->since;

	if (!rq_woken(c))
		return false;
	if (now < since + GRAIN_NS) {
		c->slice_end = MIN(c->slice_end, since + GRAIN_NS);
		return false;
	}
	/* But its turn ends in time, else those behind would never run. */
	c->current->turn_ns += now - since;
	rq_insert(c, c->current, c->current->turn_ns < SLICE_NS);
	if (c->current->turn_ns >= SLICE_NS)
		c->current->turn_ns = 0;
	sched_away();
	return true;
}

static void share_core(struct core *c, uint64_t next)
{
	uint64_t at = next;

	if (__atomic_load_n(&c->rq.len, __ATOMIC_RELAXED)) {
		uint64_t now = clock_mono();

		offer_work();
		if (!c->slice_end)
			c->slice_end = now + SLICE_NS;
		if (give_way(c, now)) {
			c = core_self();
		} else if (now >= c->slice_end) {
			sched_yield();
			c = core_self();
		}
		if (!c->slice_end &&
		    __atomic_load_n(&c->rq.len, __ATOMIC_RELAXED))
			c->slice_end = clock_mono() + SLICE_NS;
		if (c->slice_end)
			at = MIN(at, c->slice_end);
	} else {
		c->slice_end = 0;
	}
	sched_set_timer(at);
}

void sched_set_timer(uint64_t at)
{
	struct core *c = core_self();

	/* An earlier timer that still stands does no harm but one upcall. */
	if (at >= c->timer_at && c->timer_at > clock_mono())
		return;
	if (at == AZ_NO_DEADLINE) {
		c->timer_at = at;
		return;
	}
	c->timer_at = at;
	mon_timer(at);
}

uint64_t sched_look(void)
{
	__atomic_store_n(&core_self()->az.pending, 0, __ATOMIC_SEQ_CST);
	return housekeeping();
}

void exit_work(struct az_frame *frame)
{
	uint64_t next = sched_look();

	sched_migrate(); /* if sched_setaffinity of another thread said so */
	share_core(core_self(), next);
	while (signal_pending())
		signal_exit(frame);
}
