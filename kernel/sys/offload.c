/* SPDX-License-Identifier: MIT */
/*
 * offload.c - system calls that Linux does.
 *
 * Two ways. Direct: the core itself makes the call (mon_direct_ok), which
 * costs least, and blocks the core with it; taken while no other thread
 * is ready for this core, and given up for the ring when one becomes so (a
 * kick ends the call with -EINTR). Ring: a slot of this core's ring, answered
 * by a worker of the owner.
 *
 * A ring has one producer, its core; a slot is taken and freed by that core
 * only, so neither needs a lock. A waiting thread may resume on another core:
 * ring_poll therefore copies the answer into the thread before waking it.
 */
#include "sys/offload.h"

#include <asm/unistd.h>

#include "call.h"
#include "calls.h"
#include "lib/string.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "sched/sched.h"
#include "sys/dispatch.h"
#include "sys/nested.h"
#include "sys/remainder.h"
#include "sys/sys.h"

/*
 * Spins on an answer before the thread gives up its core: about 4 us, ten
 * times a short call's round trip (bench/offload).
 */
#define SPIN_LIMIT   1000
#define NO_FD        0x7fffffffULL         /* above any limit on descriptors */
#define NO_ADDRESS   0x8000000000000000ULL /* not canonical */
#define USER_END     0x800000000000ULL     /* of any process */
#define POLL_MSEC_NS 1000000LL
/* Host calls no further apart are a burst: 100 us, more or less. */
#define BURST_TSC 300000
#define READY_NS  10000000ULL /* for a call that is ready, while others wait */
#define POLLIN    0x1U
#define POLLOUT   0x4U
#define PIPE_BUF  4096U /* POLLOUT of a pipe promises so much */

static struct spinlock inbox_lock; /* guards az_boot.inbox_tail */

void ring_init(struct core *c)
{
	c->ring =
	    (struct az_ring *)(AZ_RING_BASE + c->az.index * AZ_RING_STRIDE);
	for (uint32_t i = 0; i < AZ_RING_SLOTS; i++)
		c->free_slot[i] = (uint16_t)(AZ_RING_SLOTS - 1 - i);
	c->nfree = AZ_RING_SLOTS;
}

static bool slot_done(const struct az_slot *s)
{
	return __atomic_load_n(&s->done, __ATOMIC_ACQUIRE) == s->call.seq;
}

/* Put a call into a free slot. *rang: a worker had to be woken for it. */
static uint16_t ring_submit(struct core *c, uint32_t nr, uint32_t flags,
			    const uint64_t a[6], bool *rang)
{
	uint16_t i = c->free_slot[--c->nfree];
	struct az_slot *s = &c->ring->slot[i];
	struct az_last *last = &c->ring->last;
	uint32_t head = last->head;

	s->call.nr = nr;
	s->call.flags = flags;
	memcpy(s->call.arg, a, sizeof(s->call.arg));
	s->call.cancel = 0;
	s->call.seq = (s->call.seq + 1) & ~AZ_DONE_WAIT;
	c->ring->queue[head % AZ_RING_SLOTS] = i;
	/* Pairs with host/offload/worker.c:last_copy. */
	__atomic_store_n(&last->begin, head + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	last->seq = s->call.seq;
	last->nr = (uint16_t)nr;
	last->flags = (uint8_t)flags;
	last->slot = (uint8_t)i;
	memcpy(last->arg, a, sizeof(last->arg));
	/* Pairs with the acquire in host/offload/worker.c:ring_take. */
	__atomic_store_n(&last->head, head + 1, __ATOMIC_SEQ_CST);
	/* Pairs with the worker's decrement before its last look. */
	*rang = !__atomic_load_n(&BOOT->bell_pollers, __ATOMIC_SEQ_CST);
	if (*rang)
		mon_doorbell();
	return i;
}

/*
 * Call number n of core c's ring has not been answered for a while. Those who
 * poll may all be inside calls that block: have another worker if it has not
 * even been taken.
 */
static void nudge(struct core *c, uint32_t n)
{
	uint32_t tail = __atomic_load_n(&c->ring->tail, __ATOMIC_RELAXED);

	if ((int32_t)(tail - n) <= 0)
		mon_doorbell();
}

static void slot_free(struct core *c, uint16_t i)
{
	c->slot_thread[i] = NULL;
	c->free_slot[c->nfree++] = i;
}

static bool spin_on(const struct az_slot *s, uint32_t limit)
{
	for (uint32_t n = 0; n < limit; n++) {
		if (slot_done(s))
			return true;
		__builtin_ia32_pause();
	}
	return false;
}

void ring_poll(void)
{
	struct core *c = core_self();

	for (uint16_t i = 0; c->nwaiting && i < AZ_RING_SLOTS; i++) {
		struct thread *t = c->slot_thread[i];
		struct az_slot *s = &c->ring->slot[i];

		if (!t || !slot_done(s))
			continue;
		t->offload_result = s->result;
		t->offload_raised = s->raised;
		t->offload_again = s->call.cancel == AZ_CANCEL_AGAIN;
		slot_free(c, i);
		c->nwaiting--;
		__atomic_store_n(&t->offload_done, 1, __ATOMIC_RELEASE);
		sched_wake(t);
	}
}

bool ring_spin(void)
{
	struct core *c = core_self();
	uint32_t rounds = SPIN_LIMIT / 10;

	if (!az_workers_apart(BOOT))
		return false;
	while (rounds--) {
		for (int i = 0; i < 10; i++)
			__builtin_ia32_pause();
		if (__atomic_load_n(&c->az.pending, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

static void cancel(struct az_slot *s)
{
	__atomic_store_n(&s->call.cancel, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&BOOT->want_cancel, 1, __ATOMIC_SEQ_CST);
	mon_owner();
}

/* Nobody will spin on this slot: the worker is to kick core c. */
static void ask_for_kick(struct core *c, struct az_slot *s)
{
	uint32_t done = __atomic_load_n(&s->done, __ATOMIC_ACQUIRE);

	while (done != s->call.seq)
		if (__atomic_compare_exchange_n(
			&s->done, &done, done | AZ_DONE_WAIT, 0,
			__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return;
	/* It has been answered already. */
	__atomic_store_n(&c->az.pending, 1, __ATOMIC_RELAXED);
}

/* Give up the core until slot i of core c is answered. */
static void ring_block(struct core *c, uint16_t i, bool interruptible)
{
	struct thread *t = c->current;
	struct az_slot *s = &c->ring->slot[i];
	bool cancelled = false;

	t->offload_done = 0;
	c->slot_thread[i] = t;
	c->nwaiting++;
	ask_for_kick(c, s);
	for (;;) {
		int err;

		sched_prepare();
		if (core_self() == c)
			ring_poll();
		if (__atomic_load_n(&t->offload_done, __ATOMIC_ACQUIRE)) {
			sched_cancel();
			return;
		}
		err = sched_wait(AZ_NO_DEADLINE, interruptible && !cancelled);
		if (err == -EINTR && !cancelled &&
		    !__atomic_load_n(&t->offload_done, __ATOMIC_ACQUIRE)) {
			cancelled = true;
			cancel(s);
		}
	}
}

static struct core *core_with_slot(void)
{
	while (!core_self()->nfree) {
		ring_poll();
		if (core_self()->nfree)
			break;
		sched_yield();
		mon_relax();
	}
	return core_self();
}

static long ring_call(uint32_t nr, uint32_t flags, const uint64_t a[6],
		      bool interruptible)
{
	struct core *c = core_with_slot();
	struct thread *t = c->current;
	uint32_t n = c->ring->last.head;
	bool rang, done = false;
	uint16_t i = ring_submit(c, nr, flags, a, &rang);
	struct az_slot *s = &c->ring->slot[i];

	c->stats->ring++;
	t->offload_by = "ring";
	t->offload_again = 0;
	if (az_workers_apart(BOOT)) {
		bool alone = !core_waits(c);

		done = spin_on(s, alone ? SPIN_LIMIT / 2 : SPIN_LIMIT / 4);
		if (!done) {
			nudge(c, n);
			done = alone && spin_on(s, SPIN_LIMIT / 2);
		}
	} else if (!rang) {
		nudge(c, n);
	}
	if (done) {
		t->offload_result = s->result;
		t->offload_raised = s->raised;
		slot_free(c, i);
		sched_remember();
	} else {
		ring_block(c, i, interruptible);
	}
	return t->offload_result;
}

/*
 * Where the core cannot make calls (kvm, metal): is it better to have its
 * thread make one than to wake a worker, which takes as long and then has to be
 * waited for? Not in a burst of calls, in which a worker stays awake.
 */
static bool host_better(struct core *c)
{
	uint64_t last = c->host_at;

	if (mon_direct_ok() || BOOT->offload == AZ_OFFLOAD_RING)
		return false;
	if (!az_workers_apart(BOOT))
		return true;
	if (__atomic_load_n(&BOOT->bell_pollers, __ATOMIC_RELAXED))
		return false;
	c->host_at = __builtin_ia32_rdtsc(); /* the clock asks the host */
	return c->host_at - last > BURST_TSC;
}

static bool ring_idle(struct az_ring *r)
{
	for (uint32_t i = 0; i < AZ_RING_SLOTS; i++)
		if (!slot_done(&r->slot[i]))
			return false;
	return true;
}

static void ring_end_calls(struct core *c)
{
	for (uint32_t i = 0; i < AZ_RING_SLOTS; i++) {
		struct az_slot *s = &c->ring->slot[i];

		if (c->slot_thread[i] && !slot_done(s) && !s->call.cancel)
			s->call.cancel = AZ_CANCEL_AGAIN;
	}
}

void offload_end_calls(void)
{
	for (uint32_t i = 0; i < BOOT->ncores; i++)
		if (core_at(i)->az.started)
			ring_end_calls(core_at(i));
	__atomic_store_n(&BOOT->want_cancel, 1, __ATOMIC_SEQ_CST);
	mon_owner();
	for (uint32_t i = 0; i < BOOT->ncores; i++)
		while (core_at(i)->az.started && !ring_idle(core_at(i)->ring))
			mon_relax();
}

/* Workers are none of a child of vfork's. */
static bool may_be_direct(void)
{
	return (mon_direct_ok() && BOOT->offload != AZ_OFFLOAD_RING) ||
	       unlikely(core_self()->vfork);
}

/* Another thread could use this core while a call blocks. */
static bool others_wait(void)
{
	if (!core_waits(core_self()) || core_self()->vfork)
		return false;
	sched_offer();
	return core_waits(core_self());
}

static bool fd_hidden(uint64_t fd)
{
	return (uint32_t)fd - BOOT->fd_hidden_lo <
	       BOOT->fd_hidden_hi - BOOT->fd_hidden_lo;
}

/*
 * Would the call find what it wants right now? Then it costs least here, though
 * others wait. Somebody may be faster, and it blocks all the same: the timer
 * ends that.
 */
static bool is_ready(uint32_t nr, const uint64_t a[6])
{
	struct {
		int32_t fd;
		uint16_t events, revents;
	} p = { .fd = (int32_t)a[0] };

	switch (nr) {
	case AZ_SYS_read:
	case AZ_SYS_readv:
	case AZ_SYS_recvfrom:
	case AZ_SYS_recvmsg:
		p.events = POLLIN;
		break;
	case AZ_SYS_write:
	case AZ_SYS_sendto:
		if (a[2] > PIPE_BUF)
			return false;
		p.events = POLLOUT;
		break;
	default:
		return false;
	}
	if (p.fd < 0 || fd_hidden(a[0]) ||
	    host_call(AZ_SYS_poll, (uint64_t)&p, 1, 0, 0, 0, 0) != 1 ||
	    !(p.revents & p.events))
		return false;
	sched_set_timer(clock_mono() + READY_NS);
	return true;
}

/*
 * A call on the core itself. *kicked: it ended (-EINTR) only because this core
 * has something else to do.
 */
static long direct_call(uint32_t nr, const uint64_t a[6], bool *kicked)
{
	long r;

	*kicked = false;
	sched_set_timer(sched_look());
	if (signal_pending())
		return -ERESTARTNOINTR;
	if (others_wait() && !is_ready(nr, a)) {
		*kicked = true;
		return -EINTR;
	}
	if (!may_be_direct()) { /* it goes on elsewhere, after a snapshot */
		*kicked = true;
		return -EINTR;
	}
	core_self()->stats->direct++;
	r = mon_direct(nr, a);
	core_self()->current->offload_raised = mon_signal_raised();
	if ((r == -EINTR || r == -ERESTARTNOINTR) && !signal_pending()) {
		sched_look();
		*kicked = !signal_pending();
	}
	return r;
}

/*
 * Calls with a relative timeout in milliseconds that Linux does not count
 * down itself when interrupted: the index of that argument, or -1.
 */
static int timeout_arg(uint32_t nr)
{
	switch (nr) {
	case AZ_SYS_poll:
		return 2;
	case AZ_SYS_epoll_wait:
	case AZ_SYS_epoll_pwait:
		return 3;
	default:
		return -1;
	}
}

/* A kick ended the call: what is left of its timeout. */
static void timeout_shorten(uint64_t a[6], int arg, uint64_t *since)
{
	uint64_t now = clock_mono();
	int64_t left = (int32_t)a[arg];

	if (left > 0) {
		left -= (int64_t)(now - *since) / POLL_MSEC_NS;
		a[arg] = left > 0 ? (uint64_t)left : 0;
		*since = now;
	}
}

long ring_offload(uint32_t nr, const uint64_t a[6])
{
	return ring_call(nr, AZ_CALL_MAYBLOCK, a, true);
}

static bool was_kicked(void)
{
	return __atomic_load_n(&core_self()->az.pending, __ATOMIC_RELAXED);
}

static long call_blocking(uint32_t nr, const uint64_t args[6])
{
	uint64_t a[6];
	uint64_t since = 0;
	int arg = timeout_arg(nr);

	memcpy(a, args, sizeof(a));
	if (arg >= 0)
		since = clock_mono();
	if (may_be_direct()) {
		bool kicked;

		do {
			long r = direct_call(nr, a, &kicked);

			if (!kicked)
				return was_kicked() && r > 0
					   ? remainder_finish(nr, a, r)
					   : r;
			if (arg >= 0)
				timeout_shorten(a, arg, &since);
		} while (may_be_direct() && !others_wait());
	}
	for (;;) {
		long r = ring_offload(nr, a);

		if (!thread_self()->offload_again)
			return r;
		if (r != -EINTR)
			return r > 0 ? remainder_finish(nr, a, r) : r;
		if (arg >= 0)
			timeout_shorten(a, arg, &since);
	}
}

static struct spinlock creds_lock; /* one change at a time: az_boot.creds_* */

/* Threads of the owner must not differ in their rights. */
long offload_everywhere(uint32_t nr, const uint64_t a[6])
{
	long r;

	while (!spin_trylock(&creds_lock)) {
		sched_yield();
		mon_relax();
	}
	BOOT->creds_nr = nr;
	memcpy(BOOT->creds_arg, a, sizeof(BOOT->creds_arg));
	__atomic_store_n(&BOOT->creds_want, 1, __ATOMIC_SEQ_CST);
	mon_owner();
	while (__atomic_load_n(&BOOT->creds_want, __ATOMIC_ACQUIRE))
		mon_relax();
	r = BOOT->creds_result;
	spin_unlock(&creds_lock);
	return r;
}

/* The call itself raised a signal (SIGPIPE, SIGXFSZ). */
static void raise_from_call(struct thread *t)
{
	struct siginfo si = { 0 };

	si.signo = (int32_t)t->offload_raised;
	si.code = 0; /* SI_USER, as Linux's send_sig */
	si.rt.pid = (int32_t)BOOT->pid;
	si.rt.uid = BOOT->uid;
	t->offload_raised = 0;
	signal_post(t, &si);
}

const char *offload_how(void)
{
	struct thread *t = thread_self();
	const char *s = t->offload_by;

	t->offload_by = NULL;
	return s ? s : "local";
}

static bool is_pointer(uint8_t kind)
{
	return kind == AZ_ARG_PATH || kind == AZ_ARG_STR ||
	       (kind >= AZ_ARG_IN && kind <= AZ_ARG_SIGMASK_PTR);
}

/*
 * Put something that no process has in place of the owner's descriptors, and
 * of memory beyond the program's, so that Linux finds the error in its own
 * order.
 */
static void hide_ours(const struct az_call_desc *d, uint64_t a[6])
{
	for (uint32_t i = 0; i < d->nargs; i++) {
		uint8_t kind = d->arg[i].kind;

		if ((kind == AZ_ARG_FD || kind == AZ_ARG_DIRFD) &&
		    fd_hidden(a[i]))
			a[i] = NO_FD;
		else if (is_pointer(kind) && a[i] >= AZ_GUEST_END &&
			 a[i] < USER_END)
			a[i] = NO_ADDRESS;
	}
}

/*
 * Look at the arguments, whatever they are, once. Memory that was unmapped a
 * moment ago may still be there for Linux: not after this. True: one of them
 * might name what is not the program's; cheap, and often wrong, as a negative
 * number looks like an address.
 */
static bool scan(const struct az_call_desc *d, const uint64_t a[6])
{
	bool foreign = false;

	for (uint32_t i = 0; i < d->nargs; i++) {
		if (unlikely(a[i] - POOL_BASE < POOL_END - POOL_BASE))
			pool_refresh(a[i]);
		foreign |= a[i] >= AZ_GUEST_END || fd_hidden(a[i]);
	}
	return foreign;
}

/* What is not plain: see offload. */
static long offload_slow(const struct az_call_desc *d, uint32_t nr,
			 const uint64_t args[6])
{
	struct thread *t = thread_self();
	uint64_t a[6];
	long r;

	memcpy(a, args, sizeof(a));
	hide_ours(d, a);
	if ((d->attrs & AZ_ATTR_NESTED) && !nested_ok(d, a))
		return -EFAULT;
	t->offload_raised = 0;
	if ((d->attrs & AZ_ATTR_CREDS) && !core_self()->vfork) {
		r = offload_everywhere(nr, a);
	} else if (d->attrs & AZ_ATTR_BLOCK) {
		r = call_blocking(nr, a);
		if (r == -EINTR && !(d->attrs & AZ_ATTR_NORESTART))
			r = -ERESTARTSYS;
		if (r == -ERESTARTNOINTR && (d->attrs & AZ_ATTR_NORESTART))
			r = -EINTR;
	} else if (may_be_direct()) {
		core_self()->stats->direct++;
		r = mon_direct_now(nr, a);
		t->offload_raised = mon_signal_raised();
	} else if (!(d->attrs & AZ_ATTR_SIGPIPE) && host_better(core_self())) {
		t->offload_by = "host";
		r = mon_direct_now(nr, a);
	} else {
		do
			r = ring_call(nr, 0, a, false);
		while (r == -EINTR && t->offload_again);
	}
	if (unlikely(t->offload_raised))
		raise_from_call(t);
	return r;
}

/*
 * The plain case, a call that returns at once, ends in a jump: a core mispredicts
 * every return it makes after Linux has had it (return stack filled, retpolines
 * and all), so there should be few.
 */
long offload(uint32_t nr, const uint64_t a[6])
{
	const struct az_call_desc *d = call_desc(nr);
	bool foreign;

	thread_self()->offload_by = "direct";
	if (unlikely(core_self()->next))
		sched_share_next(); /* it may take long */
	foreign = scan(d, a);
	if (unlikely(d->attrs & (AZ_ATTR_CREDS | AZ_ATTR_BLOCK |
				 AZ_ATTR_SIGPIPE | AZ_ATTR_NESTED)) ||
	    unlikely(foreign) || unlikely(!may_be_direct()))
		return offload_slow(d, nr, a);
	core_self()->stats->direct++;
	return mon_direct_now(nr, a);
}

long host_call(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
	       uint64_t a4, uint64_t a5)
{
	const uint64_t a[6] = { a0, a1, a2, a3, a4, a5 };
	struct core *c;
	struct az_slot *s;
	uint32_t n;
	uint16_t i;
	bool rang;
	long r;

	c = core_self();
	if (mon_direct_ok() || c->vfork || host_better(c))
		return mon_direct_now(nr, a);
	/* The ring without a thread: spin, the worker is bound to answer. */
	while (!c->nfree)
		ring_poll();
	n = c->ring->last.head;
	i = ring_submit(c, nr, AZ_CALL_INTERNAL, a, &rang);
	s = &c->ring->slot[i];
	if (!spin_on(s, SPIN_LIMIT))
		nudge(c, n);
	while (!spin_on(s, SPIN_LIMIT))
		mon_relax();
	r = s->result;
	slot_free(c, i);
	return r;
}

void inbox_drain(void)
{
	struct siginfo si;

	while (__atomic_load_n(&BOOT->inbox_head, __ATOMIC_ACQUIRE) !=
	       __atomic_load_n(&BOOT->inbox_tail, __ATOMIC_RELAXED)) {
		uint32_t tail;

		spin_lock(&inbox_lock);
		tail = BOOT->inbox_tail;
		if (tail ==
		    __atomic_load_n(&BOOT->inbox_head, __ATOMIC_ACQUIRE)) {
			spin_unlock(&inbox_lock);
			return;
		}
		memcpy(&si, BOOT->inbox[tail % AZ_INBOX], sizeof(si));
		__atomic_store_n(&BOOT->inbox_tail, tail + 1, __ATOMIC_RELEASE);
		spin_unlock(&inbox_lock);
		signal_post(NULL, &si);
	}
}
