/* SPDX-License-Identifier: MIT */
/*
 * restore.c - the memory of a snapshot, at its addresses again.
 *
 * Pages are mapped from the file, private and on demand: so the time to start
 * does not depend on how many there are, and instances of one file share what
 * they do not write. What was mapped from other files is mapped from them
 * again, if they are the same still.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "instance/image.h"
#include "lib/error.h"
#include "snapshot/restore_private.h"
#include "snapshot/snapshot.h"
#include "stats.h"

#define WHY_MAX 512

const char *restore_why(const char *fmt, ...)
{
	static char why[WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return why;
}

/* --- the file --- */

static int tables_read(struct snapshot *s, char *reason)
{
	const struct snap_header *h = &s->header;
	size_t n = h->table_size ? h->table_size : 1;
	/* Behind the last table, nothing is looked at. */
	void *tables = mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_POPULATE,
			    s->fd, (off_t)(AZ_PAGE_SIZE + h->data_size));

	if (tables == MAP_FAILED) {
		(void)snprintf(reason, SNAP_REASON_MAX, "%s",
			       error_text(errno));
		return -errno;
	}
	return snap_check_tables(h, tables, &s->t, reason);
}

int snapshot_open(const char *path, struct snapshot *s,
		  char reason[SNAP_REASON_MAX])
{
	static _Alignas(8) char page[AZ_PAGE_SIZE];
	struct stat st;
	ssize_t n;

	s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (s->fd < 0 || fstat(s->fd, &st)) {
		(void)snprintf(reason, SNAP_REASON_MAX, "%s",
			       error_text(errno));
		return -errno;
	}
	if (!S_ISREG(st.st_mode)) {
		(void)snprintf(reason, SNAP_REASON_MAX, "not a regular file");
		return -EINVAL;
	}
	n = pread(s->fd, page, sizeof(page), 0);
	if (n < 0) {
		(void)snprintf(reason, SNAP_REASON_MAX, "%s",
			       error_text(errno));
		return -errno;
	}
	if (snap_check_header(page, (uint64_t)n, (uint64_t)st.st_size, reason))
		return -EINVAL;
	memcpy(&s->header, page, sizeof(s->header));
	return tables_read(s, reason);
}

int snapshot_verify(const struct snapshot *s, char reason[SNAP_REASON_MAX])
{
	uint64_t size = s->header.data_size;

	for (uint64_t i = 0, at = 0; at < size; i++, at += SNAP_BLOCK) {
		size_t n = size - at < SNAP_BLOCK ? size - at : SNAP_BLOCK;
		void *p = mmap(NULL, n, PROT_READ, MAP_SHARED | MAP_POPULATE,
			       s->fd, (off_t)(AZ_PAGE_SIZE + at));
		bool same;

		if (p == MAP_FAILED) {
			(void)snprintf(reason, SNAP_REASON_MAX, "%s",
				       error_text(errno));
			return -errno;
		}
		same = snap_hash(p, n) == s->t.hash[i];
		munmap(p, n);
		if (!same) {
			(void)snprintf(reason, SNAP_REASON_MAX,
				       "damaged: what it has at byte %llu and "
				       "after is not what was written: make it "
				       "anew",
				       (unsigned long long)(AZ_PAGE_SIZE + at));
			return -EINVAL;
		}
	}
	return 0;
}

static bool same_file(const struct stat *st, const struct snap_object *o)
{
	return st->st_ino == o->ino && (uint64_t)st->st_size == o->size &&
	       st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec ==
		   o->mtime_ns;
}

int snapshot_fits(const struct snapshot *s, char reason[SNAP_REASON_MAX])
{
	struct snap_cpu cpu;
	char words[SNAP_REASON_MAX];

	if (memcmp(s->header.image_id, azalea_image_id,
		   sizeof(s->header.image_id)) != 0) {
		(void)snprintf(reason, SNAP_REASON_MAX,
			       "made by another build of azalea: make it anew "
			       "with this one, or use that");
		return -EINVAL;
	}
	snap_cpu_get(&cpu);
	if (snap_cpu_missing(&s->header.cpu, &cpu, words)) {
		(void)snprintf(
		    reason, SNAP_REASON_MAX,
		    "this CPU lacks what the program may use: %.100s", words);
		return -EINVAL;
	}
	return 0;
}

/* --- objects --- */

static int object_path(const struct snapshot *s, const struct snap_object *o,
		       const char **why)
{
	const char *path = snap_string(&s->t, o->path);
	int fd = open(path, (o->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC |
				O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		*why = restore_why("%s: the program has it mapped: %s", path,
				   error_text(errno));
		if (fd >= 0)
			close(fd);
		return -EINVAL;
	}
	if (o->fixed ? !same_file(&st, o) : !S_ISREG(st.st_mode)) {
		*why =
		    restore_why("%s: it has changed since the snapshot, which "
				"has parts of it in memory: make it anew",
				path);
		close(fd);
		return -EINVAL;
	}
	return fd;
}

/* The data of a run, from the file to another. */
static int run_copy(const struct snapshot *s, const struct snap_run *r, int to)
{
	uint64_t done = 0;

	while (done < r->len) {
		char buf[16384];
		size_t n =
		    r->len - done < sizeof(buf) ? r->len - done : sizeof(buf);
		ssize_t got = pread(s->fd, buf, n, (off_t)(r->at + done));

		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		if (pwrite(to, buf, (size_t)got, (off_t)(r->addr + done)) !=
		    got)
			return -errno;
		done += (uint64_t)got;
	}
	return 0;
}

static int object_memory(const struct snapshot *s, uint32_t index)
{
	const struct snap_object *o = &s->t.object[index];
	const char *name = snap_string(&s->t, o->path);
	int fd, err = 0;

	if (strncmp(name, "/memfd:", 7) == 0)
		name += 7;
	fd = memfd_create(*name && strlen(name) < 200 ? name : "azalea",
			  MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	for (uint32_t i = 0; !err && i < s->t.header->count.runs; i++)
		if (s->t.run[i].object == index)
			err = run_copy(s, &s->t.run[i], fd);
	if (!err && ftruncate(fd, (off_t)o->size))
		err = -errno;
	if (!err && o->seals)
		(void)fcntl(fd, F_ADD_SEALS, o->seals);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

bool object_copied(const struct snapshot *s, uint32_t i)
{
	const struct snap_object *o = &s->t.object[i];

	if (o->kind == SNAP_MEMORY ||
	    access(snap_string(&s->t, o->path), F_OK) == 0)
		return o->kind == SNAP_MEMORY;
	for (uint32_t k = 0; k < s->t.header->count.runs; k++)
		if (s->t.run[k].object == i)
			return true;
	return false;
}

static int *object_fds;

int object_open(const struct snapshot *s, uint32_t i, const char **why)
{
	uint32_t n = s->t.header->count.objects;

	if (!object_fds) {
		object_fds = malloc(n * sizeof(int));
		if (!object_fds)
			return -ENOMEM;
		memset(object_fds, 0xff, n * sizeof(int));
	}
	if (object_fds[i] < 0)
		object_fds[i] = fd_above(
		    object_copied(s, i) ? object_memory(s, i)
					: object_path(s, &s->t.object[i], why));
	return object_fds[i];
}

void objects_close(const struct snapshot *s)
{
	for (uint32_t i = 0; object_fds && i < s->t.header->count.objects; i++)
		if (object_fds[i] >= 0)
			close(object_fds[i]);
	free(object_fds);
	object_fds = NULL;
}

/* --- memory --- */

static int map(uint64_t addr, uint64_t len, uint32_t prot, int flags, int fd,
	       uint64_t offset)
{
	void *p = mmap((void *)addr, len, (int)prot, flags | MAP_NORESERVE, fd,
		       (off_t)offset);

	return p == MAP_FAILED ? -errno : 0;
}

static int range_map(const struct snapshot *s, const struct snap_range *r,
		     const char **why)
{
	uint64_t len = r->end - r->start;
	int anon = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	int fd;

	switch (r->kind) {
	case SNAP_IMAGE:
	case SNAP_STATS:
		return 0;
	case SNAP_ANON:
		return map(r->start, len, r->prot, anon, -1, 0);
	case SNAP_GONE:
		return map(r->start, len, PROT_NONE, anon, -1, 0);
	default:
		fd = object_open(s, r->object, why);
		if (fd < 0)
			return fd;
		return map(r->start, len, r->prot,
			   (r->kind == SNAP_SHARED ? MAP_SHARED : MAP_PRIVATE) |
			       MAP_FIXED_NOREPLACE,
			   fd, r->offset);
	}
}

/* From a file system whose files cannot be executed: a copy. */
static int run_read(const struct snapshot *s, const struct snap_run *r,
		    uint32_t prot)
{
	int err = map(r->addr, r->len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (err)
		return err;
	for (uint64_t done = 0; done < r->len;) {
		ssize_t n = pread(s->fd, (char *)r->addr + done, r->len - done,
				  (off_t)(r->at + done));

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (uint64_t)n;
	}
	return mprotect((void *)r->addr, r->len, (int)prot) ? -errno : 0;
}

/* The counters are shared with those who look: their contents are copied. */
static int run_copy_stats(const struct snapshot *s, const struct snap_run *r)
{
	if (r->addr - AZ_STATS_BASE > AZ_STATS_SIZE ||
	    r->len > AZ_STATS_SIZE - (r->addr - AZ_STATS_BASE))
		return -EINVAL;
	return pread(s->fd, (void *)r->addr, r->len, (off_t)r->at) ==
		       (ssize_t)r->len
		   ? 0
		   : -EIO;
}

static int run_map(const struct snapshot *s, const struct snap_run *r,
		   const struct snap_range *range)
{
	int err;

	if (range->kind == SNAP_STATS)
		return run_copy_stats(s, r);
	err = map(r->addr, r->len, range->prot, MAP_PRIVATE | MAP_FIXED, s->fd,
		  r->at);
	if ((err == -EPERM || err == -EACCES) && range->prot & PROT_EXEC)
		err = run_read(s, r, range->prot);
	return err;
}

static ino_t source;

uint64_t snapshot_source(void)
{
	return source;
}

int snapshot_map(struct snapshot *s, const char **why)
{
	const struct snap_counts *n = &s->t.header->count;
	struct stat st;
	uint32_t k = 0;
	int err = 0;

	if (fstat(s->fd, &st))
		return -errno;
	source = st.st_ino;

	for (uint32_t i = 0; !err && i < n->ranges; i++)
		err = range_map(s, &s->t.range[i], why);
	for (uint32_t i = 0; !err && i < n->runs; i++) {
		const struct snap_run *r = &s->t.run[i];

		if (r->object != SNAP_NONE)
			break;
		while (s->t.range[k].end <= r->addr)
			k++;
		err = run_map(s, r, &s->t.range[k]);
	}
	return err;
}
