/* SPDX-License-Identifier: MIT */
/*
 * file.c - is this file a snapshot, and a whole one?
 *
 * No state, no locks. Every number in the file is hostile: sums are formed only
 * of values already bounded.
 */
#include "snapshot/file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "instance/azi.h"

#define PROT_ALL 7U

static int refuse(char *reason, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(char *reason, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(reason, SNAP_REASON_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

uint64_t snap_hash(const void *data, uint64_t size)
{
	return azi_hash(data, size);
}

uint64_t snap_hash_header(const struct snap_header *h)
{
	return azi_hash(h, offsetof(struct snap_header, hash));
}

static uint64_t page_up(uint64_t n)
{
	return (n + AZ_PAGE_SIZE - 1) & ~(AZ_PAGE_SIZE - 1);
}

static bool pages(uint64_t n)
{
	return n % AZ_PAGE_SIZE == 0;
}

uint64_t snap_table_size(const struct snap_counts *n)
{
	return n->ranges * sizeof(struct snap_range) +
	       n->runs * sizeof(struct snap_run) +
	       n->objects * sizeof(struct snap_object) +
	       n->fds * sizeof(struct snap_fd) +
	       n->watches * sizeof(struct snap_watch) +
	       n->hashes * sizeof(uint64_t) + n->strings;
}

int snap_check_header(const void *data, uint64_t size, uint64_t file_size,
		      char reason[SNAP_REASON_MAX])
{
	const struct snap_header *h = data;

	if (size < 16 || h->magic != SNAP_MAGIC)
		return refuse(reason, "not a snapshot: make one with "
				      "`azalea snapshot NAME FILE`");
	if (h->version != SNAP_VERSION)
		return refuse(reason,
			      "a snapshot of version %u, this azalea reads "
			      "version %u: make it anew",
			      h->version, SNAP_VERSION);
	if (size < AZ_PAGE_SIZE || file_size < size)
		return refuse(reason, "cut short: copy it again, or make it "
				      "anew");
	if (h->size != sizeof(*h) || snap_hash_header(h) != h->hash)
		return refuse(reason, "damaged: its header is not what was "
				      "written: make it anew");
	for (uint64_t i = sizeof(*h); i < AZ_PAGE_SIZE; i++)
		if (((const char *)data)[i])
			return refuse(reason, "damaged: its header is not what "
					      "was written: make it anew");
	if (h->file_size != file_size)
		return refuse(reason,
			      "%s: it has %llu bytes instead of %llu: copy it "
			      "again, or make it anew",
			      file_size < h->file_size ? "cut short"
						       : "damaged",
			      (unsigned long long)file_size,
			      (unsigned long long)h->file_size);
	if (h->table_size > SNAP_TABLES || !pages(h->data_size) ||
	    h->data_size > file_size - AZ_PAGE_SIZE ||
	    h->table_size != file_size - AZ_PAGE_SIZE - h->data_size ||
	    snap_table_size(&h->count) != h->table_size)
		return refuse(reason, "damaged: its sizes do not agree");
	return 0;
}

/* --- tables --- */

static bool string_ok(const struct snap_tables *t, uint32_t at)
{
	return at < t->header->count.strings; /* the last one ends the table */
}

static bool bytes_ok(const struct snap_tables *t, uint64_t at, uint64_t len)
{
	uint32_t n = t->header->count.strings;

	return at <= n && len <= n - at;
}

static bool object_ok(const struct snap_tables *t, uint32_t i)
{
	return i < t->header->count.objects;
}

static bool process_ok(const struct snap_tables *t)
{
	const struct snap_process *p = &t->header->process;
	uint32_t at = p->args;

	if (!p->ncores || p->ncores > AZ_MAX_CORES || !p->cores_started ||
	    p->cores_started > p->ncores || p->groups % 4 ||
	    !bytes_ok(t, p->groups, 4ULL * p->ngroups) ||
	    !string_ok(t, p->cwd) || !string_ok(t, p->exe_path) ||
	    !string_ok(t, p->exec_fn) || !string_ok(t, p->name))
		return false;
	for (uint32_t i = 0; i < p->argc; i++) {
		if (!string_ok(t, at))
			return false;
		at += (uint32_t)strlen(t->strings + at) + 1;
	}
	return true;
}

static bool range_ok(const struct snap_tables *t, const struct snap_range *r,
		     uint64_t from)
{
	bool object = r->kind == SNAP_FILE || r->kind == SNAP_SHARED;

	if (r->start < from || r->start >= r->end || r->end > AZ_OWNER_BASE ||
	    !pages(r->start) || !pages(r->end) || r->start < AZ_PAGE_SIZE ||
	    r->prot > PROT_ALL || r->kind < SNAP_ANON || r->kind > SNAP_GONE)
		return false;
	if ((r->kind == SNAP_IMAGE) !=
	    (r->start >= AZ_IMAGE_BASE && r->end <= AZ_BOOT_BASE))
		return false;
	if ((r->kind == SNAP_STATS) !=
	    (r->start >= AZ_STATS_BASE && r->end <= AZ_CORE_BASE))
		return false;
	return !object || (object_ok(t, r->object) && pages(r->offset) &&
			   r->offset <= INT64_MAX - (r->end - r->start));
}

/* Is [start, end) readable and writable memory of the instance's own? */
static bool has(const struct snap_tables *t, uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; start < end && i < t->header->count.ranges; i++) {
		const struct snap_range *r = &t->range[i];

		if (r->start <= start && r->end > start &&
		    r->kind == SNAP_ANON && (r->prot & 3) == 3)
			start = r->end;
	}
	return start >= end;
}

static bool ranges_ok(const struct snap_tables *t)
{
	uint64_t n = t->header->process.ncores, from = 0;

	for (uint32_t i = 0; i < t->header->count.ranges; i++) {
		if (!range_ok(t, &t->range[i], from))
			return false;
		from = t->range[i].end;
	}
	return has(t, AZ_BOOT_BASE, AZ_BOOT_BASE + sizeof(struct az_boot)) &&
	       has(t, AZ_CORE_BASE, AZ_CORE_BASE + n * AZ_CORE_STRIDE) &&
	       has(t, AZ_RING_BASE, AZ_RING_BASE + n * AZ_RING_STRIDE);
}

/* Both sizes are bounded by now, or by what the comparison before says. */
static bool run_ok(const struct snap_tables *t, const struct snap_run *r)
{
	uint64_t end = AZ_PAGE_SIZE + t->header->data_size;

	return r->len && pages(r->len) && pages(r->at) && pages(r->addr) &&
	       r->at >= AZ_PAGE_SIZE && r->at < end && r->len <= end - r->at;
}

static bool object_run_ok(const struct snap_tables *t, const struct snap_run *r)
{
	const struct snap_object *o;

	if (!object_ok(t, r->object))
		return false;
	o = &t->object[r->object];
	return (o->kind == SNAP_MEMORY || !o->fixed) &&
	       r->addr < page_up(o->size) &&
	       r->len <= page_up(o->size) - r->addr;
}

static bool runs_ok(const struct snap_tables *t)
{
	const struct snap_counts *n = &t->header->count;
	uint64_t from = 0;
	uint32_t k = 0;
	bool memory = true;

	for (uint32_t i = 0; i < n->runs; i++) {
		const struct snap_run *r = &t->run[i];

		if (!run_ok(t, r))
			return false;
		memory = memory && r->object == SNAP_NONE;
		if (!memory) {
			if (!object_run_ok(t, r))
				return false;
			continue;
		}
		while (k < n->ranges && t->range[k].end <= r->addr)
			k++;
		if (r->addr < from || k == n->ranges ||
		    r->addr < t->range[k].start ||
		    r->len > t->range[k].end - r->addr ||
		    t->range[k].kind == SNAP_SHARED ||
		    t->range[k].kind == SNAP_GONE)
			return false;
		from = r->addr + r->len;
	}
	return true;
}

static bool objects_ok(const struct snap_tables *t)
{
	for (uint32_t i = 0; i < t->header->count.objects; i++) {
		const struct snap_object *o = &t->object[i];

		if ((o->kind != SNAP_PATH && o->kind != SNAP_MEMORY) ||
		    !string_ok(t, o->path) || o->size > INT64_MAX / 2)
			return false;
	}
	return true;
}

static bool fd_ok(const struct snap_tables *t, uint32_t i, int32_t after)
{
	const struct snap_fd *f = &t->fd[i];

	if (f->fd <= after || f->fd > SNAP_MAX_FD || f->kind < SNAP_FD_STDIO ||
	    f->kind > SNAP_FD_LOST || !string_ok(t, f->text) ||
	    !bytes_ok(t, f->addr, f->addr_len) || f->addr_len > 128 ||
	    f->pos > INT64_MAX)
		return false;
	if (f->object != SNAP_NONE && !object_ok(t, f->object))
		return false;
	if (f->same != SNAP_NONE && f->same >= i)
		return false;
	switch (f->kind) {
	case SNAP_FD_STDIO:
		return f->arg[0] <= 2;
	case SNAP_FD_MEMORY:
		return f->object != SNAP_NONE &&
		       t->object[f->object].kind == SNAP_MEMORY;
	case SNAP_FD_PATH:
		return f->object != SNAP_NONE &&
		       t->object[f->object].kind == SNAP_PATH;
	case SNAP_FD_PIPE:
	case SNAP_FD_PAIR:
		return f->object == SNAP_NONE ||
		       t->object[f->object].kind == SNAP_MEMORY;
	default:
		return true;
	}
}

static bool fds_ok(const struct snap_tables *t)
{
	const struct snap_counts *n = &t->header->count;
	int32_t after = -1;

	for (uint32_t i = 0; i < n->fds; i++) {
		if (!fd_ok(t, i, after))
			return false;
		after = t->fd[i].fd;
	}
	for (uint32_t i = 0; i < n->watches; i++)
		if (t->watch[i].epoll >= n->fds ||
		    t->fd[t->watch[i].epoll].kind != SNAP_FD_EPOLL)
			return false;
	return true;
}

/* The tables lie in a row; their sizes are multiples of 8 but for the last. */
static void tables_place(const struct snap_header *h, const void *at,
			 struct snap_tables *t)
{
	const struct snap_counts *n = &h->count;

	_Static_assert(sizeof(struct snap_range) % 8 == 0 &&
			   sizeof(struct snap_run) % 8 == 0 &&
			   sizeof(struct snap_object) % 8 == 0 &&
			   sizeof(struct snap_fd) % 8 == 0 &&
			   sizeof(struct snap_watch) % 8 == 0,
		       "aligned");
	t->header = h;
	t->range = at;
	t->run = (const void *)(t->range + n->ranges);
	t->object = (const void *)(t->run + n->runs);
	t->fd = (const void *)(t->object + n->objects);
	t->watch = (const void *)(t->fd + n->fds);
	t->hash = (const void *)(t->watch + n->watches);
	t->strings = (const void *)(t->hash + n->hashes);
}

int snap_check_tables(const struct snap_header *h, const void *tables,
		      struct snap_tables *out, char reason[SNAP_REASON_MAX])
{
	const struct snap_counts *n = &h->count;

	if (snap_hash(tables, h->table_size) != h->table_hash)
		return refuse(reason, "damaged: its tables are not what was "
				      "written: make it anew");
	tables_place(h, tables, out);
	if (!n->strings || out->strings[n->strings - 1] ||
	    n->hashes != (h->data_size + SNAP_BLOCK - 1) / SNAP_BLOCK ||
	    !process_ok(out) || !objects_ok(out) || !ranges_ok(out) ||
	    !runs_ok(out) || !fds_ok(out))
		return refuse(reason, "damaged: its tables make no sense");
	return 0;
}
