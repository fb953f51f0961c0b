/* SPDX-License-Identifier: MIT */
/*
 * write.c - the writer: a fork of the owner that puts itself into a file.
 *
 * Its memory is a copy of the instance's, at the same addresses, and nobody
 * else's: so it may change protections to read what it likes. What is a page
 * that the program has made its own, /proc/self/pagemap tells. First of all it
 * looks at what it shares with the instance, descriptors and shared memory,
 * and lets that go on then (census_done).
 *
 * Runs in a process with one thread, and exits when it fails: the command has
 * the other end of w->reply, and removes the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "instance/image.h"
#include "lib/clock.h"
#include "lib/error.h"
#include "snapshot/snapshot.h"
#include "snapshot/write_private.h"
#include "stats.h"

#define BOOT ((struct az_boot *)AZ_BOOT_BASE)

/*
 * Pages between two of a run that are all zero: up to so many, the file has a
 * hole there, since a mapping more costs a restored instance more than that.
 */
#define GAP_PAGES 64
#define COPY_MAX  0x100000 /* bytes of a shared file, see vma_shared_file */

#define PM_PRESENT (1ULL << 63) /* Documentation/admin-guide/mm/pagemap.rst */
#define PM_SWAPPED (1ULL << 62)
#define PM_FILE    (1ULL << 61)
#define PM_AT_ONCE 8192

static void send_message(const struct writer *w, struct snap_message *m)
{
	(void)!send(w->reply, m, sizeof(*m), MSG_NOSIGNAL);
}

_Noreturn static void done(const struct writer *w, int result, uint64_t still)
{
	struct snap_message m = { .kind = SNAP_DONE,
				  .result = result,
				  .bytes = w->at,
				  .still_ns = still };

	send_message(w, &m);
	_exit(result ? EXIT_AZALEA : 0);
}

void writer_say(struct writer *w, const char *fmt, ...)
{
	struct snap_message m = { .kind = SNAP_TEXT };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(m.text, sizeof(m.text), fmt, ap);
	va_end(ap);
	send_message(w, &m);
}

/* --- tables --- */

void *table_add(struct table *t)
{
	void *bigger;

	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		bigger = realloc(t->data, t->room * t->size);
		if (!bigger)
			_exit(EXIT_AZALEA);
		t->data = bigger;
	}
	return memset(t->data + t->n++ * t->size, 0, t->size);
}

uint32_t bytes_add(struct writer *w, const void *data, size_t n)
{
	uint32_t at = (uint32_t)w->strings.n;

	for (size_t i = 0; i < n; i++)
		*(char *)table_add(&w->strings) = ((const char *)data)[i];
	return at;
}

uint32_t string_add(struct writer *w, const char *s)
{
	return bytes_add(w, s, strlen(s) + 1);
}

struct snap_object *object_at(struct writer *w, uint32_t i)
{
	return (struct snap_object *)w->object.data + i;
}

uint32_t object_find(struct writer *w, const struct stat *st, uint32_t kind,
		     const char *path, bool *made)
{
	struct snap_object *o;

	*made = false;
	for (uint32_t i = 0; i < w->object.n; i++) {
		o = object_at(w, i);
		if (o->dev == st->st_dev && o->ino == st->st_ino &&
		    o->kind == kind)
			return i;
	}
	*made = true;
	o = table_add(&w->object);
	o->kind = kind;
	o->path = string_add(w, path);
	o->size = (uint64_t)st->st_size;
	o->dev = st->st_dev;
	o->ino = st->st_ino;
	o->mtime_ns = st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec;
	o->mode = st->st_mode;
	return (uint32_t)w->object.n - 1;
}

/* --- data --- */

static uint64_t page_up(uint64_t n)
{
	return (n + AZ_PAGE_SIZE - 1) & ~(AZ_PAGE_SIZE - 1);
}

/* n bytes to the file at `at`; -EFAULT if the memory is not there. */
static int data_write(struct writer *w, const void *data, size_t n, uint64_t at)
{
	for (size_t k = 0; k < n;) {
		ssize_t r = pwrite(w->fd, (const char *)data + k, n - k,
				   (off_t)(at + k));

		if (r < 0)
			return -errno;
		k += (size_t)r;
	}
	return 0;
}

static void must(struct writer *w, int err)
{
	if (err && !w->err)
		w->err = err;
}

void object_write(struct writer *w, uint32_t object, uint64_t offset,
		  const void *data, size_t n)
{
	struct snap_run *r = table_add(&w->object_run);

	*r = (struct snap_run){
		.addr = offset, .len = page_up(n), .at = w->at, .object = object
	};
	must(w, data_write(w, data, n, w->at));
	w->at += page_up(n);
}

static bool is_zero(const void *page)
{
	const uint64_t *p = page;

	for (size_t i = 0; i < AZ_PAGE_SIZE / 8; i += 8)
		if (p[i] | p[i + 1] | p[i + 2] | p[i + 3] | p[i + 4] |
		    p[i + 5] | p[i + 6] | p[i + 7])
			return false;
	return true;
}

/* --- mappings --- */

/* One line of /proc/self/maps, and what follows it in smaps. */
struct vma {
	uint64_t start, end, offset, ino;
	unsigned int major, minor;
	char perms[8];
	char path[PATH_MAX];
	uint64_t own_kib; /* private pages, in memory or swapped out */
};

static bool vma_head(const char *line, struct vma *v)
{
	int n = 0;

	/* Linux wrote it. NOLINTNEXTLINE(cert-err34-c) */
	if (sscanf(line,
		   "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64
		   " %n",
		   &v->start, &v->end, v->perms, &v->offset, &v->major,
		   &v->minor, &v->ino, &n) < 7)
		return false;
	(void)snprintf(v->path, sizeof(v->path), "%s", line + n);
	v->path[strcspn(v->path, "\n")] = '\0';
	v->own_kib = 0;
	return true;
}

/* A line of smaps: pages that are the process's own, in memory or elsewhere. */
static bool vma_own(const char *line, uint64_t *kib)
{
	bool own = strncmp(line, "Anonymous:", 10) == 0;

	if (!own && strncmp(line, "Swap:", 5) != 0)
		return false;
	*kib = strtoull(line + (own ? 10 : 5), NULL, 10);
	return true;
}

static uint32_t vma_prot(const struct vma *v)
{
	return (v->perms[0] == 'r' ? PROT_READ : 0) |
	       (v->perms[1] == 'w' ? PROT_WRITE : 0) |
	       (v->perms[2] == 'x' ? PROT_EXEC : 0);
}

/*
 * Pages of one mapping on their way into the file. While `open`, the last run
 * may grow; its last pages, from `from` on, are still to be written.
 */
struct pages {
	struct writer *w;
	bool skip_zero;
	bool open;
	uint64_t from, to; /* addresses */
};

static struct snap_run *last_run(struct writer *w)
{
	return (struct snap_run *)w->run.data + (w->run.n - 1);
}

static void pages_flush(struct pages *p)
{
	const struct snap_run *r;

	if (p->from == p->to)
		return;
	r = last_run(p->w);
	must(p->w, data_write(p->w, (const void *)p->from, p->to - p->from,
			      r->at + (p->from - r->addr)));
	p->from = p->to;
}

/* May addr be in the last run? Between may be pages that are zero. */
static bool run_reaches(const struct pages *p, uint64_t addr)
{
	const struct snap_run *r = p->open ? last_run(p->w) : NULL;

	return r && (addr == r->addr + r->len ||
		     (p->skip_zero &&
		      addr <= r->addr + r->len + GAP_PAGES * AZ_PAGE_SIZE));
}

static void page_add(struct pages *p, uint64_t addr)
{
	struct writer *w = p->w;
	struct snap_run *r;

	if (p->skip_zero && is_zero((const void *)addr))
		return;
	if (addr != p->to) {
		pages_flush(p);
		p->from = p->to = addr;
	}
	if (!run_reaches(p, addr)) {
		r = table_add(&w->run);
		*r = (struct snap_run){ .addr = addr,
					.at = w->at,
					.object = SNAP_NONE };
		p->open = true;
	}
	p->to = addr + AZ_PAGE_SIZE;
	r = last_run(w);
	r->len = p->to - r->addr;
	w->at = r->at + r->len;
}

/* Pages of [start, end) that are the program's own, by the page tables. */
static void pages_own(struct pages *p, int pagemap, uint64_t start,
		      uint64_t end)
{
	static uint64_t entry[PM_AT_ONCE];

	while (start < end && !p->w->err) {
		uint64_t n = (end - start) / AZ_PAGE_SIZE;
		ssize_t got;

		if (n > PM_AT_ONCE)
			n = PM_AT_ONCE;
		got = pread(pagemap, entry, n * 8,
			    (off_t)(start / AZ_PAGE_SIZE * 8));
		if (got < 8) {
			must(p->w, got < 0 ? -errno : -EIO);
			return;
		}
		n = (uint64_t)got / 8;
		for (uint64_t i = 0; i < n; i++)
			if (entry[i] & (PM_PRESENT | PM_SWAPPED) &&
			    !(entry[i] & PM_FILE))
				page_add(p, start + i * AZ_PAGE_SIZE);
		start += n * AZ_PAGE_SIZE;
	}
	pages_flush(p);
}

/* All pages, though some may be beyond the end of a file that has no name. */
static void pages_all(struct writer *w, const struct vma *v)
{
	struct snap_run *r = NULL;

	for (uint64_t at = v->start; at < v->end; at += AZ_PAGE_SIZE) {
		int err = data_write(w, (const void *)at, AZ_PAGE_SIZE, w->at);

		if (err == -EFAULT) {
			r = NULL;
			continue;
		}
		must(w, err);
		if (!r) {
			r = table_add(&w->run);
			*r = (struct snap_run){ .addr = at,
						.at = w->at,
						.object = SNAP_NONE };
		}
		r->len += AZ_PAGE_SIZE;
		w->at += AZ_PAGE_SIZE;
	}
}

/* Has the file that is mapped still that name? */
static bool vma_named(const struct vma *v, struct stat *st)
{
	return v->path[0] == '/' && stat(v->path, st) == 0 &&
	       S_ISREG(st->st_mode) && st->st_ino == v->ino;
}

/* What is in a shared mapping, as contents of its object. */
static void shared_pages(struct writer *w, const struct vma *v, uint32_t object)
{
	static char page[AZ_PAGE_SIZE];

	for (uint64_t at = v->start; at < v->end; at += AZ_PAGE_SIZE) {
		int err = data_write(w, (const void *)at, AZ_PAGE_SIZE, w->at);

		/* What is not in the file is zero. */
		if (err == -EFAULT)
			continue;
		must(w, err);
		if (err || pread(w->fd, page, sizeof(page), (off_t)w->at) !=
			       sizeof(page))
			continue;
		if (!is_zero(page))
			object_write(w, object, v->offset + (at - v->start),
				     page, sizeof(page));
	}
}

/* Shared memory that only processes have, as from its first page on. */
static void vma_shared_memory(struct writer *w, const struct vma *v,
			      struct snap_range *r)
{
	struct stat st = { .st_dev = makedev(v->major, v->minor),
			   .st_ino = v->ino,
			   .st_mode = S_IFREG | 0600 };
	struct snap_object *o;
	bool made;

	r->kind = SNAP_SHARED;
	r->object = object_find(w, &st, SNAP_MEMORY, v->path, &made);
	o = object_at(w, r->object);
	if (o->size < v->offset + (v->end - v->start))
		o->size = v->offset + (v->end - v->start);
	shared_pages(w, v, r->object);
}

/*
 * A file is not in the snapshot; but of a small one there is a copy, in case it
 * is gone later: the JVM has its counters in one that it removes in the end.
 */
static void vma_shared_file(struct writer *w, const struct vma *v,
			    const struct stat *st, struct snap_range *r)
{
	bool made;

	r->kind = SNAP_SHARED;
	r->object = object_find(w, st, SNAP_PATH, v->path, &made);
	object_at(w, r->object)->writable |= v->perms[1] == 'w';
	if (st->st_size <= COPY_MAX &&
	    v->offset + (v->end - v->start) <= page_up((uint64_t)st->st_size))
		shared_pages(w, v, r->object);
}

static void vma_shared(struct writer *w, const struct vma *v,
		       struct snap_range *r)
{
	struct stat st;

	if (vma_named(v, &st)) {
		vma_shared_file(w, v, &st, r);
	} else if (v->path[0] == '/' && strncmp(v->path, "/memfd:", 7) != 0 &&
		   strncmp(v->path, "/dev/zero", 9) != 0 &&
		   strncmp(v->path, "/SYSV", 5) != 0 &&
		   !strstr(v->path, " (deleted)")) {
		r->kind = SNAP_GONE;
		writer_say(w, "memory mapped from %s cannot be kept", v->path);
	} else {
		vma_shared_memory(w, v, r);
	}
}

static bool within(const struct vma *v, uint64_t lo, uint64_t hi)
{
	return v->start >= lo && v->end <= hi;
}

/* One mapping, and what it has. table_add may move what it returned before. */
static void vma_write(struct writer *w, const struct vma *v, int pagemap)
{
	struct pages p = { .w = w, .skip_zero = true };
	struct snap_range r = { .start = v->start,
				.end = v->end,
				.offset = v->offset,
				.prot = vma_prot(v),
				.object = SNAP_NONE,
				.kind = SNAP_ANON };
	/* What came from a snapshot must not need that any more. */
	bool again = v->ino && v->ino == snapshot_source();
	struct stat st;
	bool made;

	if (within(v, AZ_STATS_BASE, AZ_CORE_BASE)) {
		r.kind = SNAP_STATS;
		for (uint64_t at = v->start; at < v->end; at += AZ_PAGE_SIZE)
			page_add(&p, at);
		pages_flush(&p);
	} else if (v->perms[3] == 's') {
		vma_shared(w, v, &r);
	} else {
		if (!(r.prot & PROT_READ) && (v->own_kib || again))
			(void)mprotect((void *)v->start, v->end - v->start,
				       PROT_READ);
		if (within(v, AZ_IMAGE_BASE, AZ_BOOT_BASE)) {
			r.kind = SNAP_IMAGE;
			p.skip_zero = false;
		} else if (!again && v->ino && vma_named(v, &st)) {
			r.kind = SNAP_FILE;
			r.object =
			    object_find(w, &st, SNAP_PATH, v->path, &made);
			object_at(w, r.object)->fixed = 1;
			p.skip_zero = false;
		}
		if (again || (v->ino && r.kind == SNAP_ANON))
			pages_all(w, v);
		else if (v->own_kib)
			pages_own(&p, pagemap, v->start, v->end);
	}
	if (r.kind == SNAP_ANON || r.kind == SNAP_IMAGE || r.kind == SNAP_STATS)
		r.offset = 0;
	*(struct snap_range *)table_add(&w->range) = r;
}

/*
 * Mappings below the owner's, in order. smaps takes longer, and has own_kib.
 */
static int vmas_read(const char *path, struct vma **out, size_t *n)
{
	struct table t = { .size = sizeof(struct vma) };
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	struct vma v, *last = NULL;
	uint64_t kib;

	if (!f)
		return -errno;
	while (getline(&line, &room, f) > 0) {
		if (vma_head(line, &v)) {
			last = NULL;
			if (v.end > AZ_OWNER_BASE)
				break;
			last = table_add(&t);
			*last = v;
		} else if (last && vma_own(line, &kib)) {
			last->own_kib += kib;
		}
	}
	free(line);
	(void)fclose(f);
	*out = (struct vma *)t.data;
	*n = t.n;
	return 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct snap_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static int compare_runs(const void *a, const void *b)
{
	const struct snap_run *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

static bool vma_is_shared(const struct vma *v)
{
	return v->perms[3] == 's' && !within(v, AZ_STATS_BASE, AZ_CORE_BASE);
}

/* --- the rest --- */

static void process_fill(struct writer *w, struct snap_process *p,
			 const char *name)
{
	const char *s = (const char *)BOOT + BOOT->args;
	struct timespec now;
	gid_t groups[256];
	char cwd[PATH_MAX];
	static const char pad[4];
	int n;

	p->pid = BOOT->pid;
	p->ncores = BOOT->ncores;
	p->cores_started = BOOT->want_cores;
	p->umask = umask(0);
	(void)getresuid(&p->ruid, &p->euid, &p->suid);
	(void)getresgid(&p->rgid, &p->egid, &p->sgid);
	n = getgroups(256, groups);
	p->ngroups = n > 0 ? (uint32_t)n : 0;
	(void)bytes_add(w, pad, (4 - w->strings.n % 4) % 4);
	p->groups = bytes_add(w, groups, p->ngroups * sizeof(groups[0]));
	p->cwd = string_add(w, getcwd(cwd, sizeof(cwd)) ? cwd : "");
	p->exe_path = string_add(w, (const char *)BOOT + BOOT->exe_path);
	p->exec_fn = string_add(w, (const char *)BOOT + BOOT->exec_fn);
	p->name = string_add(w, name);
	p->argc = BOOT->argc;
	p->args = (uint32_t)w->strings.n;
	for (uint32_t i = 0; i < BOOT->argc; i++, s += strlen(s) + 1)
		(void)string_add(w, s);
	p->mem_bytes = BOOT->mem_bytes;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	p->real_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	for (int i = 0; i < AZ_NRLIMITS; i++) {
		struct rlimit rl;

		(void)prlimit(0, i, NULL, &rl);
		p->rlimit[i].soft = rl.rlim_cur;
		p->rlimit[i].hard = rl.rlim_max;
	}
}

/* Checksums of what is in the file now. */
static int data_hash(struct writer *w, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += SNAP_BLOCK) {
		size_t n = size - at < SNAP_BLOCK ? size - at : SNAP_BLOCK;
		void *p = mmap(NULL, n, PROT_READ, MAP_SHARED | MAP_POPULATE,
			       w->fd, (off_t)(AZ_PAGE_SIZE + at));

		if (p == MAP_FAILED)
			return -errno;
		*(uint64_t *)table_add(&w->hash) = snap_hash(p, n);
		munmap(p, n);
	}
	return 0;
}

static char *tables_join(struct writer *w, struct snap_header *h)
{
	const struct table *order[] = { &w->range,  &w->run,   &w->object,
					&w->fds,    &w->watch, &w->hash,
					&w->strings };
	char *all, *p;

	h->count = (struct snap_counts){
		.ranges = (uint32_t)w->range.n,
		.runs = (uint32_t)w->run.n,
		.objects = (uint32_t)w->object.n,
		.fds = (uint32_t)w->fds.n,
		.watches = (uint32_t)w->watch.n,
		.hashes = (uint32_t)w->hash.n,
		.strings = (uint32_t)w->strings.n,
	};
	h->table_size = snap_table_size(&h->count);
	all = p = malloc(h->table_size);
	if (!all)
		return NULL;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		size_t n = order[i]->n * order[i]->size;

		if (n)
			memcpy(p, order[i]->data, n);
		p += n;
	}
	h->table_hash = snap_hash(all, h->table_size);
	return all;
}

static int finish(struct writer *w, const char *name)
{
	static struct snap_header h; /* all of it, padding too, is zero */
	char *tables;
	int err;

	h.magic = SNAP_MAGIC;
	h.version = SNAP_VERSION;
	h.size = sizeof(h);
	memcpy(h.image_id, azalea_image_id, sizeof(h.image_id));
	h.data_size = w->at - AZ_PAGE_SIZE;
	/* What follows the last run may be a hole: the file has it as well. */
	if (ftruncate(w->fd, (off_t)w->at))
		return -errno;
	err = data_hash(w, h.data_size);
	if (err)
		return err;
	snap_cpu_get(&h.cpu);
	process_fill(w, &h.process, name);
	(void)string_add(w, "");
	tables = tables_join(w, &h);
	if (!tables)
		return -ENOMEM;
	h.file_size = w->at + h.table_size;
	h.hash = snap_hash_header(&h);
	err = data_write(w, tables, h.table_size, w->at);
	if (!err)
		err = data_write(w, &h, sizeof(h), 0);
	w->at = h.file_size;
	return err;
}

static void memory_write(struct writer *w, const struct vma *v, size_t n,
			 bool shared)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (pagemap < 0) {
		must(w, -errno);
		return;
	}
	for (size_t i = 0; i < n && !w->err; i++)
		if (vma_is_shared(&v[i]) == shared)
			vma_write(w, &v[i], pagemap);
	close(pagemap);
}

_Noreturn void snapshot_write(int fd, int reply, int census_done,
			      uint64_t still_ns, const char *name)
{
	static struct writer w;
	struct vma *v = NULL;
	size_t n = 0;

	w = (struct writer){
		.fd = fd,
		.reply = reply,
		.census_done = census_done,
		.at = AZ_PAGE_SIZE,
		.range.size = sizeof(struct snap_range),
		.run.size = sizeof(struct snap_run),
		.object.size = sizeof(struct snap_object),
		.fds.size = sizeof(struct snap_fd),
		.watch.size = sizeof(struct snap_watch),
		.hash.size = sizeof(uint64_t),
		.strings.size = 1,
		.object_run.size = sizeof(struct snap_run),
		.hidden_lo = BOOT->fd_hidden_lo,
		.hidden_hi = BOOT->fd_hidden_hi,
	};
	(void)string_add(&w, ""); /* 0: nothing */
	must(&w, vmas_read("/proc/self/maps", &v, &n));
	census(&w);
	memory_write(&w, v, n, true);
	/* The instance goes on: it reads the end of the pipe. */
	close(census_done);
	still_ns = clock_mono_ns() - still_ns;
	free(v);
	v = NULL;
	n = 0;
	must(&w, vmas_read("/proc/self/smaps", &v, &n));
	if (!w.err)
		memory_write(&w, v, n, false);
	if (w.range.n)
		qsort(w.range.data, w.range.n, w.range.size, compare_ranges);
	if (w.run.n)
		qsort(w.run.data, w.run.n, w.run.size, compare_runs);
	for (size_t i = 0; i < w.object_run.n; i++)
		*(struct snap_run *)table_add(&w.run) =
		    ((struct snap_run *)w.object_run.data)[i];
	if (!w.err)
		must(&w, finish(&w, name));
	done(&w, w.err, still_ns);
}
