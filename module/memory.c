// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * memory.c - memory that is held back from Linux, for instances.
 *
 * A balloon of big pages for each node. Right before an instance on reserved
 * cores has new memory faulted in, Linux gets back as much as that takes, so
 * that the fault finds it; it is lent. When the instance has ended, it is held
 * back again, as soon as Linux can spare it.
 *
 * pool_lock guards pools and what instances have; set_lock, who changes
 * reservations.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "azm.h"

#define ORDER  9 /* 2 MiB */
#define SMALLS (1U << ORDER)

struct pool {
	struct list_head pages;
	u64 held, lent, target; /* big pages; held + lent <= target */
};

static DEFINE_MUTEX(set_lock);
static DEFINE_SPINLOCK(pool_lock);
static struct pool *pools;

static void refill(struct work_struct *work);
static DECLARE_DELAYED_WORK(refill_work, refill);

/* --- big pages --- */

static struct page *page_from_linux(int node)
{
	return alloc_pages_node(node,
				GFP_KERNEL | __GFP_THISNODE | __GFP_COMP |
				    __GFP_NOWARN | __GFP_RETRY_MAYFAIL,
				ORDER);
}

/* One held page to Linux; false if there is none. */
static bool give_one(struct pool *p)
{
	struct page *page = NULL;

	spin_lock(&pool_lock);
	if (p->held) {
		page = list_first_entry(&p->pages, struct page, lru);
		list_del(&page->lru);
		p->held--;
	}
	spin_unlock(&pool_lock);
	if (page)
		__free_pages(page, ORDER);
	return page;
}

static bool over(const struct pool *p)
{
	return READ_ONCE(p->held) + READ_ONCE(p->lent) > READ_ONCE(p->target);
}

static bool under(const struct pool *p)
{
	return READ_ONCE(p->held) + READ_ONCE(p->lent) < READ_ONCE(p->target);
}

/* Hold as much as the target says: 0, -ENOMEM or -EINTR. */
static int fill(int node, struct pool *p)
{
	while (under(p)) {
		struct page *page;

		if (fatal_signal_pending(current))
			return -EINTR;
		page = page_from_linux(node);
		if (!page)
			return -ENOMEM;
		spin_lock(&pool_lock);
		list_add(&page->lru, &p->pages);
		p->held++;
		spin_unlock(&pool_lock);
		cond_resched();
	}
	return 0;
}

static void drain(struct pool *p)
{
	while (over(p) && give_one(p))
		cond_resched();
}

/* What has been lent and came back to Linux. */
static void refill(struct work_struct *work)
{
	bool again = false;
	int node;

	mutex_lock(&set_lock);
	for_each_online_node(node)
	{
		again |= fill(node, &pools[node]) != 0;
		drain(&pools[node]);
	}
	mutex_unlock(&set_lock);
	if (again)
		schedule_delayed_work(&refill_work, HZ);
}

/* --- reservations --- */

static int set_target(int node, u64 want)
{
	struct pool *p = &pools[node];
	const u64 had = p->target;
	int err = want < p->lent ? -EBUSY : 0;

	/* Linux is to have some of it left, not to look for it everywhere. */
	if (!err && want > had && (want - had) * SMALLS > si_mem_available())
		err = -ENOMEM;
	if (err)
		return err;
	WRITE_ONCE(p->target, want);
	err = fill(node, p);
	if (err)
		WRITE_ONCE(p->target, had);
	drain(p);
	return err;
}

int azm_memory(struct azm_memory *arg)
{
	const u64 size = (u64)PAGE_SIZE << ORDER;
	struct pool *p;
	int err = 0;

	if (arg->node >= nr_node_ids || !node_online(arg->node))
		return -ENODEV;
	if (arg->set && arg->bytes % size)
		return -EINVAL;
	p = &pools[arg->node];
	if (mutex_lock_killable(&set_lock))
		return -EINTR;
	if (arg->set)
		err = set_target(arg->node, arg->bytes / size);
	spin_lock(&pool_lock);
	arg->bytes = (p->held + p->lent) * size;
	arg->lent = p->lent * size;
	spin_unlock(&pool_lock);
	mutex_unlock(&set_lock);
	return err;
}

/* --- lending --- */

static pmd_t pmd_of(struct mm_struct *mm, u64 addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d = pgd_none(*pgd) ? NULL : p4d_offset(pgd, addr);
	pud_t *pud = !p4d || p4d_none(*p4d) ? NULL : pud_offset(p4d, addr);

	if (!pud || pud_none(*pud) || pud_bad(*pud))
		return __pmd(0);
	return READ_ONCE(*pmd_offset(pud, addr));
}

/* Is addr in a big page? With mmap_lock held. */
bool azm_is_big(struct mm_struct *mm, u64 addr)
{
	return pmd_trans_huge(pmd_of(mm, addr));
}

/*
 * Called with mmap_lock held, before a fault for a core on node: what it may
 * take must be there. To be followed by azm_memory_used.
 */
bool azm_memory_lend(struct azm_instance *inst, int node, u64 addr)
{
	struct pool *p = &pools[node];
	struct azm_lent *l = &inst->lent[node];
	unsigned int need;

	if (!READ_ONCE(p->target))
		return false;
	need = pmd_none(pmd_of(inst->mm, addr)) ? SMALLS : 1;
	/* Threads of one instance may overshoot by a page each. */
	while (READ_ONCE(l->credit) < need && give_one(p)) {
		spin_lock(&pool_lock);
		p->lent++;
		l->pages++;
		l->credit += SMALLS;
		spin_unlock(&pool_lock);
	}
	return need == SMALLS;
}

void azm_memory_used(struct azm_instance *inst, int node, u64 addr, bool fresh)
{
	struct azm_lent *l = &inst->lent[node];
	unsigned int used =
	    fresh && pmd_trans_huge(pmd_of(inst->mm, addr)) ? SMALLS : 1;

	spin_lock(&pool_lock);
	l->credit -= min(l->credit, used);
	spin_unlock(&pool_lock);
}

/* The instance has ended, its memory is Linux's again. */
void azm_memory_return(struct azm_instance *inst)
{
	bool some = false;
	int node;

	spin_lock(&pool_lock);
	for (node = 0; node < nr_node_ids; node++) {
		some |= inst->lent[node].pages;
		pools[node].lent -= inst->lent[node].pages;
	}
	spin_unlock(&pool_lock);
	kfree(inst->lent);
	if (some)
		schedule_delayed_work(&refill_work, 0);
}

int azm_memory_new(struct azm_instance *inst)
{
	inst->lent = kcalloc(nr_node_ids, sizeof(*inst->lent), GFP_KERNEL);
	return inst->lent ? 0 : -ENOMEM;
}

int azm_memory_init(void)
{
	int node;

	pools = kcalloc(nr_node_ids, sizeof(*pools), GFP_KERNEL);
	if (!pools)
		return -ENOMEM;
	for (node = 0; node < nr_node_ids; node++)
		INIT_LIST_HEAD(&pools[node].pages);
	return 0;
}

void azm_memory_exit(void)
{
	int node;

	cancel_delayed_work_sync(&refill_work);
	for (node = 0; node < nr_node_ids; node++)
		while (give_one(&pools[node]))
			;
	kfree(pools);
}
