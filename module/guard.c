// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * guard.c - the memory of an instance is no file.
 *
 * /proc/PID/mem writes what page tables keep from a core: its owner's part, and
 * all that is read-only. Linux never refuses a process its own, and a program
 * has its owner open files for it. So from AZM_CREATE on, that is refused to
 * everybody; the owner opens what it needs before.
 *
 * Linux asks kernel/fork.c:mm_access, for process_vm_readv, too. A probe at its
 * entry has no limit on how many may be under way, as one at its return has.
 */
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "azm.h"

static LIST_HEAD(guarded); /* instances */
static DEFINE_SPINLOCK(guard_lock);

static bool is_guarded(const struct mm_struct *mm)
{
	const struct azm_instance *inst;
	unsigned long flags;
	bool found = false;

	spin_lock_irqsave(&guard_lock, flags);
	list_for_each_entry(inst, &guarded, guard) found |= inst->mm == mm;
	spin_unlock_irqrestore(&guard_lock, flags);
	return found;
}

/* Where a function returns to at once; leaves its result alone. */
static noinline notrace void just_return(void)
{
	asm volatile("");
}

/* mm_access(task, mode): return -EACCES, as where a debugger may not look. */
static int on_mm_access(struct kprobe *p, struct pt_regs *regs)
{
	const struct task_struct *task = (void *)regs->di;
	const struct mm_struct *mm = READ_ONCE(task->mm);

	if (!(regs->si & PTRACE_MODE_ATTACH) || !mm || !is_guarded(mm))
		return 0;
	regs_set_return_value(regs, -EACCES);
	instruction_pointer_set(regs, (unsigned long)just_return);
	return 1;
}

/* With one, kprobes know that the other may change where Linux goes on. */
static void after(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
	.symbol_name = "mm_access",
	.pre_handler = on_mm_access,
	.post_handler = after,
};

void azm_guard(struct azm_instance *inst, bool on)
{
	unsigned long flags;

	spin_lock_irqsave(&guard_lock, flags);
	if (on)
		list_add(&inst->guard, &guarded);
	else
		list_del(&inst->guard);
	spin_unlock_irqrestore(&guard_lock, flags);
}

int azm_guard_init(void)
{
	if (!register_kprobe(&probe))
		return 0;
	pr_err(
	    "this kernel has no mm_access: cannot keep programs from the memory of their owners\n");
	return -EOPNOTSUPP;
}

void azm_guard_exit(void)
{
	unregister_kprobe(&probe);
}
