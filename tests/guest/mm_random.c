/* SPDX-License-Identifier: MIT */
/*
 * mm_random.c - random mmap, munmap, mprotect, mremap and madvise in a field
 * of pages, compared with a model after every few steps: contents by value,
 * protection by trying.
 */
// run: 1
// run: 2
// run: 3
// variants: pie static
#include <stdbool.h>
#include <sys/mman.h>

#include "fault.h"

#define PG    4096UL
#define N     96
#define STEPS 3000
#define ANON  (MAP_PRIVATE | MAP_ANONYMOUS)

/* What the page at field + i * PG should be. */
struct page {
	bool mapped;
	int prot;
	unsigned int value;
};

static struct page model[N];
static char *field;
static uint64_t seed;
static int bad;

static unsigned int rnd(unsigned int n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(seed >> 33) % n;
}

static int rnd_prot(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ,
				     PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE };

	return prots[rnd(4)];
}

static bool all_mapped(unsigned int at, unsigned int n)
{
	for (unsigned int i = at; i < at + n; i++)
		if (!model[i].mapped)
			return false;
	return true;
}

static void expect(bool good, const char *what, unsigned int at, unsigned int n)
{
	if (good || bad++ > 8)
		return;
	tap_line("# %s of pages %u+%u: errno %d", what, at, n, errno);
}

static void step_map(unsigned int at, unsigned int n)
{
	int prot = rnd_prot();
	char *p = mmap(field + at * PG, n * PG, prot, ANON | MAP_FIXED, -1, 0);

	expect(p == field + at * PG, "mmap", at, n);
	for (unsigned int i = at; i < at + n; i++)
		model[i] = (struct page){ true, prot, 0 };
}

static void step_noreplace(unsigned int at, unsigned int n)
{
	char *p = mmap(field + at * PG, n * PG, PROT_READ | PROT_WRITE,
		       ANON | MAP_FIXED_NOREPLACE, -1, 0);
	bool free = true;

	for (unsigned int i = at; i < at + n; i++)
		free = free && !model[i].mapped;
	if (!free) {
		expect(p == MAP_FAILED && errno == EEXIST, "noreplace", at, n);
		return;
	}
	expect(p == field + at * PG, "noreplace", at, n);
	for (unsigned int i = at; i < at + n; i++)
		model[i] = (struct page){ true, PROT_READ | PROT_WRITE, 0 };
}

static void step_unmap(unsigned int at, unsigned int n)
{
	expect(munmap(field + at * PG, n * PG) == 0, "munmap", at, n);
	for (unsigned int i = at; i < at + n; i++)
		model[i].mapped = false;
}

static void step_protect(unsigned int at, unsigned int n)
{
	int prot = rnd_prot(), r = mprotect(field + at * PG, n * PG, prot);

	if (all_mapped(at, n))
		expect(r == 0, "mprotect", at, n);
	else
		expect(r == -1 && errno == ENOMEM, "mprotect hole", at, n);
	/* Linux goes on to the first hole. */
	for (unsigned int i = at; i < at + n && model[i].mapped; i++)
		model[i].prot = prot;
}

static void step_dontneed(unsigned int at, unsigned int n)
{
	int r = madvise(field + at * PG, n * PG, MADV_DONTNEED);

	if (all_mapped(at, n))
		expect(r == 0, "dontneed", at, n);
	else
		expect(r == -1 && errno == ENOMEM, "dontneed hole", at, n);
	for (unsigned int i = at; i < at + n; i++)
		model[i].value = 0;
}

static void step_write(unsigned int at, unsigned int n)
{
	for (unsigned int i = at; i < at + n; i++) {
		if (!model[i].mapped || !(model[i].prot & PROT_WRITE))
			continue;
		model[i].value = rnd(1U << 30);
		*(volatile unsigned int *)(field + i * PG) = model[i].value;
		*(volatile unsigned int *)(field + i * PG + PG - 4) =
		    model[i].value;
	}
}

/* Move a stretch of like pages somewhere else with MREMAP_FIXED. */
static void step_move(unsigned int at, unsigned int n)
{
	unsigned int to = rnd(N - n + 1);
	struct page was[N];
	unsigned char in;
	int why;
	char *p;

	if (!all_mapped(at, n) || (to < at + n && at < to + n))
		return;
	for (unsigned int i = at + 1; i < at + n; i++)
		if (model[i].prot != model[at].prot)
			return;
	p = mremap(field + at * PG, n * PG, n * PG,
		   MREMAP_MAYMOVE | MREMAP_FIXED, field + to * PG);
	/*
	 * Pages of one protection may still lie in several mappings, which
	 * Linux moves since 6.17 only. Before: EFAULT, and whether the target
	 * was emptied first depends on the version.
	 */
	why = errno;
	memcpy(was, model, sizeof(was));
	for (unsigned int i = 0; i < n; i++)
		if (p != MAP_FAILED || mincore(field + (to + i) * PG, PG, &in))
			model[to + i].mapped = false;
	if (p == MAP_FAILED && why == EFAULT)
		return;
	expect(p == field + to * PG, "mremap", at, n);
	for (unsigned int i = 0; i < n; i++) {
		model[to + i] = was[at + i];
		model[at + i].mapped = false;
	}
}

static void check_all(int step)
{
	for (unsigned int i = 0; i < N; i++) {
		char *p = field + i * PG;
		int sig = fault_read(p), code = fault_last.code;
		bool readable = model[i].mapped && model[i].prot;
		int want = model[i].mapped ? SEGV_ACCERR : SEGV_MAPERR;

		if (readable != (sig == 0) || (sig && code != want)) {
			expect(false, "reading", i, 1);
			continue;
		}
		if (!readable)
			continue;
		if (*(unsigned int *)p != model[i].value ||
		    *(unsigned int *)(p + PG - 4) != model[i].value)
			expect(false, "contents", i, 1);
	}
	if (bad)
		tap_line("# at step %d", step);
}

int main(int argc, char **argv)
{
	static void (*const steps[])(unsigned int, unsigned int) = {
		step_map,   step_unmap, step_protect,   step_dontneed,
		step_write, step_write, step_noreplace, step_move
	};

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	fault_init();
	field = mmap(NULL, N * PG, PROT_NONE, ANON, -1, 0);
	MUST(field != MAP_FAILED && munmap(field, N * PG) == 0);
	for (int i = 0; i < STEPS && !bad; i++) {
		unsigned int n = 1 + rnd(rnd(4) ? 6 : 40);

		steps[rnd(sizeof(steps) / sizeof(steps[0]))](rnd(N - n + 1), n);
		if (i % 7 == 0)
			check_all(i);
	}
	IS(bad, 0, "three thousand steps agree with the model");
	return tap_done();
}
