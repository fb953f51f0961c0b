/* SPDX-License-Identifier: MIT */
/* kalloc_test.c - kernel/mm/kalloc.c at its own address. */
/* links: kernel/mm/kalloc.c */
/* cflags: -DAZ_KERNEL -pthread */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core.h"
#include "layout.h"
#include "lib/spin.h"
#include "mm/mm.h"
#include "sys/sys.h"

#define NBLOCKS 600
#define ROUNDS  40000

static int ntests, nfailed;
static long given_back; /* bytes that went to the host */
static bool expect_panic;
static jmp_buf panicked;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

_Noreturn void panic(const char *fmt, ...)
{
	va_list ap;

	if (expect_panic)
		longjmp(panicked, 1);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	abort();
}

void spin_wait(struct spinlock *l)
{
	while (!spin_trylock(l))
		sched_yield();
}

long host_call(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
	       uint64_t a4, uint64_t a5)
{
	long r = syscall(nr, a0, a1, a2, a3, a4, a5);

	__atomic_fetch_add(&given_back, (long)a1, __ATOMIC_RELAXED);
	return r < 0 ? -errno : r;
}

/* Pages of the heap that have memory, among the first n. */
static long resident(size_t n)
{
	static unsigned char vec[1 << 18];
	long sum = 0;

	if (n > sizeof(vec) ||
	    mincore((void *)AZ_HEAP_BASE, n * AZ_PAGE_SIZE, vec))
		return -1;
	for (size_t i = 0; i < n; i++)
		sum += vec[i] & 1;
	return sum;
}

static bool all_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static void test_few_pages(void)
{
	void *p = kalloc(100);
	void *q = kalloc_pages(0x8000);

	ok(p && q && resident(1 << 18) <= 4,
	   "the first allocations touch next to nothing");
	kfree(p);
	kfree_pages(q, 0x8000);
}

static void test_sizes(void)
{
	bool fit = true, zero = true, aligned = true;

	for (size_t size = 0; size <= 5000; size += size < 300 ? 1 : 37) {
		unsigned char *a = kalloc(size), *b = kalloc(size);

		if (!a || !b) {
			fit = false;
			break;
		}
		aligned &= !((uint64_t)a % 16) && !((uint64_t)b % 16);
		zero &= all_zero(a, size) && all_zero(b, size);
		memset(a, 0xaa, size);
		memset(b, 0xbb, size);
		for (size_t i = 0; i < size; i++)
			fit &= a[i] == 0xaa && b[i] == 0xbb;
		kfree(a);
		kfree(b);
	}
	ok(fit, "blocks of every size do not overlap");
	ok(zero, "and are zero, also when used before");
	ok(aligned, "and are 16-aligned");
}

struct block {
	unsigned char *p;
	size_t size;
	unsigned char fill;
	bool pages;
};

static void block_free(struct block *b, bool *whole)
{
	for (size_t i = 0; i < b->size; i++)
		if (b->p[i] != b->fill)
			*whole = false;
	if (b->pages)
		kfree_pages(b->p, b->size);
	else
		kfree(b->p);
	b->p = NULL;
}

static void block_alloc(struct block *b, unsigned int *seed, bool *zero)
{
	static const size_t limits[] = { 64, 300, 2500, 40000, 300000 };
	size_t limit = limits[(size_t)rand_r(seed) % ARRAY_SIZE(limits)];

	b->size = 1 + (size_t)rand_r(seed) % limit;
	b->pages = rand_r(seed) % 4 == 0;
	b->fill = (unsigned char)rand_r(seed);
	b->p = b->pages ? kalloc_pages(b->size) : kalloc(b->size);
	if (!b->p || (b->pages && (uint64_t)b->p % AZ_PAGE_SIZE) ||
	    !all_zero(b->p, b->size))
		*zero = false;
	if (b->p)
		memset(b->p, b->fill, b->size);
}

struct random_run {
	unsigned int seed;
	int blocks, rounds;
	bool zero, whole;
};

static void *run_random(void *arg)
{
	struct random_run *r = arg;
	struct block *blocks = calloc((size_t)r->blocks, sizeof(*blocks));

	r->zero = r->whole = true;
	for (int i = 0; i < r->rounds; i++) {
		struct block *b = &blocks[rand_r(&r->seed) % r->blocks];

		if (b->p)
			block_free(b, &r->whole);
		else
			block_alloc(b, &r->seed, &r->zero);
	}
	for (int i = 0; i < r->blocks; i++)
		if (blocks[i].p)
			block_free(&blocks[i], &r->whole);
	free(blocks);
	return NULL;
}

static void test_random(void)
{
	struct random_run r = { .seed = 1,
				.blocks = NBLOCKS,
				.rounds = ROUNDS / 10 };

	run_random(&r);
	ok(r.zero, "random use: what is handed out is zero and aligned");
	ok(r.whole, "random use: nobody else writes into a block");
}

static void test_threads(void)
{
	struct random_run r[3];
	pthread_t t[3];
	bool good = true;

	for (int i = 0; i < 3; i++) {
		r[i] = (struct random_run){ .seed = (unsigned int)i + 7,
					    .blocks = 60,
					    .rounds = ROUNDS / 20 };
		pthread_create(&t[i], NULL, run_random, &r[i]);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		good &= r[i].zero && r[i].whole;
	}
	ok(good, "three threads at once do not meet");
}

static void test_give_back(void)
{
	size_t size = 8 << 20;
	unsigned char *p = kalloc_pages(size);
	long before;

	memset(p, 1, size);
	before = given_back;
	kfree_pages(p, size);
	ok(given_back - before == (long)size,
	   "a large run goes back to the host when freed");
	ok(kalloc_pages(size) == p && all_zero(p, size),
	   "its address is used again, and it is zero");
	kfree_pages(p, size);
}

static bool panics(void (*fn)(void *), void *p)
{
	expect_panic = true;
	if (setjmp(panicked)) {
		expect_panic = false;
		return true;
	}
	fn(p);
	expect_panic = false;
	return false;
}

static void free_pages_wrong(void *p)
{
	kfree_pages(p, 3 * AZ_PAGE_SIZE);
}

static void test_misuse(void)
{
	void *p = kalloc_pages(AZ_PAGE_SIZE);
	int local;

	kfree(NULL);
	kfree_pages(NULL, 4096);
	ok(panics(free_pages_wrong, p), "freeing with another size is caught");
	kfree_pages(p, AZ_PAGE_SIZE);
	ok(panics(kfree, p), "freeing a run twice is caught");
	ok(panics(kfree, &local), "freeing what is not the heap's is caught");
}

static void test_exhaustion(void)
{
	size_t size = 1ULL << 30;
	void *p[32];
	int n = 0;

	ok(!kalloc(0x100000000000ULL) && !kalloc_pages(SIZE_MAX) &&
	       !kalloc_pages(0),
	   "absurd sizes give NULL");
	while (n < 32 && (p[n] = kalloc_pages(size)))
		n++;
	ok(n == 15, "an exhausted heap gives NULL");
	ok(kalloc(5000) != NULL, "but small blocks may still be there");
	while (n)
		kfree_pages(p[--n], size);
	ok(kalloc_pages(size) == p[0], "and what is freed can be had again");
}

static void map_at(uint64_t addr, uint64_t size)
{
	void *p = mmap((void *)addr, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE |
			   MAP_NORESERVE,
		       -1, 0);

	if (p != (void *)addr) {
		printf("Bail out! the address %p is taken\n", p);
		exit(1);
	}
}

int main(void)
{
	map_at(AZ_BOOT_BASE, sizeof(struct az_boot));
	map_at(AZ_HEAP_BASE, AZ_HEAP_SIZE);
	BOOT->heap_size = AZ_HEAP_SIZE;
	test_few_pages();
	test_sizes();
	test_random();
	test_threads();
	test_give_back();
	test_misuse();
	test_exhaustion();
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
