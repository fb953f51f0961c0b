/* SPDX-License-Identifier: MIT */
/*
 * shm.c - System V shared memory.
 *
 * A segment is attached in two steps: a shared mapping of its size makes the
 * range the program's, then Linux puts the segment in its place. Detaching is
 * unmapping, which Linux counts (shm_nattch). lock guards the list of ranges,
 * which is there because shmdt(2) is not told the size.
 */
#include <linux/ipc.h>
#include <linux/mman.h>
#include <linux/shm.h>

#include "calls.h"
#include "core.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sys/sys.h"

#define SHMLBA AZ_PAGE_SIZE /* <asm/shmparam.h> */

struct attachment {
	struct list link;
	uint64_t start, size;
};

static struct spinlock lock;
static struct list attachments = { &attachments, &attachments };

static void remember(struct attachment *at, uint64_t start, uint64_t size)
{
	at->start = start;
	at->size = size;
	spin_lock(&lock);
	list_append(&attachments, &at->link);
	spin_unlock(&lock);
}

/* Take the attachment that begins at start off the list, or NULL. */
static struct attachment *forget(uint64_t start)
{
	struct attachment *found = NULL;

	spin_lock(&lock);
	list_for_each(e, &attachments) {
		struct attachment *at = list_entry(e, struct attachment, link);

		if (at->start != start)
			continue;
		list_remove(&at->link);
		found = at;
		break;
	}
	spin_unlock(&lock);
	return found;
}

static long segment_size(uint64_t id, uint64_t *size)
{
	struct shmid64_ds ds;
	long r = host_call(AZ_SYS_shmctl, id, IPC_STAT, (uint64_t)&ds, 0, 0, 0);

	*size = r < 0 ? 0 : ALIGN_UP(ds.shm_segsz, AZ_PAGE_SIZE);
	return r < 0 ? r : 0;
}

/* Where: SHM_RND rounds down, SHM_REMAP allows what is mapped to go. */
static long attach_at(uint64_t *addr, uint64_t flags)
{
	if (*addr & (SHMLBA - 1)) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		*addr &= ~(uint64_t)(SHMLBA - 1);
	}
	if (!*addr && flags & SHM_REMAP)
		return -EINVAL;
	return 0;
}

static long attach_range(uint64_t addr, uint64_t size, uint64_t flags)
{
	int prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) |
		   (flags & SHM_EXEC ? PROT_EXEC : 0);
	int map = MAP_SHARED | MAP_ANONYMOUS;
	long r;

	if (addr)
		map |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	r = mm_map(addr, size, prot, map, -1, 0, 0);
	return r == -EEXIST ? -EINVAL : r;
}

long sys_shmat(const uint64_t a[6])
{
	uint64_t addr = a[1];
	uint64_t flags = (uint32_t)a[2];
	struct attachment *at;
	uint64_t size;
	long r = attach_at(&addr, flags);

	if (!r)
		r = segment_size(a[0], &size);
	if (r)
		return r;
	at = kalloc(sizeof(*at));
	if (!at)
		return -ENOMEM;
	r = attach_range(addr, size, flags);
	if (r < 0) {
		kfree(at);
		return r;
	}
	addr = (uint64_t)r;
	r = host_call(AZ_SYS_shmat, a[0], addr, flags | SHM_REMAP, 0, 0, 0);
	if (r < 0) {
		mm_unmap(addr, size);
		kfree(at);
		return r;
	}
	remember(at, addr, size);
	return (long)addr;
}

long sys_shmdt(const uint64_t a[6])
{
	struct attachment *at = forget(a[0]);
	long r;

	if (!at)
		return -EINVAL;
	r = mm_unmap(at->start, at->size);
	kfree(at);
	return r;
}
