/* SPDX-License-Identifier: MIT */
/*
 * context.c - switching stacks in the program: ucontext coroutines, setjmp
 * across signals, and a scheduler of coroutines driven by a timer.
 */
// variants: pie static nopie
// cflags: -Wno-clobbered
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

#include "tap.h"

#define COROUTINES 50
#define STACK      65536

static ucontext_t main_ctx, ctx[COROUTINES];
static int current, steps[COROUTINES];
static long sum;

static void body(int id, int rounds)
{
	double x = id;

	for (int i = 0; i < rounds; i++) {
		steps[id]++;
		x = x * 1.5 + 1;
		sum += id;
		swapcontext(&ctx[id], &main_ctx);
	}
	if (x < id)
		sum = -1;
}

static void check_coroutines(void)
{
	int live = COROUTINES;

	for (int i = 0; i < COROUTINES; i++) {
		char *stack = malloc(STACK);

		MUST(stack && getcontext(&ctx[i]) == 0);
		ctx[i].uc_stack.ss_sp = stack;
		ctx[i].uc_stack.ss_size = STACK;
		ctx[i].uc_link = &main_ctx;
		makecontext(&ctx[i], (void (*)(void))body, 2, i, 100);
	}
	for (int round = 0; round <= 100; round++)
		for (int i = 0; i < COROUTINES; i++)
			MUST(swapcontext(&main_ctx, &ctx[i]) == 0);
	for (int i = 0; i < COROUTINES; i++)
		live -= steps[i] == 100;
	IS(live, 0, "fifty coroutines of a hundred steps");
	IS(sum, 100L * (COROUTINES * (COROUTINES - 1) / 2), "in all");
}

/* Threads in user space: a timer switches between two that never yield. */
static volatile long work[2];
static volatile int switches;
static ucontext_t green[2], back;

static void on_timer(int sig)
{
	int from = current;

	(void)sig;
	if (++switches > 60) {
		swapcontext(&green[from], &back);
		return;
	}
	current = !current;
	swapcontext(&green[from], &green[current]);
}

static void never_yield(int id)
{
	for (;;)
		work[id]++;
}

static void check_green(void)
{
	struct itimerval it = { { 0, 1000 }, { 0, 1000 } }, off = { 0 };
	struct sigaction sa = { .sa_handler = on_timer };

	for (int i = 0; i < 2; i++) {
		char *stack = malloc(STACK * 4);

		MUST(stack && getcontext(&green[i]) == 0);
		green[i].uc_stack.ss_sp = stack;
		green[i].uc_stack.ss_size = STACK * 4;
		makecontext(&green[i], (void (*)(void))never_yield, 1, i);
	}
	MUST(sigaction(SIGALRM, &sa, NULL) == 0);
	current = 0;
	MUST(setitimer(ITIMER_REAL, &it, NULL) == 0);
	MUST(swapcontext(&back, &green[0]) == 0);
	MUST(setitimer(ITIMER_REAL, &off, NULL) == 0);
	OK(switches > 60, "a timer switched sixty times");
	OK(work[0] > 0 && work[1] > 0, "between two that never yield");
}

static sigjmp_buf jump;

static void on_usr1(int sig)
{
	(void)sig;
	siglongjmp(jump, 5);
}

static void check_jumps(void)
{
	volatile int n = 0;
	sigset_t s;

	signal(SIGUSR1, on_usr1);
	for (int i = 0; i < 1000; i++) {
		int r = sigsetjmp(jump, 1);

		if (r == 0) {
			raise(SIGUSR1);
			n = -5000;
		} else {
			n += r;
		}
	}
	IS(n, 5000, "a thousand jumps out of a handler");
	sigprocmask(SIG_SETMASK, NULL, &s);
	IS(sigismember(&s, SIGUSR1), 0, "the signal is not blocked");
}

int main(void)
{
	check_coroutines();
	check_green();
	check_jumps();
	return tap_done();
}
