/* SPDX-License-Identifier: MIT */
/*
 * pool.c - small anonymous mappings, from chunks of 2 MiB that cores open.
 *
 * A core's open chunk was mapped read-write on the host with one call; small
 * mappings are cut off its front without any. What is unmapped becomes a hole
 * on the host as well and is not handed out again before the whole chunk is
 * free. The uncut rest of an open chunk is no vma, but can be touched.
 *
 * Chunks live in [WINDOW_POOL, WINDOW_MAPS). For each there is the number of
 * its pages that are in some vma, however they got there (the program may map
 * there by address), and who has it open. Closed chunks without such pages are
 * in the list of free ones, or above `top`, never used; nothing of them is
 * mapped on the host. mm.lock guards all of this, and pool_next and pool_end
 * of all cores.
 */
#include <asm/unistd.h>
#include <linux/mman.h>

#include "core.h"
#include "mm/space.h"
#include "sys/sys.h"

#define NCHUNKS ((WINDOW_MAPS - WINDOW_POOL) / AZ_CHUNK_SIZE)

/*
 * Chunks that a program opens before they get big pages: one that needs few
 * touches little of each, one that needs many will fill them.
 */
#define SMALL_CHUNKS 4

/* chunk.owner, or else the core that has it open + 1 */
#define CLOSED 0U
#define LISTED 0xffffU

struct chunk {
	uint16_t live; /* pages in vmas */
	uint16_t owner;
	uint32_t next; /* in the list of free chunks: index + 1, or 0 */
};

static struct chunk *chunks; /* zero pages until used */
static uint32_t free_list;   /* index + 1, or 0 */
static uint32_t top;

void pool_init(void)
{
	chunks = kalloc_pages(NCHUNKS * sizeof(*chunks));
	free_list = 0;
	top = 0;
	AZ_ASSERT(chunks);
}

static uint64_t chunk_address(uint32_t i)
{
	return WINDOW_POOL + i * AZ_CHUNK_SIZE;
}

static uint32_t chunk_index(uint64_t addr)
{
	return (uint32_t)((addr - WINDOW_POOL) / AZ_CHUNK_SIZE);
}

static void list_push(uint32_t i)
{
	chunks[i].owner = LISTED;
	chunks[i].next = free_list;
	free_list = i + 1;
}

/* A chunk with nothing in it, or NCHUNKS. */
static uint32_t chunk_take(void)
{
	while (free_list) {
		uint32_t i = free_list - 1;

		free_list = chunks[i].next;
		chunks[i].owner = CLOSED;
		if (!chunks[i].live)
			return i;
	}
	while (top < NCHUNKS && chunks[top].live)
		top++;
	return top < NCHUNKS ? top++ : (uint32_t)NCHUNKS;
}

static void chunk_close(struct core *c)
{
	uint32_t i = chunk_index(c->pool_end - 1);

	if (c->pool_next < c->pool_end)
		host_call(__NR_munmap, c->pool_next, c->pool_end - c->pool_next,
			  0, 0, 0, 0);
	c->pool_next = c->pool_end = 0;
	chunks[i].owner = CLOSED;
	if (!chunks[i].live)
		list_push(i);
}

static bool chunk_open(struct core *c)
{
	uint64_t addr;
	uint32_t i;

	if (c->pool_end)
		chunk_close(c);
	i = chunk_take();
	if (i == NCHUNKS)
		return false;
	addr = chunk_address(i);
	if (host_call(__NR_mmap, addr, AZ_CHUNK_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1,
		      0) != (long)addr) {
		list_push(i);
		return false;
	}
	if (top > SMALL_CHUNKS)
		host_call(__NR_madvise, addr, AZ_CHUNK_SIZE, MADV_HUGEPAGE, 0,
			  0, 0);
	chunks[i].owner = (uint16_t)(c->az.index + 1);
	c->pool_next = addr;
	c->pool_end = addr + AZ_CHUNK_SIZE;
	return true;
}

uint64_t pool_alloc(uint64_t len)
{
	struct core *c = core_self();
	uint64_t addr;

	if (c->pool_end - c->pool_next < len && !chunk_open(c))
		return 0;
	addr = c->pool_next;
	c->pool_next += len;
	return addr;
}

void pool_close_all(void)
{
	for (uint32_t i = 0; i < top; i++) {
		if (chunks[i].owner == CLOSED || chunks[i].owner == LISTED)
			continue;
		chunks[i].owner = CLOSED;
		if (!chunks[i].live)
			list_push(i);
	}
}

bool pool_grow(uint64_t addr, uint64_t more)
{
	uint32_t owner;
	struct core *c;

	if (!pool_holds(addr - 1, addr))
		return false;
	owner = chunks[chunk_index(addr - 1)].owner;
	if (owner == CLOSED || owner == LISTED)
		return false;
	c = core_at(owner - 1);
	if (c->pool_next != addr || c->pool_end - addr < more)
		return false;
	c->pool_next += more;
	return true;
}

void pool_claim(uint64_t start, uint64_t end)
{
	if (!pool_holds(start, end))
		return;
	for (uint32_t i = 0; i < BOOT->ncores; i++) {
		struct core *c = core_at(i);

		/* Cores that never started have a block of zeros. */
		if (start < c->pool_end && end > c->pool_next)
			chunk_close(c);
	}
}

void pool_count(uint64_t start, uint64_t end, bool mapped)
{
	start = MAX(start, WINDOW_POOL);
	end = MIN(end, WINDOW_MAPS);
	while (start < end) {
		struct chunk *k = &chunks[chunk_index(start)];
		uint64_t stop =
		    MIN(end, ALIGN_DOWN(start, AZ_CHUNK_SIZE) + AZ_CHUNK_SIZE);
		uint16_t pages = (uint16_t)((stop - start) / AZ_PAGE_SIZE);

		if (mapped) {
			k->live += pages;
		} else {
			AZ_ASSERT(k->live >= pages);
			k->live -= pages;
			if (!k->live && k->owner == CLOSED &&
			    k - chunks < (long)top)
				list_push((uint32_t)(k - chunks));
		}
		start = stop;
	}
}
