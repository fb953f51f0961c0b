/* SPDX-License-Identifier: MIT */
/*
 * mm_hurry.c - memory calls in quick succession, in a program that does not
 * catch faults: contents are what they should be at every step, what is new is
 * zero, and a child of a fork that touches what was unmapped dies.
 */
// run: 1
// run: 2
// variants: pie static musl
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tap.h"

#define PG    4096UL
#define SLOTS 64
#define STEPS 8000
#define ANON  (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW    (PROT_READ | PROT_WRITE)

struct piece {
	unsigned char *at;
	unsigned int pages;
	unsigned char value[600]; /* of each page; 0: not written */
};

static uint64_t seed;
static int bad;

static unsigned int rnd(unsigned int n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(seed >> 33) % n;
}

static unsigned int rnd_pages(void)
{
	return 1 + rnd(rnd(6) ? 20 : 300);
}

static void wrong(const char *what, int step)
{
	if (bad++ < 8)
		tap_line("# %s at step %d, errno %d", what, step, errno);
}

static void check(const struct piece *p, int step)
{
	for (unsigned int i = 0; i < p->pages; i++)
		if (p->at[i * PG] != p->value[i] ||
		    p->at[i * PG + PG - 1] != p->value[i])
			wrong("contents", step);
}

static void fill(struct piece *p)
{
	unsigned int n = rnd(2) ? p->pages : rnd(p->pages + 1);

	for (unsigned int i = 0; i < n; i++) {
		p->value[i] = (unsigned char)(1 + rnd(255));
		p->at[i * PG] = p->at[i * PG + PG - 1] = p->value[i];
	}
}

static void piece_map(struct piece *p, int step)
{
	p->pages = rnd_pages();
	p->at = mmap(NULL, p->pages * PG, RW, ANON, -1, 0);
	if (p->at == MAP_FAILED)
		wrong("mmap", step);
	memset(p->value, 0, sizeof(p->value));
	check(p, step);
	fill(p);
}

static void piece_unmap(struct piece *p, int step)
{
	if (munmap(p->at, p->pages * PG))
		wrong("munmap", step);
	p->at = NULL;
}

/* From the front, the back, or the middle, which leaves two: one goes. */
static void piece_trim(struct piece *p, int step)
{
	unsigned int n = rnd(p->pages), from = rnd(p->pages - n + 1);

	if (!n || n == p->pages)
		return;
	if (from && munmap(p->at, from * PG))
		wrong("munmap of a head", step);
	p->at += from * PG;
	memmove(p->value, p->value + from, n);
	if (p->pages - from > n &&
	    munmap(p->at + n * PG, (p->pages - from - n) * PG))
		wrong("munmap of a tail", step);
	memset(p->value + n, 0, sizeof(p->value) - n);
	p->pages = n;
}

static void piece_resize(struct piece *p, int step)
{
	unsigned int n = rnd_pages();
	unsigned char *to =
	    mremap(p->at, p->pages * PG, n * PG, MREMAP_MAYMOVE);

	if (to == MAP_FAILED) {
		wrong("mremap", step);
		return;
	}
	if (n < p->pages)
		memset(p->value + n, 0, p->pages - n);
	p->at = to;
	p->pages = n;
}

static void piece_drop(struct piece *p, int step)
{
	unsigned int n = 1 + rnd(p->pages);

	if (madvise(p->at, n * PG, MADV_DONTNEED))
		wrong("madvise", step);
	memset(p->value, 0, n);
}

/* Read-only and back; what was written stays. */
static void piece_protect(struct piece *p, int step)
{
	if (mprotect(p->at, PG, PROT_READ))
		wrong("mprotect to read", step);
	check(p, step);
	if (mprotect(p->at, PG, RW))
		wrong("mprotect to write", step);
	p->value[0] = (unsigned char)step;
	p->at[0] = p->at[PG - 1] = p->value[0];
}

static void check_pieces(void)
{
	static struct piece pieces[SLOTS];

	for (int i = 0; i < STEPS; i++) {
		struct piece *p = &pieces[rnd(SLOTS)];

		if (!p->at) {
			piece_map(p, i);
			continue;
		}
		check(p, i);
		switch (rnd(20)) {
		case 0 ... 8:
			piece_unmap(p, i);
			break;
		case 9 ... 11:
			piece_trim(p, i);
			break;
		case 12 ... 13:
			piece_resize(p, i);
			break;
		case 14 ... 15:
			piece_drop(p, i);
			break;
		case 16:
			if (rnd(20) == 0)
				piece_protect(p, i);
			break;
		default:
			fill(p);
		}
	}
	for (int i = 0; i < SLOTS; i++)
		if (pieces[i].at)
			piece_unmap(&pieces[i], STEPS);
	IS(bad, 0, "small mappings, thousands of steps");
}

/* Not the library's: musl's refuses. */
static int set_brk(const void *to)
{
	return (const void *)syscall(SYS_brk, to) == to ? 0 : -1;
}

/* --- the heap, an arena, a page to and fro --- */

static void check_heap(void)
{
	unsigned char *start = (unsigned char *)syscall(SYS_brk, NULL);
	unsigned int have = 0, sum = 0;
	static unsigned char value[1000];

	start = (unsigned char *)(((uintptr_t)start + PG - 1) & -PG);
	MUST(set_brk(start) == 0);
	for (int i = 0; i < 3000; i++) {
		unsigned int want = rnd(10) ? have + rnd(8) : rnd(1000);

		if (want > 900)
			want = rnd(100);
		MUST(set_brk(start + want * PG) == 0);
		for (; have < want; have++) {
			sum += start[have * PG] || start[have * PG + 4095];
			value[have] = (unsigned char)(1 + rnd(255));
			start[have * PG] = start[have * PG + 4095] =
			    value[have];
		}
		have = want;
		for (unsigned int k = 0; k < have; k += 17)
			sum += start[k * PG] != value[k];
	}
	IS(sum, 0, "a heap that grows and shrinks");
	MUST(set_brk(start + 10 * PG) == 0);
	/* Behind the heap is room for others, and what they had is not kept. */
	for (unsigned int i = 0; i < 100; i++) {
		unsigned char *at = mmap(start + 11 * PG, 8 * PG, RW,
					 ANON | MAP_FIXED_NOREPLACE, -1, 0);

		MUST(at == start + 11 * PG);
		sum += at[0];
		memset(at, 1, 8 * PG);
		sum += set_brk(start + 15 * PG) == 0;
		MUST(munmap(at, 8 * PG) == 0);
		MUST(set_brk(start + 30 * PG) == 0);
		sum += start[12 * PG];
		memset(start + 10 * PG, 2, 20 * PG);
		MUST(set_brk(start + 10 * PG) == 0);
	}
	IS(sum, 0, "and others behind it");
	MUST(set_brk(start) == 0);
}

static void check_arena(void)
{
	unsigned char *a =
	    mmap(NULL, 4096 * PG, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	unsigned int sum = 0, have = 0;

	MUST(a != MAP_FAILED);
	while (have < 4000) {
		unsigned int more = 1 + rnd(9);

		MUST(mprotect(a + have * PG, more * PG, RW) == 0);
		for (; more; more--, have++) {
			sum += a[have * PG];
			a[have * PG] = (unsigned char)have;
		}
		if (have > 500 && have % 500 < 5) {
			/* Give some back, as malloc's heaps do. */
			have -= 5;
			MUST(mmap(a + have * PG, 5 * PG, PROT_NONE,
				  ANON | MAP_NORESERVE | MAP_FIXED, -1,
				  0) == a + have * PG);
		}
	}
	for (unsigned int i = 0; i < have; i++)
		sum += a[i * PG] != (unsigned char)i;
	IS(sum, 0, "an arena that is opened step by step");
	MUST(munmap(a, 4096 * PG) == 0);
}

static void check_toggle(void)
{
	unsigned char *p = mmap(NULL, 8 * PG, RW, ANON, -1, 0);
	unsigned int sum = 0;

	MUST(p != MAP_FAILED);
	for (unsigned int i = 1; i < 500; i++) {
		p[2 * PG] = (unsigned char)i;
		MUST(mprotect(p + 2 * PG, PG, PROT_READ) == 0);
		sum += p[2 * PG] != (unsigned char)i;
		MUST(mprotect(p + 2 * PG, PG, RW) == 0);
	}
	IS(sum, 0, "a page that is read-only by turns");
	MUST(munmap(p, 8 * PG) == 0);
}

static unsigned char *hurry(unsigned int pages)
{
	unsigned char *p = NULL;

	for (int i = 0; i < 200; i++) {
		p = mmap(NULL, pages * PG, RW, ANON, -1, 0);
		MUST(p != MAP_FAILED);
		p[0] = 1;
		MUST(munmap(p, pages * PG) == 0);
	}
	return p;
}

/* --- several threads: what one maps, another unmaps --- */

#define LETTERS 64
#define ROUNDS  30

static unsigned char *letters[LETTERS];
static pthread_barrier_t turn;

static void *taker(void *arg)
{
	for (int n = 0; n < ROUNDS; n++) {
		pthread_barrier_wait(&turn);
		for (int k = 0; k < LETTERS; k++) {
			for (int i = 0; i < 8; i++)
				if (letters[k][i * PG] != 9)
					wrong("a letter", n);
			MUST(munmap(letters[k], 8 * PG) == 0);
		}
		pthread_barrier_wait(&turn);
	}
	return arg;
}

static void letter_write(int k)
{
	unsigned char *p = mmap(NULL, 8 * PG, RW, ANON, -1, 0);

	MUST(p != MAP_FAILED);
	for (int i = 0; i < 8; i++) {
		if (p[i * PG])
			wrong("a new letter", k);
		p[i * PG] = 9;
	}
	letters[k] = p;
}

static void check_threads(void)
{
	pthread_t t;

	MUST(pthread_barrier_init(&turn, NULL, 2) == 0);
	MUST(pthread_create(&t, NULL, taker, NULL) == 0);
	for (int n = 0; n < ROUNDS; n++) {
		for (int k = 0; k < LETTERS; k++)
			letter_write(k);
		pthread_barrier_wait(&turn);
		/* Meanwhile in the same slabs. */
		hurry(3);
		pthread_barrier_wait(&turn);
	}
	pthread_join(t, NULL);
	IS(bad, 0, "mapped by one thread, unmapped by another");
}

/* --- what is unmapped is gone, for a child and for Linux --- */

static int child_signal(unsigned char *p, int unmap)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (unmap)
			munmap(p, PG);
		*(volatile unsigned char *)p = 1;
		_exit(0);
	}
	MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void check_gone(void)
{
	unsigned char *q = mmap(NULL, PG, RW, ANON, -1, 0), *p = hurry(4);
	unsigned char in;

	ERR(write(1, p, 1), EFAULT, "Linux does not see what was unmapped");
	p = hurry(4);
	ERR(mincore(p, PG, &in), ENOMEM, "nor does mincore");
	p = hurry(4);
	ERR(mprotect(p, PG, PROT_READ), ENOMEM, "nor mprotect");
	p = hurry(4);
	ERR(madvise(p, PG, MADV_DONTNEED), ENOMEM, "nor madvise");
	p = hurry(4);
	IS(child_signal(p, 0), SIGSEGV, "nor a child");
	hurry(4);
	MUST(q != MAP_FAILED);
	IS(child_signal(q, 0), 0, "which has what was not unmapped");
	IS(child_signal(q, 1), SIGSEGV, "until it unmaps it");
}

int main(int argc, char **argv)
{
	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	check_pieces();
	check_heap();
	check_arena();
	check_toggle();
	check_threads();
	check_gone();
	return tap_done();
}
