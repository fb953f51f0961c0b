/* SPDX-License-Identifier: MIT */
/*
 * kvm_pages.c - guest page tables, and memory slots.
 *
 * Guest-physical memory is made of regions of 32 MiB, each a slot of KVM's
 * that shows 32 MiB of the owner's addresses, taken when one of them is first
 * missed. One big slot would cost memory for each page that could be in it.
 *
 * A region's tables say what Linux says of the mappings in it (vmas.h). They
 * are never changed under KVM's feet: an entry that is present is cleared only
 * when Linux is about to change what it stands for, which makes KVM drop what
 * it derived from it; and a table, once linked, stays where it is, since KVM
 * on paging (PVM) keeps shadows of tables that it cannot know to be stale.
 * Accessed and dirty bits are always set: nothing but this file writes tables.
 *
 * `lock` guards all of it, and what Linux has mapped for the guest.
 */
#include "plat/kvm_pages.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "layout.h"
#include "plat/vmas.h"

#define REGION_SHIFT 25
#define REGION       (1ULL << REGION_SHIFT)
#define ADDRESS_BITS 47
#define NREGIONS     (1ULL << (ADDRESS_BITS - REGION_SHIFT))
#define POOL_SIZE    (1ULL << 30) /* of tables: address space only */
#define BIG          AZ_CHUNK_SIZE
#define ENTRIES      512

/* Entries (Intel SDM 3, 4.5) */
#define PRESENT    1ULL
#define WRITABLE   2ULL
#define USER       4ULL
#define ACCESSED   0x20ULL
#define DIRTY      0x40ULL
#define LEAF       0x80ULL
#define NO_EXECUTE (1ULL << 63)
#define ADDRESS    0x000ffffffffff000ULL
#define LINK       (PRESENT | WRITABLE | USER | ACCESSED)

/* A page fault's error code */
#define ERROR_WRITE 2ULL
#define ERROR_FETCH 16ULL

/* How many entries are made with a look behind them: kvm_pages_suspect. */
#define CAREFUL 64

#ifndef MADV_POPULATE_READ /* Linux 5.14 */
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const int *vm_fd, *maps_fd; /* as they are now */
static char *pool;
static uint64_t pool_used;
static uint64_t *root;
static uint16_t *slot_of;   /* by region of addresses; 0: none */
static uint32_t *region_of; /* by slot */
static uint32_t nslots, slots_max;
static uint32_t careful;

/* Addresses only: pages come when they are touched, and no child has them. */
static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, size, MADV_NOHUGEPAGE);
	(void)madvise(p, size, MADV_DONTFORK);
	return p;
}

static void *again(void *old, size_t size)
{
	if (old)
		munmap(old, size);
	return reserve(size);
}

/* --- slots --- */

/* The slot that shows addr, made if there is none; 0: there are no more. */
static uint32_t slot_get(uint64_t addr)
{
	uint64_t region = addr >> REGION_SHIFT;
	struct kvm_userspace_memory_region m;

	if (slot_of[region])
		return slot_of[region];
	if (nslots + 1 >= slots_max)
		return 0;
	m = (struct kvm_userspace_memory_region){
		.slot = nslots + 1,
		.guest_phys_addr = (uint64_t)(nslots + 1) << REGION_SHIFT,
		.memory_size = REGION,
		.userspace_addr = region << REGION_SHIFT,
	};
	if (ioctl(*vm_fd, KVM_SET_USER_MEMORY_REGION, &m))
		return 0;
	nslots++;
	region_of[nslots] = (uint32_t)region;
	slot_of[region] = (uint16_t)nslots;
	return nslots;
}

/* Where the guest finds addr, which has a slot. */
static uint64_t gpa_of(uint64_t addr)
{
	return (uint64_t)slot_of[addr >> REGION_SHIFT] << REGION_SHIFT |
	       (addr & (REGION - 1));
}

uint64_t kvm_pages_address(uint64_t gpa)
{
	uint64_t slot = gpa >> REGION_SHIFT;

	if (!slot || slot > nslots)
		return 0;
	return (uint64_t)region_of[slot] << REGION_SHIFT | (gpa & (REGION - 1));
}

/* --- tables --- */

void *kvm_pages_alloc(void)
{
	char *page = pool + pool_used;

	if (pool_used >= POOL_SIZE || !slot_get((uint64_t)page))
		return NULL;
	pool_used += AZ_PAGE_SIZE;
	return page;
}

static uint64_t *table_at(uint64_t entry)
{
	return (uint64_t *)kvm_pages_address(entry & ADDRESS);
}

static unsigned int index_at(uint64_t addr, int level)
{
	return addr >> (12 + 9 * level) & (ENTRIES - 1);
}

/*
 * The table of the given level (0: of pages) that addr goes through. With
 * make, missing ones are made; else NULL, and *next: where to look next.
 */
static uint64_t *table_get(uint64_t addr, int level, bool make, uint64_t *next)
{
	uint64_t *table = root;

	for (int l = 3; l > level; l--) {
		uint64_t *e = &table[index_at(addr, l)];

		if (!(*e & PRESENT) || (l == 1 && *e & LEAF)) {
			uint64_t *t = make ? kvm_pages_alloc() : NULL;

			if (next)
				*next = ((addr >> (12 + 9 * l)) + 1)
					<< (12 + 9 * l);
			if (!t)
				return NULL;
			/* A big page's parts come when they are missed. */
			__atomic_store_n(e, gpa_of((uint64_t)t) | LINK,
					 __ATOMIC_RELEASE);
		}
		table = table_at(*e);
	}
	return table;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): it is written */
static void set(uint64_t *e, uint64_t value)
{
	if (*e != value)
		__atomic_store_n(e, value, __ATOMIC_RELAXED);
}

static uint64_t entry_bits(uint32_t prot)
{
	return PRESENT | USER | ACCESSED | DIRTY |
	       (prot & PROT_WRITE ? WRITABLE : 0) |
	       (prot & PROT_EXEC ? 0 : NO_EXECUTE);
}

/* Entries for [from, to), all in one big page. */
static int fill_part(uint64_t from, uint64_t to, uint64_t bits)
{
	uint64_t *dir = table_get(from, 1, true, NULL);
	uint64_t *table;

	if (!dir)
		return -ENOMEM;
	if (to - from == BIG) {
		uint64_t *e = &dir[index_at(from, 1)];

		if (!(*e & PRESENT) || *e & LEAF) {
			set(e, gpa_of(from) | bits | LEAF);
			return 0;
		}
	}
	table = table_get(from, 0, true, NULL);
	if (!table)
		return -ENOMEM;
	for (; from < to; from += AZ_PAGE_SIZE)
		set(&table[index_at(from, 0)], gpa_of(from) | bits);
	return 0;
}

static int fill(uint64_t from, uint64_t to, uint32_t prot)
{
	uint64_t bits = entry_bits(prot);
	int err = slot_get(from) ? 0 : -ENOMEM;

	while (!err && from < to) {
		uint64_t end = (from | (BIG - 1)) + 1;

		if (end > to)
			end = to;
		err = fill_part(from, end, bits);
		from = end;
	}
	return err;
}

void kvm_pages_clear(uint64_t addr, uint64_t len)
{
	uint64_t to = addr + len, next = 0;

	addr &= ~(AZ_PAGE_SIZE - 1);
	if (to < addr || to > AZ_OWNER_BASE)
		to = AZ_OWNER_BASE;
	while (addr < to) {
		uint64_t *table = table_get(addr, 1, false, &next);

		if (table) {
			uint64_t *e = &table[index_at(addr, 1)];

			next = (addr | (BIG - 1)) + 1;
			if (*e & LEAF) {
				set(e, 0);
			} else if (*e & PRESENT) {
				table = table_at(*e);
				for (; addr < next && addr < to;
				     addr += AZ_PAGE_SIZE)
					set(&table[index_at(addr, 0)], 0);
			}
		}
		addr = next;
	}
}

int kvm_pages_private(uint64_t addr, void *page, uint32_t prot, bool user)
{
	uint64_t *table = table_get(addr, 0, true, NULL);

	if (!table)
		return -ENOMEM;
	table[index_at(addr, 0)] =
	    gpa_of((uint64_t)page) | (entry_bits(prot) & ~(user ? 0 : USER));
	return 0;
}

/* --- faults --- */

struct filling {
	uint64_t from, to; /* the region */
	uint64_t addr;     /* that was missed */
	uint32_t want;     /* protection that it needs */
	bool found;
};

static int fill_vma(const struct vma *vma, void *arg)
{
	struct filling *f = arg;
	uint64_t from = vma->start > f->from ? vma->start : f->from;
	uint64_t to = vma->end < f->to ? vma->end : f->to;

	if (!vma->prot)
		return 0;
	if (f->addr >= from && f->addr < to)
		f->found = (vma->prot & f->want) == f->want;
	return fill(from, to, vma->prot);
}

/* One page, and only if it is there. */
static int fill_careful(const struct vma *vma, void *arg)
{
	struct filling *f = arg;
	uint64_t page = f->addr & ~(AZ_PAGE_SIZE - 1);
	int advice = MADV_POPULATE_READ, err;

	if (f->addr < vma->start || !vma->prot ||
	    (vma->prot & f->want) != f->want)
		return 0;
	if (f->want & PROT_WRITE)
		advice = MADV_POPULATE_WRITE;
	f->found = true;
	if (madvise((void *)page, AZ_PAGE_SIZE, advice) &&
	    (errno == EFAULT || errno == ENOMEM || errno == EHWPOISON))
		return KVM_PAGES_BUS;
	err = fill(page, page + AZ_PAGE_SIZE, vma->prot);
	return err ? err : -EEXIST; /* enough */
}

static uint32_t wanted(uint64_t error)
{
	return error & ERROR_FETCH   ? PROT_EXEC
	       : error & ERROR_WRITE ? PROT_WRITE
				     : 0;
}

int kvm_pages_fault(uint64_t addr, uint64_t error)
{
	struct filling f = {
		.from = addr & ~(REGION - 1),
		.to = (addr & ~(REGION - 1)) + REGION,
		.addr = addr,
		.want = wanted(error),
	};
	int r;

	if (addr >= AZ_OWNER_BASE)
		return KVM_PAGES_FAULT;
	kvm_pages_lock();
	if (careful) {
		careful--;
		r = vmas_walk(*maps_fd, addr, addr + 1, fill_careful, &f);
		if (r == -EEXIST)
			r = 0;
	} else {
		r = vmas_walk(*maps_fd, f.from, f.to, fill_vma, &f);
	}
	kvm_pages_unlock();
	if (r)
		return r;
	return f.found ? KVM_PAGES_MAPPED : KVM_PAGES_FAULT;
}

void kvm_pages_fill(uint64_t addr)
{
	struct filling f = {
		.from = addr & ~(REGION - 1),
		.to = (addr & ~(REGION - 1)) + REGION,
	};

	/* Not made now, they are missed later. */
	if (!careful)
		(void)vmas_walk(*maps_fd, f.from, f.to, fill_vma, &f);
}

void kvm_pages_suspect(void)
{
	kvm_pages_lock();
	kvm_pages_clear(0, AZ_OWNER_BASE);
	careful = CAREFUL;
	kvm_pages_unlock();
}

void kvm_pages_lock(void)
{
	pthread_mutex_lock(&lock);
}

void kvm_pages_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

uint64_t kvm_pages_root(void)
{
	return gpa_of((uint64_t)root);
}

int kvm_pages_init(const int *vm, const int *maps, uint32_t bits,
		   uint32_t slots)
{
	static char *pool_mapping;

	vm_fd = vm;
	maps_fd = maps;
	slots_max = slots;
	if (bits < 40 && slots_max > 1U << (bits - REGION_SHIFT))
		slots_max = 1U << (bits - REGION_SHIFT);
	nslots = 0;
	pool_used = 0;
	pthread_mutex_init(&lock, NULL);
	slot_of = again(slot_of, NREGIONS * sizeof(*slot_of));
	region_of = again(region_of, 0x10000 * sizeof(*region_of));
	pool_mapping = again(pool_mapping, POOL_SIZE + REGION);
	if (!slot_of || !region_of || !pool_mapping)
		return -ENOMEM;
	pool = (char *)(((uint64_t)pool_mapping + REGION - 1) & ~(REGION - 1));
	root = kvm_pages_alloc();
	return root ? 0 : -ENOMEM;
}
