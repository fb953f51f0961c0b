// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * instance.c - instances: a top-level table that follows its owner's, and the
 * CPUs that run under it.
 *
 * The owner's page tables are those of the cores. What Linux changes there, it
 * tells (mmu_notifier, as an IOMMU hears of it that shares page tables); then
 * every core that may have the old state in its TLB has to confirm a flush
 * before Linux goes on. When the mm ends, all cores are stopped first.
 */
#include <asm/apic.h>
#include <linux/delay.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "azm.h"
#include "compat.h"

/* A top-level entry: 512 GiB. */
#define ENTRY_SIZE (1ULL << 39)
#define GUEST_MAX  (1ULL << 47)
/* A core that has not confirmed a flush by then never will; ns. */
#define FLUSH_TIMEOUT 10000000000ULL
#define FLUSH_AGAIN   100000000ULL

static struct azm_instance *of_notifier(struct mmu_notifier *n)
{
	return container_of(n, struct azm_instance, notifier);
}

/* --- flushes: inst->tlb is held --- */

/* 0 is confirmed; else the core is to answer with this number. */
static void flush_ask(struct azm_core *k, u64 lo, u64 hi)
{
	struct azm_block *b = k->cpu->block;

	b->flush_lo = lo;
	b->flush_hi = hi;
	k->flush = b->flush_req + 1;
	smp_store_release(&b->flush_req, k->flush);
	/* Pairs with the stub's quiet_leave: RUN, then load of CR3. */
	smp_mb();
	k->must_wait = READ_ONCE(b->state) == STUB_RUN;
	if (k->must_wait)
		azm_cpu_ipi(k->cpu);
}

static bool flush_done(const struct azm_core *k)
{
	const struct azm_block *b = k->cpu->block;

	return READ_ONCE(b->state) != STUB_RUN ||
	       (s32)(smp_load_acquire(&b->flush_done) - k->flush) >= 0;
}

static void flush_wait(struct azm_instance *inst, struct azm_core *k)
{
	u64 from = ktime_get_ns(), again = FLUSH_AGAIN;

	while (!flush_done(k)) {
		u64 past = ktime_get_ns() - from;

		cpu_relax();
		if (past > FLUSH_TIMEOUT) {
			pr_err("CPU %u does not answer: reset\n", k->cpu->cpu);
			azm_cpu_kill(k->cpu);
			WRITE_ONCE(inst->lost, true);
			wake_up(&k->cpu->wait);
			return;
		}
		if (past > again) {
			azm_cpu_ipi(k->cpu);
			again += FLUSH_AGAIN;
		}
	}
}

static void flush(struct azm_instance *inst, u64 lo, u64 hi)
{
	u32 i;

	for (i = 0; i < inst->arg.ncores; i++)
		if (inst->cores[i].cpu)
			flush_ask(&inst->cores[i], lo, hi);
	for (i = 0; i < inst->arg.ncores; i++)
		if (inst->cores[i].cpu && inst->cores[i].must_wait)
			flush_wait(inst, &inst->cores[i]);
}

/*
 * Linux has changed page tables for [start, end), and is about to free what
 * they named: under page table locks, so nothing here may sleep.
 */
static void on_invalidate(struct mmu_notifier *n, struct mm_struct *mm,
			  unsigned long start, unsigned long end)
{
	struct azm_instance *inst = of_notifier(n);
	u64 hi = min_t(u64, end, inst->arg.guest_end);

	if (start >= hi)
		return;
	spin_lock(&inst->tlb);
	if (!inst->ended) {
		azm_table_sync(&inst->table, mm, start, hi);
		if (atomic_read(&inst->moves))
			flush(inst, 0, 0);
		else
			flush(inst, start & PAGE_MASK, PAGE_ALIGN(hi));
	}
	spin_unlock(&inst->tlb);
}

#ifdef AZM_TELLS_LATE
/*
 * mremap (mm/mremap.c:move_page_tables) tells of a page's old address only in
 * the end. If the page is reclaimed before that, at its new address, the old
 * one must be gone from TLBs as well: so meanwhile everything is flushed.
 */
static int on_range_begin(struct mmu_notifier *n,
			  const struct mmu_notifier_range *range)
{
	if (range->event == MMU_NOTIFY_UNMAP)
		atomic_inc(&of_notifier(n)->moves);
	return 0;
}

static void on_range_end(struct mmu_notifier *n,
			 const struct mmu_notifier_range *range)
{
	if (range->event == MMU_NOTIFY_UNMAP)
		atomic_dec(&of_notifier(n)->moves);
}
#endif

/* --- stopping --- */

static void core_unpin(struct azm_core *k)
{
	int i;

	for (i = 0; i < 2; i++)
		if (k->pages[i])
			unpin_user_pages_dirty_lock(&k->pages[i], 1, true);
	memset(k->pages, 0, sizeof(k->pages));
}

/* The core is parked, or dead: undo its start. */
static void core_leave(struct azm_core *k, struct azm_cpu *c)
{
	azm_map_alias(c, NULL);
	core_unpin(k);
	azm_cpu_leave(c);
}

/* The mm ends, or the file: once this returns, its page tables may go. */
static void on_release(struct mmu_notifier *n, struct mm_struct *mm)
{
	struct azm_instance *inst = of_notifier(n);
	u32 i;

	spin_lock(&inst->tlb);
	inst->ended = true;
	spin_unlock(&inst->tlb);
	for (i = 0; i < inst->arg.ncores; i++)
		if (inst->cores[i].cpu)
			azm_cpu_stop_begin(inst->cores[i].cpu);
	for (i = 0; i < inst->arg.ncores; i++)
		if (inst->cores[i].cpu)
			azm_cpu_stop_wait(inst->cores[i].cpu);
	for (i = 0; i < inst->arg.ncores; i++) {
		struct azm_cpu *c = inst->cores[i].cpu;

		inst->cores[i].cpu = NULL;
		if (c)
			core_leave(&inst->cores[i], c);
	}
	/* Hotplug may not be for whoever drops the last reference to an mm. */
	queue_work(system_unbound_wq, &inst->settle);
}

static const struct mmu_notifier_ops notifier_ops = {
	.release = on_release,
	.AZM_INVALIDATE = on_invalidate,
#ifdef AZM_TELLS_LATE
	.invalidate_range_start = on_range_begin,
	.invalidate_range_end = on_range_end,
#endif
};

static void settle(struct work_struct *work)
{
	azm_cpus_settle(container_of(work, struct azm_instance, settle));
}

/* --- creating --- */

static bool in_text(const struct azm_create *a, u64 addr)
{
	return addr >= a->text && addr < a->text_end;
}

static bool restarts_ok(const struct azm_create *a)
{
	int i;

	for (i = 0; i < AZ_NRESTART; i++) {
		const struct az_restart *r = &a->restart[i];

		if (r->begin != r->end &&
		    (r->begin > r->end || !in_text(a, r->begin) ||
		     r->end > a->text_end || !in_text(a, r->target)))
			return false;
	}
	return true;
}

/* All addresses that the stub will ever load are canonical and the program's */
static int check(const struct azm_create *a)
{
	u64 size;

	if (a->version != AZM_VERSION)
		return -ENOEXEC;
	if (!a->ncores || a->ncores > STUB_MAX_CORES ||
	    a->guest_end > GUEST_MAX || a->guest_end % ENTRY_SIZE ||
	    a->text >= a->text_end || a->text_end > a->guest_end)
		return -EINVAL;
	if (!in_text(a, a->entry) || !in_text(a, a->trap) ||
	    !in_text(a, a->syscall) || !restarts_ok(a))
		return -EINVAL;
	if (a->core_stride < 2 * PAGE_SIZE || a->core_stride > SZ_1G ||
	    a->page_offset != AZ_CORE_PLAT ||
	    a->page_offset >= a->core_stride || a->trap_stack % 16 ||
	    a->trap_stack > a->core_stride ||
	    (a->core_base | a->core_stride) & ~PAGE_MASK)
		return -EINVAL;
	size = a->core_stride * a->ncores;
	if (a->core_base > a->guest_end || size > a->guest_end - a->core_base)
		return -EINVAL;
	return 0;
}

static struct azm_instance *instance_new(const struct azm_create *arg)
{
	struct azm_instance *inst =
	    kvzalloc(struct_size(inst, cores, arg->ncores), GFP_KERNEL_ACCOUNT);

	if (!inst)
		return NULL;
	inst->arg = *arg;
	inst->mm = current->mm;
	mutex_init(&inst->lock);
	spin_lock_init(&inst->tlb);
	INIT_WORK(&inst->settle, settle);
	inst->notifier.ops = &notifier_ops;
	if (azm_memory_new(inst)) {
		kvfree(inst);
		return NULL;
	}
	if (azm_table_init(&inst->table)) {
		azm_memory_return(inst);
		kvfree(inst);
		return NULL;
	}
	inst->pid = get_pid(task_tgid(current));
	return inst;
}

static void instance_delete(struct azm_instance *inst)
{
	put_pid(inst->pid);
	azm_memory_return(inst);
	azm_table_free(&inst->table);
	kvfree(inst);
}

struct azm_instance *azm_instance_create(const struct azm_create *arg)
{
	struct azm_instance *inst;
	int err = check(arg);

	if (err)
		return ERR_PTR(err);
	inst = instance_new(arg);
	if (!inst)
		return ERR_PTR(-ENOMEM);
	err = mmu_notifier_register(&inst->notifier, inst->mm);
	if (err) {
		instance_delete(inst);
		return ERR_PTR(err);
	}
	azm_guard(inst, true);
	return inst;
}

void azm_instance_free(struct azm_instance *inst)
{
	azm_guard(inst, false);
	/* Stops the cores, if the mm has not ended before. */
	mmu_notifier_unregister(&inst->notifier, inst->mm);
	flush_work(&inst->settle);
	instance_delete(inst);
}

/* --- starting a core --- */

static int core_pin(struct azm_core *k, u64 base, u64 page_offset)
{
	long n;

	mmap_read_lock(current->mm);
	n = azm_pin(base, &k->pages[0]);
	if (n == 1)
		n = azm_pin(base + page_offset, &k->pages[1]);
	mmap_read_unlock(current->mm);
	if (n == 1)
		return 0;
	core_unpin(k);
	return n < 0 ? n : -EFAULT;
}

static void block_fill(struct azm_instance *inst, u32 core, struct azm_cpu *c)
{
	const struct azm_create *a = &inst->arg;
	struct azm_block *b = c->block;
	u32 i;

	b->text = a->text;
	b->text_len = a->text_end - a->text;
	b->syscall = a->syscall;
	b->core_va = a->core_base + core * a->core_stride;
	b->entry = a->entry;
	b->trap = a->trap;
	b->trap_stack = b->core_va + a->trap_stack;
	b->guest_end = a->guest_end;
	b->stack = b->core_va + a->core_stride;
	b->cr3 = azm_table_cr3(&inst->table);
	memcpy(b->restart, a->restart, sizeof(b->restart));
	b->core = core;
	b->ncores = a->ncores;
	b->notify = 0;
	b->hold = 0;
	b->answered = b->request_seq;
	for (i = 0; i < a->ncores; i++) {
		const struct azm_cpu *other = inst->cores[i].cpu;

		b->cpu_of[i] = other ? other->cpu : ~0U;
	}
	b->cpu_of[core] = c->cpu;
}

/* The others may kick it from now on. */
static void core_announce(struct azm_instance *inst, u32 core, u32 cpu)
{
	u32 i;

	for (i = 0; i < inst->arg.ncores; i++)
		if (inst->cores[i].cpu)
			WRITE_ONCE(inst->cores[i].cpu->block->cpu_of[core],
				   cpu);
}

/* 0 once the stub has left the park loop. */
static int core_go(struct azm_cpu *c)
{
	const unsigned long end = jiffies + 3 * HZ;
	unsigned int i;

	smp_store_release(&c->block->cmd, STUB_CMD_START);
	azm_cpu_ipi(c);
	for (i = 0; READ_ONCE(c->block->state) == STUB_PARKED; i++) {
		if (time_after(jiffies, end)) {
			pr_err("CPU %u does not start\n", c->cpu);
			azm_cpu_kill(c);
			return -EIO;
		}
		if (i < 1000)
			cpu_relax();
		else
			usleep_range(20, 100);
	}
	return 0;
}

static int core_start(struct azm_instance *inst, u32 core, struct azm_cpu *c)
{
	const struct azm_create *a = &inst->arg;
	struct azm_core *k = &inst->cores[core];
	int err =
	    core_pin(k, a->core_base + core * a->core_stride, a->page_offset);

	if (err) {
		azm_cpu_leave(c);
		return err;
	}
	azm_map_alias(c, k->pages);
	block_fill(inst, core, c);
	k->accounted = 0;
	k->next = 0;
	k->in_call = false;
	/* From here on it takes part in flushes: then the table is right. */
	spin_lock(&inst->tlb);
	k->cpu = c;
	azm_table_sync(&inst->table, inst->mm, 0, a->guest_end);
	spin_unlock(&inst->tlb);
	err = core_go(c);
	if (err) {
		spin_lock(&inst->tlb);
		k->cpu = NULL;
		spin_unlock(&inst->tlb);
		core_leave(k, c);
		return err;
	}
	core_announce(inst, core, c->cpu);
	return 0;
}

int azm_instance_start(struct azm_instance *inst, struct azm_start *arg)
{
	struct azm_cpu *c;
	u64 from;
	int err;

	if (arg->core >= inst->arg.ncores)
		return -EINVAL;
	if (mutex_lock_killable(&inst->lock))
		return -EINTR;
	err = inst->cores[arg->core].cpu ? -EEXIST : 0;
	if (!err)
		err = azm_cpu_claim(inst, arg->core, arg->cpu, &c,
				    &arg->offline_ns);
	from = ktime_get_ns();
	if (!err) {
		err = core_start(inst, arg->core, c);
		arg->cpu = c->cpu;
		arg->node = cpu_to_node(c->cpu);
	}
	arg->enter_ns = ktime_get_ns() - from;
	mutex_unlock(&inst->lock);
	if (err)
		azm_cpus_settle(inst);
	return err;
}

int azm_instance_kick(struct azm_instance *inst, unsigned long core)
{
	struct azm_cpu *c;

	if (core >= inst->arg.ncores)
		return -EINVAL;
	c = READ_ONCE(inst->cores[core].cpu);
	if (!c)
		return -ENXIO;
	WRITE_ONCE(c->block->kick, 1);
	azm_cpu_ipi(c);
	return 0;
}
