/* SPDX-License-Identifier: MIT */
/*
 * int3.c - breakpoints while timers fire: each is one SIGTRAP, wherever the
 * other signal finds the thread.
 */
#include <signal.h>
#include <sys/time.h>

#include "tap.h"

#define TRAPS 20000

static volatile int traps, ticks;

static void on_signal(int sig)
{
	if (sig == SIGTRAP)
		traps++;
	else
		ticks++;
}

int main(void)
{
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { 0 };
	int wrong = 0;

	MUST(signal(SIGTRAP, on_signal) != SIG_ERR);
	MUST(signal(SIGALRM, on_signal) != SIG_ERR);
	MUST(setitimer(ITIMER_REAL, &often, NULL) == 0);
	for (int i = 1; i <= TRAPS; i++) {
		__asm__ volatile("int3");
		wrong += traps != i;
	}
	while (!ticks) {
	}
	MUST(setitimer(ITIMER_REAL, &never, NULL) == 0);
	IS(traps, TRAPS, "each is met");
	IS(wrong, 0, "before the next instruction");
	OK(ticks > 0, "and the timer fires");
	return tap_done();
}
