/* SPDX-License-Identifier: MIT */
/*
 * mm.c - the program's address space as a whole: limits, totals, faults.
 *
 * mm.lock guards it all; see space.h. Taken with no other lock held; the
 * heap's locks (kalloc.c) may be taken inside.
 */
#include <asm/unistd.h>
#include <linux/mman.h>

#include "core.h"
#include "lib/errno.h"
#include "mm/pool.h"
#include "mm/space.h"
#include "sys/patch.h"
#include "sys/sys.h"

/* RLIMIT_ numbers (asm-generic/resource.h). */
#define RLIMIT_DATA    2
#define RLIMIT_STACK   3
#define RLIMIT_MEMLOCK 8
#define RLIMIT_AS      9
#define RLIM_INFINITY  UINT64_MAX

/* What a thread's stack counts against the limit, however large it is. */
#define STACK_CHARGE 0x10000ULL
/* Faults in a row, at one place, that the tree cannot explain. */
#define RETRY_MAX 100

struct mm mm;

/* The last address for which mm_fault said "try again"; by core. */
static struct {
	uint64_t addr;
	uint64_t count;
} retries[AZ_MAX_CORES];

void mm_init(void)
{
	mm.limit = BOOT->mem_bytes;
	mm.rlim_as = BOOT->rlimit[RLIMIT_AS].soft;
	mm.rlim_data = BOOT->rlimit[RLIMIT_DATA].soft;
	mm.rlim_stack = BOOT->rlimit[RLIMIT_STACK].soft;
	mm.rlim_memlock = BOOT->rlimit[RLIMIT_MEMLOCK].soft;
	mm.exact = BOOT->flags & AZ_BOOT_STRICT_UNMAP;
	pool_init();
	mm_replan();
}

void mm_replan(void)
{
	mm.plain = !mm.def_flags && mm.rlim_as == RLIM_INFINITY &&
		   mm.rlim_data == RLIM_INFINITY;
	/* If it fails there are limits that some mappings escape. */
	if (!mm.plain)
		pool_dissolve(WINDOW_POOL, POOL_END);
}

void mm_watch_faults(void)
{
	spin_lock(&mm.lock);
	if (!mm.exact) {
		mm.exact = 1;
		pool_settle();
		brk_settle();
		loose_claim(0, AZ_GUEST_END);
	}
	spin_unlock(&mm.lock);
}

void mm_set_rlimit(int resource, uint64_t soft)
{
	spin_lock(&mm.lock);
	switch (resource) {
	case RLIMIT_AS:
		mm.rlim_as = soft;
		break;
	case RLIMIT_DATA:
		mm.rlim_data = soft;
		break;
	case RLIMIT_STACK:
		mm.rlim_stack = soft;
		break;
	case RLIMIT_MEMLOCK:
		mm.rlim_memlock = soft;
		break;
	}
	mm_replan();
	spin_unlock(&mm.lock);
}

/* --- limits --- */

uint64_t mm_charge(uint32_t flags, uint64_t len)
{
	if (flags & (VMA_NORESERVE | VMA_HUGETLB))
		return 0;
	if (flags & VMA_SHARED)
		return flags & VMA_FILE ? 0 : len;
	if (!(flags & VMA_WRITE))
		return 0;
	return flags & VMA_STACK ? MIN(len, STACK_CHARGE) : len;
}

/* Is there so much left of the limit? Slabs give back what they do not use. */
static bool fits(uint64_t charge, const struct vma_totals *gone)
{
	uint64_t want = mm.set.sum.charged - gone->charged + charge;
	uint64_t unused;

	if (want <= mm.limit)
		return true;
	pool_unused(&unused);
	if (want - unused > mm.limit)
		return false;
	pool_seal();
	mm_publish();
	return true;
}

int mm_admit_data(uint32_t flags, uint64_t len, uint64_t charge,
		  const struct vma_totals *gone)
{
	const struct vma_totals *sum = &mm.set.sum;

	/* A limit of 0 is Valgrind's: mm/mmap.c:may_expand_vm of Linux. */
	if (vma_is_data(flags) && mm.rlim_data &&
	    sum->data - gone->data + len > mm.rlim_data)
		return -ENOMEM;
	return charge && !fits(charge, gone) ? -ENOMEM : 0;
}

int mm_admit(uint32_t flags, uint64_t len, uint64_t charge,
	     const struct vma_totals *gone)
{
	if (mm.set.sum.size - gone->size + len > mm.rlim_as)
		return -ENOMEM;
	return mm_admit_data(flags, len, charge, gone);
}

void mm_publish(void)
{
	STATS->mem_committed = mm.set.sum.charged;
	if (STATS->mem_peak < mm.set.sum.charged)
		STATS->mem_peak = mm.set.sum.charged;
}

int mm_may_lock(uint64_t len, uint64_t already)
{
	if (!BOOT->euid) /* CAP_IPC_LOCK, as good as always */
		return 0;
	if (!mm.rlim_memlock)
		return -EPERM;
	if (mm.set.sum.locked - already + len > mm.rlim_memlock)
		return -ENOMEM;
	return 0;
}

/* --- the program's text, and code next to it --- */

void mm_lock(void)
{
	spin_lock(&mm.lock);
}

void mm_unlock(void)
{
	spin_unlock(&mm.lock);
}

void mm_changing(uint64_t start, uint64_t end)
{
	struct vma *v = vma_find(&mm.set, start);

	for (; v && v->start < end; v = v->next)
		if (v->flags & VMA_EXEC)
			text_changed(MAX(start, v->start), MIN(end, v->end));
}

static void stubs_drop(struct vma *v)
{
	text_changed(v->start, v->end);
	host_call(__NR_munmap, v->start, v->end - v->start, 0, 0, 0, 0);
	mm.nstubs--;
	mm_remove(v->start, v->end);
}

int mm_prepare(uint64_t start, uint64_t end)
{
	loose_claim(start, end);
	return mm_expose(start, end);
}

int mm_expose(uint64_t start, uint64_t end)
{
	struct vma *v = mm.nstubs ? vma_find(&mm.set, start) : NULL;

	while (v && v->start < end) {
		struct vma *next = v->next;

		if (v->flags & VMA_STUBS)
			stubs_drop(v);
		v = next;
	}
	return pool_dissolve(start, end);
}

static uint64_t stubs_map(uint64_t near, uint64_t size)
{
	uint64_t addr = place_near(near, size);
	struct vma_tag tag = { .flags = VMA_READ | VMA_EXEC | VMA_STUBS };

	if (!addr || vma_reserve(&mm.set))
		return 0;
	brk_claim(addr, addr + size);
	if (host_call(__NR_mmap, addr, size, PROT_READ | PROT_EXEC,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1,
		      0) != (long)addr)
		return 0;
	tag.object = mm_new_object();
	mm_insert(addr, addr + size, &tag);
	mm.nstubs++;
	return addr;
}

uint64_t mm_stub_area(uint64_t near, uint64_t size)
{
	uint64_t addr;

	spin_lock(&mm.lock);
	addr = stubs_map(near, page_up(size));
	spin_unlock(&mm.lock);
	return addr;
}

/* --- the tree --- */

uint64_t mm_new_object(void)
{
	return ++mm.objects;
}

void mm_insert(uint64_t start, uint64_t end, const struct vma_tag *tag)
{
	vma_insert(&mm.set, start, end, tag);
	mm_publish();
}

void mm_remove(uint64_t start, uint64_t end)
{
	vma_remove(&mm.set, start, end);
	mm_publish();
}

void pool_fork_child(void)
{
	uint64_t at = 0;
	struct vma *v;

	pool_adopt_all();
	pool_settle();
	brk_settle();
	loose_claim(0, AZ_GUEST_END);
	mm.def_flags = 0;
	mm_replan();
	while ((v = vma_find(&mm.set, at)) != NULL) {
		at = v->end;
		if (v->flags & VMA_DONTFORK) {
			mm_remove(v->start, v->end);
		} else if (v->flags & VMA_LOCKED) {
			vma_retag(&mm.set, v,
				  v->flags & ~(VMA_LOCKED | VMA_ONFAULT),
				  v->charge);
			vma_join(&mm.set, v);
		}
	}
	mm_publish();
}

/* --- looking --- */

bool mm_find_locked(uint64_t addr, struct vma_info *info)
{
	struct vma *v = vma_find(&mm.set, addr);

	for (; v; v = v->next) {
		if (v->flags & VMA_SLAB) {
			*info =
			    (struct vma_info){ .flags = VMA_READ | VMA_WRITE };
			if (pool_used(MAX(addr, v->start), &info->start,
				      &info->end))
				return true;
		} else if (!(v->flags & VMA_STUBS)) {
			*info = (struct vma_info){ .start = v->start,
						   .end = v->end,
						   .flags = v->flags,
						   .offset = v->offset };
			return true;
		}
	}
	return false;
}

bool mm_find(uint64_t addr, struct vma_info *info)
{
	bool found;

	spin_lock(&mm.lock);
	found = mm_find_locked(addr, info);
	spin_unlock(&mm.lock);
	return found;
}

void mm_usage(struct mm_usage *u)
{
	uint64_t unused, charged;

	spin_lock(&mm.lock);
	unused = pool_unused(&charged);
	u->size = mm.set.sum.size - unused;
	u->committed = mm.set.sum.charged - charged;
	u->peak = STATS->mem_peak;
	u->limit = mm.limit;
	u->stack = mm.set.sum.stack;
	u->data = mm.set.sum.data - unused;
	u->text = mm.set.sum.text;
	u->locked = mm.set.sum.locked;
	spin_unlock(&mm.lock);
}

/* --- faults --- */

/* A MAP_GROWSDOWN mapping begins above addr: extend it down to there. */
static int grow_down(struct vma *v, uint64_t addr)
{
	uint64_t start = addr & ~PAGE_MASK;
	uint64_t old = v->start;
	struct vma_totals none = { 0 };
	struct vma_tag tag = { .flags = v->flags };

	if (start < AZ_GUEST_MIN ||
	    (v->prev && start < v->prev->end + STACK_GAP) ||
	    v->end - start > mm.rlim_stack)
		return -EFAULT;
	tag.charge = mm_charge(v->flags, old - start);
	if (mm_admit(v->flags, old - start, tag.charge, &none) ||
	    vma_reserve(&mm.set))
		return -EFAULT;
	if (host_call(__NR_mmap, start, old - start, v->flags & 7,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1,
		      0) != (long)start)
		return -EFAULT;
	mm_insert(start, old, &tag);
	return 0;
}

static int classify(uint64_t addr, bool write, bool exec)
{
	struct vma *v = vma_find(&mm.set, addr);
	uint32_t need = VMA_READ | VMA_WRITE | VMA_EXEC;
	uint64_t start, end;

	if (!v || (v->flags & VMA_STUBS))
		return -EFAULT;
	if (v->start > addr)
		return v->flags & VMA_GROWSDOWN ? grow_down(v, addr) : -EFAULT;
	if (v->flags & VMA_SLAB)
		return pool_used(addr, &start, &end) && start <= addr ? 0
								      : -EFAULT;
	/* On x86 what can be written or executed can be read. */
	if (write)
		need = VMA_WRITE;
	else if (exec)
		need = VMA_EXEC;
	return v->flags & need ? 0 : -EACCES;
}

/*
 * A fault that the tree allows was a passing one (another core was changing
 * the mapping), unless it comes again and again: then the host knows better.
 */
static int retry(uint64_t addr)
{
	uint32_t i = core_self()->az.index;

	if (retries[i].addr != addr) {
		retries[i].addr = addr;
		retries[i].count = 0;
	}
	if (++retries[i].count < RETRY_MAX)
		return 0;
	retries[i].count = 0;
	return -EACCES;
}

int mm_fault(uint64_t addr, bool write, bool exec)
{
	int err;

	spin_lock(&mm.lock);
	err = classify(addr, write, exec);
	spin_unlock(&mm.lock);
	return err ? err : retry(addr);
}
