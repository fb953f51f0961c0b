/* SPDX-License-Identifier: MIT */
/*
 * sched.c - which thread runs on which core.
 *
 * A thread is in at most one runqueue, and only while READY. The owner of the
 * step BLOCKED -> READY (a compare-and-swap in sched_wake) puts it there.
 * on_core stays set until the registers are saved: another core may take a
 * thread from a runqueue before, and must then leave it alone.
 *
 * A core without work first looks for some, for a short time and on the stack of
 * the thread that ran last, so that waking that thread costs no switch; then it
 * goes back to where it booted and halts there, so that any core can take the
 * thread.
 *
 * Waking another core costs several times a switch. So a thread that is woken
 * or new waits for the core of the one that woke it, which often is about to
 * wait itself: then the one follows the other directly. It is offered to
 * another core when the core has more threads that wait, when its thread goes
 * on for some time (a timer, `tick`), or at once if the thread has shown to be
 * one that goes on (thread.eager). A core that looks for work takes what it
 * sees waiting for STEAL_NS.
 *
 * az_core.pending is set when a thread is not to go straight back to the
 * program: only then exit_work runs.
 *
 * Locks: a runqueue's lock is a leaf, but for threads_lock, taken before.
 */
#include "sched/sched.h"

#include "lib/errno.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sched/clock.h"
#include "sched/futex.h"
#include "sched/stop.h"
#include "sched/vector.h"
#include "sys/offload.h"
#include "sys/snapshot.h"
#include "sys/sys.h"
#include "sys/vfork.h"

/* How long threads that share a core run at a time: 4 ms, as Linux's EEVDF. */
#define SLICE_NS 4000000ULL
/* How long one runs at least before a thread that was woken takes over. */
#define GRAIN_NS 100000ULL
/*
 * When a thread that waits behind a running one is looked after: soon; later if
 * the running one has always waited itself before, for a timer has its price:
 * 2.5 us each (bench/threads).
 */
#define TICK_SOON_NS  25000ULL
#define TICK_LATER_NS 250000ULL
/* Looking for work before a halt: about what waking the core would cost. */
#define SPIN_MIN_NS 1000U
#define SPIN_MAX_NS 50000U
/* Work that another core has not begun for so long can be taken: ~10 switches */
#define STEAL_NS 1000ULL
/* A thread that waits so soon after it had a core woken need not have. */
#define SOON_NS   10000ULL
#define EAGER_MAX 3U
#define EAGER     2U /* from here on wake another core at once */

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
	__atomic_store_n(&c->rq.len, c->rq.len + 1, __ATOMIC_RELAXED);
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

static uint32_t cores_up(void)
{
	return __atomic_load_n(&BOOT->want_cores, __ATOMIC_RELAXED);
}

static struct thread *steal(struct core *self)
{
	uint32_t n = cores_up();

	for (uint32_t i = 1; i < n; i++) {
		struct core *c = core_at((self->az.index + i) % n);
		struct thread *t;

		if (!core_up(c))
			continue;
		t = rq_take(c, self);
		if (t) {
			__atomic_store_n(&c->stolen, 1, __ATOMIC_RELAXED);
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
	for (uint32_t i = 0; i < cores_up(); i++) {
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

	for (uint32_t i = 0; i < cores_up(); i++) {
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

/* Queue t on another core than the caller's if that is likely to be sooner. */
static bool place_elsewhere(struct thread *t)
{
	struct core *home = core_at(t->core);
	struct core *c = home;

	if (!core_up(home) || !may_run_on(t, t->core) || !core_idle(home))
		c = find_idle(t);
	if (!c || c == core_self())
		return false;
	rq_push(c, t);
	notify(c);
	return true;
}

/* Have this core's queue looked after if its thread goes on for so long. */
static void tick_need(struct core *c, uint64_t ns)
{
	if (c->tick)
		return;
	c->tick = 1;
	sched_set_timer(clock_mono() + ns);
}

/* Is the thread of this core likely to go on after it has woken another? */
static bool goes_on(struct core *c)
{
	struct thread *cur = c->current;

	if (unlikely(c->stolen)) {
		c->stolen = 0;
		cur->eager = MIN(cur->eager + EAGER, EAGER_MAX);
	}
	return core_waits(c) || cur->eager >= EAGER;
}

static void place_here(struct core *c, struct thread *t)
{
	if (!core_waits(c))
		__atomic_store_n(&c->next, t, __ATOMIC_RELAXED);
	else
		rq_push(c, t);
	/* Who looks sees to the time himself: it may give the core away. */
	if (c->current->state == THREAD_RUNNING && !c->looks)
		tick_need(c, c->current->eager ? TICK_SOON_NS : TICK_LATER_NS);
}

/* t is neither queued nor running: queue it where it runs soonest. */
static void place(struct thread *t)
{
	struct core *self = core_self();
	struct core *c;

	if (likely(may_run_on(t, self->az.index))) {
		if (likely(!goes_on(self)) || cores_up() == 1 ||
		    !place_elsewhere(t))
			place_here(self, t);
		else if (self->current->eager >= EAGER)
			self->spread_at = clock_ticks();
		return;
	}
	if (place_elsewhere(t))
		return;
	c = find_least(t);
	if (c) {
		rq_push(c, t);
		notify(c);
	} else {
		/* Left with this core until one that t may use comes up. */
		want_core(t);
		rq_push(self, t);
	}
}

void sched_share_next(void)
{
	struct core *c = core_self();
	struct thread *t = c->next;

	if (!t)
		return;
	__atomic_store_n(&c->next, NULL, __ATOMIC_RELAXED);
	t->woken = 1;
	if (may_run_on(t, c->az.index) || !place_elsewhere(t))
		rq_insert(c, t, true);
}

/*
 * t idles on its own stack, or is about to: no other core can run it before its
 * registers are saved, but its core is bound to look for it.
 */
static void wake_on_core(struct thread *t)
{
	struct core *c = core_at(__atomic_load_n(&t->core, __ATOMIC_RELAXED));

	rq_push(c, t);
	if (c == core_self()) {
		__atomic_store_n(&c->az.pending, 1, __ATOMIC_RELAXED);
		return;
	}
	mon_nudge(c->az.index);
	/* Pairs with sched_arrived: it may have gone on before the nudge. */
	if (!__atomic_load_n(&t->on_core, __ATOMIC_SEQ_CST))
		mon_upcall(c->az.index);
}

void sched_ready(struct thread *t)
{
	t->woken = 1;
	t->turn_ns = 0;
	if (__atomic_load_n(&t->on_core, __ATOMIC_ACQUIRE))
		wake_on_core(t);
	else
		place(t);
}

void sched_wake(struct thread *t)
{
	if (sched_claim(t))
		sched_ready(t);
}

void sched_start(struct thread *t)
{
	t->core = core_self()->az.index;
	t->state = THREAD_READY;
	sched_ready(t);
}

/* --- switching --- */

/* mon_get_fs and mon_set_fs where the CPU lets the program do the same */
static uint64_t fs_get(void)
{
	uint64_t base;

	if (unlikely(!(BOOT->flags & AZ_BOOT_FSGSBASE)))
		return mon_get_fs();
	__asm__ volatile("rdfsbase %0" : "=r"(base));
	return base;
}

static void fs_set(uint64_t base)
{
	if (unlikely(!(BOOT->flags & AZ_BOOT_FSGSBASE)))
		mon_set_fs(base);
	else
		__asm__ volatile("wrfsbase %0" ::"r"(base));
}

/* The current thread's processor time up to now, which is clock_ticks. */
static void account(struct thread *cur, uint64_t now)
{
	cur->cpu_ns += clock_span(cur->since, now);
	cur->since = now;
}

/* What may have come up while the thread that this core now runs did not. */
static void look_again(struct core *c)
{
	if (core_waits(c))
		tick_need(c, GRAIN_NS);
	(void)signal_pending(); /* sets az_core.pending */
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

		/*
		 * Pairs with rq_take: registers are saved before; with
		 * wake_on_core: the queue is looked at after; and with
		 * sched_interrupt: this thread's on_core is set before, and
		 * signals are looked at after.
		 */
		__atomic_store_n(&prev->on_core, 0, __ATOMIC_SEQ_CST);
		if (dead)
			thread_free(prev);
	}
	if (!c->current->xsave)
		return; /* where the core booted: nothing of the program's */
	if (fs_get() != c->current->fs)
		fs_set(c->current->fs);
	vector_load(c, c->current);
	look_again(c);
}

static void switch_to(struct core *c, struct thread *t)
{
	struct thread *cur = c->current;
	uint64_t now = clock_ticks();

	account(cur, now);
	if (!cur->xsave) {
		/* Where the core booted: the program's registers are still
		 * as they were when it came there. */
	} else if (cur->state == THREAD_DEAD) {
		vector_drop(c);
	} else {
		cur->fs = fs_get();
		vector_save(c, cur);
	}
	t->since = c->turn_from = now;
	t->state = THREAD_RUNNING;
	__atomic_store_n(&t->core, c->az.index, __ATOMIC_RELAXED);
	/* Sched_arrived sees to the order. */
	__atomic_store_n(&t->on_core, 1, __ATOMIC_RELAXED);
	c->prev = cur;
	c->current = t;
	c->frame = t->frame;
	c->stats->switches++;
	context_switch(&cur->ksp, t->ksp);
	sched_arrived();
}

/* Things a core must do between threads: answers, signals, deadlines. */
static uint64_t housekeeping(void)
{
	if (mon_timer_over()) {
		core_self()->timer_at = AZ_NO_DEADLINE;
		core_self()->tick = 0;
	}
	stop_park();
	snapshot_look();
	if (core_self()->nwaiting)
		ring_poll();
	inbox_drain();
	return timer_run();
}

/* Is there anybody in the instance who could make work for this core? */
static bool others_run(const struct core *self, bool *waits)
{
	bool run = false;

	*waits = false;
	for (uint32_t i = 0; i < cores_up(); i++) {
		const struct core *c = core_at(i);

		if (c == self || !c->az.started)
			continue;
		if (!__atomic_load_n(&c->az.halted, __ATOMIC_RELAXED))
			run = true;
		if (core_waits(c))
			*waits = true;
	}
	return run;
}

/*
 * Threads have waited for other cores for some time. False: for all of them
 * only as the next one, which its core must put into its queue first.
 */
static bool ask_for_work(const struct core *self)
{
	for (uint32_t i = 0; i < cores_up(); i++) {
		const struct core *c = core_at(i);

		if (c != self && __atomic_load_n(&c->rq.len, __ATOMIC_RELAXED))
			return true;
	}
	for (uint32_t i = 0; i < cores_up(); i++) {
		const struct core *c = core_at(i);

		if (c != self && core_up(c) && core_waits(c))
			mon_kick(i);
	}
	return false;
}

/* Look for work until `end` (clock_ticks). True: there is some. */
static bool spin_until(struct core *c, uint64_t end)
{
	uint64_t patience = clock_in_ticks(STEAL_NS);
	uint64_t seen = 0; /* since when work waits elsewhere; 0: none does */

	for (;;) {
		uint64_t now;
		bool waits;

		for (int i = 0; i < 4; i++) {
			__builtin_ia32_pause();
			if (__atomic_load_n(&c->az.pending, __ATOMIC_RELAXED))
				return true;
		}
		if (!others_run(c, &waits))
			return false;
		now = clock_ticks();
		if (!waits)
			seen = 0;
		else if (!seen)
			seen = now;
		else if (now - seen > patience && ask_for_work(c))
			return true;
		if ((int64_t)(now - end) > 0)
			return false;
	}
}

/*
 * Look for work before a halt, for a time that grows with success. True: there
 * may be some.
 */
static bool idle_spin(struct core *c, uint64_t deadline)
{
	uint64_t ns = MAX(c->spin_ns, SPIN_MIN_NS), now;
	bool found, waits;

	if (cores_up() == 1 || c->nwaiting || !others_run(c, &waits))
		return false;
	if (deadline != AZ_NO_DEADLINE) {
		now = clock_mono();
		if (deadline <= now)
			return false;
		ns = MIN(ns, deadline - now);
	}
	/* Pairs with mon_kick and mon_nudge, which look here after pending. */
	__atomic_store_n(&c->az.halted, AZ_CORE_LOOKS, __ATOMIC_SEQ_CST);
	found = spin_until(c, clock_ticks() + clock_in_ticks(ns));
	__atomic_store_n(&c->az.halted, 0, __ATOMIC_SEQ_CST);
	c->spin_ns = found ? MIN(2 * c->spin_ns + SPIN_MIN_NS, SPIN_MAX_NS)
			   : c->spin_ns / 2;
	return found;
}

static void halt(struct core *c, uint64_t deadline)
{
	uint64_t begin = clock_mono(), end;

	c->stats->busy_ns += begin - c->busy_since;
	c->stats->halts++;
	mon_halt(deadline);
	end = clock_mono();
	/* Short: next time it may be better to look for work. */
	if (end - begin < 2ULL * SPIN_MAX_NS)
		c->spin_ns = SPIN_MAX_NS;
	c->busy_since = end;
}

static struct thread *boot_thread(struct core *c)
{
	return (struct thread *)((uint64_t)c + CORE_BOOT_STACK);
}

/* Nothing to run: false if that may have changed. */
static bool go_idle(struct core *c, uint64_t deadline, bool *spun)
{
	struct thread *cur = c->current;
	bool spin = !*spun && cur != boot_thread(c);

	if (c->nwaiting && ring_spin())
		return false;
	/* Idle time is nobody's processor time. */
	account(cur, clock_ticks());
	*spun = true; /* once: what it found may not be for this core */
	if (!spin || !idle_spin(c, deadline)) {
		/* Leave the thread to whoever wants to run it. */
		if (cores_up() > 1 && cur != boot_thread(c)) {
			switch_to(c, boot_thread(c));
			return true;
		}
		halt(c, deadline);
	}
	cur->since = c->turn_from = clock_ticks();
	return false;
}

/* The current thread had another core woken, and waits itself now. */
static void regret_spread(struct core *c)
{
	struct thread *cur = c->current;

	if (clock_span(c->spread_at, clock_ticks()) < SOON_NS && cur->eager)
		cur->eager--;
	c->spread_at = 0;
}

/* Nothing is pending: the next thread of the queue, without further ado. */
static struct thread *next_of_queue(struct core *c)
{
	struct thread *t;

	if (__atomic_load_n(&c->az.pending, __ATOMIC_RELAXED))
		return NULL;
	t = c->next;
	if (likely(t && may_run_on(t, c->az.index)))
		__atomic_store_n(&c->next, NULL, __ATOMIC_RELAXED);
	else
		t = t ? NULL : rq_take(c, c);
	if (t && c->current->eager)
		c->current->eager--;
	return t;
}

/* As sched_away, in a child of vfork, which runs no thread but its own. */
static void wait_alone(struct core *c)
{
	struct siginfo kill = { .signo = SIGKILL };
	struct thread *t = c->current;

	for (;;) {
		uint64_t next;
		bool ready;

		__atomic_store_n(&c->az.pending, 0, __ATOMIC_SEQ_CST);
		next = housekeeping();
		spin_lock(&c->rq.lock);
		ready = t->state == THREAD_READY && !list_empty(&t->rq);
		if (ready)
			rq_remove(c, t);
		spin_unlock(&c->rq.lock);
		if (ready)
			break;
		if (mon_vfork_over()) /* killed */
			signal_post(t, &kill);
		else
			halt(c, next);
	}
	t->state = THREAD_RUNNING;
	look_again(c);
}

/*
 * The current thread cannot go on (BLOCKED, DEAD, or READY and queued): run
 * others, or wait, until it is chosen again.
 */
static void sched_away(void)
{
	struct core *c = core_self();
	struct thread *t;
	bool spun = false;

	if (unlikely(c->vfork)) {
		wait_alone(c);
		return;
	}
	if (unlikely(c->spread_at))
		regret_spread(c);
	t = next_of_queue(c);
	if (likely(t && t != c->current)) {
		switch_to(c, t);
		return;
	}
	while (!t) {
		uint64_t next;

		__atomic_store_n(&c->az.pending, 0, __ATOMIC_SEQ_CST);
		next = housekeeping();
		sched_share_next();
		t = rq_take(c, c);
		if (!t)
			t = steal(c);
		if (!t && go_idle(c, next, &spun))
			return;
		/* A deadline that no timer is set for: exit_work sets it. */
		if (t && next < c->timer_at)
			__atomic_store_n(&c->az.pending, 1, __ATOMIC_RELAXED);
	}
	if (t != c->current) {
		switch_to(c, t);
		return;
	}
	t->state = THREAD_RUNNING;
	look_again(c);
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
	/* Set before signals are looked at; if already, by sched_prepare_lock. */
	if (!interruptible || !t->interruptible)
		__atomic_store_n(&t->interruptible, interruptible,
				 __ATOMIC_SEQ_CST);
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
	/* look_again has set pending if there was a signal. */
	return interruptible &&
		       __atomic_load_n(&core_self()->az.pending,
				       __ATOMIC_RELAXED) &&
		       signal_pending()
		   ? -EINTR
		   : 0;
}

void sched_interrupt(struct thread *t)
{
	ipc_interrupt(t);
	if (__atomic_load_n(&t->interruptible, __ATOMIC_SEQ_CST))
		sched_wake(t);
	if (__atomic_load_n(&t->on_core, __ATOMIC_SEQ_CST))
		notify(core_at(__atomic_load_n(&t->core, __ATOMIC_RELAXED)));
}

void sched_yield(void)
{
	struct core *c = core_self();
	struct thread *t = c->current;
	struct thread *next;

	if (unlikely(c->vfork) || (!core_waits(c) && cores_up() == 1))
		return;
	next = next_of_queue(c);
	/* Whoever yields waits for others: perhaps for one of these. */
	if (!next && !core_waits(c) && cores_up() > 1)
		next = steal(c);
	if (!next && !core_waits(c))
		return;
	t->turn_ns = 0;
	t->state = THREAD_READY;
	place_here(c, t);
	if (next)
		switch_to(c, next);
	else
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
		if (core_up(core_at(i)) && core_waits(core_at(i)))
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

	if (may_run_on(t, c->az.index) || c->vfork)
		return;
	c->moving = t;
	switch_to(c, boot_thread(c));
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
	/* What it was told stays its own: ipc.S passes `since` on. */
	if (t == thread_self())
		account(t, clock_ticks());
	else if (t->state == THREAD_RUNNING)
		return t->cpu_ns + clock_span(t->since, clock_ticks());
	return t->cpu_ns;
}

/* --- on the way back to the program --- */

/*
 * This core has more threads than it can run: get cores that have nothing to do
 * to steal them, or have more cores started.
 */
static void offer_work(struct core *c)
{
	uint32_t n = __atomic_load_n(&c->rq.len, __ATOMIC_RELAXED);

	for (uint32_t i = 0; n && i < cores_up(); i++)
		if (core_up(core_at(i)) && core_idle(core_at(i))) {
			mon_kick(i);
			n--;
		}
	if (!n || cores_up() == BOOT->ncores)
		return;
	spin_lock(&c->rq.lock);
	list_for_each(e, &c->rq.ready)
		want_core(list_entry(e, struct thread, rq));
	spin_unlock(&c->rq.lock);
}

void sched_offer(void)
{
	struct core *c = core_self();
	struct thread *t;

	sched_share_next();
	while (cores_up() > 1 && (t = rq_take(c, c))) {
		t->woken = 1;
		if (!place_elsewhere(t)) {
			rq_insert(c, t, true);
			return;
		}
	}
}

/*
 * Threads wait for this core. One that was woken gets it as soon as the present
 * thread has had some time, which goes on afterwards; the others when its
 * slice is over. Returns when to look again, or 0 if the core was given away.
 */
static uint64_t share_turn(struct core *c, uint64_t next)
{
	bool woken = rq_woken(c);
	uint64_t limit = woken ? GRAIN_NS : SLICE_NS;
	uint64_t ran = clock_span(c->turn_from, clock_ticks());
	struct thread *cur = c->current;

	if (ran < limit)
		return clock_mono() + (limit - ran);
	/* Its turn ends in time, else those behind would never run. */
	cur->turn_ns += ran;
	sched_set_timer(next);
	rq_insert(c, cur, woken && cur->turn_ns < SLICE_NS);
	if (cur->turn_ns >= SLICE_NS)
		cur->turn_ns = 0;
	sched_away();
	return 0;
}

static void share_core(struct core *c, uint64_t next)
{
	uint64_t at;

	if (unlikely(c->vfork))
		return;
	sched_share_next();
	if (__atomic_load_n(&c->rq.len, __ATOMIC_RELAXED)) {
		c->current->eager = MIN(c->current->eager + EAGER, EAGER_MAX);
		offer_work(c);
		at = share_turn(c, next);
		if (!at)
			return;
		c->tick = 1;
		next = MIN(next, at);
	}
	sched_set_timer(next);
}

void sched_set_timer(uint64_t at)
{
	struct core *c = core_self();

	if (unlikely(c->vfork))
		return; /* it is the parent's */
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

void sched_remember(void)
{
	struct core *c = core_self();

	if (core_waits(c))
		tick_need(c, GRAIN_NS);
}

uint64_t sched_look(void)
{
	struct core *c = core_self();
	uint64_t next;

	__atomic_store_n(&c->az.pending, 0, __ATOMIC_SEQ_CST);
	c->looks = 1;
	next = housekeeping();
	core_self()->looks = 0;
	return next;
}

void exit_work(struct az_frame *frame)
{
	uint64_t next;

	vfork_look();
	next = sched_look();
	sched_migrate(); /* if sched_setaffinity of another thread said so */
	share_core(core_self(), next);
	while (signal_pending())
		signal_exit(frame);
}
