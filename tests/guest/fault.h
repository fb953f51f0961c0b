/* SPDX-License-Identifier: MIT */
/*
 * fault.h - try an access and report the signal that it raises, if any.
 *
 * Per thread. The handler leaves by siglongjmp, so it works on any stack.
 */
#ifndef GUEST_FAULT_H
#define GUEST_FAULT_H

#include <setjmp.h>
#include <signal.h>

#include "tap.h"

struct fault {
	int signo, code;
	uintptr_t addr;
};

static __thread sigjmp_buf fault_jmp;
static __thread volatile int fault_armed;
static __thread struct fault fault_last;

static void fault_handler(int signo, siginfo_t *si, void *uc)
{
	(void)uc;
	if (!fault_armed) {
		tap_line("Bail out! signal %d code %d outside a probe", signo,
			 si->si_code);
		_exit(97);
	}
	fault_armed = 0;
	fault_last.signo = signo;
	fault_last.code = si->si_code;
	fault_last.addr = (uintptr_t)si->si_addr;
	siglongjmp(fault_jmp, 1);
}

__attribute__((unused)) static void fault_init(void)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = fault_handler;
	sa.sa_flags = SA_SIGINFO;
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		MUST(sigaction(sigs[i], &sa, NULL) == 0);
}

/* fault_run - run fn(arg); the signal it raised, or 0. */
__attribute__((unused, noinline)) static int fault_run(void (*fn)(void *),
						       void *arg)
{
	fault_last = (struct fault){ 0, 0, 0 };
	if (sigsetjmp(fault_jmp, 1) == 0) {
		fault_armed = 1;
		fn(arg);
		fault_armed = 0;
	}
	return fault_last.signo;
}

static void fault_do_read(void *p)
{
	(void)*(volatile char *)p;
}

static void fault_do_write(void *p)
{
	*(volatile char *)p = *(volatile char *)p;
	*(volatile char *)p = 0x5a;
}

static void fault_do_call(void *p)
{
	((void (*)(void))p)();
}

/* Each returns 0 if the access worked, else the signal. */
__attribute__((unused)) static int fault_read(const void *p)
{
	return fault_run(fault_do_read, (void *)(uintptr_t)p);
}

__attribute__((unused)) static int fault_write(void *p)
{
	return fault_run(fault_do_write, p);
}

__attribute__((unused)) static int fault_call(void *p)
{
	return fault_run(fault_do_call, p);
}

/* FAULT - an access that must raise sig with code at addr. */
#define FAULT(access, sig, si_code_, at, name)                               \
	do {                                                                 \
		int f_got = (access);                                        \
		int f_good = f_got == (sig) &&                               \
			     fault_last.code == (si_code_) &&                \
			     fault_last.addr == (uintptr_t)(at);             \
		tap_ok(f_good, __LINE__, #access, name);                     \
		if (!f_good)                                                 \
			tap_line("# signal %d code %d, off by %ld", f_got,   \
				 fault_last.code,                            \
				 (long)(fault_last.addr - (uintptr_t)(at))); \
	} while (0)

#endif
