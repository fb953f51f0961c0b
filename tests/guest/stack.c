/* SPDX-License-Identifier: MIT */
/*
 * stack.c - stacks end where they should: an overflow of a thread's or the
 * main stack is a SIGSEGV that a handler on an alternate stack survives.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "fault.h"

static char alt[65536];

__attribute__((noinline)) static size_t deepen(size_t n)
{
	volatile char frame[2048];

	frame[0] = (char)n;
	if (n == 0)
		return (size_t)frame[0];
	return deepen(n - 1) + (size_t)frame[0];
}

static void overflow(void *arg)
{
	(void)arg;
	deepen((size_t)1 << 40);
}

static void use_altstack(char *stack, size_t size)
{
	stack_t ss = { .ss_sp = stack, .ss_size = size, .ss_flags = 0 };

	MUST(sigaltstack(&ss, NULL) == 0);
}

static void *thread_overflow(void *arg)
{
	char *p, *mine = malloc(65536);
	size_t size, guard;
	pthread_attr_t attr;

	(void)arg;
	MUST(mine);
	use_altstack(mine, 65536);
	IS(fault_run(overflow, NULL), SIGSEGV, "a thread's stack overflows");
	MUST(pthread_getattr_np(pthread_self(), &attr) == 0);
	MUST(pthread_attr_getstack(&attr, (void **)&p, &size) == 0);
	MUST(pthread_attr_getguardsize(&attr, &guard) == 0);
	OK(guard >= 4096, "it has a guard");
	OK(fault_last.addr < (uintptr_t)p + 4096 &&
	       fault_last.addr >= (uintptr_t)p - guard,
	   "the fault is in the guard");
	IS(fault_last.code, SEGV_ACCERR, "which is mapped without access");
	IS(fault_run(overflow, NULL), SIGSEGV, "and once more");
	pthread_attr_destroy(&attr);
	return NULL;
}

static void *thread_use(void *arg)
{
	size_t size = *(size_t *)arg;

	/* Leave 16 KiB for frames and thread-local storage. */
	deepen((size - 16384) / 2600);
	return arg;
}

static void check_sizes(void)
{
	static size_t sizes[] = { 65536, 262144, 1 << 20, 32 << 20 };
	int bad = 0;

	for (size_t i = 0; i < 4; i++) {
		pthread_attr_t attr;
		pthread_t t;
		void *r;

		MUST(pthread_attr_init(&attr) == 0);
		MUST(pthread_attr_setstacksize(&attr, sizes[i]) == 0);
		MUST(pthread_create(&t, &attr, thread_use, &sizes[i]) == 0);
		MUST(pthread_join(t, &r) == 0);
		bad += r != &sizes[i];
		pthread_attr_destroy(&attr);
	}
	IS(bad, 0, "stacks from 64 KiB to 32 MiB can be used to the end");
}

static void check_own_stack(void)
{
	size_t size = 1 << 18;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	pthread_attr_t attr;
	pthread_t t;

	MUST(p != MAP_FAILED);
	MUST(pthread_attr_init(&attr) == 0);
	MUST(pthread_attr_setstack(&attr, p, size) == 0);
	MUST(pthread_create(&t, &attr, thread_use, &size) == 0);
	MUST(pthread_join(t, NULL) == 0);
	OK(1, "a stack that the program mapped itself");
	munmap(p, size);
}

int main(void)
{
	pthread_t t;
	struct rlimit lim;

	fault_init();
	/* The handlers again, on the alternate stack. */
	struct sigaction sa = { .sa_sigaction = fault_handler,
				.sa_flags = SA_SIGINFO | SA_ONSTACK };
	MUST(sigaction(SIGSEGV, &sa, NULL) == 0);
	MUST(pthread_create(&t, NULL, thread_overflow, NULL) == 0);
	MUST(pthread_join(t, NULL) == 0);
	check_sizes();
	check_own_stack();
	use_altstack(alt, sizeof(alt));
	MUST(getrlimit(RLIMIT_STACK, &lim) == 0);
	IS(fault_run(overflow, NULL), SIGSEGV, "the main stack overflows");
	IS(fault_run(overflow, NULL), SIGSEGV, "twice");
	OK((uintptr_t)&lim - fault_last.addr > lim.rlim_cur - (256 << 10) &&
	       (uintptr_t)&lim - fault_last.addr < lim.rlim_cur + (256 << 10),
	   "where RLIMIT_STACK says");
	deepen(500);
	OK(1, "and goes on");
	return tap_done();
}
