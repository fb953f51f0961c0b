/* SPDX-License-Identifier: MIT */
/*
 * attack.h - do what is forbidden, and say in one line what came of it.
 *
 * The handler runs on a stack of its own and leaves by siglongjmp, so an
 * attack may have any stack pointer. What is printed is the same on every
 * machine of a kind: signal, code, and where the address lies.
 */
#ifndef GUEST_ATTACK_H
#define GUEST_ATTACK_H

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "tap.h"

static sigjmp_buf attack_jmp;
static volatile sig_atomic_t attack_armed;
static struct {
	int signo, code;
	uint64_t addr, rip;
} attack_last;

static void attack_handler(int signo, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;

	if (!attack_armed) {
		tap_line("Bail out! signal %d code %d outside an attack", signo,
			 si->si_code);
		_exit(97);
	}
	attack_armed = 0;
	attack_last.signo = signo;
	attack_last.code = si->si_code;
	attack_last.addr = (uint64_t)si->si_addr;
	attack_last.rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	siglongjmp(attack_jmp, 1);
}

__attribute__((unused)) static void attack_init(void)
{
	static const int sigs[] = { SIGSEGV, SIGBUS,  SIGFPE,
				    SIGILL,  SIGTRAP, SIGALRM };
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = attack_handler;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
	MUST(sigaltstack(&ss, NULL) == 0);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		MUST(sigaction(sigs[i], &sa, NULL) == 0);
}

/* attack_run - fn(arg); the signal that it raised, or 0. */
__attribute__((unused, noinline)) static int attack_run(void (*fn)(uint64_t),
							uint64_t arg)
{
	memset(&attack_last, 0, sizeof(attack_last));
	if (sigsetjmp(attack_jmp, 1) == 0) {
		attack_armed = 1;
		fn(arg);
		attack_armed = 0;
	}
	return attack_last.signo;
}

/* attack - the same, and say what came of it. */
__attribute__((unused)) static void attack(const char *name,
					   void (*fn)(uint64_t), uint64_t arg)
{
	char where[32] = "elsewhere";

	if (!attack_run(fn, arg)) {
		tap_line("%s %#llx: nothing", name, (unsigned long long)arg);
		return;
	}
	if (attack_last.addr == 0)
		strcpy(where, "0");
	else if (attack_last.addr == attack_last.rip)
		strcpy(where, "the instruction");
	else if (attack_last.addr - arg < 4096)
		snprintf(where, sizeof(where), "argument + %d",
			 (int)(attack_last.addr - arg));
	tap_line("%s %#llx: signal %d code %d at %s", name,
		 (unsigned long long)arg, attack_last.signo, attack_last.code,
		 where);
}

#endif
