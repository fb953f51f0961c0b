/* SPDX-License-Identifier: MIT */
/* signo.c - numbers of signals, "Debugging with GDB", E.3 (gdb/signals.def). */
#include "gdb/signo.h"

#include <signal.h>
#include <stdint.h>

#define FIRST_RT 32
#define LAST_RT  64

static const uint8_t table[FIRST_RT] = {
	[SIGHUP] = 1,     [SIGINT] = 2,   [SIGQUIT] = 3,   [SIGILL] = 4,
	[SIGTRAP] = 5,    [SIGABRT] = 6,  [SIGBUS] = 10,   [SIGFPE] = 8,
	[SIGKILL] = 9,    [SIGUSR1] = 30, [SIGSEGV] = 11,  [SIGUSR2] = 31,
	[SIGPIPE] = 13,   [SIGALRM] = 14, [SIGTERM] = 15,  [SIGCHLD] = 20,
	[SIGCONT] = 19,   [SIGSTOP] = 17, [SIGTSTP] = 18,  [SIGTTIN] = 21,
	[SIGTTOU] = 22,   [SIGURG] = 16,  [SIGXCPU] = 24,  [SIGXFSZ] = 25,
	[SIGVTALRM] = 26, [SIGPROF] = 27, [SIGWINCH] = 28, [SIGIO] = 23,
	[SIGPWR] = 32,    [SIGSYS] = 12,
};

int signo_to_gdb(int sig)
{
	if (sig == FIRST_RT)
		return 77;
	if (sig == LAST_RT)
		return 78;
	if (sig > FIRST_RT && sig < LAST_RT)
		return 45 + sig - (FIRST_RT + 1);
	return sig > 0 && sig < FIRST_RT ? table[sig] : 0;
}

int signo_from_gdb(int sig)
{
	for (int i = 1; sig > 0 && i <= LAST_RT; i++)
		if (signo_to_gdb(i) == sig)
			return i;
	return 0;
}
