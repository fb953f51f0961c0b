/* SPDX-License-Identifier: MIT */
/*
 * ipc.c - endpoints, and every message that ipc.S does not pass by itself.
 *
 * A thread that waits here is in state THREAD_IPC, or THREAD_IPC_BARE if it
 * came through ipc.S and has nothing on its kernel stack. Only who holds the
 * lock of its endpoint ends that: by switching to it (ipc.S), or by release().
 * No other wake counts, so a thread is never in a runqueue while it hangs at
 * an endpoint.
 *
 * It waits off its core, which goes on where it booted: so whoever calls can
 * take a server to its own core at once.
 *
 * A signal must not be lost between a thread's last look and its wait: it
 * announces ipc.ep, locks (a full barrier), then looks at ipc.signalled;
 * ipc_interrupt sets that, then looks at ipc.ep. And who ends a wait by a
 * switch looks at it, too.
 *
 * Locks: threads_lock, siglock, an endpoint's, a runqueue's, in this order. No
 * two endpoints are locked at a time.
 */
#include "sched/ipc.h"

#include "lib/errno.h"
#include "lib/string.h"
#include "sched/sched.h"
#include "sys/sys.h"

/* The low bits of a handle: which endpoint. ipc.S knows the numbers, too. */
#define ENDPOINTS  1024U
#define HANDLE_MAX 0x7fffffffU

struct endpoint {
	_Alignas(64) struct spinlock lock;
	uint32_t handle; /* 0: not in use */
	uint32_t last;   /* handle when it was in use last, or 0 */
	uint32_t nservers;
	struct thread *idle;        /* servers that wait, last come first */
	struct thread *first, *end; /* callers that wait for a server */
	uint32_t orphaned;          /* all servers have ended */
};

_Static_assert(sizeof(struct endpoint) == 64, "ipc.S");

extern struct endpoint ipc_endpoints[ENDPOINTS];
struct endpoint ipc_endpoints[ENDPOINTS];
static struct spinlock table_lock; /* guards nused, and handle where it is 0 */
static uint32_t nused; /* no endpoint from here on has ever been in use */

void ipc_call(void);
void ipc_reply(void);
void ipc_control(void);
void ipc_call_slow(void);
void ipc_reply_slow(void);
void ipc_resume(void);
int ipc_slow(struct az_frame *f, uint32_t op);
void ipc_arrived(void);
void exit_work(struct az_frame *frame);
void sched_arrived(void);

/* Names of offsets for ipc.S, which the linker fills in. */
#define OFFSET(name, type, field)                             \
	__asm__ volatile(".globl " #name "\n\t.hidden " #name \
			 "\n\t.set " #name                    \
			 ", %c0" ::"i"(offsetof(struct type, field)))

__attribute__((used)) static void offsets(void)
{
	OFFSET(t_state, thread, state);
	OFFSET(t_on_core, thread, on_core);
	OFFSET(t_core, thread, core);
	OFFSET(t_frame, thread, frame);
	OFFSET(t_fs, thread, fs);
	OFFSET(t_since, thread, since);
	OFFSET(t_affinity, thread, affinity);
	OFFSET(t_rip, thread, ipc.rip);
	OFFSET(t_rsp, thread, ipc.rsp);
	OFFSET(t_rbp, thread, ipc.rbp);
	OFFSET(t_mxcsr, thread, ipc.mxcsr);
	OFFSET(t_fcw, thread, ipc.fcw);
	OFFSET(t_signalled, thread, ipc.signalled);
	OFFSET(t_ep, thread, ipc.ep);
	OFFSET(t_caller, thread, ipc.caller);
	OFFSET(t_server, thread, ipc.server);
	OFFSET(t_next, thread, ipc.next);
	OFFSET(e_lock, endpoint, lock);
	OFFSET(e_handle, endpoint, handle);
	OFFSET(e_idle, endpoint, idle);
	OFFSET(e_first, endpoint, first);
	OFFSET(s_switches, az_core_stats, switches);
	OFFSET(f_r13, az_frame, r13);
	OFFSET(f_r12, az_frame, r12);
	OFFSET(f_rbp, az_frame, rbp);
	OFFSET(f_r10, az_frame, r10);
	OFFSET(f_r9, az_frame, r9);
	OFFSET(f_r8, az_frame, r8);
	OFFSET(f_rax, az_frame, rax);
	OFFSET(f_rcx, az_frame, rcx);
	OFFSET(f_rdx, az_frame, rdx);
	OFFSET(f_rsi, az_frame, rsi);
	OFFSET(f_rdi, az_frame, rdi);
	OFFSET(f_orig, az_frame, orig_rax);
	OFFSET(f_rip, az_frame, rip);
	OFFSET(f_cs, az_frame, cs);
	OFFSET(f_flags, az_frame, rflags);
	OFFSET(f_rsp, az_frame, rsp);
	OFFSET(f_ss, az_frame, ss);
}

/* --- messages --- */

static void words_from_frame(uint64_t w[AZ_IPC_WORDS], const struct az_frame *f)
{
	w[0] = f->rdi;
	w[1] = f->rsi;
	w[2] = f->rdx;
	w[3] = f->r8;
	w[4] = f->r9;
	w[5] = f->r10;
	w[6] = f->r12;
	w[7] = f->r13;
}

static void words_to_frame(struct az_frame *f, const uint64_t w[AZ_IPC_WORDS])
{
	f->rdi = w[0];
	f->rsi = w[1];
	f->rdx = w[2];
	f->r8 = w[3];
	f->r9 = w[4];
	f->r10 = w[5];
	f->r12 = w[6];
	f->r13 = w[7];
}

/* --- endpoints --- */

/* The endpoint of a handle, locked; NULL: there is none. */
static struct endpoint *lock_handle(uint64_t handle)
{
	struct endpoint *e = &ipc_endpoints[handle % ENDPOINTS];

	/* Announced before: see above. */
	thread_self()->ipc.ep = e;
	spin_lock(&e->lock);
	if (handle && e->handle == handle)
		return e;
	spin_unlock(&e->lock);
	return NULL;
}

static bool waiting(const struct thread *t)
{
	return t->state == THREAD_IPC || t->state == THREAD_IPC_BARE;
}

/* t, which waits and hangs nowhere any more, goes on with this result. */
static void release(struct thread *t, long result)
{
	bool bare = t->state == THREAD_IPC_BARE;

	t->ipc.result = result;
	t->ipc.ep = NULL;
	t->ipc.server = NULL;
	if (bare)
		thread_enter_at(t, ipc_resume);
	__atomic_store_n(&t->state, THREAD_BLOCKED, __ATOMIC_RELEASE);
	sched_wake(t);
}

static void push_caller(struct endpoint *e, struct thread *t)
{
	t->ipc.next = NULL;
	if (e->first)
		e->end->ipc.next = t;
	else
		e->first = t;
	e->end = t;
}

static struct thread *pop_caller(struct endpoint *e)
{
	struct thread *t = e->first;

	if (t)
		e->first = t->ipc.next;
	return t;
}

static void remove_caller(struct endpoint *e, struct thread *t)
{
	struct thread *before = NULL;

	for (struct thread *i = e->first; i; before = i, i = i->ipc.next) {
		if (i != t)
			continue;
		if (before)
			before->ipc.next = t->ipc.next;
		else
			e->first = t->ipc.next;
		if (e->end == t)
			e->end = before;
		return;
	}
}

static bool remove_idle(struct endpoint *e, struct thread *t)
{
	for (struct thread **at = &e->idle; *at; at = &(*at)->ipc.next)
		if (*at == t) {
			*at = t->ipc.next;
			return true;
		}
	return false;
}

/* Take t, which waits at e, off whatever it hangs at. */
static void detach(struct endpoint *e, struct thread *t)
{
	if (t->ipc.server)
		t->ipc.server->ipc.caller = NULL;
	else if (!remove_idle(e, t))
		remove_caller(e, t);
}

/* Who waits for a reply of s, if somebody does, gets `result` instead. */
static void fail_caller(struct thread *s, long result)
{
	struct thread *caller = s->ipc.caller;

	s->ipc.caller = NULL;
	if (caller)
		release(caller, result);
}

/* s takes no more calls from e, which is locked. */
static void unbind(struct thread *s, struct endpoint *e)
{
	struct thread *t;

	fail_caller(s, -EPIPE);
	s->ipc.serves = NULL;
	if (--e->nservers)
		return;
	e->orphaned = 1;
	while ((t = pop_caller(e)))
		release(t, -EPIPE);
}

/* The endpoint that s serves may be closed meanwhile, not go away. */
static void leave(struct thread *s)
{
	struct endpoint *e = __atomic_load_n(&s->ipc.serves, __ATOMIC_RELAXED);

	if (!e)
		return;
	spin_lock(&e->lock);
	if (s->ipc.serves == e)
		unbind(s, e);
	spin_unlock(&e->lock);
}

/* The endpoint of a handle, locked, with the calling thread as a server. */
static struct endpoint *lock_as_server(uint64_t handle)
{
	struct thread *t = thread_self();
	struct endpoint *e = lock_handle(handle);

	if (!e || t->ipc.serves == e)
		return e;
	spin_unlock(&e->lock);
	leave(t);
	e = lock_handle(handle);
	if (!e)
		return NULL;
	t->ipc.serves = e;
	e->nservers++;
	e->orphaned = 0;
	return e;
}

/* --- waiting --- */

/* Can no other core run t? */
static bool pinned(const struct thread *t)
{
	uint32_t self = core_self()->az.index;

	for (uint32_t i = 0; i < BOOT->ncores; i++)
		if (i != self && (t->affinity[i / 64] >> (i % 64) & 1))
			return false;
	return true;
}

/*
 * Leave the core. Where another core may come for the thread, it must not wait
 * on its own stack, as a core without work does at first.
 */
static void leave_core(const struct thread *t)
{
	struct core *c = core_self();

	if (core_waits(c) || pinned(t))
		sched_wait(AZ_NO_DEADLINE, false);
	else
		sched_run((struct thread *)((uint64_t)c + CORE_BOOT_STACK));
}

/*
 * Wait at e, where the calling thread hangs; it is locked, and is not when
 * this returns. The result; the words are in the frame.
 */
static long wait_at(struct endpoint *e, struct az_frame *f)
{
	struct thread *t = thread_self();

	t->ipc.rip = f->rip;
	t->ipc.rsp = f->rsp;
	t->ipc.rbp = f->rbp;
	__asm__ volatile("stmxcsr %0" : "=m"(t->ipc.mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(t->ipc.fcw));
	t->state = THREAD_IPC;
	spin_unlock(&e->lock);
	leave_core(t);
	/* Not reached if ipc.S ended the wait. */
	words_to_frame(f, t->ipc.word);
	return t->ipc.result;
}

/* The same after a wait that ended while nothing was on the kernel stack. */
void ipc_arrived(void)
{
	struct thread *t = thread_self();
	struct az_frame *f = t->frame;
	uint64_t cs, ss;

	sched_arrived();
	__asm__("movl %%cs, %k0" : "=r"(cs));
	__asm__("movl %%ss, %k0" : "=r"(ss));
	*f = (struct az_frame){
		.rax = (uint64_t)t->ipc.result,
		.rcx = t->ipc.rip,
		.rip = t->ipc.rip,
		.rsp = t->ipc.rsp,
		.rbp = t->ipc.rbp,
		.orig_rax = ~0ULL,
		.cs = cs,
		.ss = ss,
		.rflags = 0x202, /* IF */
	};
	words_to_frame(f, t->ipc.word);
	/* The vector registers are those of some earlier switch. */
	__asm__ volatile("fnclex\n\tfldcw %0\n\tldmxcsr %1" ::"m"(t->ipc.fcw),
			 "m"(t->ipc.mxcsr));
}

/* --- operations: e is locked, or the handle is still to be looked up --- */

static long call(struct az_frame *f)
{
	struct thread *t = thread_self(), *s;
	struct endpoint *e = lock_handle(f->rax);
	long err = 0;

	if (!e)
		return -EBADF;
	s = e->idle;
	if (e->orphaned)
		err = -EPIPE;
	else if (t->ipc.serves == e && e->nservers == 1)
		err = -EDEADLK; /* nobody else could answer */
	else if (t->ipc.signalled)
		err = -ERESTARTNOINTR;
	if (err) {
		spin_unlock(&e->lock);
		return err;
	}
	t->ipc.server = s;
	if (s) {
		e->idle = s->ipc.next;
		s->ipc.caller = t;
		words_from_frame(s->ipc.word, f);
		release(s, 0);
	} else {
		words_from_frame(t->ipc.word, f);
		push_caller(e, t);
	}
	return wait_at(e, f);
}

/* Take the next call, or wait for one; e is locked, and not afterwards. */
static long receive_at(struct endpoint *e, struct az_frame *f)
{
	struct thread *t = thread_self();
	struct thread *caller;

	if (t->ipc.signalled) {
		spin_unlock(&e->lock);
		return -ERESTARTNOINTR;
	}
	caller = pop_caller(e);
	if (caller) {
		caller->ipc.server = t;
		t->ipc.caller = caller;
		words_to_frame(f, caller->ipc.word);
		spin_unlock(&e->lock);
		return 0;
	}
	t->ipc.server = NULL;
	t->ipc.next = e->idle;
	e->idle = t;
	return wait_at(e, f);
}

static long receive(struct az_frame *f)
{
	struct endpoint *e = lock_as_server(f->rax);

	if (!e)
		return -EBADF;
	fail_caller(thread_self(), -EPIPE);
	return receive_at(e, f);
}

/* 0; -ESRCH: nobody waits for a reply. */
static long reply_at(const struct az_frame *f)
{
	struct thread *t = thread_self();
	struct thread *caller = t->ipc.caller;

	if (!caller)
		return -ESRCH;
	t->ipc.caller = NULL;
	words_from_frame(caller->ipc.word, f);
	release(caller, 0);
	return 0;
}

static long reply(const struct az_frame *f)
{
	struct endpoint *e = lock_handle(f->rax);
	long r = -EINVAL;

	if (!e)
		return -EBADF;
	if (thread_self()->ipc.serves == e)
		r = reply_at(f);
	spin_unlock(&e->lock);
	return r;
}

static long reply_wait(struct az_frame *f)
{
	struct endpoint *e = lock_as_server(f->rax);

	if (!e)
		return -EBADF;
	/* A caller that did not wait for it: nothing to say about that. */
	reply_at(f);
	return receive_at(e, f);
}

static long create(void)
{
	long handle = -EMFILE;

	spin_lock(&table_lock);
	for (uint32_t i = 0; i < ENDPOINTS; i++) {
		struct endpoint *e = &ipc_endpoints[i];

		if (__atomic_load_n(&e->handle, __ATOMIC_RELAXED))
			continue;
		spin_lock(&e->lock);
		e->last = e->last + ENDPOINTS;
		if (!e->last || e->last > HANDLE_MAX)
			e->last = ENDPOINTS;
		e->last = e->last / ENDPOINTS * ENDPOINTS + i;
		e->orphaned = 0;
		e->handle = e->last;
		nused = MAX(nused, i + 1);
		handle = (long)e->handle;
		spin_unlock(&e->lock);
		break;
	}
	spin_unlock(&table_lock);
	return handle;
}

/* Everybody who waits at e gets -EPIPE, and nobody serves it any more. */
static long close_handle(uint64_t handle)
{
	struct endpoint *e;

	spin_lock(&threads_lock);
	e = lock_handle(handle);
	if (!e) {
		spin_unlock(&threads_lock);
		return -EBADF;
	}
	list_for_each(pos, &threads) {
		struct thread *t = list_entry(pos, struct thread, all);

		if (t->ipc.serves == e)
			unbind(t, e);
		if (t->ipc.ep == e && waiting(t)) {
			detach(e, t);
			release(t, -EPIPE);
		}
	}
	e->handle = 0;
	spin_unlock(&e->lock);
	spin_unlock(&threads_lock);
	return 0;
}

static long run(struct az_frame *f, uint32_t op)
{
	switch (op) {
	case AZ_IPC_CALL:
		return call(f);
	case AZ_IPC_REPLY_WAIT:
		return reply_wait(f);
	case AZ_IPC_RECEIVE:
		return receive(f);
	case AZ_IPC_REPLY:
		return reply(f);
	case AZ_IPC_CREATE:
		return create();
	case AZ_IPC_CLOSE:
		return close_handle(f->rax);
	default:
		return -ENOSYS;
	}
}

/*
 * Take signals before anything is done. True: a handler is to run, and the
 * operation ends with -EINTR.
 */
static bool interrupted(struct az_frame *f)
{
	uint64_t handle = f->rax, rip = f->rip, rsp = f->rsp;

	__atomic_store_n(&thread_self()->ipc.signalled, 0, __ATOMIC_SEQ_CST);
	f->rax = (uint64_t)-EINTR;
	exit_work(f);
	if (f->rip != rip || f->rsp != rsp)
		return true;
	f->rax = handle;
	return false;
}

/*
 * ipc_slow - what a gate could not do: op, with the program's registers in f.
 * op + 1: nothing is in the way now, try the gate again; 0: it is done.
 */
int ipc_slow(struct az_frame *f, uint32_t op)
{
	struct thread *t = thread_self();
	long r;

	f->orig_rax = ~0ULL;
	t->ipc.ep = NULL;
	if (t->ipc.signalled) {
		if (interrupted(f))
			return 0;
		if (op == AZ_IPC_CALL || op == AZ_IPC_REPLY_WAIT)
			return (int)op + 1;
	}
	do {
		r = run(f, op);
	} while (r == -ERESTARTNOINTR && !interrupted(f));
	t->ipc.ep = NULL;
	if (r != -ERESTARTNOINTR)
		f->rax = (uint64_t)r;
	return 0;
}

/* --- from outside --- */

void ipc_interrupt(struct thread *t)
{
	struct endpoint *e;

	__atomic_store_n(&t->ipc.signalled, 1, __ATOMIC_SEQ_CST);
	e = __atomic_load_n(&t->ipc.ep, __ATOMIC_SEQ_CST);
	if (likely(!e))
		return;
	spin_lock(&e->lock);
	if (t->ipc.ep == e && waiting(t)) {
		detach(e, t);
		release(t, -EINTR);
	}
	spin_unlock(&e->lock);
}

void ipc_thread_exit(struct thread *t)
{
	leave(t);
}

void ipc_fork_child(struct thread *t)
{
	memset(ipc_endpoints, 0, nused * sizeof(*ipc_endpoints));
	table_lock.held = 0;
	memset(&t->ipc, 0, sizeof(t->ipc));
}

void ipc_init(struct core *c)
{
	/* Without wrfsbase, a switch is a call of Linux's anyhow. */
	bool fast = BOOT->flags & AZ_BOOT_FSGSBASE;

	c->az.gate[0] = (uint64_t)(fast ? ipc_call : ipc_call_slow);
	c->az.gate[1] = (uint64_t)(fast ? ipc_reply : ipc_reply_slow);
	c->az.gate[2] = (uint64_t)ipc_control;
}
