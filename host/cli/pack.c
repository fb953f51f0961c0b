/* SPDX-License-Identifier: MIT */
/*
 * pack.c - putting a single-file image together.
 *
 * Items are collected in any order, the last one of a path counts; then they
 * are sorted, placed, and written. The image is built under another name and
 * renamed, so nobody starts half of one.
 */
#include "cli/pack.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "instance/azi.h"
#include "layout.h"
#include "lib/error.h"

#define ALIGN_UP(x, a) (((x) + (a)-1) & ~((uint64_t)(a)-1))
#define DEPTH_MAX      64
#define COPY_SIZE      0x100000

extern const char azi_runtime[], azi_runtime_end[];

static uint64_t runtime_size(void)
{
	return (uint64_t)azi_runtime_end - (uint64_t)azi_runtime;
}

/* --- paths --- */

/* Append the components of path to the absolute path in out. */
static bool path_append(char out[PATH_MAX], const char *path)
{
	size_t len = strlen(out), n;

	for (; *(path += strspn(path, "/")); path += n) {
		n = strcspn(path, "/");
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (len && out[--len] != '/')
				;
		} else if (n != 1 || path[0] != '.') {
			if (len + n + 2 > PATH_MAX)
				return false;
			out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
		}
		out[len] = '\0';
	}
	return true;
}

char *pack_path(const char *path)
{
	char out[PATH_MAX] = "", cwd[PATH_MAX];

	if (*path != '/' &&
	    (!getcwd(cwd, sizeof(cwd)) || !path_append(out, cwd)))
		return NULL;
	if (!path_append(out, path))
		return NULL;
	return strdup(*out ? out : "/");
}

/* --- items --- */

static struct pack_item *item_add(struct pack *p, const char *path)
{
	struct pack_item *bigger;

	if (p->n == p->room) {
		p->room = p->room ? 2 * p->room : 64;
		bigger = reallocarray(p->item, p->room, sizeof(*bigger));
		if (!bigger)
			return NULL;
		p->item = bigger;
	}
	bigger = &p->item[p->n];
	memset(bigger, 0, sizeof(*bigger));
	bigger->path = strdup(path);
	if (!bigger->path)
		return NULL;
	bigger->seq = p->n++;
	return bigger;
}

/* Does what fd is open on begin like an ELF file? */
static bool looks_elf(int fd)
{
	char magic[SELFMAG];

	return pread(fd, magic, SELFMAG, 0) == SELFMAG &&
	       memcmp(magic, ELFMAG, SELFMAG) == 0;
}

int pack_file(struct pack *p, const char *path, const char *source)
{
	int fd = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct pack_item *it;
	struct stat st;
	int status = 0;

	if (fd < 0)
		return error_fail(EXIT_AZALEA, "%s: cannot read it: %s", source,
				  error_text(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		status = error_fail(EXIT_AZALEA, "%s: is not a file", source);
		goto out_close;
	}
	it = item_add(p, path);
	if (!it) {
		status = error_no_memory();
		goto out_close;
	}
	it->st = st;
	it->source = strdup(source);
	it->elf = looks_elf(fd);
	if (!it->source)
		status = error_no_memory();
out_close:
	close(fd);
	return status;
}

int pack_bytes(struct pack *p, const char *path, const void *bytes, size_t size)
{
	struct pack_item *it = item_add(p, path);

	if (!it)
		return error_no_memory();
	it->bytes = bytes;
	it->st.st_size = (off_t)size;
	it->st.st_mode = S_IFREG | 0755;
	it->elf = size >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0;
	return 0;
}

int pack_link(struct pack *p, const char *path, const char *target)
{
	struct pack_item *it = item_add(p, path);

	if (it)
		it->target = strdup(target);
	if (!it || !it->target)
		return error_no_memory();
	it->st.st_size = (off_t)strlen(target);
	it->st.st_mode = S_IFLNK | 0777;
	return 0;
}

static int add_directory(struct pack *p, const char *path,
			 const struct stat *st, bool implied)
{
	struct pack_item *it = item_add(p, path);

	if (!it)
		return error_no_memory();
	it->implied = implied;
	if (st)
		it->st = *st;
	else
		it->st.st_mode = S_IFDIR | 0755;
	it->st.st_size = 0;
	return 0;
}

/* --- trees --- */

static int tree_add(struct pack *p, const char *path, const char *source,
		    bool top, int depth);

static int tree_link(struct pack *p, const char *path, const char *source)
{
	char target[PATH_MAX];
	ssize_t n = readlink(source, target, sizeof(target) - 1);

	if (n <= 0)
		return error_fail(EXIT_AZALEA, "%s: cannot read the link: %s",
				  source, error_text(errno));
	target[n] = '\0';
	return pack_link(p, path, target);
}

static int tree_entry(struct pack *p, const char *path, const char *source,
		      const char *name, int depth)
{
	char below[PATH_MAX], from[PATH_MAX];
	int a = snprintf(below, sizeof(below), "%s/%s",
			 strcmp(path, "/") == 0 ? "" : path, name);
	int b = snprintf(from, sizeof(from), "%s/%s", source, name);

	if (a < 0 || a >= PATH_MAX || b < 0 || b >= PATH_MAX)
		return error_fail(EXIT_AZALEA, "%s/%s: its path is too long",
				  source, name);
	return tree_add(p, below, from, false, depth + 1);
}

static int tree_directory(struct pack *p, const char *path, const char *source,
			  const struct stat *st, int depth)
{
	DIR *dir = opendir(source);
	struct dirent *d;
	int status;

	if (!dir || depth == DEPTH_MAX) {
		status = error_fail(EXIT_AZALEA, "%s: cannot list it: %s",
				    source, error_text(dir ? ELOOP : errno));
		if (dir)
			closedir(dir);
		return status;
	}
	status = add_directory(p, path, st, false);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has dir */
	while (!status && (d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			status = tree_entry(p, path, source, d->d_name, depth);
	closedir(dir);
	return status;
}

static int tree_add(struct pack *p, const char *path, const char *source,
		    bool top, int depth)
{
	struct stat st;

	if ((top ? stat(source, &st) : lstat(source, &st)) < 0)
		return error_fail(EXIT_AZALEA, "%s: cannot look at it: %s",
				  source, error_text(errno));
	if (S_ISLNK(st.st_mode))
		return tree_link(p, path, source);
	if (S_ISDIR(st.st_mode))
		return tree_directory(p, path, source, &st, depth);
	if (S_ISREG(st.st_mode))
		return pack_file(p, path, source);
	if (top)
		return error_fail(EXIT_AZALEA,
				  "%s: is neither a file nor a directory",
				  source);
	error_say("%s: left out: is neither file, directory nor link", source);
	return 0;
}

int pack_tree(struct pack *p, const char *path, const char *source)
{
	return tree_add(p, path, source, true, 0);
}

/* --- order --- */

/* Of equal paths the one that counts comes first: the last, if not implied. */
static int compare_items(const void *a, const void *b)
{
	const struct pack_item *x = a, *y = b;
	int c = strcmp(x->path, y->path);

	if (!c)
		c = x->implied - y->implied;
	return c ? c : (x->seq < y->seq) - (x->seq > y->seq);
}

static void drop_duplicates(struct pack *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n; i++)
		if (!kept ||
		    strcmp(p->item[kept - 1].path, p->item[i].path) != 0)
			p->item[kept++] = p->item[i];
	p->n = kept;
}

/* The directories that lead to path, up to those that led to before. */
static int add_parents(struct pack *p, const char *path, const char *before)
{
	char parent[PATH_MAX];
	char *slash;
	int status = 0;

	(void)snprintf(parent, sizeof(parent), "%s", path);
	while (!status && (slash = strrchr(parent, '/')) && slash > parent) {
		slash[1] = '\0';
		if (strncmp(before, parent, strlen(parent)) == 0)
			break;
		*slash = '\0';
		status = add_directory(p, parent, NULL, true);
	}
	return status;
}

static int pack_sort(struct pack *p)
{
	const char *before = "";
	size_t n = p->n;
	int status = 0;

	for (size_t i = 0; i < n && !status; i++) {
		status = add_parents(p, p->item[i].path, before);
		before = p->item[i].path;
	}
	if (status)
		return status;
	qsort(p->item, p->n, sizeof(*p->item), compare_items);
	drop_duplicates(p);
	return 0;
}

/* --- placing --- */

/* By the file they are taken from; of those, the first one first. */
static int compare_sources(const void *a, const void *b)
{
	const struct pack_item *x = *(struct pack_item *const *)a;
	const struct pack_item *y = *(struct pack_item *const *)b;

	if (x->st.st_dev != y->st.st_dev)
		return x->st.st_dev < y->st.st_dev ? -1 : 1;
	if (x->st.st_ino != y->st.st_ino)
		return x->st.st_ino < y->st.st_ino ? -1 : 1;
	return (x > y) - (x < y);
}

static bool same_source(const struct pack_item *a, const struct pack_item *b)
{
	return a->st.st_ino == b->st.st_ino && a->st.st_dev == b->st.st_dev;
}

/* Let files of several names know the first of them. */
static int find_firsts(struct pack *p)
{
	struct pack_item **by = calloc(p->n + 1, sizeof(struct pack_item *));
	size_t i, n = 0;

	if (!by)
		return error_no_memory();
	for (i = 0; i < p->n; i++)
		if (p->item[i].source && S_ISREG(p->item[i].st.st_mode))
			by[n++] = &p->item[i];
	qsort(by, n, sizeof(struct pack_item *), compare_sources);
	for (i = 1; i < n; i++)
		if (same_source(by[i], by[i - 1]))
			by[i]->first =
			    by[i - 1]->first ? by[i - 1]->first : by[i - 1];
	free(by);
	return 0;
}

/* Files of several names are there once. Returns the end of the contents. */
static uint64_t pack_place(struct pack *p)
{
	uint64_t at = runtime_size();

	for (size_t i = 0; i < p->n; i++) {
		struct pack_item *it = &p->item[i];

		if (!S_ISREG(it->st.st_mode))
			continue;
		if (it->first) {
			it->offset = it->first->offset;
			continue;
		}
		at = ALIGN_UP(at, it->elf ? AZ_PAGE_SIZE : 16);
		it->offset = at;
		at += (uint64_t)it->st.st_size;
	}
	return ALIGN_UP(at, AZ_PAGE_SIZE);
}

/* --- the index --- */

struct index {
	struct az_bundle *b;
	uint32_t at; /* where the next string goes */
};

static uint32_t index_string(struct index *x, const char *s)
{
	uint32_t at = x->at;
	size_t n = strlen(s) + 1;

	memcpy((char *)x->b + at, s, n);
	x->at += (uint32_t)n;
	return at;
}

static uint64_t strings_size(char *const *v)
{
	uint64_t n = 0;

	for (; v && *v; v++)
		n += strlen(*v) + 1;
	return n;
}

static uint32_t index_strings(struct index *x, char *const *v, uint32_t *count)
{
	uint32_t at = x->at;

	for (*count = 0; v && *v; v++, ++*count)
		index_string(x, *v);
	return at;
}

static void index_entry(struct index *x, uint32_t i, const struct pack_item *it)
{
	struct az_bundle_entry *e = &x->b->entry[i];

	e->offset = it->offset;
	e->size = (uint64_t)it->st.st_size;
	e->mtime = it->st.st_mtime;
	e->mode = it->st.st_mode & (S_IFMT | 0777);
	e->flags = it->implied ? AZ_BUNDLE_IMPLIED : 0;
	e->path = index_string(x, it->path);
	if (it->target)
		e->target = index_string(x, it->target);
}

static uint64_t index_size(const struct pack *p)
{
	uint64_t n = sizeof(struct az_bundle) +
		     p->n * sizeof(struct az_bundle_entry) +
		     strings_size(p->args) + strings_size(p->envs);

	for (size_t i = 0; i < p->n; i++) {
		n += strlen(p->item[i].path) + 1;
		if (p->item[i].target)
			n += strlen(p->item[i].target) + 1;
	}
	return ALIGN_UP(n, 8);
}

static struct az_bundle *index_make(const struct pack *p, uint64_t size)
{
	struct index x = { .b = calloc(1, size) };

	if (!x.b)
		return NULL;
	x.b->magic = AZ_BUNDLE_MAGIC;
	x.b->version = AZ_BUNDLE_VERSION;
	x.b->flags = p->flags;
	x.b->size = (uint32_t)size;
	x.b->stubs = p->stubs;
	x.b->stubs_end = p->stubs_end;
	x.b->nentries = (uint32_t)p->n;
	x.at = (uint32_t)(sizeof(*x.b) + p->n * sizeof(x.b->entry[0]));
	x.b->args = index_strings(&x, p->args, &x.b->argc);
	x.b->envs = index_strings(&x, p->envs, &x.b->envc);
	for (uint32_t i = 0; i < p->n; i++) {
		index_entry(&x, i, &p->item[i]);
		if (strcmp(p->item[i].path, p->exe) == 0)
			x.b->exe = i;
	}
	return x.b;
}

/* --- writing --- */

static int write_at(int fd, const void *data, uint64_t size, uint64_t at)
{
	const char *p = data;

	while (size) {
		ssize_t n = pwrite(fd, p, size, (off_t)at);

		if (n < 0)
			return -errno;
		p += n;
		at += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

/* -ESTALE: the file has another size by now. */
static int copy_in(int to, const struct pack_item *it, char *buf)
{
	int from = open(it->source, O_RDONLY | O_CLOEXEC);
	uint64_t left = (uint64_t)it->st.st_size, at = it->offset;
	ssize_t n = 0;
	int err = 0;

	if (from < 0)
		return -errno;
	while (!err && (n = read(from, buf, COPY_SIZE)) > 0) {
		if ((uint64_t)n > left)
			break;
		err = write_at(to, buf, (uint64_t)n, at);
		at += (uint64_t)n;
		left -= (uint64_t)n;
	}
	if (!err && n < 0)
		err = -errno;
	close(from);
	return err ? err : left || n ? -ESTALE : 0;
}

static int write_contents(int fd, const struct pack *p)
{
	char *buf = malloc(COPY_SIZE);
	uint64_t done = 0;
	int err = buf ? 0 : -ENOMEM;

	for (size_t i = 0; i < p->n && !err; i++) {
		const struct pack_item *it = &p->item[i];

		/* Of files that stand there once for several names. */
		if (!S_ISREG(it->st.st_mode) || it->offset < done)
			continue;
		done = it->offset;
		if (it->bytes)
			err = write_at(fd, it->bytes, (uint64_t)it->st.st_size,
				       it->offset);
		else
			err = copy_in(fd, it, buf);
		if (err)
			error_say("%s: cannot put it into the image: %s",
				  it->source ? it->source : it->path,
				  err == -ESTALE ? "it changes meanwhile"
						 : error_text(err));
	}
	free(buf);
	return err;
}

/* Its size and checksum: the image is complete. */
static int write_trailer(int fd, uint64_t index, uint64_t size)
{
	uint64_t total = index + ALIGN_UP(size, 8) + sizeof(struct azi_trailer);
	struct azi_trailer *t;
	char *all;
	int err;

	if (ftruncate(fd, (off_t)total))
		return -errno;
	all = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (all == MAP_FAILED)
		return -errno;
	t = (void *)(all + total - sizeof(*t));
	t->magic = AZI_MAGIC;
	t->version = AZI_VERSION;
	t->size = total;
	t->index = index;
	t->index_size = size;
	t->hash = azi_hash(all, total - sizeof(t->hash));
	err = msync(all, total, MS_ASYNC) < 0 ? -errno : 0;
	munmap(all, total);
	return err;
}

static int write_image(int fd, struct pack *p)
{
	uint64_t index = pack_place(p), size = index_size(p);
	struct az_bundle *b;
	int err;

	if (size > UINT32_MAX || index + size > AZ_BUNDLE_SIZE / 2)
		return -EFBIG;
	b = index_make(p, size);
	if (!b)
		return -ENOMEM;
	err = write_at(fd, azi_runtime, runtime_size(), 0);
	if (!err)
		err = write_contents(fd, p);
	if (!err)
		err = write_at(fd, b, size, index);
	if (!err)
		err = write_trailer(fd, index, size);
	free(b);
	return err;
}

static int executable(int fd)
{
	mode_t mask = umask(0);

	(void)umask(mask);
	return fchmod(fd, 0777 & ~mask) < 0 ? -errno : 0;
}

int pack_write(struct pack *p, const char *out)
{
	char fresh[PATH_MAX];
	int n = snprintf(fresh, sizeof(fresh), "%s.XXXXXX", out);
	int status = pack_sort(p), fd, err;

	if (!status)
		status = find_firsts(p);
	if (status)
		return status;
	fd = n > 0 && n < PATH_MAX ? mkostemp(fresh, O_CLOEXEC) : -1;
	if (fd < 0)
		return error_fail(EXIT_AZALEA, "%s: cannot write it: %s", out,
				  error_text(errno));
	err = write_image(fd, p);
	if (!err)
		err = executable(fd);
	if (close(fd) < 0 && !err)
		err = -errno;
	if (!err && rename(fresh, out) < 0)
		err = -errno;
	if (!err)
		return 0;
	(void)unlink(fresh);
	return error_fail(EXIT_AZALEA, "%s: cannot make it: %s", out,
			  error_text(err));
}
