/* SPDX-License-Identifier: MIT */
/*
 * fork.c - a second instance over copy-on-write memory.
 *
 * The calling thread is switched out, like any thread that waits, by a helper
 * thread of the unikernel's own, which stops the other cores and has the
 * owner's main thread fork. So in the child the memory holds one resumable
 * thread and no lock; core 0 comes up as ever, cleans up and runs it.
 */
#include "sys/fork.h"

#include "lib/errno.h"
#include "lib/string.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "sched/futex.h"
#include "sched/sched.h"
#include "sched/stop.h"
#include "sys/itimer.h"
#include "sys/patch.h"
#include "sys/sys.h"

#define ALLOWED                                                            \
	(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | \
	 CLONE_SETTLS)

void helper_entry(void);
void fork_helper(void);

/* The helper's first switch lands here, with its kernel stack empty. */
__asm__("	.text\n"
	"	.hidden helper_entry\n"
	"	.globl helper_entry\n"
	"helper_entry:\n"
	"	xorl %ebp, %ebp\n"
	"	call sched_arrived\n"
	"	call fork_helper\n"
	"	ud2\n");

static struct thread *forking;
static struct spinlock fork_lock; /* guards forking: one fork at a time */

/*
 * Stop the other cores while t waits off its core, with its registers saved.
 * Somebody may have woken it too early, as every thread that waits: then it
 * must run until it waits again.
 */
static void stop_while_waiting(const struct thread *t)
{
	for (;;) {
		if (!stop_cores()) {
			stop_park();
		} else if (t->state == THREAD_BLOCKED && !t->on_core) {
			return;
		} else {
			stop_release();
			sched_yield();
		}
		mon_relax();
	}
}

void fork_helper(void)
{
	struct thread *t = forking;
	bool mine;

	stop_while_waiting(t);
	BOOT->fork_thread = (uint64_t)t;
	__atomic_store_n(&BOOT->fork_want, 1, __ATOMIC_SEQ_CST);
	mon_owner();
	while (__atomic_load_n(&BOOT->fork_want, __ATOMIC_ACQUIRE))
		mon_relax();
	BOOT->fork_thread = 0;
	t->offload_result = BOOT->fork_result;
	/* Nobody else can wake t: it does not go on, and end, before this. */
	mine = sched_claim(t);
	AZ_ASSERT(mine);
	stop_release();
	__atomic_store_n(&t->offload_done, 1, __ATOMIC_RELEASE);
	sched_ready(t);
	thread_quit();
}

static bool forked(const struct thread *t)
{
	return __atomic_load_n(&t->offload_done, __ATOMIC_ACQUIRE);
}

static struct thread *helper_create(const struct thread *t)
{
	struct thread *h = thread_create();

	if (!h)
		return NULL;
	*(uint64_t *)(h->ksp + 48) = (uint64_t)helper_entry;
	memcpy(h->affinity, t->affinity, sizeof(h->affinity));
	signal_init_thread(h, t);
	h->sig.mask = ~0ULL;
	return h;
}

long process_fork(const struct clone_args *ca)
{
	struct thread *t = thread_self();
	struct thread *h;
	long pid;

	if (ca->flags & ~(uint64_t)ALLOWED)
		return -EINVAL;
	h = helper_create(t);
	if (!h)
		return -ENOMEM;
	while (!spin_trylock(&fork_lock)) {
		sched_yield();
		stop_park();
		mon_relax();
	}
	forking = t;
	t->interruptible = 0;
	t->offload_done = 0;
	sched_prepare();
	sched_run(h);
	while (!forked(t)) {
		sched_prepare();
		if (forked(t))
			sched_cancel();
		else
			sched_wait(AZ_NO_DEADLINE, false);
	}
	pid = t->offload_result;
	spin_unlock(&fork_lock);
	if (pid == 0) {
		uint32_t tid = (uint32_t)t->tid;

		if (ca->flags & CLONE_CHILD_SETTID)
			user_store_32(ca->child_tid, tid);
		if (ca->flags & CLONE_CHILD_CLEARTID)
			t->clear_child_tid = ca->child_tid;
		if (ca->flags & CLONE_SETTLS)
			mon_set_fs(ca->tls);
		if (ca->stack)
			t->frame->rsp = ca->stack + ca->stack_size;
	} else if (pid > 0 && (ca->flags & CLONE_PARENT_SETTID)) {
		user_store_32(ca->parent_tid, (uint32_t)pid);
	}
	return pid;
}

void fork_child(struct thread *t)
{
	BOOT->fork_thread = 0;
	list_for_each_safe(e, n, &threads) {
		struct thread *other = list_entry(e, struct thread, all);

		if (other != t)
			thread_abandon(other);
	}
	thread_set_tid(t, (int32_t)BOOT->pid);
	thread_seed_tids();
	t->on_core = 0;
	t->core = 0;
	t->clear_child_tid = 0;
	t->robust_list = 0;
	t->cpu_ns = 0;
	t->offload_result = 0;
	t->offload_done = 1;
	stop_reset();
	pool_fork_child();
	patch_fork_child();
	futex_fork_child();
	ipc_fork_child(t);
	signal_fork_child(t);
	itimer_fork_child();
	sched_wake(t);
}
