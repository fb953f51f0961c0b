/* SPDX-License-Identifier: MIT */
/*
 * vmas_test.c - host/plat/vmas: the mappings of this process, in both ways that
 * there are to ask for them.
 */
/* cflags: -idirafter kernel */
#include <stdio.h>
#include <stdlib.h>

#include "../../host/plat/vmas.c"

#define MANY 300
#define PAGE 4096UL

static int ntests, nfailed;

static void ok(bool pass, const char *what)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, what);
}

static void check_lines(void)
{
	static const char *const bad[] = {
		"",
		"-",
		"1000",
		"1000-",
		"1000 2000 r-xp",
		"1000-2000",
		"1000-2000 r-x",
		"2000-1000 r-xp 0 00:00 0",
		"1000-1000 r-xp 0 00:00 0",
		"xyz-2000 r-xp 0 00:00 0",
	};
	struct vma v;
	bool refused = true;

	ok(vmas_line("7f00dead0000-7f00deadf000 r-xp 00000000 08:01 7  /a b",
		     &v) == 0 &&
	       v.start == 0x7f00dead0000 && v.end == 0x7f00deadf000 &&
	       v.prot == (PROT_READ | PROT_EXEC),
	   "a line");
	ok(vmas_line("0-1000 ---s 0 00:00 0", &v) == 0 && v.prot == 0 &&
	       v.start == 0,
	   "a line without rights");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused = refused && vmas_line(bad[i], &v) == -EINVAL;
	ok(refused, "what is no line");
}

struct list {
	struct vma vma[4 * MANY];
	size_t n;
	size_t stop_at; /* or 0 */
};

static int collect(const struct vma *vma, void *arg)
{
	struct list *l = arg;

	if (l->n < 4 * MANY)
		l->vma[l->n++] = *vma;
	return l->n == l->stop_at ? 77 : 0;
}

/* The same protection is one mapping to one way, and may be two to the other */
static bool same(const struct list *a, const struct list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->vma[i].start != b->vma[i].start ||
		    a->vma[i].end != b->vma[i].end ||
		    a->vma[i].prot != b->vma[i].prot)
			return false;
	return true;
}

/* MANY mappings of one page, of three kinds in turn. */
static uint64_t make_mappings(void)
{
	static const int prot[3] = { PROT_READ, PROT_READ | PROT_WRITE,
				     PROT_NONE };
	char *p = mmap(NULL, MANY * PAGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	for (size_t i = 0; i < MANY; i++)
		mprotect(p + i * PAGE, PAGE, prot[i % 3]);
	return (uint64_t)p;
}

static void check_walk(int fd, bool text, uint64_t at)
{
	static struct list whole, part, none;
	bool right = true;

	no_query = text;
	whole.n = part.n = none.n = 0;
	ok(vmas_walk(fd, at, at + MANY * PAGE, collect, &whole) == 0,
	   text ? "by the text" : "by the query, if Linux has it");
	for (size_t i = 0; i < whole.n && i < MANY; i++)
		right = right && whole.vma[i].start <= at + i * PAGE &&
			whole.vma[i].end >= at + (i + 1) * PAGE &&
			whole.vma[i].prot == (i % 3 == 0   ? PROT_READ
					      : i % 3 == 1 ? 3U
							   : 0U);
	ok(right && whole.n == MANY, "each mapping, in order");
	ok(vmas_walk(fd, at + 10 * PAGE + 5, at + 12 * PAGE, collect, &part) ==
		   0 &&
	       part.n == 2 && part.vma[0].start == at + 10 * PAGE,
	   "a part of them");
	ok(vmas_walk(fd, 0, PAGE, collect, &none) == 0 && none.n == 0,
	   "where there are none");
	whole.n = 0;
	whole.stop_at = 3;
	ok(vmas_walk(fd, at, at + MANY * PAGE, collect, &whole) == 77 &&
	       whole.n == 3,
	   "until told to stop");
	whole.stop_at = 0;
}

int main(void)
{
	static struct list query, text;
	int fd = vmas_open();
	uint64_t at;

	ok(fd >= 0, "open");
	check_lines();
	at = make_mappings();
	check_walk(fd, false, at);
	check_walk(fd, true, at);
	no_query = false;
	vmas_walk(fd, 0, 1ULL << 47, collect, &query);
	no_query = true;
	vmas_walk(fd, 0, 1ULL << 47, collect, &text);
	ok(same(&query, &text) && query.n > MANY, "both ways tell the same");
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
