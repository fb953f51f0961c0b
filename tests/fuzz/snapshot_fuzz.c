/* SPDX-License-Identifier: MIT */
/*
 * snapshot_fuzz.c - what snap_check_tables promises, for any tables.
 *
 * The input is counts, a few numbers of the header, and tables; magic numbers,
 * sizes and checksums are set right, as they stop nobody who wants to do harm.
 * An input with an odd first byte is a whole file as it is.
 */
/* links: host/snapshot/file.c host/instance/azi.c */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define DATA   (2 * SNAP_BLOCK)
#define NEEDED 3

#define CHECK(cond)              \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static void check_string(const struct snap_tables *t, uint32_t at)
{
	CHECK(at < t->header->count.strings);
	CHECK(memchr(t->strings + at, 0, t->header->count.strings - at));
}

static void check_memory(const struct snap_tables *t)
{
	const struct snap_counts *n = &t->header->count;
	uint64_t from = AZ_PAGE_SIZE, end = AZ_PAGE_SIZE + DATA;
	uint32_t k = 0;

	for (uint32_t i = 0; i < n->ranges; i++) {
		const struct snap_range *r = &t->range[i];

		CHECK(r->start >= from && r->end > r->start &&
		      r->end <= AZ_OWNER_BASE);
		CHECK(!((r->start | r->end) % AZ_PAGE_SIZE));
		from = r->end;
		if (r->kind == SNAP_FILE || r->kind == SNAP_SHARED)
			CHECK(r->object < n->objects);
	}
	for (uint32_t i = 0; i < n->runs; i++) {
		const struct snap_run *r = &t->run[i];

		CHECK(r->at >= AZ_PAGE_SIZE && r->len && r->at + r->len <= end);
		if (r->object != SNAP_NONE) {
			CHECK(t->object[r->object].kind == SNAP_MEMORY ||
			      !t->object[r->object].fixed);
			CHECK(r->addr <
			      t->object[r->object].size + AZ_PAGE_SIZE);
			continue;
		}
		/* As restore.c:snapshot_map finds it. */
		while (t->range[k].end <= r->addr)
			CHECK(++k < n->ranges);
		CHECK(r->addr >= t->range[k].start &&
		      r->addr + r->len <= t->range[k].end);
	}
}

static void check_fds(const struct snap_tables *t)
{
	const struct snap_counts *n = &t->header->count;

	for (uint32_t i = 0; i < n->fds; i++) {
		const struct snap_fd *f = &t->fd[i];

		CHECK(f->fd >= 0 && (!i || f->fd > t->fd[i - 1].fd));
		CHECK(f->same == SNAP_NONE || f->same < i);
		CHECK(f->object == SNAP_NONE || f->object < n->objects);
		CHECK(f->addr_len <= 128 &&
		      f->addr + (uint64_t)f->addr_len <= n->strings);
		check_string(t, f->text);
		if (f->kind == SNAP_FD_PATH || f->kind == SNAP_FD_MEMORY)
			CHECK(f->object != SNAP_NONE);
	}
	for (uint32_t i = 0; i < n->objects; i++)
		check_string(t, t->object[i].path);
	for (uint32_t i = 0; i < n->watches; i++)
		CHECK(t->fd[t->watch[i].epoll].kind == SNAP_FD_EPOLL);
}

static void check(const struct snap_tables *t)
{
	const struct snap_process *p = &t->header->process;
	uint32_t at = p->args;

	check_memory(t);
	check_fds(t);
	check_string(t, p->cwd);
	check_string(t, p->exe_path);
	for (uint32_t i = 0; i < p->argc; i++) {
		check_string(t, at);
		at += (uint32_t)strlen(t->strings + at) + 1;
	}
	CHECK(p->groups + 4ULL * p->ngroups <= t->header->count.strings);
	CHECK(p->cores_started && p->cores_started <= p->ncores &&
	      p->ncores <= AZ_MAX_CORES);
}

/* What there must be, so that others are looked at; they lie before these. */
static void needed_ranges(struct snap_range *r, uint64_t ncores)
{
	static const struct snap_range made[NEEDED] = {
		{ .start = AZ_BOOT_BASE, .end = AZ_STATS_BASE },
		{ .start = AZ_CORE_BASE },
		{ .start = AZ_RING_BASE },
	};

	memcpy(r, made, sizeof(made));
	r[1].end = AZ_CORE_BASE + ncores % AZ_MAX_CORES * AZ_CORE_STRIDE;
	r[2].end = AZ_RING_BASE + ncores % AZ_MAX_CORES * AZ_RING_STRIDE;
	for (int i = 0; i < NEEDED; i++) {
		r[i].kind = SNAP_ANON;
		r[i].prot = 3;
	}
}

static void fuzz_tables(const uint8_t *data, size_t len)
{
	static _Alignas(8) char page[AZ_PAGE_SIZE];
	struct snap_header *h = (struct snap_header *)page;
	const size_t head = sizeof(h->count) + sizeof(h->process);
	char reason[SNAP_REASON_MAX];
	struct snap_tables t;
	uint64_t size;
	char *tables;

	if (len < head)
		return;
	memset(page, 0, sizeof(page));
	memcpy(&h->count, data, sizeof(h->count));
	memcpy(&h->process, data + sizeof(h->count), sizeof(h->process));
	h->count.ranges %= 64;
	h->count.runs %= 64;
	h->count.objects %= 64;
	h->count.fds %= 64;
	h->count.watches %= 64;
	h->count.hashes = DATA / SNAP_BLOCK;
	h->count.strings = h->count.strings % 4096 + 1;
	size = snap_table_size(&h->count);
	tables = calloc(1, size);
	CHECK(tables);
	memcpy(tables, data + head, len - head < size ? len - head : size);
	if (h->count.ranges >= NEEDED)
		needed_ranges((struct snap_range *)(void *)tables +
				  h->count.ranges - NEEDED,
			      h->process.ncores);
	h->magic = SNAP_MAGIC;
	h->version = SNAP_VERSION;
	h->size = sizeof(*h);
	h->data_size = DATA;
	h->table_size = size;
	h->file_size = AZ_PAGE_SIZE + DATA + size;
	h->table_hash = snap_hash(tables, size);
	h->hash = snap_hash_header(h);
	CHECK(snap_check_header(page, sizeof(page), h->file_size, reason) == 0);
	if (snap_check_tables(h, tables, &t, reason) == 0)
		check(&t);
	else
		CHECK(strlen(reason) < sizeof(reason));
	free(tables);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char reason[SNAP_REASON_MAX];

	if (len && data[0] & 1) {
		void *copy = malloc(len);

		CHECK(copy);
		memcpy(copy, data, len);
		(void)snap_check_header(copy, len, len, reason);
		free(copy);
	} else {
		fuzz_tables(data, len);
	}
	return 0;
}
