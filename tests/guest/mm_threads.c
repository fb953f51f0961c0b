/* SPDX-License-Identifier: MIT */
/*
 * mm_threads.c - threads that map, fill, check and unmap at the same time,
 * by mmap and by malloc. Nothing is shared, so nothing may ever mix.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "tap.h"

#define THREADS 8
#define ROUNDS  400
#define SLOTS   24
#define PG      4096UL

static int bad;

struct rng {
	uint64_t s;
};

static unsigned int rnd(struct rng *r, unsigned int n)
{
	r->s = r->s * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(r->s >> 33) % n;
}

static void fill(char *p, size_t len, uint64_t tag)
{
	for (size_t i = 0; i + 8 <= len; i += 512)
		memcpy(p + i, &(uint64_t){ tag + i }, 8);
}

static int holds(const char *p, size_t len, uint64_t tag)
{
	for (size_t i = 0; i + 8 <= len; i += 512) {
		uint64_t v;

		memcpy(&v, p + i, 8);
		if (v != tag + i)
			return 0;
	}
	return 1;
}

static int is_zero(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i += 256)
		if (p[i])
			return 0;
	return 1;
}

static void *mmap_worker(void *arg)
{
	struct rng r = { (uintptr_t)arg * 77 + 1 };
	char *at[SLOTS] = { 0 };
	size_t len[SLOTS] = { 0 };

	for (int i = 0; i < ROUNDS; i++) {
		unsigned int k = rnd(&r, SLOTS);
		uint64_t tag = ((uint64_t)(uintptr_t)arg << 40) + (k << 28);
		int wrong = 0;

		if (at[k]) {
			wrong += !holds(at[k], len[k], tag);
			wrong += munmap(at[k], len[k]) != 0;
		}
		len[k] = PG * (1 + rnd(&r, rnd(&r, 8) ? 30 : 700));
		at[k] = mmap(NULL, len[k], PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (at[k] == MAP_FAILED) {
			at[k] = NULL;
			wrong++;
		} else {
			wrong += !is_zero(at[k], len[k]);
			fill(at[k], len[k], tag);
		}
		__atomic_add_fetch(&bad, wrong, __ATOMIC_SEQ_CST);
	}
	for (int k = 0; k < SLOTS; k++)
		if (at[k])
			munmap(at[k], len[k]);
	return NULL;
}

static void *malloc_worker(void *arg)
{
	struct rng r = { (uintptr_t)arg * 1237 + 5 };
	char *at[SLOTS * 8] = { 0 };
	size_t len[SLOTS * 8] = { 0 };
	int wrong = 0;

	for (int i = 0; i < ROUNDS * 50; i++) {
		unsigned int k = rnd(&r, SLOTS * 8);
		uint64_t tag = ((uint64_t)(uintptr_t)arg << 40) + k * 1000UL;

		if (at[k])
			wrong += !holds(at[k], len[k], tag);
		if (at[k] && rnd(&r, 3)) {
			free(at[k]);
			at[k] = NULL;
			continue;
		}
		len[k] = 8 + rnd(&r, rnd(&r, 50) ? 4000 : 300000);
		at[k] = realloc(at[k], len[k]);
		if (!at[k])
			wrong++;
		else
			fill(at[k], len[k], tag);
	}
	for (int k = 0; k < SLOTS * 8; k++)
		free(at[k]);
	__atomic_add_fetch(&bad, wrong, __ATOMIC_SEQ_CST);
	return NULL;
}

static void run_all(void *(*fn)(void *), const char *name)
{
	pthread_t t[THREADS];

	bad = 0;
	for (uintptr_t i = 0; i < THREADS; i++)
		MUST(pthread_create(&t[i], NULL, fn, (void *)(i + 1)) == 0);
	for (int i = 0; i < THREADS; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	IS(bad, 0, name);
}

/* One thread protects and unprotects while others write next to it. */
static char *shared;
static volatile int stop;

static void *neighbour(void *arg)
{
	char *p = shared + (uintptr_t)arg * PG;
	unsigned char v = 0;
	int wrong = 0;

	while (!stop) {
		*(volatile unsigned char *)p = ++v;
		wrong += *(volatile unsigned char *)p != v;
	}
	__atomic_add_fetch(&bad, wrong, __ATOMIC_SEQ_CST);
	return NULL;
}

static void check_neighbours(void)
{
	pthread_t t[2];

	bad = 0;
	shared = mmap(NULL, 3 * PG, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(shared != MAP_FAILED);
	for (uintptr_t i = 0; i < 2; i++)
		MUST(pthread_create(&t[i], NULL, neighbour, (void *)(i * 2)) ==
		     0);
	for (int i = 0; i < 2000; i++) {
		MUST(mprotect(shared + PG, PG, PROT_NONE) == 0);
		MUST(mprotect(shared + PG, PG, PROT_READ | PROT_WRITE) == 0);
		shared[PG] = (char)i;
		MUST(madvise(shared + PG, PG, MADV_DONTNEED) == 0);
		if (shared[PG])
			bad++;
	}
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	IS(bad, 0, "protecting a page leaves its neighbours alone");
	munmap(shared, 3 * PG);
}

int main(void)
{
	run_all(mmap_worker, "eight threads of mmap and munmap");
	run_all(malloc_worker, "eight threads of malloc, realloc and free");
	check_neighbours();
	return tap_done();
}
