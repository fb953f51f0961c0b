/* SPDX-License-Identifier: MIT */
/*
 * patch_unwind.cc - stacks are walked, and exceptions thrown, through signal
 * frames whose interrupted address is at a call made many times before.
 */
// cflags: -fnon-call-exceptions -fasynchronous-unwind-tables
// ldlibs: -ldl
// modes: auto auto-1 ring-2 direct-1
#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "tap.h"

struct trace {
	uintptr_t want[2]; /* functions to be met, by their start */
	int frames, met, bad;
};

static _Unwind_Reason_Code step(struct _Unwind_Context *c, void *arg)
{
	struct trace *t = (struct trace *)arg;
	uintptr_t start = (uintptr_t)_Unwind_GetRegionStart(c);

	t->frames++;
	if (t->frames > 100)
		return _URC_END_OF_STACK;
	for (int i = 0; i < 2; i++)
		if (start && start == t->want[i])
			t->met |= 1 << i;
	return _URC_NO_REASON;
}

extern "C" long site_call(long nr, long a, long b, long c);
extern "C" long site_getppid(void);
__asm__(".text\n\t.p2align 4\n"
	".globl site_call\n\t.type site_call, @function\n"
	"site_call:\n\t.cfi_startproc\n"
	"	push %rbx\n\t.cfi_adjust_cfa_offset 8\n"
	"	.cfi_rel_offset %rbx, 0\n"
	"	mov %rdi, %rax\n\tmov %rsi, %rdi\n\tmov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n\tsyscall\n"
	"	pop %rbx\n\t.cfi_adjust_cfa_offset -8\n\tret\n"
	"	.cfi_endproc\n\t.size site_call, . - site_call\n"
	"	.p2align 4\n"
	".globl site_getppid\n\t.type site_getppid, @function\n"
	"site_getppid:\n\t.cfi_startproc\n"
	"	push %rbx\n\t.cfi_adjust_cfa_offset 8\n"
	"	.cfi_rel_offset %rbx, 0\n"
	"	mov $110, %eax\n\tsyscall\n"
	"	pop %rbx\n\t.cfi_adjust_cfa_offset -8\n\tret\n"
	"	.cfi_endproc\n\t.size site_getppid, . - site_getppid\n");

static volatile int handled, incomplete, lost, below_outer;

extern "C" __attribute__((noinline)) int outer(int (*inner)(void))
{
	int r = inner();

	__asm__ volatile("" ::: "memory");
	return r;
}

static void walk(int, siginfo_t *, void *ucp)
{
	ucontext_t *uc = (ucontext_t *)ucp;
	uintptr_t rip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	struct trace t = { { (uintptr_t)outer, 0 }, 0, 0, 0 };
	void *frames[64];
	int n = backtrace(frames, 64), found = 0;

	handled++;
	_Unwind_Backtrace(step, &t);
	if (below_outer && !(t.met & 1))
		incomplete++;
	for (int i = 0; i < n; i++)
		found |= (uintptr_t)frames[i] == rip;
	if (!found)
		lost++;
}

static int pipe_fd[2];

static int in_calls(void)
{
	int bad = 0;

	below_outer = 1;
	for (int i = 0; i < 400; i++) {
		bad += site_getppid() != getppid();
		bad += site_call(SYS_getppid, 0, 0, 0) != getppid();
		bad += site_call(SYS_close, -1, 0, 0) != -EBADF;
		bad += getpgid(0) != getpgrp();
	}
	below_outer = 0;
	return bad;
}

static void walks(void)
{
	struct sigaction sa;
	struct itimerval it = { { 0, 300 }, { 0, 300 } }, off = {};
	int bad = 0;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = walk;
	sa.sa_flags = SA_SIGINFO | SA_RESTART;
	MUST(sigaction(SIGALRM, &sa, NULL) == 0);
	void *warm[4];
	backtrace(warm, 4); /* loads libgcc_s, which is no handler's business */
	in_calls();
	MUST(setitimer(ITIMER_REAL, &it, NULL) == 0);
	for (int i = 0; handled < 60 && i < 20000; i++)
		bad += outer(in_calls);
	MUST(setitimer(ITIMER_REAL, &off, NULL) == 0);
	IS(bad, 0, "calls under a walking handler");
	OK(handled > 0, "stacks were walked");
	IS(incomplete, 0, "each walk reached the caller");
	IS(lost, 0, "and showed the interrupted place");
}

/* A signal that a call raises, at once, on its way out. */
static int raises(void)
{
	int r;

	below_outer = 1;
	r = (int)site_call(SYS_tgkill, getpid(), gettid(), SIGALRM);
	below_outer = 0;
	return r;
}

static void walks_from_calls(void)
{
	int bad = 0;

	handled = incomplete = lost = 0;
	for (int i = 0; i < 100; i++)
		bad += outer(raises) != 0;
	IS(bad, 0, "signals raised by a call");
	IS(handled, 100, "all of them are handled");
	IS(incomplete, 0, "each walk reached the caller");
	IS(lost, 0, "and showed the interrupted place");
}

struct Thrown {
	int n;
};
static int destroyed;
struct Guard {
	~Guard()
	{
		destroyed++;
	}
};

static void throws(int, siginfo_t *, void *)
{
	throw Thrown{ 7 };
}

static int calls_that_raise(void)
{
	Guard g;

	for (;;)
		site_call(SYS_tgkill, getpid(), gettid(), SIGUSR1);
}

static void exceptions(void)
{
	struct sigaction sa;
	int caught = 0, bad = 0;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = throws;
	sa.sa_flags = SA_SIGINFO | SA_NODEFER;
	MUST(sigaction(SIGUSR1, &sa, NULL) == 0);
	for (int i = 0; i < 100; i++)
		site_call(SYS_getppid, 0, 0, 0);
	for (int i = 0; i < 50; i++) {
		try {
			bad += outer(calls_that_raise);
		} catch (const Thrown &t) {
			caught += t.n;
		}
	}
	IS(caught, 350, "exceptions thrown out of handlers at call sites");
	IS(destroyed, 50, "with destructors on the way");
	IS(bad, 0, "and nothing returned");
}

/* Exceptions and calls, several threads, none to do with the other. */
static int thrown_right;

static void *throws_and_calls(void *)
{
	for (int i = 0; i < 300; i++) {
		try {
			if (site_call(SYS_close, -1, 0, 0) == -EBADF)
				throw std::runtime_error(std::to_string(i));
		} catch (const std::exception &e) {
			if (std::stoi(e.what()) == i)
				__atomic_add_fetch(&thrown_right, 1,
						   __ATOMIC_SEQ_CST);
		}
	}
	return NULL;
}

/* Cancelled in a read, with objects on the stack. */
static void *blocks(void *)
{
	Guard g;
	char c;

	try {
		(void)!read(pipe_fd[0], &c, 1);
	} catch (abi::__forced_unwind &) {
		destroyed++;
		throw;
	}
	return NULL;
}

static void threads(void)
{
	pthread_t t[4];
	char c;

	for (int i = 0; i < 4; i++)
		MUST(pthread_create(&t[i], NULL, throws_and_calls, NULL) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	IS(thrown_right, 1200, "exceptions between calls in four threads");
	MUST(pipe(pipe_fd) == 0);
	for (int i = 0; i < 200; i++)
		MUST(write(pipe_fd[1], "x", 1) == 1 &&
		     read(pipe_fd[0], &c, 1) == 1);
	destroyed = 0;
	for (int i = 0; i < 30; i++) {
		MUST(pthread_create(&t[0], NULL, blocks, NULL) == 0);
		if (i % 2)
			sleep_ms(1);
		MUST(pthread_cancel(t[0]) == 0);
		MUST(pthread_join(t[0], NULL) == 0);
		/* Before it began there is nothing to clean up. */
		if (i % 2 == 0)
			destroyed = destroyed / 2 * 2;
	}
	OK(destroyed >= 2 && destroyed % 2 == 0,
	   "cancellation unwinds C++ frames");
}

/* A second C library, with call sites of its own, comes and goes. */
static void libraries(void)
{
	int bad = 0, here = getppid();

	for (int i = 0; i < 12; i++) {
		void *h = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW);
		int (*ppid)(void);
		int (*fn_close)(int);
		long (*fn)(long, ...);

		if (!h) {
			bad += 1000;
			break;
		}
		ppid = (int (*)(void))dlsym(h, "getppid");
		fn_close = (int (*)(int))dlsym(h, "close");
		fn = (long (*)(long, ...))dlsym(h, "syscall");
		for (int k = 0; k < 60; k++) {
			bad += ppid() != here;
			bad += fn_close(-1) != -1;
			bad += fn(SYS_getppid) != here;
			if (k == 30)
				sleep_ms(1);
		}
		bad += dlclose(h) != 0;
		/* Where it was, something else may lie. */
		void *p = mmap(NULL, 1 << 21, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		MUST(p != MAP_FAILED);
		memset(p, 0xcc, 1 << 21);
		bad += getppid() != here;
		munmap(p, 1 << 21);
	}
	IS(bad, 0, "a second C library is loaded, used and closed");
}

int main(void)
{
	walks();
	walks_from_calls();
	exceptions();
	threads();
	libraries();
	return tap_done();
}
