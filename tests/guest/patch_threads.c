/* SPDX-License-Identifier: MIT */
/*
 * patch_threads.c - several threads at call sites that are new, or whose pages
 * change their rights, or that are forked meanwhile: every call answers right.
 */
// variants: pie static
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tap.h"

#define PAGE     4096UL
#define RW       (PROT_READ | PROT_WRITE)
#define RX       (PROT_READ | PROT_EXEC)
#define PER_PAGE 64 /* sites */

typedef long (*code_fn)(long);

static long pid;
static uint8_t *code; /* where all shall go next */
static int npages, wrong, stop, arrived;
static pthread_barrier_t start_line;

/* Site k of a page: shapes alternate; answers pid + k, if given getpid. */
static void emit(uint8_t *page, int k)
{
	uint8_t *p = page + k * 64;
	const uint8_t form_mov[] = { 0xb8, SYS_getpid, 0,          0,
				     0,    0x0f,       0x05,       0x48,
				     0x8d, 0x40,       (uint8_t)k, 0xc3 };
	const uint8_t form_reg[] = { 0x89, 0xf8, 0x0f,       0x05, 0x48,
				     0x8d, 0x40, (uint8_t)k, 0xc3 };
	const uint8_t form_late[] = {
		0xb8, SYS_getpid, 0,    0,    0,    0x48,       0x89, 0xd1,
		0x0f, 0x05,       0x48, 0x8d, 0x40, (uint8_t)k, 0xc3
	};

	memset(p, 0x90, 64);
	if (k % 3 == 0)
		memcpy(p + 6 * (k % 8), form_mov, sizeof(form_mov));
	else if (k % 3 == 1)
		memcpy(p + 6 * (k % 8), form_reg, sizeof(form_reg));
	else
		memcpy(p + 6 * (k % 8), form_late, sizeof(form_late));
}

static code_fn site(uint8_t *base, int n)
{
	return (code_fn)(base + (size_t)(n / PER_PAGE) * PAGE +
			 (size_t)(n % PER_PAGE) * 64);
}

static void check(uint8_t *base, int n)
{
	if (site(base, n)(SYS_getpid) != pid + n % PER_PAGE)
		__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
}

static uint8_t *new_code(int pages)
{
	uint8_t *p = mmap(NULL, (size_t)pages * PAGE, RW,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(p != MAP_FAILED);
	for (int i = 0; i < pages; i++)
		for (int k = 0; k < PER_PAGE; k++)
			emit(p + (size_t)i * PAGE, k);
	MUST(mprotect(p, (size_t)pages * PAGE, RX) == 0);
	return p;
}

static void run_threads(int n, void *(*fn)(void *))
{
	pthread_t t[16];

	wrong = stop = arrived = 0;
	MUST(pthread_barrier_init(&start_line, NULL, (unsigned)n) == 0);
	for (long i = 0; i < n; i++)
		MUST(pthread_create(&t[i], NULL, fn, (void *)i) == 0);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&start_line);
}

/* Two at the same new site, at the same time. */
static void *together(void *arg)
{
	(void)arg;
	for (int n = 0; n < npages * PER_PAGE; n++) {
		if (n % 8 == 0)
			pthread_barrier_wait(&start_line);
		check(code, n);
		check(code, n);
		check(code, n);
	}
	for (int n = 0; n < npages * PER_PAGE; n++)
		check(code, n);
	return NULL;
}

/* The same, spinning up to each site so as to be there together. */
static void *at_once(void *arg)
{
	(void)arg;
	for (int n = 0; n < npages * PER_PAGE; n++) {
		__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
		for (int i = 0;
		     __atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < 2 * (n + 1);
		     i++)
			if (i % 1000 == 999)
				sched_yield();
		check(code, n);
		check(code, n);
	}
	return NULL;
}

/* Many threads, each with sites of its own that nobody has met. */
static void *apart(void *arg)
{
	int first = (int)(long)arg, all = npages * PER_PAGE;

	pthread_barrier_wait(&start_line);
	for (int round = 0; round < 10; round++)
		for (int n = first; n < all; n += 8)
			check(code, n);
	for (int n = 0; n < all; n++)
		check(code, n);
	return NULL;
}

/* One executes while another opens the page for writing, and closes it. */
static void *executes(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		for (int n = 0; n < PER_PAGE; n++)
			check(code, n);
	return NULL;
}

static void *opens(void *arg)
{
	for (int i = 0; i < 200; i++) {
		MUST(mprotect(code, PAGE, RW | PROT_EXEC) == 0);
		if (i % 4 == 0)
			sleep_ms(1);
		/* A byte behind every site, which nobody executes. */
		for (int k = 0; k < PER_PAGE; k++)
			code[k * 64 + 63] ^= 1;
		if (code[6 * 3 + 3 * 64] != 0xb8 ||
		    code[6 * 3 + 3 * 64 + 5] != 0x0f)
			__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
		MUST(mprotect(code, PAGE, RX) == 0);
		if (i % 4 == 1)
			sleep_ms(1);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	(void)arg;
	return NULL;
}

static void *opens_or_executes(void *arg)
{
	return arg ? executes(arg) : opens(arg);
}

/* One makes, runs and unmaps code in the same place, another runs its own. */
static void *comes_and_goes(void *arg)
{
	uint8_t *p;

	if (arg)
		return executes(arg);
	for (int i = 0; i < 100; i++) {
		p = new_code(1);
		for (int round = 0; round < 3; round++)
			for (int n = 0; n < PER_PAGE; n++)
				check(p, n);
		munmap(p, PAGE);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* One forks; the children use the sites at once, old ones and new ones. */
static void *forks(void *arg)
{
	int bad = 0, status;

	if (arg)
		return executes(arg);
	for (int i = 0; i < 12; i++) {
		pid_t child = fork();

		MUST(child >= 0);
		if (child == 0) {
			pid = syscall(SYS_getpid);
			wrong = pid == getppid();
			for (int round = 0; round < 3; round++)
				for (int n = 0; n < npages * PER_PAGE; n++)
					check(code, n);
			_exit(wrong ? 1 : 0);
		}
		MUST(waitpid(child, &status, 0) == child);
		bad += status != 0;
		for (int n = 0; n < PER_PAGE; n++)
			check(code, n);
	}
	if (bad)
		__atomic_add_fetch(&wrong, 1000 * bad, __ATOMIC_SEQ_CST);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Thread ids are each thread's own, though the site is the same. */
static void *own_id(void *arg)
{
	code_fn fn = site(code, 1); /* its number is the argument */
	long me = syscall(SYS_gettid);

	(void)arg;
	pthread_barrier_wait(&start_line);
	for (int i = 0; i < 2000; i++) {
		if (fn(SYS_gettid) != me + 1)
			__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
		if (i % 100 == 50)
			sched_yield();
		if (i % 500 == 250)
			sleep_ms(1);
	}
	return NULL;
}

static long raw_gettid(void)
{
	long r;

	__asm__ volatile("mov $186, %%eax\n\tsyscall"
			 : "=a"(r)
			 :
			 : "rcx", "r11", "memory");
	return r;
}

static void *own_constant(void *arg)
{
	long me = *(volatile long *)&(long){ raw_gettid() };
	pthread_barrier_wait(&start_line);
	for (int i = 0; i < 2000; i++) {
		if (raw_gettid() != me)
			__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
		if (i % 100 == 50)
			sched_yield();
	}
	/* Nobody else has it. */
	static long ids[16];
	long i = (long)arg;

	__atomic_store_n(&ids[i], me, __ATOMIC_SEQ_CST);
	pthread_barrier_wait(&start_line);
	for (int k = 0; k < 8; k++)
		if (k != i && ids[k] == me)
			__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

int main(void)
{
	pid = syscall(SYS_getpid);
	npages = 8;
	code = new_code(npages);
	run_threads(2, together);
	IS(wrong, 0, "two threads, the same new sites");
	for (int i = 0; i < 5; i++) {
		code = new_code(npages);
		run_threads(2, at_once);
		if (wrong)
			break;
	}
	IS(wrong, 0, "two threads, each new site at the same moment");
	npages = 32;
	code = new_code(npages);
	run_threads(8, apart);
	IS(wrong, 0, "eight threads, two thousand new sites");
	npages = 1;
	code = new_code(npages);
	run_threads(3, opens_or_executes);
	IS(wrong, 0, "a page opened for writing and closed, in execution");
	run_threads(3, comes_and_goes);
	IS(wrong, 0, "code that comes and goes beside");
	npages = 4;
	code = new_code(npages);
	run_threads(2, forks);
	IS(wrong, 0, "forks while another thread calls");
	run_threads(8, own_id);
	IS(wrong, 0, "gettid at one site, numbers from a register");
	run_threads(8, own_constant);
	IS(wrong, 0, "gettid at one site with the number in it");
	IS(raw_gettid(), my_tid(), "and in the first thread");
	return tap_done();
}
