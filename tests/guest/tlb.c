/* SPDX-License-Identifier: MIT */
/* tlb.c - what one thread does to a mapping, all others see at once. */
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "fault.h"

#define THREADS 3
#define ROUNDS  60
#define PAGES   8

static char *area;
static uint64_t step;          /* what the main thread has done */
static uint64_t seen[THREADS]; /* and which step each has looked at */
static int expect_value, expect_signal, expect_write;
static int wrong;

/* Look at every page as the step demands, then say so. */
static void look(void)
{
	for (int i = 0; i < PAGES; i++) {
		char *p = area + i * 4096L;
		int sig = expect_write ? fault_write(p + 64 * expect_write)
				       : fault_read(p);

		if (sig != expect_signal)
			__atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
		else if (!sig && !expect_write && *p != (char)expect_value)
			__atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
	}
}

static void *looker(void *arg)
{
	uint64_t *mine = arg, now, last = 0;

	while (last != UINT64_MAX) {
		now = __atomic_load_n(&step, __ATOMIC_SEQ_CST);
		if (now == last) {
			sched_yield();
			continue;
		}
		last = now;
		if (now != UINT64_MAX)
			look();
		__atomic_store_n(mine, last, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* All of them look now, and expect this. */
static void all_look(int sig, int value, int write)
{
	uint64_t now = step + 1;

	expect_signal = sig;
	expect_value = value;
	expect_write = write;
	__atomic_store_n(&step, now, __ATOMIC_SEQ_CST);
	for (int i = 0; i < THREADS; i++)
		while (__atomic_load_n(&seen[i], __ATOMIC_SEQ_CST) != now)
			sched_yield();
}

static void map(int prot)
{
	MUST(mmap(area, PAGES * 4096L, prot,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == area);
}

static void fill(int value)
{
	for (int i = 0; i < PAGES; i++)
		area[i * 4096L] = (char)value;
}

static void replaced(int k)
{
	fill(k);
	all_look(0, k, 0);
	map(PROT_READ | PROT_WRITE);
	all_look(0, 0, 0);
}

static void dropped(int k)
{
	fill(k);
	all_look(0, k, 0);
	MUST(madvise(area, PAGES * 4096L, MADV_DONTNEED) == 0);
	all_look(0, 0, 0);
}

static void protected(int k)
{
	fill(k);
	all_look(0, k, 0);
	MUST(mprotect(area, PAGES * 4096L, PROT_READ) == 0);
	all_look(SIGSEGV, 0, 1);
	all_look(0, k, 0);
	MUST(mprotect(area, PAGES * 4096L, PROT_NONE) == 0);
	all_look(SIGSEGV, 0, 0);
	MUST(mprotect(area, PAGES * 4096L, PROT_READ | PROT_WRITE) == 0);
	all_look(0, k, 0);
	all_look(0, 0, 1);
}

static void unmapped(int k)
{
	fill(k);
	all_look(0, k, 0);
	MUST(munmap(area, PAGES * 4096L) == 0);
	all_look(SIGSEGV, 0, 0);
	map(PROT_READ | PROT_WRITE);
	all_look(0, 0, 0);
}

static void moved(int k)
{
	char *to = area + 64 * 4096L;

	fill(k);
	all_look(0, k, 0);
	MUST(mremap(area, PAGES * 4096L, PAGES * 4096L,
		    MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	all_look(SIGSEGV, 0, 0);
	MUST(mremap(to, PAGES * 4096L, PAGES * 4096L,
		    MREMAP_MAYMOVE | MREMAP_FIXED, area) == area);
	all_look(0, k, 0);
}

/* After a fork, nobody writes to the pages that the child has, too. */
static void forked(int k)
{
	int status, p[2];
	pid_t pid;
	char c;

	fill(k);
	all_look(0, k, 0);
	MUST(pipe(p) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		MUST(read(p[0], &c, 1) == 1);
		for (int i = 0; i < PAGES; i++)
			for (int n = 0; n < 4096; n++)
				if (area[i * 4096L + n] != (n ? 0 : (char)k))
					_exit(1);
		_exit(0);
	}
	all_look(0, 0, 2);
	MUST(write(p[1], "", 1) == 1);
	MUST(waitpid(pid, &status, 0) == pid);
	if (status)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
	close(p[0]);
	close(p[1]);
	map(PROT_READ | PROT_WRITE);
}

static void rounds(void (*fn)(int), int n, const char *name)
{
	wrong = 0;
	for (int k = 1; k <= n; k++)
		fn(k);
	IS(wrong, 0, name);
}

/* A page in each of many top-level entries of the page table. */
static void far_apart(void)
{
	int good = 0, gone = 0;
	char *p;

	for (int round = 0; round < 2; round++)
		for (uint64_t i = 0; i < 48; i++) {
			p = (char *)(0x210000000000 + (i << 39));
			if (mmap(p, 4096, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS |
				     MAP_FIXED_NOREPLACE,
				 -1, 0) != p)
				continue;
			*p = (char)(i + 1);
			good += *p == (char)(i + 1);
			munmap(p, 4096);
			gone += fault_read(p) == SIGSEGV;
		}
	IS(good, 96, "a page in each of 48 times 512 GiB");
	IS(gone, 96, "and gone again");
}

int main(void)
{
	pthread_t t[THREADS];

	fault_init();
	area = mmap(NULL, 128 * 4096L, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(area != MAP_FAILED);
	for (int i = 0; i < THREADS; i++)
		MUST(pthread_create(&t[i], NULL, looker, &seen[i]) == 0);
	rounds(replaced, ROUNDS, "a mapping replaced by another");
	rounds(dropped, ROUNDS, "pages dropped");
	rounds(protected, ROUNDS, "pages protected, and opened again");
	rounds(unmapped, ROUNDS, "pages unmapped");
	rounds(moved, ROUNDS, "pages moved");
	rounds(forked, 4, "pages shared with a child");
	__atomic_store_n(&step, UINT64_MAX, __ATOMIC_SEQ_CST);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	far_apart();
	return tap_done();
}
