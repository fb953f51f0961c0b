/* SPDX-License-Identifier: MIT */
/*
 * local.c - what do other calls cost that the unikernel serves itself?
 */
#include "bench.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static void mask_ask(void)
{
	sigset_t old;

	sigprocmask(SIG_BLOCK, NULL, &old);
}

static void futex_wake(void)
{
	static int word;

	syscall(SYS_futex, &word, 129 /* WAKE, private */, 1, NULL, NULL, 0);
}

static void handler(int sig)
{
	(void)sig;
}

static void signal_self(void)
{
	raise(SIGUSR1);
}

static void setup(void)
{
	signal(SIGUSR1, handler);
}

const struct bench bench = {
	.question = "What do other calls cost that the unikernel serves "
		    "itself?",
	.rounds = 10,
	.setup = setup,
	.cases = {
		{ .name = "sigprocmask", .run = mask_ask },
		{ .name = "futex wake, nobody", .run = futex_wake },
		{ .name = "signal to oneself", .run = signal_self },
		{ 0 },
	},
};
