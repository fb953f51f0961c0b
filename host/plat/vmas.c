/* SPDX-License-Identifier: MIT */
/*
 * vmas.c - this process's mappings, asked for by address.
 *
 * No state, but whether Linux knows PROCMAP_QUERY.
 */
#include "plat/vmas.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* include/uapi/linux/fs.h of Linux 6.11 */
struct procmap_query {
	uint64_t size, query_flags, query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset;
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	uint32_t vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};
#define PROCMAP_QUERY         _IOWR('f', 17, struct procmap_query)
#define PROCMAP_READABLE      1U
#define PROCMAP_WRITABLE      2U
#define PROCMAP_EXECUTABLE    4U
#define PROCMAP_COVER_OR_NEXT 16U

static bool no_query;

int vmas_open(void)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static uint32_t prot_of(uint64_t flags)
{
	return (flags & PROCMAP_READABLE ? PROT_READ : 0) |
	       (flags & PROCMAP_WRITABLE ? PROT_WRITE : 0) |
	       (flags & PROCMAP_EXECUTABLE ? PROT_EXEC : 0);
}

/* -ENOTTY: Linux does not know the question. */
static int walk_query(int fd, uint64_t from, uint64_t to,
		      int (*each)(const struct vma *, void *), void *arg)
{
	struct procmap_query q = { .size = sizeof(q),
				   .query_flags = PROCMAP_COVER_OR_NEXT };
	int r = 0;

	for (q.query_addr = from; !r && q.query_addr < to;
	     q.query_addr = q.vma_end) {
		struct vma vma;

		if (ioctl(fd, PROCMAP_QUERY, &q))
			return errno == ENOENT ? 0 : -errno;
		if (q.vma_start >= to)
			break;
		vma.start = q.vma_start;
		vma.end = q.vma_end;
		vma.prot = prot_of(q.vma_flags);
		r = each(&vma, arg);
		/* What comes next does not depend on this answer. */
		q.vma_name_size = q.build_id_size = 0;
	}
	return r;
}

/* "START-END rwxp ..." */
int vmas_line(const char *line, struct vma *vma)
{
	char *end;

	vma->start = strtoull(line, &end, 16);
	if (end == line || *end != '-')
		return -EINVAL;
	line = end + 1;
	vma->end = strtoull(line, &end, 16);
	if (end == line || *end != ' ' || strnlen(end, 5) < 5 ||
	    vma->end <= vma->start)
		return -EINVAL;
	vma->prot = (end[1] == 'r' ? PROT_READ : 0) |
		    (end[2] == 'w' ? PROT_WRITE : 0) |
		    (end[3] == 'x' ? PROT_EXEC : 0);
	return 0;
}

struct walk {
	uint64_t from, to;
	int (*each)(const struct vma *, void *);
	void *arg;
	bool over;
};

/* The whole lines in buf; *keep: bytes at its end that belong to the next. */
static int lines(struct walk *w, char *buf, size_t n, size_t *keep)
{
	char *line = buf, *end;
	int r = 0;

	while (!r && (end = memchr(line, '\n', n - (size_t)(line - buf)))) {
		struct vma vma;

		*end = '\0';
		if (vmas_line(line, &vma) == 0) {
			w->over = vma.start >= w->to;
			if (w->over)
				return 0;
			if (vma.end > w->from)
				r = w->each(&vma, w->arg);
		}
		line = end + 1;
	}
	*keep = n - (size_t)(line - buf);
	memmove(buf, line, *keep);
	return r;
}

static int walk_text(int fd, struct walk *w)
{
	/* A line has a path of PATH_MAX bytes at most, escaped. */
	char buf[0x8000];
	size_t kept = 0;
	int r = 0;

	if (lseek(fd, 0, SEEK_SET))
		return -errno;
	while (!r && !w->over) {
		ssize_t n = read(fd, buf + kept, sizeof(buf) - kept);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = lines(w, buf, kept + (size_t)n, &kept);
	}
	return r;
}

int vmas_walk(int fd, uint64_t from, uint64_t to,
	      int (*each)(const struct vma *vma, void *arg), void *arg)
{
	struct walk w = { .from = from, .to = to, .each = each, .arg = arg };

	if (!__atomic_load_n(&no_query, __ATOMIC_RELAXED)) {
		int r = walk_query(fd, from, to, each, arg);

		if (r != -ENOTTY)
			return r;
		__atomic_store_n(&no_query, true, __ATOMIC_RELAXED);
	}
	return walk_text(fd, &w);
}
