/* SPDX-License-Identifier: MIT */
/*
 * procfs_maps.c - the program's mappings: maps, smaps, numa_maps.
 *
 * Which ranges there are, and how they are protected, is the unikernel's to
 * say; what file is behind one, and what is resident, is Linux's. Both are
 * read in order of address and merged. Neither stands still meanwhile: as on
 * Linux, a reader sees each mapping as it was at some moment.
 */
#include "layout.h"
#include "lib/errno.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sys/procfs.h"

#define NAME_COLUMN 73 /* fs/proc/task_mmu.c:show_vma_header_prefix */
#define ROLLUP_KEYS 24

/* One line of the host's maps. */
struct host_map {
	uint64_t start, end, offset;
	const char *dev; /* "fe:00 1234": device and inode */
	size_t dev_len;
	const char *name;
	size_t name_len;
};

/* What is printed next; held back because the next part may extend it. */
struct part {
	uint64_t start, end, offset;
	uint32_t flags;
	bool backed; /* offset counts */
	const char *dev, *name;
	size_t dev_len, name_len;
};

static const char *skip_blanks(const char *s, const char *end)
{
	while (s < end && *s == ' ')
		s++;
	return s;
}

static const char *skip_word(const char *s, const char *end)
{
	while (s < end && *s != ' ')
		s++;
	return s;
}

/* "start-end perms offset dev inode   name" */
static bool host_map_parse(struct host_map *m, const char *line, size_t len)
{
	const char *end = line + len;
	const char *s = line;

	m->start = text_hex(&s);
	if (s == line || *s != '-')
		return false;
	s++;
	m->end = text_hex(&s);
	s = skip_blanks(skip_word(skip_blanks(s, end), end), end);
	m->offset = text_hex(&s);
	m->dev = skip_blanks(s, end);
	s = skip_word(m->dev, end);
	s = skip_word(skip_blanks(s, end), end);
	m->dev_len = (size_t)(s - m->dev);
	m->name = skip_blanks(s, end);
	m->name_len = (size_t)(end - m->name);
	return true;
}

/* The next mapping of the host that ends above addr. */
static bool host_map_next(struct host_map *m, const char **p, uint64_t addr)
{
	const char *line;
	size_t len;

	for (;;) {
		if (m->end > addr)
			return true;
		line = text_line(p, &len);
		if (!line)
			return false;
		if (!host_map_parse(m, line, len))
			m->end = 0;
	}
}

static const char *special_name(uint32_t flags)
{
	if (flags & VMA_HEAP)
		return "[heap]";
	if (flags & VMA_MAIN_STACK)
		return "[stack]";
	if (flags & VMA_VDSO)
		return "[vdso]";
	if (flags & VMA_VVAR)
		return "[vvar]";
	return "";
}

static void part_print(struct text *t, const struct part *p)
{
	size_t begin = t->len;

	if (p->start == p->end)
		return;
	text_printf(t, "%08lx-%08lx %c%c%c%c %08lx %.*s ", p->start, p->end,
		    p->flags & VMA_READ ? 'r' : '-',
		    p->flags & VMA_WRITE ? 'w' : '-',
		    p->flags & VMA_EXEC ? 'x' : '-',
		    p->flags & VMA_SHARED ? 's' : 'p', p->offset,
		    (int)p->dev_len, p->dev);
	if (p->name_len) {
		while (!t->failed && t->len - begin < NAME_COLUMN)
			text_puts(t, " ");
		text_append(t, p->name, p->name_len);
	}
	text_puts(t, "\n");
}

static bool part_continues(const struct part *a, const struct part *b)
{
	const uint32_t shown = VMA_READ | VMA_WRITE | VMA_EXEC | VMA_SHARED;

	return a->end == b->start && !((a->flags ^ b->flags) & shown) &&
	       a->backed == b->backed && a->dev_len == b->dev_len &&
	       a->name_len == b->name_len &&
	       memcmp(a->dev, b->dev, a->dev_len) == 0 &&
	       memcmp(a->name, b->name, a->name_len) == 0 &&
	       (!a->backed || a->offset + (a->end - a->start) == b->offset);
}

static void part_add(struct text *t, struct part *last, const struct part *p)
{
	if (p->start == p->end)
		return;
	if (last->end > last->start && part_continues(last, p)) {
		last->end = p->end;
		return;
	}
	part_print(t, last);
	*last = *p;
}

static void part_anonymous(struct part *p, const struct vma_info *vma)
{
	p->flags = vma->flags;
	p->backed = false;
	p->offset = 0;
	p->dev = "00:00 0";
	p->dev_len = 7;
	p->name = special_name(vma->flags);
	p->name_len = strlen(p->name);
}

/* A vma with something behind it, in the parts that the host has it in. */
static void add_backed(struct text *t, struct part *last,
		       const struct vma_info *vma, struct host_map *m,
		       const char **host)
{
	struct part p;
	uint64_t at = vma->start;

	while (at < vma->end) {
		part_anonymous(&p, vma);
		p.start = at;
		p.end = vma->end;
		if (host_map_next(m, host, at) && m->start < vma->end) {
			if (m->start > at) {
				p.end = m->start;
			} else {
				p.end = MIN(vma->end, m->end);
				p.backed = true;
				p.offset = m->offset + (at - m->start);
				p.dev = m->dev;
				p.dev_len = m->dev_len;
				p.name = m->name;
				p.name_len = m->name_len;
			}
		}
		part_add(t, last, &p);
		at = p.end;
	}
}

int make_maps(struct text *t, const struct vpath *v)
{
	struct text host = TEXT_EMPTY;
	struct part last = { 0 };
	struct host_map m = { 0 };
	struct vma_info vma;
	const char *s;
	int err = text_read_host(&host, v->host);

	if (err)
		return err;
	s = host.buf;
	for (uint64_t at = 0; !t->failed && mm_find(at, &vma); at = vma.end) {
		if (vma.flags & (VMA_FILE | VMA_SHARED)) {
			add_backed(t, &last, &vma, &m, &s);
		} else {
			struct part p;

			part_anonymous(&p, &vma);
			p.start = vma.start;
			p.end = vma.end;
			part_add(t, &last, &p);
		}
	}
	part_print(t, &last);
	text_free(&host);
	return 0;
}

/* --- what the host says in blocks or lines, of the program's ranges --- */

/* Is the host's mapping at addr, or a part of it, the program's? */
static bool is_programs(uint64_t start, uint64_t end, struct vma_info *vma)
{
	return start < AZ_GUEST_END && mm_find(start, vma) && vma->start < end;
}

static bool is_header(const char *line)
{
	const char *s = line;

	text_hex(&s);
	return s > line && *s == '-';
}

/* The header of a block, with the names that only the unikernel knows. */
static void smaps_header(struct text *t, const char *line, size_t len,
			 const struct host_map *m, const struct vma_info *vma)
{
	const char *name = special_name(vma->flags);
	size_t begin = t->len;

	if (m->name_len || !*name) {
		text_append(t, line, len + 1);
		return;
	}
	text_append(t, line, len);
	while (!t->failed && t->len - begin < NAME_COLUMN)
		text_puts(t, " ");
	text_printf(t, "%s\n", name);
}

int make_smaps(struct text *t, const struct vpath *v)
{
	struct text host = TEXT_EMPTY;
	bool ours = false;
	const char *s, *line;
	size_t len;
	int err = text_read_host(&host, v->host);

	s = err ? NULL : host.buf;
	while ((line = text_line(&s, &len))) {
		struct host_map m;
		struct vma_info vma;

		if (!is_header(line)) {
			if (ours)
				text_append(t, line, len + 1);
			continue;
		}
		ours = host_map_parse(&m, line, len) &&
		       is_programs(m.start, m.end, &vma);
		if (ours)
			smaps_header(t, line, len, &m, &vma);
	}
	text_free(&host);
	return err;
}

struct rollup {
	const char *key[ROLLUP_KEYS];
	size_t key_len[ROLLUP_KEYS];
	uint64_t sum[ROLLUP_KEYS];
	uint32_t n;
};

static void rollup_add(struct rollup *r, const char *line, size_t len)
{
	const char *colon = strchr(line, ':');
	size_t n = colon ? (size_t)(colon - line) : len;
	uint32_t i;

	if (n >= len || strncmp(line + len - 3, " kB", 3) != 0 ||
	    strstr(line, "Size:") == line ||
	    strstr(line, "KernelPage") == line ||
	    strstr(line, "MMUPage") == line)
		return;
	for (i = 0; i < r->n; i++)
		if (r->key_len[i] == n && memcmp(r->key[i], line, n) == 0)
			break;
	if (i == ROLLUP_KEYS)
		return;
	if (i == r->n) {
		r->key[i] = line;
		r->key_len[i] = n;
		r->n++;
	}
	line = skip_blanks(colon + 1, line + len);
	r->sum[i] += text_number(&line);
}

int make_smaps_rollup(struct text *t, const struct vpath *v)
{
	static const char smaps[] = "/proc/self/smaps";
	struct vpath blocks = { .host = smaps };
	struct text all = TEXT_EMPTY;
	struct rollup r = { 0 };
	struct host_map m;
	uint64_t start = 0, end = 0;
	size_t len, begin = t->len;
	const char *s, *line;
	int err = make_smaps(&all, &blocks);

	(void)v;
	s = err ? NULL : all.buf;
	while ((line = text_line(&s, &len))) {
		if (!is_header(line)) {
			rollup_add(&r, line, len);
		} else if (host_map_parse(&m, line, len)) {
			start = end ? start : m.start;
			end = m.end;
		}
	}
	text_printf(t, "%08lx-%08lx ---p 00000000 00:00 0 ", start, end);
	while (!t->failed && t->len - begin < NAME_COLUMN)
		text_puts(t, " ");
	text_puts(t, "[rollup]\n");
	for (uint32_t i = 0; i < r.n; i++)
		text_printf(t, "%.*s:%*lu kB\n", (int)r.key_len[i], r.key[i],
			    23 - (int)r.key_len[i], r.sum[i]);
	text_free(&all);
	return err;
}

int make_numa_maps(struct text *t, const struct vpath *v)
{
	struct text host = TEXT_EMPTY;
	const char *s, *line;
	size_t len;
	int err = text_read_host(&host, v->host);

	s = err ? NULL : host.buf;
	while ((line = text_line(&s, &len))) {
		const char *p = line;
		struct vma_info vma;
		uint64_t start = text_hex(&p);

		if (is_programs(start, start + 1, &vma))
			text_append(t, line, len + 1);
	}
	text_free(&host);
	return err;
}
