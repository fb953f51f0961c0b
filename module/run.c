// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * run.c - the thread of a core: serves its requests, and bears its time.
 *
 * Being a thread of the owner, it faults pages in as if it had touched them
 * itself: with the owner's limits, policies and counters. No lock: the thread
 * has the core's bit `busy`, and the cpu cannot go while it is here (azm.h).
 */
#include <asm/apic.h>
#include <asm/smp.h>
#include <asm/trap_pf.h>
#include <asm/tsc.h>
#include <linux/cgroup.h>
#include <linux/sched/cputime.h>
#include <linux/sched/signal.h>
#include <linux/userfaultfd_k.h>

#include "azm.h"
#include "compat.h"

/* How often a thread that hears nothing looks by itself, and accounts. */
#define LOOK_AGAIN (HZ / 4)
/* Pages that one fault brings at most. */
#define AHEAD_MAX 16U

/* --- page faults --- */

static bool access_ok_by_vma(const struct vm_area_struct *vma, u32 error)
{
	if (error & X86_PF_INSTR)
		return vma->vm_flags & VM_EXEC;
	if (error & X86_PF_WRITE)
		return vma->vm_flags & VM_WRITE;
	return vma->vm_flags & (VM_READ | VM_EXEC | VM_WRITE);
}

static unsigned int fault_flags(u32 error)
{
	/* REMOTE: the protection keys of this thread are not the core's. */
	unsigned int flags =
	    FAULT_FLAG_DEFAULT | FAULT_FLAG_USER | FAULT_FLAG_REMOTE;

	if (error & X86_PF_WRITE)
		flags |= FAULT_FLAG_WRITE;
	if (error & X86_PF_INSTR)
		flags |= FAULT_FLAG_INSTRUCTION;
	return flags;
}

/*
 * Whoever writes page after page of new memory need not ask for each: then the
 * next ones come along, twice as many each time, up to as many as Linux maps of
 * a file at once (fault_around_bytes). Until something else is touched, so that
 * nobody has much more memory than he uses. addr is there already.
 *
 * Not FAULT_FLAG_USER: there is no instruction that could be tried again, or
 * wait for memory of its cgroup.
 */
static void fault_ahead(struct azm_instance *inst, const struct azm_cpu *c,
			struct azm_core *k, struct vm_area_struct *vma,
			u64 addr)
{
	const unsigned int flags = FAULT_FLAG_WRITE | FAULT_FLAG_REMOTE;
	const int node = cpu_to_node(c->cpu);
	u64 at = addr & PAGE_MASK, end = (addr & PMD_MASK) + PMD_SIZE;

	k->ahead = at == k->next ? min(2 * k->ahead, AHEAD_MAX) : 1;
	end = min3(end, (u64)vma->vm_end, at + (u64)k->ahead * PAGE_SIZE);
	for (at += PAGE_SIZE; at < end; at += PAGE_SIZE) {
		bool fresh = !c->forced && azm_memory_lend(inst, node, at);

		if (handle_mm_fault(vma, at, flags, NULL) & VM_FAULT_ERROR)
			break;
		if (!c->forced)
			azm_memory_used(inst, node, at, fresh);
	}
	k->next = at;
}

/*
 * One try, as arch/x86/mm/fault.c:do_user_addr_fault. 0 or STUB_FAULT_;
 * -EAGAIN: *flags say how to go on; -EINTR: a signal comes first.
 */
static int fault_once(struct azm_instance *inst, const struct azm_cpu *c,
		      struct azm_core *k, u64 addr, u32 error,
		      unsigned int *flags)
{
	const int node = cpu_to_node(c->cpu);
	struct mm_struct *mm = inst->mm;
	struct vm_area_struct *vma;
	vm_fault_t fault;
	int answer = STUB_FAULT_SEGV;
	bool absent, lend, fresh;

	vma = azm_lock_vma(mm, addr);
	if (!vma)
		return fatal_signal_pending(current) ? -EINTR : answer;
	if (!access_ok_by_vma(vma, error))
		goto out;
	/* New memory, for a core that was reserved: so may be that memory. */
	absent = !(error & X86_PF_PROT) && vma_is_anonymous(vma);
	lend = absent && !c->forced;
	fresh = lend && azm_memory_lend(inst, node, addr);
	fault = handle_mm_fault(vma, addr, *flags, NULL);
	if (fault & AZM_FAULT_COMPLETED)
		return -EAGAIN; /* to copy the top-level entry */
	if (fault & VM_FAULT_RETRY) {
		if (signal_pending(current))
			return -EINTR;
		*flags |= FAULT_FLAG_TRIED;
		return -EAGAIN;
	}
	answer = 0;
	if (fault &
	    (VM_FAULT_SIGBUS | VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE)) {
		answer = STUB_FAULT_BUS;
	} else if (fault & VM_FAULT_OOM) {
		/* Linux lets the instruction fault again; so does it here. */
		answer = fatal_signal_pending(current) ? -EINTR : -ENOMEM;
	} else if (fault & VM_FAULT_ERROR) {
		answer = STUB_FAULT_SEGV;
	} else {
		if (lend)
			azm_memory_used(inst, node, addr, fresh);
		if (absent && error & X86_PF_WRITE && !userfaultfd_armed(vma) &&
		    !azm_is_big(mm, addr))
			fault_ahead(inst, c, k, vma, addr);
		spin_lock(&inst->tlb);
		azm_table_sync(&inst->table, mm, addr, addr + 1);
		spin_unlock(&inst->tlb);
	}
out:
	mmap_read_unlock(mm);
	return answer;
}

static int fault_serve(struct azm_instance *inst, const struct azm_cpu *c,
		       struct azm_core *k)
{
	const u64 addr = c->block->fault_addr;
	const u32 error = c->block->fault_error;
	unsigned int flags = fault_flags(error);
	int answer;

	if (addr >= inst->arg.guest_end ||
	    (error & (X86_PF_RSVD | X86_PF_PK)) || !(error & X86_PF_USER))
		return STUB_FAULT_SEGV;
	do {
		answer = fault_once(inst, c, k, addr, error, &flags);
		cond_resched();
	} while (answer == -EAGAIN);
	if (answer == -ENOMEM) {
		schedule_timeout_killable(1);
		answer = 0;
	}
	return answer;
}

/* --- time --- */

/*
 * The core's time is this thread's: what Linux's tick would have done
 * (kernel/sched/cputime.c:account_user_time, kernel/sched/fair.c:update_curr).
 * Interrupts are off against that tick.
 */
static void charge(u64 ns)
{
	struct task_struct *t = current;
	struct cgroup *group;
	unsigned long flags;

	local_irq_save(flags);
	t->utime += ns;
	t->se.sum_exec_runtime += ns;
	if (t->signal->posix_cputimers.timers_active) {
		struct task_cputime_atomic *sum =
		    &t->signal->cputimer.cputime_atomic;

		atomic64_add(ns, &sum->utime);
		atomic64_add(ns, &sum->sum_exec_runtime);
	}
	rcu_read_lock();
	group = task_dfl_cgroup(t);
	if (azm_sym.cgroup_time && azm_sym.cgroup_field &&
	    cgroup_parent(group)) {
		azm_call(azm_sym.cgroup_time, (u64)group, ns, 0);
		azm_call(azm_sym.cgroup_field, (u64)group, CPUTIME_USER, ns);
	}
	rcu_read_unlock();
	local_irq_restore(flags);
}

static void account(struct azm_core *k, const struct azm_cpu *c)
{
	u64 busy = azm_cpu_busy(c);

	k->look = jiffies + LOOK_AGAIN;
	if (busy <= k->accounted)
		return;
	charge(mul_u64_u64_div_u64(busy - k->accounted, 1000000, tsc_khz));
	k->accounted = busy;
}

/* --- requests --- */

static void answer(struct azm_cpu *c, int value)
{
	struct azm_block *b = c->block;

	b->answer = value;
	smp_store_release(&b->answered, READ_ONCE(b->request_seq));
	/* Pairs with the stub's request: sleeps, then a look at answered. */
	smp_mb();
	if (READ_ONCE(b->sleeps))
		azm_cpu_ipi(c);
}

/* Is there something for the thread? */
static bool has_news(const struct azm_instance *inst, const struct azm_cpu *c)
{
	const struct azm_block *b = c->block;

	return READ_ONCE(b->request_seq) != READ_ONCE(b->answered) ||
	       READ_ONCE(inst->lost) || READ_ONCE(c->dead) ||
	       READ_ONCE(b->state) == STUB_DEAD;
}

/* Requests are heard of on the CPU on which their thread sleeps. */
static void listen_here(struct azm_block *b)
{
	u32 apicid = per_cpu(x86_cpu_to_apicid, get_cpu());

	if (READ_ONCE(b->notify_apicid) != apicid)
		WRITE_ONCE(b->notify_apicid, apicid);
	put_cpu();
}

static int wait_news(struct azm_instance *inst, struct azm_core *k,
		     struct azm_cpu *c)
{
	while (!has_news(inst, c)) {
		listen_here(c->block);
		if (wait_event_interruptible_timeout(c->wait, has_news(inst, c),
						     LOOK_AGAIN) < 0)
			return -EINTR;
		if (time_after_eq(jiffies, k->look))
			account(k, c);
	}
	if (time_after_eq(jiffies, k->look))
		account(k, c);
	return 0;
}

/* 0: go on; 1: *reason is for the owner; or -errno. */
static int serve(struct azm_instance *inst, struct azm_core *k,
		 struct azm_cpu *c, u32 *reason)
{
	const struct azm_block *b = c->block;
	int r;

	if (READ_ONCE(inst->lost) || READ_ONCE(c->dead) ||
	    READ_ONCE(b->state) == STUB_DEAD) {
		*reason = AZM_RUN_LOST;
		return 1;
	}
	smp_rmb(); /* request_seq, then what it announces */
	switch (READ_ONCE(b->request)) {
	case STUB_REQ_FAULT:
		r = fault_serve(inst, c, k);
		if (r < 0)
			return r;
		answer(c, r);
		return 0;
	case STUB_REQ_HOST:
		k->in_call = true;
		*reason = AZM_RUN_CALL;
		return 1;
	case STUB_REQ_EXIT:
		*reason = AZM_RUN_EXIT;
		return 1;
	default:
		/* The stub counts first and says what second. */
		cpu_relax();
		return 0;
	}
}

/*
 * As a virtual CPU, a core runs only while its thread is here: so what stops
 * the thread (a signal, a debugger, a frozen cgroup) stops the program.
 */
static void hold(struct azm_cpu *c, u32 yes)
{
	if (READ_ONCE(c->block->hold) == yes)
		return;
	WRITE_ONCE(c->block->hold, yes);
	azm_cpu_ipi(c);
}

static int run(struct azm_instance *inst, struct azm_core *k, u32 *reason)
{
	struct azm_cpu *c = k->cpu;
	int r;

	hold(c, 0);
	if (k->in_call) {
		k->in_call = false;
		answer(c, 0);
	}
	do {
		r = wait_news(inst, k, c);
		if (!r)
			r = serve(inst, k, c, reason);
	} while (!r);
	if (r < 0)
		hold(c, 1);
	account(k, c);
	return r < 0 ? r : 0;
}

int azm_run(struct azm_instance *inst, struct azm_run *arg)
{
	struct azm_core *k;
	int err;

	if (arg->core >= inst->arg.ncores)
		return -EINVAL;
	k = &inst->cores[arg->core];
	if (!READ_ONCE(k->cpu))
		return -ENXIO;
	if (test_and_set_bit_lock(0, &k->busy))
		return -EBUSY;
	err = run(inst, k, &arg->reason);
	clear_bit_unlock(0, &k->busy);
	return err;
}
