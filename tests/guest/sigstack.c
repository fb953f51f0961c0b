/* SPDX-License-Identifier: MIT */
/* sigstack.c - alternate signal stacks, and what a frame looks like on them. */
#include <pthread.h>
#include <ucontext.h>

#include "fault.h"

#define SIZE 65536

static char *alt;
static volatile int ran, on_alt, flags_inside, aligned, frame_ok, nested;

static int inside(const volatile void *p)
{
	return (const volatile char *)p >= alt &&
	       (const volatile char *)p < alt + SIZE;
}

static void on_signal(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;
	stack_t now;
	char here;
	/* At entry rsp + 8 is a multiple of 16, as after a call. */
	uintptr_t frame = (uintptr_t)__builtin_frame_address(0);

	ran++;
	on_alt = inside(&here);
	aligned = frame % 16 == 0;
	frame_ok = inside(uc) == on_alt && inside(si) == on_alt;
	MUST(sigaltstack(NULL, &now) == 0);
	flags_inside = now.ss_flags;
	if (sig == SIGUSR1 && nested < 4) {
		nested++;
		raise(SIGUSR1);
	}
}

static void catch (int sig, int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_signal;
	sa.sa_flags = SA_SIGINFO | flags;
	MUST(sigaction(sig, &sa, NULL) == 0);
	ran = 0;
}

static void check_use(void)
{
	stack_t ss = { .ss_sp = alt, .ss_size = SIZE, .ss_flags = 0 }, old;

	IS(sigaltstack(NULL, &old), 0, "sigaltstack tells");
	IS(old.ss_flags, SS_DISABLE, "there is none at first");
	IS(sigaltstack(&ss, NULL), 0, "sigaltstack sets");
	MUST(sigaltstack(NULL, &old) == 0);
	OK(old.ss_sp == alt && old.ss_size == SIZE && old.ss_flags == 0,
	   "and tells what was set");
	catch (SIGUSR2, SA_ONSTACK);
	raise(SIGUSR2);
	OK(on_alt, "a handler with SA_ONSTACK runs there");
	IS(flags_inside, SS_ONSTACK, "SS_ONSTACK inside");
	OK(frame_ok, "context and siginfo lie there");
	OK(aligned, "the stack is aligned");
	catch (SIGUSR2, 0);
	raise(SIGUSR2);
	OK(!on_alt && aligned, "without SA_ONSTACK it does not");
	IS(flags_inside, 0, "no SS_ONSTACK");
	catch (SIGUSR1, SA_ONSTACK | SA_NODEFER);
	raise(SIGUSR1);
	OK(ran == 5 && on_alt, "nested handlers stay on it");
}

static void on_change(int sig)
{
	stack_t ss = { .ss_sp = alt, .ss_size = SIZE, .ss_flags = 0 };

	(void)sig;
	ERR(sigaltstack(&ss, NULL), EPERM, "it cannot be changed in use");
	ran++;
}

static void check_errors(void)
{
	stack_t ss = { .ss_sp = alt, .ss_size = 100, .ss_flags = 0 };
	struct sigaction sa;

	ERR(sigaltstack(&ss, NULL), ENOMEM, "too small a stack");
	ss.ss_size = SIZE;
	ss.ss_flags = 0x1234;
	ERR(sigaltstack(&ss, NULL), EINVAL, "unknown flags");
	ERR(syscall(SYS_sigaltstack, 8L, NULL), EFAULT, "a bad pointer");
	ERR(syscall(SYS_sigaltstack, NULL, 8L), EFAULT, "a bad old pointer");
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_change;
	sa.sa_flags = SA_ONSTACK;
	MUST(sigaction(SIGUSR2, &sa, NULL) == 0);
	ran = 0;
	raise(SIGUSR2);
	IS(ran, 1, "that handler ran");
	ss.ss_flags = SS_DISABLE;
	IS(sigaltstack(&ss, NULL), 0, "SS_DISABLE");
	catch (SIGUSR2, SA_ONSTACK);
	raise(SIGUSR2);
	OK(!on_alt, "now handlers run on the normal stack");
}

static void check_autodisarm(void)
{
	stack_t ss = { .ss_sp = alt,
		       .ss_size = SIZE,
		       .ss_flags = (int)(1U << 31) /* SS_AUTODISARM */ },
		now;

	IS(sigaltstack(&ss, NULL), 0, "SS_AUTODISARM");
	catch (SIGUSR2, SA_ONSTACK);
	raise(SIGUSR2);
	OK(on_alt, "the handler runs there");
	IS(flags_inside & SS_DISABLE, SS_DISABLE, "with the stack disarmed");
	MUST(sigaltstack(NULL, &now) == 0);
	OK(now.ss_sp == alt && now.ss_flags == (int)(1U << 31),
	   "and armed again afterwards");
}

static void *in_thread(void *arg)
{
	stack_t old;

	MUST(sigaltstack(NULL, &old) == 0);
	*(int *)arg = old.ss_flags;
	return NULL;
}

static void check_thread(void)
{
	pthread_t t;
	int flags = 0;

	MUST(pthread_create(&t, NULL, in_thread, &flags) == 0);
	MUST(pthread_join(t, NULL) == 0);
	IS(flags, SS_DISABLE, "a new thread has none");
}

static volatile int deep;

static void on_segv(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig;
	(void)si;
	deep = 1;
	/* Go back to where rsp is good. */
	uc->uc_mcontext.gregs[REG_RSP] = uc->uc_mcontext.gregs[REG_RBX];
	uc->uc_mcontext.gregs[REG_RIP] = uc->uc_mcontext.gregs[REG_R12];
}

/* rsp itself is bad when the fault comes: only the other stack can help. */
static void check_bad_rsp(void)
{
	struct sigaction sa;
	stack_t ss = { .ss_sp = alt, .ss_size = SIZE, .ss_flags = 0 };

	MUST(sigaltstack(&ss, NULL) == 0);
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_segv;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
	MUST(sigaction(SIGSEGV, &sa, NULL) == 0);
	__asm__ volatile("mov %%rsp, %%rbx\n\tlea 1f(%%rip), %%r12\n\t"
			 "mov $64, %%rsp\n\tpush %%rax\n1:"
			 :
			 :
			 : "rbx", "r12", "memory", "cc");
	IS(deep, 1, "a push with a bad stack pointer");
}

int main(void)
{
	alt = aligned_alloc(64, SIZE);
	MUST(alt);
	check_use();
	check_errors();
	check_autodisarm();
	check_thread();
	check_bad_rsp();
	return tap_done();
}
