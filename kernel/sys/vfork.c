/* SPDX-License-Identifier: MIT */
/*
 * vfork.c - a child that borrows its parent's memory, and its core.
 *
 * Programs rely on both halves of vfork(2): the child's writes are seen by its
 * parent (posix_spawn tells so what went wrong), and the parent waits. So does
 * Linux here: the core's thread of the owner makes the call, and a process of
 * Linux's that shares the address space goes on, with descriptors and a
 * directory of its own, as the same core. It runs one thread, made for it as a
 * copy of the caller, and nothing else: core.vfork says so to those who
 * schedule, deliver signals, or hand calls to workers, which are the parent's.
 * To the other cores this one is not up (core.up is the child's pid).
 *
 * The caller's stack, registers and struct thread rest until Linux lets the
 * core's own thread go on: when the child has left the address space, whichever
 * way. No lock of the unikernel's is held then, unless it was killed inside.
 */
#include "sys/vfork.h"

#include "calls.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "sched/clock.h"
#include "sched/sched.h"
#include "sys/fork.h"
#include "sys/identity.h"
#include "sys/sys.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif

/* What Linux does; the rest is done here, or refused. */
#define BY_LINUX                                                      \
	(CLONE_VM | CLONE_VFORK | CLONE_FS | CLONE_FILES | CLONE_IO | \
	 CLONE_PIDFD | CLONE_PARENT | CLONE_PARENT_SETTID)
#define BY_US                                                       \
	(CLONE_SETTLS | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | \
	 CLONE_SYSVSEM | CLONE_CLEAR_SIGHAND)

static void copy_thread(struct thread *v, const struct thread *t,
			const struct clone_args *ca)
{
	*v->frame = *t->frame;
	v->frame->rax = 0;
	if (ca->stack)
		v->frame->rsp = ca->stack + ca->stack_size;
	v->fs = ca->flags & CLONE_SETTLS ? ca->tls : mon_get_fs();
	memcpy(v->affinity, t->affinity, sizeof(v->affinity));
	memcpy(v->name, t->name, sizeof(v->name));
	v->nice = t->nice;
	v->policy = t->policy;
	v->rt_priority = t->rt_priority;
	v->timer_slack = t->timer_slack;
	v->dumpable = t->dumpable;
	v->core = t->core;
	v->on_core = 1;
	v->state = THREAD_RUNNING;
	v->since = clock_ticks();
	signal_init_thread(v, t);
}

void vfork_arrived(void)
{
	struct core *c = core_self();
	struct thread *v = c->vfork->thread;
	uint32_t pid;

	mon_core_init(c);
	pid = (uint32_t)host_call(AZ_SYS_getpid, 0, 0, 0, 0, 0, 0);
	/* Pairs with sched.c:core_up. */
	__atomic_store_n(&c->up, pid, __ATOMIC_RELEASE);
	/* No thread of the parent's: it is not to be found by this. */
	spin_lock(&threads_lock);
	list_remove(&v->hash);
	v->tid = v->lock_tid = (int32_t)pid;
	spin_unlock(&threads_lock);
	if (c->vfork->args->flags & CLONE_CHILD_SETTID)
		user_store_32(c->vfork->args->child_tid, pid);
	if (v->fs != mon_get_fs())
		mon_set_fs(v->fs);
}

void vfork_look(void)
{
	struct vfork *vf = core_self()->vfork;
	uint64_t left;

	if (vf && mon_vfork_over())
		context_switch(&left, vf->ksp);
}

/* The core belongs to v now, and to none other. */
static void lend(struct core *c, struct vfork *vf)
{
	sched_offer();
	vf->thread->state = THREAD_RUNNING;
	c->vfork = vf;
	c->current = vf->thread;
	c->frame = vf->thread->frame;
}

static void take_back(struct core *c, struct thread *t)
{
	c->vfork = NULL;
	c->current = t;
	c->frame = t->frame;
	c->vector_full = 1; /* nobody knows */
	c->timer_at = AZ_NO_DEADLINE;
	c->tick = 0;
	__atomic_store_n(&c->up, BOOT->pid, __ATOMIC_RELEASE);
	/* What has come up meanwhile was not this thread's to see. */
	__atomic_store_n(&c->az.pending, 1, __ATOMIC_SEQ_CST);
}

static long vfork_with(struct vfork *vf, const struct clone_args *ca)
{
	struct core *c = core_self();
	struct thread *t = c->current, *v = vf->thread;
	long pid;

	copy_thread(v, t, ca);
	v->sig.actions = vf->actions;
	signal_copy_actions(vf->actions, ca->flags & CLONE_CLEAR_SIGHAND);
	lend(c, vf);
	pid = mon_vfork((ca->flags & BY_LINUX) | ca->exit_signal, v->frame,
			ca->parent_tid);
	take_back(c, t);
	if (vf->room)
		kfree_pages(vf->room, vf->size);
	if (pid > 0 && (ca->flags & CLONE_CHILD_CLEARTID))
		user_store_32(ca->child_tid, 0);
	timer_cancel(&v->timer);
	return pid;
}

long process_vfork(const struct clone_args *ca)
{
	struct vfork *vf;
	struct thread *v;
	long pid;

	if (ca->flags & ~(uint64_t)(BY_LINUX | BY_US))
		return -EINVAL;
	if ((ca->flags & (CLONE_PARENT_SETTID | CLONE_PIDFD)) &&
	    !user_range_ok(ca->parent_tid, 4))
		return -EFAULT;
	vf = kalloc(sizeof(*vf));
	v = vf ? thread_create() : NULL;
	if (!v) {
		kfree(vf);
		return -ENOMEM;
	}
	vf->thread = v;
	vf->args = ca;
	pid = vfork_with(vf, ca);
	thread_abandon(v);
	kfree(vf);
	return pid;
}
