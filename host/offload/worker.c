/* SPDX-License-Identifier: MIT */
/*
 * worker.c - threads of the owner that run offloaded system calls.
 *
 * A worker polls all rings for a bounded time, then sleeps on az_boot.bell_seq.
 * bell_pollers counts those that poll: a core that finds none rings the bell.
 * A worker leaves the pollers before it makes a call that may block, and wakes
 * or asks for another if calls are waiting then; so such a call never holds up
 * those behind it, and costs nothing while nobody is behind it.
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
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "boot.h"
#include "offload/check.h"
#include "ring.h"

#define BOOT ((struct az_boot *)AZ_BOOT_BASE)

/* Polling before sleep: a little over the cost of being woken, 50 us. */
#define POLL_NS 50000
/* A worker that has slept this long ends, unless it is the last. */
#define IDLE_SEC    10
#define STACK_SIZE  0x20000
#define MAX_WORKERS 4096

static const struct plat *plat;
static cpu_set_t worker_cpus;
static uint32_t ncores;

static __thread uint32_t raised;
static __thread struct checked_call checked;
static __thread bool is_worker;
static __thread uint32_t creds_seq; /* of az_boot: the credentials it has */

static struct az_ring *ring_at(uint32_t core)
{
	return (struct az_ring *)(AZ_RING_BASE + core * AZ_RING_STRIDE);
}

static bool ring_empty(const struct az_ring *r)
{
	return __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) ==
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

static struct az_slot *ring_take(struct az_ring *r)
{
	uint32_t tail = __atomic_load_n(&r->tail, __ATOMIC_RELAXED);
	uint32_t slot;

	/* Pairs with kernel/sys/offload.c:ring_submit. */
	if (__atomic_load_n(&r->head, __ATOMIC_ACQUIRE) == tail)
		return NULL;
	slot = r->queue[tail % AZ_RING_SLOTS] % AZ_RING_SLOTS;
	if (!__atomic_compare_exchange_n(&r->tail, &tail, tail + 1, 0,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return NULL;
	return &r->slot[slot];
}

/* The call itself: -errno instead of errno, which signals cannot disturb. */
static long make_call(const struct checked_call *c)
{
	const uint64_t *a = c->arg;
	uint64_t a3 = a[3], a4 = a[4], a5 = a[5];
	register uint64_t r10 __asm__("r10") = a3;
	register uint64_t r8 __asm__("r8") = a4;
	register uint64_t r9 __asm__("r9") = a5;
	long r = (long)c->nr;

	__asm__ volatile("syscall"
			 : "+a"(r)
			 : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

static long call_until_answered(const struct checked_call *c, struct az_slot *s)
{
	for (;;) {
		long r = make_call(c);

		/* A signal meant for the slot's last call: make it again. */
		if (r != -EINTR ||
		    __atomic_load_n(&s->call.cancel, __ATOMIC_ACQUIRE))
			return r;
		if (raised)
			return r;
	}
}

static void leave_pollers(void)
{
	__atomic_fetch_sub(&BOOT->bell_pollers, 1, __ATOMIC_SEQ_CST);
	if (all_empty() ||
	    __atomic_load_n(&BOOT->bell_pollers, __ATOMIC_SEQ_CST))
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
	__atomic_store_n(&s->worker_tid, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&s->done, seq, __ATOMIC_SEQ_CST);
	/* Pairs with ring_block: it sets wait, then looks at done. */
	if (__atomic_load_n(&s->call.wait, __ATOMIC_SEQ_CST))
		plat->kick_core(core);
}

static void serve(uint32_t core, struct az_slot *s, int32_t tid)
{
	struct checked_call *c = &checked;
	uint32_t seq = s->call.seq;
	bool blocks;
	long r;

	raised = 0;
	r = check_call(&s->call, c);
	if (r == 0) {
		blocks = c->flags & AZ_CALL_MAYBLOCK;
		__atomic_store_n(&s->worker_tid, (uint32_t)tid,
				 __ATOMIC_SEQ_CST);
		if (blocks)
			leave_pollers();
		r = call_until_answered(c, s);
		if (blocks)
			__atomic_fetch_add(&BOOT->bell_pollers, 1,
					   __ATOMIC_SEQ_CST);
		r = check_done(c, r);
	}
	answer(core, s, seq, r);
}

static bool serve_any(int32_t tid)
{
	uint32_t n = ring_count();
	bool any = false;

	for (uint32_t i = 0; i < n; i++) {
		struct az_slot *s = ring_take(ring_at(i));

		if (s) {
			serve(i, s, tid);
			any = true;
		}
	}
	return any;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void poll_rings(int32_t tid)
{
	uint64_t end = now_ns() + POLL_NS;

	for (;;) {
		for (int i = 0; i < 100; i++) {
			if (serve_any(tid))
				end = 0;
			__builtin_ia32_pause();
		}
		if (!end)
			end = now_ns() + POLL_NS;
		else if (now_ns() > end)
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

/* The credentials of the process have changed: this thread's must, too. */
static void follow_creds(void)
{
	uint32_t seq = __atomic_load_n(&BOOT->creds_seq, __ATOMIC_ACQUIRE);
	const uint64_t *a = BOOT->creds_arg;
	uint32_t tid = __atomic_load_n(&BOOT->creds_tid, __ATOMIC_RELAXED);

	if (creds_seq != seq) {
		creds_seq = seq;
		syscall(BOOT->creds_nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	if (tid && tid == (uint32_t)syscall(SYS_gettid))
		__atomic_store_n(&BOOT->creds_tid, 0, __ATOMIC_RELEASE);
}

static void *worker_main(void *arg)
{
	int32_t tid = (int32_t)syscall(SYS_gettid);

	creds_seq = (uint32_t)(uintptr_t)arg;
	is_worker = true;
	follow_creds();
	for (;;) {
		poll_rings(tid);
		if (sleep_on_bell())
			continue;
		if (__atomic_sub_fetch(&BOOT->nworkers, 1, __ATOMIC_SEQ_CST))
			break;
		__atomic_fetch_add(&BOOT->nworkers, 1, __ATOMIC_SEQ_CST);
	}
	__atomic_fetch_sub(&BOOT->bell_pollers, 1, __ATOMIC_SEQ_CST);
	/* A core may have seen this worker as one that polls. */
	if (!all_empty()) {
		__atomic_store_n(&BOOT->want_workers, 1, __ATOMIC_SEQ_CST);
		syscall(SYS_tgkill, BOOT->pid, BOOT->owner_tid, AZ_SIG_KICK);
	}
	return NULL;
}

void worker_init(const struct plat *p, const cpu_set_t *cpus)
{
	plat = p;
	worker_cpus = *cpus;
	ncores = BOOT->ncores;
}

int worker_start(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, mine, old;
	int err;

	if (__atomic_load_n(&BOOT->nworkers, __ATOMIC_SEQ_CST) >= MAX_WORKERS)
		return -EAGAIN;
	sigfillset(&all);
	mine = all;
	sigdelset(&mine, SIGPIPE);
	sigdelset(&mine, SIGXFSZ);
	sigdelset(&mine, AZ_SIG_KICK);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setaffinity_np(&attr, sizeof(worker_cpus), &worker_cpus);
	pthread_attr_setsigmask_np(&attr, &mine);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	__atomic_fetch_add(&BOOT->bell_pollers, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&BOOT->nworkers, 1, __ATOMIC_SEQ_CST);
	err = pthread_create(&thread, &attr, worker_main,
			     (void *)(uintptr_t)BOOT->creds_seq);
	if (err) {
		__atomic_fetch_sub(&BOOT->bell_pollers, 1, __ATOMIC_SEQ_CST);
		__atomic_fetch_sub(&BOOT->nworkers, 1, __ATOMIC_SEQ_CST);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

bool worker_cancel(void)
{
	uint32_t n = ring_count();
	bool any = false;

	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < AZ_RING_SLOTS; k++) {
			struct az_slot *s = &ring_at(i)->slot[k];
			uint32_t tid;

			if (!__atomic_load_n(&s->call.cancel,
					     __ATOMIC_SEQ_CST) ||
			    __atomic_load_n(&s->done, __ATOMIC_SEQ_CST) ==
				s->call.seq)
				continue;
			any = true;
			tid = __atomic_load_n(&s->worker_tid, __ATOMIC_SEQ_CST);
			if (tid)
				syscall(SYS_tgkill, BOOT->pid, tid,
					AZ_SIG_KICK);
		}
	return any;
}

bool worker_signal(int sig)
{
	if (!is_worker)
		return false;
	follow_creds();
	if (sig == SIGPIPE || sig == SIGXFSZ)
		raised = (uint32_t)sig;
	return true;
}
