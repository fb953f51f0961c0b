/* SPDX-License-Identifier: MIT */
/*
 * patch_step.c - a program that steps through its own code, call sites that
 * have been used included: it gets through, and is nowhere but in its code.
 */
// variants: pie static
// modes: auto direct-1
#include <signal.h>
#include <ucontext.h>

#include "tap.h"

#define TF 0x100

static volatile long steps, inside, elsewhere;

/* The function, from one end to the other. */
long stepped(long nr);
extern char stepped_end[];
__asm__("	.text\n"
	"	.balign 16\n"
	"	.globl stepped, stepped_end\n"
	"stepped:\n"
	"	mov %rdi, %rdx\n"
	"	lea 1(%rdx), %rdx\n"
	"	xor %esi, %esi\n"
	"	test %rdx, %rdx\n"
	"	lea 8(%rsi,%rdx), %rcx\n"
	"	mov %rcx, %rdx\n"
	"	add $3, %rdx\n"
	"	mov %rdx, %r8\n"
	"	mov $39, %eax\n"
	"	syscall\n"
	"	mov %rax, %r9\n"
	"	mov %edi, %eax\n"
	"	syscall\n"
	"	add %r9, %rax\n"
	"	ret\n"
	"stepped_end:	.balign 16\n");

static void on_step(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;
	uintptr_t rip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];

	(void)sig;
	(void)si;
	steps++;
	/* Padding behind it may be a part of how it calls. */
	if (rip >= (uintptr_t)stepped &&
	    rip < ((uintptr_t)stepped_end + 15) / 16 * 16)
		inside++;
	else
		elsewhere++;
	if (steps > 10000)
		_exit(3);
}

static long step_through(long nr)
{
	long r;

	__asm__ volatile("sub $128, %%rsp\n	pushfq\n"
			 "	orl $0x100, (%%rsp)\n	popfq\n"
			 "	call stepped\n"
			 "	pushfq\n	andl $~0x100, (%%rsp)\n"
			 "	popfq\n	add $128, %%rsp\n"
			 : "=a"(r)
			 : "D"(nr)
			 : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11",
			   "memory");
	return r;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_step,
				.sa_flags = SA_SIGINFO };
	long pid = syscall(SYS_getpid), want = pid + syscall(SYS_getppid);
	int bad = 0;

	for (int i = 0; i < 20; i++)
		bad += stepped(SYS_getppid) != want;
	IS(bad, 0, "it works");
	MUST(sigaction(SIGTRAP, &sa, NULL) == 0);
	for (int i = 0; i < 20; i++)
		bad += step_through(SYS_getppid) != want;
	IS(bad, 0, "and step by step");
	OK(inside >= 20 * 11, "step by step through all of it");
	/* What turns it on and off, in the caller. */
	OK(elsewhere <= 20 * 6, "and nowhere else");
	for (int i = 0; i < 20; i++)
		bad += stepped(SYS_getppid) != want;
	IS(bad, 0, "and without again");
	return tap_done();
}
