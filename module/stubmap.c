// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * stubmap.c - page tables of cores: the stub's part, one for all, and the
 * top-level tables of instances.
 *
 * The stub's part is a quarter of one top-level entry (block.h), grows when
 * CPUs are taken, and goes with the module. Entries are those of Linux (SDM
 * 3A, 4.5); none is global, so a load of CR3 flushes all of them. With LA57
 * (SDM 3A, 4.5.4) there is one table more above: its first entry is the
 * instance's, its last the stub's.
 */
#include <asm/apic.h>
#include <asm/msr.h>
#include <linux/mem_encrypt.h>
#include <linux/pgtable.h>
#include <linux/slab.h>

#include "azm.h"

#define TABLE_FLAGS (_PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY)
#define DATA_FLAGS  (TABLE_FLAGS | _PAGE_NX)
#define TEXT_FLAGS  (_PAGE_PRESENT | _PAGE_ACCESSED)
/* Uncached whatever the PAT says: Linux leaves that entry as it is. */
#define MMIO_FLAGS (DATA_FLAGS | _PAGE_PCD | _PAGE_PWT)
#define ENTRIES    512

static DEFINE_MUTEX(map_lock); /* upper levels of the stub's part */
static LIST_HEAD(table_pages); /* all tables but those of instances */
static u64 *park;              /* top-level table of a parked CPU */
static u64 *shared;            /* its entries of 512 GiB; for all with LA57 */
static struct page *stub_pages;
static unsigned int stub_order;

static u64 *table_of(u64 entry)
{
	return __va(entry & PTE_PFN_MASK);
}

static u64 entry_of(const void *table)
{
	return __sme_pa(table) | TABLE_FLAGS;
}

static u64 *table_new(void)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);

	if (!page)
		return NULL;
	list_add(&page->lru, &table_pages);
	return page_address(page);
}

/* The table below *entry, made if need be. */
static u64 *table_below(u64 *entry)
{
	u64 *table;

	if (*entry)
		return table_of(*entry);
	table = table_new();
	if (table)
		WRITE_ONCE(*entry, entry_of(table));
	return table;
}

/* The page table entry of va, or NULL. */
static u64 *pte_at(u64 va)
{
	u64 *table = shared;
	int shift;

	for (shift = 39; shift > 12; shift -= 9) {
		table = table_below(&table[(va >> shift) % ENTRIES]);
		if (!table)
			return NULL;
	}
	return &table[(va >> 12) % ENTRIES];
}

static int map_pages(u64 va, u64 phys, unsigned int n, u64 flags)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		u64 *pte = pte_at(va + i * PAGE_SIZE);

		if (!pte)
			return -ENOMEM;
		WRITE_ONCE(*pte, (phys + i * PAGE_SIZE) | flags);
	}
	return 0;
}

/* --- the stub's part --- */

static int map_stub(void)
{
	size_t len = azm_stub_end - azm_stub;
	const struct azm_stub_header *h = (const void *)azm_stub;

	if (h->magic != STUB_MAGIC || h->block_size != sizeof(struct azm_block))
		return -ENOEXEC;
	stub_order = get_order(len);
	stub_pages = alloc_pages(GFP_KERNEL | __GFP_ZERO, stub_order);
	if (!stub_pages)
		return -ENOMEM;
	memcpy(page_address(stub_pages), azm_stub, len);
	return map_pages(STUB_BASE, __sme_set(page_to_phys(stub_pages)),
			 1U << stub_order, TEXT_FLAGS);
}

/* The page that loads the park table is in it, at its address in Linux. */
static int map_enter(void)
{
	u64 va = (u64)azm_enter;
	u64 phys = (u64)page_to_phys(vmalloc_to_page(azm_enter));

	if (va & ~PAGE_MASK)
		return -ENOEXEC;
	return map_pages(va, __sme_set(phys), 1, TEXT_FLAGS);
}

static int map_lapic(void)
{
	u64 base;

	rdmsrl(MSR_IA32_APICBASE, base);
	if (base & X2APIC_ENABLE)
		return 0;
	return map_pages(STUB_LAPIC, base & MSR_IA32_APICBASE_BASE, 1,
			 MMIO_FLAGS);
}

static int map_all(void)
{
	int err = -ENOMEM;

	park = table_new();
	if (!park)
		return err;
	shared = park;
	if (pgtable_l5_enabled())
		shared = table_below(&park[ENTRIES - 1]);
	if (shared)
		err = map_stub();
	if (!err)
		err = map_enter();
	return err ? err : map_lapic();
}

int azm_map_init(void)
{
	int err = map_all();

	if (err)
		azm_map_exit();
	return err;
}

void azm_map_exit(void)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &table_pages, lru)
	{
		list_del(&page->lru);
		__free_page(page);
	}
	if (stub_pages)
		__free_pages(stub_pages, stub_order);
}

u64 azm_map_start(void)
{
	return ((const struct azm_stub_header *)azm_stub)->start;
}

u64 azm_map_park(void)
{
	return __sme_pa(park);
}

int azm_map_block(struct azm_cpu *c)
{
	int err;

	mutex_lock(&map_lock);
	err = map_pages(STUB_BLOCK(c->cpu), __sme_pa(c->block),
			STUB_BLOCK_SIZE / PAGE_SIZE, DATA_FLAGS);
	/* Two pages, aligned as two: their entries are neighbours. */
	c->alias = err ? NULL : pte_at(STUB_ALIAS(c->cpu));
	mutex_unlock(&map_lock);
	return c->alias ? 0 : -ENOMEM;
}

/*
 * The CPU is parked, or dead: it looks at these only after it has loaded CR3.
 */
void azm_map_alias(struct azm_cpu *c, struct page *pages[2])
{
	int i;

	for (i = 0; i < 2; i++)
		WRITE_ONCE(
		    c->alias[i],
		    pages ? __sme_set(page_to_phys(pages[i])) | DATA_FLAGS : 0);
}

/* --- an instance's --- */

int azm_table_init(struct azm_table *t)
{
	int stub = STUB_BASE >> 39 & (ENTRIES - 1);

	t->top = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	t->entries = t->top;
	if (!t->top)
		return -ENOMEM;
	if (!pgtable_l5_enabled()) {
		t->top[stub] = shared[stub];
		return 0;
	}
	t->entries = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!t->entries) {
		free_page((unsigned long)t->top);
		return -ENOMEM;
	}
	t->top[0] = entry_of(t->entries) | _PAGE_USER;
	t->top[ENTRIES - 1] = park[ENTRIES - 1];
	return 0;
}

void azm_table_free(struct azm_table *t)
{
	if (t->entries != t->top)
		free_page((unsigned long)t->entries);
	free_page((unsigned long)t->top);
}

u64 azm_table_cr3(const struct azm_table *t)
{
	return __sme_pa(t->top);
}

/*
 * Called with azm_instance.tlb held. A table that mm frees was cleared from
 * its entry before, and is freed only after the notifier, which comes here,
 * too, has returned: so neither is a stale entry left nor a freed one read.
 */
void azm_table_sync(struct azm_table *t, struct mm_struct *mm, u64 lo, u64 hi)
{
	const u64 *from = (const u64 *)mm->pgd;
	u64 i;

	if (pgtable_l5_enabled()) {
		u64 top = READ_ONCE(from[0]);

		from = top & _PAGE_PRESENT ? table_of(top) : NULL;
	}
	for (i = lo >> 39; i <= (hi - 1) >> 39; i++) {
		u64 entry = from ? READ_ONCE(from[i]) : 0;

		/*
		 * Page table isolation keeps Linux from executing user pages by
		 * NX up here (arch/x86/mm/pti.c:__pti_set_user_pgtbl).
		 */
		WRITE_ONCE(t->entries[i],
			   entry & _PAGE_PRESENT ? entry & ~_PAGE_NX : 0);
	}
}
