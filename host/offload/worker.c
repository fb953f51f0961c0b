/* SPDX-License-Identifier: MIT */
/*
 * worker.c - threads of the owner that run offloaded system calls.
 *
 * A worker polls all rings for a bounded time, then sleeps on az_boot.bell_seq.
 * bell_pollers counts those that poll: a core that finds none rings the bell.
 * One that is inside a call still counts while there is a CPU for workers
 * alone; else nobody polls or spins. Before a call that may block it
 * wakes or asks for another if calls are waiting, and a core whose call nobody
 * takes asks, too (nudge); so such a call never holds up those behind it, and
 * costs nothing while nobody is behind it.
 *
 * A cancelled call is begun all the same, and interrupted by a signal that
 * comes again and again until it is answered: so Linux decides whether there
 * was anything to interrupt, and no signal can come too early.
 *
 * Everything read from a ring is hostile: check_call copies and checks it.
 */
#include "offload/worker.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "boot.h"
#include "lib/clock.h"
#include "offload/check.h"
#include "offload/creds.h"
#include "ring.h"

#define BOOT ((struct az_boot *)AZ_BOOT_BASE)

/* Polling before sleep: a little over the cost of being woken, 50 us. */
#define POLL_NS 50000
/* On kvm who wakes it must leave the virtual machine for that. */
#define POLL_KVM_NS 300000
/* A worker that has slept this long ends, unless it is the last. */
#define IDLE_SEC    10
#define STACK_SIZE  0x20000
#define MAX_WORKERS 4096

static const struct plat *plat;
static cpu_set_t worker_cpus;
static uint32_t ncores;

static __thread uint32_t raised;
static __thread struct checked_call checked;

/* What a worker is doing, for worker_cancel. A line each: nobody waits. */
struct serving {
	_Alignas(64) uint32_t tid; /* 0: this entry is nobody's */
	uint32_t slot; /* core * AZ_RING_SLOTS + slot + 1; 0: none */
};
static struct serving servings[MAX_WORKERS];
static uint32_t servings_used; /* entries from here on were never used */
static __thread struct serving *serving; /* NULL: this is no worker */
static __thread uint32_t creds_has; /* the credentials it has, see creds.h */

static struct az_ring *ring_at(uint32_t core)
{
	return (struct az_ring *)(AZ_RING_BASE + core * AZ_RING_STRIDE);
}

static bool ring_empty(const struct az_ring *r)
{
	return __atomic_load_n(&r->last.head, __ATOMIC_ACQUIRE) ==
	       __atomic_load_n(&r->tail, __ATOMIC_RELAXED);
}

/* Cores whose rings there are; the count itself is not to be trusted. */
static uint32_t ring_count(void)
{
	uint32_t n = __atomic_load_n(&BOOT->want_cores, __ATOMIC_RELAXED);

	return n < ncores ? n : ncores;
}

static bool all_empty(void)
{
	uint32_t n = ring_count();

	for (uint32_t i = 0; i < n; i++)
		if (!ring_empty(ring_at(i)))
			return false;
	return true;
}

/* The newest call of a ring, which is number head - 1, unless it changes. */
static bool last_copy(const struct az_ring *r, uint32_t head,
		      struct az_call *call, uint32_t *slot)
{
	const volatile struct az_last *last = &r->last;

	call->seq = last->seq;
	call->nr = last->nr;
	call->flags = last->flags;
	*slot = last->slot;
	for (int i = 0; i < 6; i++)
		call->arg[i] = last->arg[i];
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return last->begin == head;
}

/* A ring's next call, copied. NULL: there is none, or others take it. */
static struct az_slot *ring_take(struct az_ring *r, struct az_call *call)
{
	uint32_t tail = __atomic_load_n(&r->tail, __ATOMIC_RELAXED);
	/* Pairs with kernel/sys/offload.c:ring_submit. */
	uint32_t head = __atomic_load_n(&r->last.head, __ATOMIC_ACQUIRE);
	struct az_slot *s;
	uint32_t slot;

	if (head == tail)
		return NULL;
	if (head != tail + 1 || !last_copy(r, head, call, &slot)) {
		slot = r->queue[tail % AZ_RING_SLOTS];
		s = &r->slot[slot % AZ_RING_SLOTS];
		memcpy(call, &s->call, sizeof(*call));
	}
	if (!__atomic_compare_exchange_n(&r->tail, &tail, tail + 1, 0,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return NULL;
	return &r->slot[slot % AZ_RING_SLOTS];
}

static long call_until_answered(const struct checked_call *c, struct az_slot *s)
{
	for (;;) {
		long r = checked_make(c);

		/* A signal meant for the slot's last call: make it again. */
		if (r != -EINTR ||
		    __atomic_load_n(&s->call.cancel, __ATOMIC_ACQUIRE))
			return r;
		if (raised)
			return r;
	}
}

/* This worker may be away for long: leave no call without one. */
static void call_another(void)
{
	if (all_empty())
		return;
	__atomic_fetch_add(&BOOT->bell_seq, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&BOOT->bell_sleepers, __ATOMIC_SEQ_CST)) {
		syscall(SYS_futex, &BOOT->bell_seq,
			FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
		return;
	}
	__atomic_store_n(&BOOT->want_workers, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_tgkill, BOOT->pid, BOOT->owner_tid, AZ_SIG_KICK);
}

static void answer(uint32_t core, struct az_slot *s, uint32_t seq, long result)
{
	s->result = result;
	s->raised = raised;
	/* Pairs with kernel/sys/offload.c:ask_for_kick. */
	if (__atomic_exchange_n(&s->done, seq, __ATOMIC_ACQ_REL) & AZ_DONE_WAIT)
		plat->kick_core(core);
}

static void serve(uint32_t core, struct az_slot *s, const struct az_call *call)
{
	struct checked_call *c = &checked;
	bool left = false;
	long r;

	raised = 0;
	r = check_call(call, c);
	if (r == 0) {
		__atomic_store_n(&serving->slot,
				 core * AZ_RING_SLOTS +
				     (uint32_t)(s - ring_at(core)->slot) + 1,
				 __ATOMIC_RELEASE);
		if (c->flags & AZ_CALL_MAYBLOCK) {
			left = !az_workers_apart(BOOT);
			if (left)
				__atomic_fetch_sub(&BOOT->bell_pollers, 1,
						   __ATOMIC_SEQ_CST);
			call_another();
		}
		r = call_until_answered(c, s);
		if (left)
			__atomic_fetch_add(&BOOT->bell_pollers, 1,
					   __ATOMIC_SEQ_CST);
		r = check_done(c, r);
		__atomic_store_n(&serving->slot, 0, __ATOMIC_RELEASE);
	}
	answer(core, s, call->seq, r);
}

static bool serve_any(void)
{
	uint32_t n = ring_count();
	bool any = false;

	for (uint32_t i = 0; i < n; i++) {
		struct az_call call;
		struct az_slot *s = ring_take(ring_at(i), &call);

		if (s) {
			serve(i, s, &call);
			any = true;
		}
	}
	return any;
}

static void poll_rings(void)
{
	uint64_t poll = plat == &plat_kvm ? POLL_KVM_NS : POLL_NS;
	uint64_t end = clock_mono_ns() + poll;

	for (;;) {
		for (int i = 0; i < 100; i++) {
			if (serve_any())
				end = 0;
			else if (!az_workers_apart(BOOT))
				return;
			__builtin_ia32_pause();
		}
		if (!end)
			end = clock_mono_ns() + poll;
		else if (clock_mono_ns() > end)
			return;
	}
}

/* Sleep until the bell rings. False: nothing happened for a long time. */
static bool sleep_on_bell(void)
{
	struct timespec ts = { .tv_sec = IDLE_SEC };
	uint32_t seq = __atomic_load_n(&BOOT->bell_seq, __ATOMIC_SEQ_CST);
	bool woken = true;

	__atomic_fetch_add(&BOOT->bell_sleepers, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&BOOT->bell_pollers, 1, __ATOMIC_SEQ_CST);
	/* Pairs with ring_submit: it sets head, then looks at pollers. */
	if (all_empty())
		woken = syscall(SYS_futex, &BOOT->bell_seq,
				FUTEX_WAIT | FUTEX_PRIVATE_FLAG, seq, &ts, NULL,
				0) == 0 ||
			errno != ETIMEDOUT;
	__atomic_fetch_add(&BOOT->bell_pollers, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&BOOT->bell_sleepers, 1, __ATOMIC_SEQ_CST);
	return woken;
}

static struct serving *serving_take(void)
{
	uint32_t tid = (uint32_t)syscall(SYS_gettid);

	for (uint32_t i = 0;; i = (i + 1) % MAX_WORKERS) {
		uint32_t free = 0, used;

		if (!__atomic_compare_exchange_n(&servings[i].tid, &free, tid,
						 0, __ATOMIC_SEQ_CST,
						 __ATOMIC_RELAXED))
			continue;
		used = __atomic_load_n(&servings_used, __ATOMIC_RELAXED);
		while (used <= i && !__atomic_compare_exchange_n(
					&servings_used, &used, i + 1, 0,
					__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			;
		return &servings[i];
	}
}

/* A worker begins with all signals blocked, on any CPU. */
static void worker_settle(void)
{
	sigset_t mine;

	sigfillset(&mine);
	sigdelset(&mine, SIGPIPE);
	sigdelset(&mine, SIGXFSZ);
	sigdelset(&mine, AZ_SIG_KICK);
	sched_setaffinity(0, sizeof(worker_cpus), &worker_cpus);
	pthread_sigmask(SIG_SETMASK, &mine, NULL);
}

static void *worker_main(void *arg)
{
	serving = serving_take();
	creds_has = (uint32_t)(uintptr_t)arg;
	worker_settle();
	creds_follow(&creds_has);
	for (;;) {
		poll_rings();
		if (sleep_on_bell())
			continue;
		if (__atomic_sub_fetch(&BOOT->nworkers, 1, __ATOMIC_SEQ_CST))
			break;
		__atomic_fetch_add(&BOOT->nworkers, 1, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&serving->tid, 0, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&BOOT->bell_pollers, 1, __ATOMIC_SEQ_CST);
	/* A core may have seen this worker as one that polls. */
	if (!all_empty()) {
		__atomic_store_n(&BOOT->want_workers, 1, __ATOMIC_SEQ_CST);
		syscall(SYS_tgkill, BOOT->pid, BOOT->owner_tid, AZ_SIG_KICK);
	}
	return NULL;
}

void worker_init(const struct plat *p, uint32_t cores, const cpu_set_t *cpus)
{
	plat = p;
	worker_cpus = *cpus;
	ncores = cores;
}

void worker_forked(void)
{
	memset(servings, 0, servings_used * sizeof(servings[0]));
	servings_used = 0;
}

int worker_start(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int err;

	if (__atomic_load_n(&BOOT->nworkers, __ATOMIC_SEQ_CST) >= MAX_WORKERS)
		return -EAGAIN;
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	__atomic_fetch_add(&BOOT->bell_pollers, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&BOOT->nworkers, 1, __ATOMIC_SEQ_CST);
	err = pthread_create(&thread, &attr, worker_main,
			     (void *)(uintptr_t)creds_seq());
	if (err) {
		__atomic_fetch_sub(&BOOT->bell_pollers, 1, __ATOMIC_SEQ_CST);
		__atomic_fetch_sub(&BOOT->nworkers, 1, __ATOMIC_SEQ_CST);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

/* Is slot k of core i cancelled, and not answered? */
static bool is_cancelled(uint32_t i, uint32_t k)
{
	const struct az_slot *s = &ring_at(i)->slot[k];

	return __atomic_load_n(&s->call.cancel, __ATOMIC_SEQ_CST) &&
	       __atomic_load_n(&s->done, __ATOMIC_SEQ_CST) != s->call.seq;
}

bool worker_cancel(void)
{
	uint32_t n = ring_count();
	bool any = false;

	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < AZ_RING_SLOTS && !any; k++)
			any = is_cancelled(i, k);
	n *= AZ_RING_SLOTS;
	for (uint32_t i = 0; any && i < servings_used; i++) {
		struct serving *w = &servings[i];
		uint32_t at = __atomic_load_n(&w->slot, __ATOMIC_ACQUIRE);

		if (at && at <= n &&
		    is_cancelled((at - 1) / AZ_RING_SLOTS,
				 (at - 1) % AZ_RING_SLOTS))
			syscall(SYS_tgkill, BOOT->pid, w->tid, AZ_SIG_KICK);
	}
	return any;
}

bool worker_signal(int sig)
{
	if (!serving)
		return false;
	creds_follow(&creds_has);
	if (sig == SIGPIPE || sig == SIGXFSZ)
		raised = (uint32_t)sig;
	return true;
}
