/* SPDX-License-Identifier: MIT */
/*
 * clone.c - new threads of the program; a new process is fork.c's or vfork.c's.
 *
 * What shares memory with its parent, is no thread and lets its parent run on
 * is refused.
 */
#include <linux/sched.h>

#include "calls.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "lib/user.h"
#include "sched/futex.h"
#include "sched/sched.h"
#include "sched/vector.h"
#include "sys/fork.h"
#include "sys/identity.h"
#include "sys/sys.h"
#include "sys/vfork.h"

#define SIGCHLD      17
#define CSIGNAL_MASK 0xffULL
#define THREAD_FLAGS (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)

/* Combinations that make no sense: kernel/fork.c:copy_process. */
static int clone_check(uint64_t flags)
{
	if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND))
		return -EINVAL;
	if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM))
		return -EINVAL;
	if ((flags & CLONE_NEWNS) && (flags & CLONE_FS))
		return -EINVAL;
	if ((flags & CLONE_NEWUSER) && (flags & CLONE_FS))
		return -EINVAL;
	return 0;
}

/* A thread with files, a directory or an fd of its own is not possible. */
static int clone_check_thread(uint64_t flags)
{
	if ((flags & (CLONE_FILES | CLONE_FS)) != (CLONE_FILES | CLONE_FS))
		return -EINVAL;
	return flags & CLONE_PIDFD ? -EINVAL : 0;
}

static long clone_thread(const struct clone_args *ca)
{
	struct thread *self = thread_self();
	struct thread *t;
	uint32_t tid;
	t = thread_create();
	if (!t)
		return -EAGAIN;
	tid = (uint32_t)t->tid;
	if ((ca->flags & CLONE_PARENT_SETTID) &&
	    user_store_32(ca->parent_tid, tid)) {
		thread_abandon(t);
		return -EFAULT;
	}
	*t->frame = *self->frame;
	t->frame->rax = 0;
	if (ca->stack)
		t->frame->rsp = ca->stack + ca->stack_size;
	t->fs = ca->flags & CLONE_SETTLS ? ca->tls : mon_get_fs();
	if (ca->flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid = ca->child_tid;
	if (ca->flags & CLONE_CHILD_SETTID)
		user_store_32(ca->child_tid, tid);
	memcpy(t->affinity, self->affinity, sizeof(t->affinity));
	memcpy(t->name, self->name, sizeof(t->name));
	t->nice = self->nice;
	t->policy = self->policy;
	t->rt_priority = self->rt_priority;
	t->timer_slack = self->timer_slack;
	t->dumpable = self->dumpable;
	signal_init_thread(t, self);
	vector_save(core_self(), t);
	sched_start(t);
	return (long)tid;
}

static long clone_any(const struct clone_args *ca)
{
	int err = clone_check(ca->flags);

	if (err)
		return err;
	if (core_self()->vfork)
		return process_refused("clone in a child of vfork");
	if ((ca->flags & (CLONE_VM | CLONE_VFORK | CLONE_SIGHAND)) ==
	    (CLONE_VM | CLONE_VFORK))
		return process_vfork(ca);
	if (!(ca->flags & CLONE_VM) && ca->exit_signal == SIGCHLD)
		return process_fork(ca);
	if ((ca->flags & THREAD_FLAGS) != THREAD_FLAGS)
		return process_refused("clone");
	err = clone_check_thread(ca->flags);
	return err ? err : clone_thread(ca);
}

long sys_fork(const uint64_t a[6])
{
	const struct clone_args ca = { .exit_signal = SIGCHLD };

	(void)a;
	return clone_any(&ca);
}

long sys_vfork(const uint64_t a[6])
{
	const struct clone_args ca = { .flags = CLONE_VM | CLONE_VFORK,
				       .exit_signal = SIGCHLD };

	(void)a;
	return clone_any(&ca);
}

long sys_clone(const uint64_t a[6])
{
	struct clone_args ca = {
		.flags = a[0] & ~CSIGNAL_MASK,
		.exit_signal = a[0] & CSIGNAL_MASK,
		.stack = a[1],
		.parent_tid = a[2],
		.child_tid = a[3],
		.tls = a[4],
	};

	return clone_any(&ca);
}

long sys_clone3(const uint64_t a[6])
{
	struct clone_args ca = { 0 };

	if (a[1] < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (a[1] > AZ_PAGE_SIZE)
		return -E2BIG;
	if (copy_from_user(&ca, a[0], MIN(a[1], sizeof(ca))))
		return -EFAULT;
	for (uint64_t i = sizeof(ca); i < a[1]; i++) {
		uint8_t byte;

		if (copy_from_user(&byte, a[0] + i, 1))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	if ((ca.flags & CLONE_THREAD) && ca.exit_signal)
		return -EINVAL;
	if (!ca.stack != !ca.stack_size)
		return -EINVAL;
	if (ca.set_tid_size || ca.cgroup)
		return -EINVAL;
	return clone_any(&ca);
}

long sys_exit(const uint64_t a[6])
{
	thread_exit((int)a[0]);
}

long sys_exit_group(const uint64_t a[6])
{
	futex_process_exit();
	process_exit((int)(a[0] & 0xff) << 8);
}
