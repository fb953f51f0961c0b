/* SPDX-License-Identifier: MIT */
/*
 * sigfault.c - faults of the program itself: signal, code, address, and going
 * on either by siglongjmp or by changing the saved registers.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "fault.h"

#define PG 4096UL

static volatile int skipped, got_sig, got_code, got_trapno, got_err;
static volatile uintptr_t got_addr, got_rip, got_cr2;

static void do_divide(void *p)
{
	__asm__ volatile("xor %%edx, %%edx\n\tmov $1, %%eax\n\t"
			 "xor %%ecx, %%ecx\n\tdivl %%ecx"
			 :
			 : "r"(p)
			 : "eax", "ecx", "edx", "cc");
}

static void do_divide_overflow(void *p)
{
	__asm__ volatile("mov $0x80000000, %%eax\n\tcltd\n\t"
			 "mov $-1, %%ecx\n\tidivl %%ecx"
			 :
			 : "r"(p)
			 : "eax", "ecx", "edx", "cc");
}

static void do_ud2(void *p)
{
	(void)p;
	__asm__ volatile("ud2");
}

static void do_int3(void *p)
{
	(void)p;
	__asm__ volatile("int3");
}

static void do_hlt(void *p)
{
	(void)p;
	__asm__ volatile("hlt");
}

static void do_bad_int(void *p)
{
	(void)p;
	__asm__ volatile("int $0x21");
}

static void do_in(void *p)
{
	(void)p;
	__asm__ volatile("in $0x80, %%al" : : : "eax");
}

static void do_sse(void *p)
{
	unsigned int csr = 0x1f80 & ~(1U << 9); /* unmask divide by zero */
	volatile float a = 1, b = 0, c;

	(void)p;
	__asm__ volatile("ldmxcsr %0" : : "m"(csr));
	c = a / b;
	(void)c;
}

static void do_x87(void *p)
{
	unsigned short cw = 0x37f & ~4; /* unmask zero divide */

	(void)p;
	__asm__ volatile("fldcw %0\n\tfld1\n\tfldz\n\tfdivrp\n\tfwait"
			 :
			 : "m"(cw));
}

static void do_misaligned_sse(void *p)
{
	__asm__ volatile("movaps 1(%0), %%xmm0" : : "r"(p) : "xmm0");
}

static void do_noncanonical_jump(void *p)
{
	(void)p;
	__asm__ volatile("mov $0x8000000000000000, %%rax\n\tjmp *%%rax"
			 :
			 :
			 : "rax");
}

static void reset_fpu(void)
{
	unsigned int csr = 0x1f80;

	__asm__ volatile("fninit\n\tldmxcsr %0" : : "m"(csr));
}

static void check_codes(void)
{
	static char buf[64] __attribute__((aligned(64)));
	int sig;

	sig = fault_run(do_divide, NULL);
	OK(sig == SIGFPE && fault_last.code == FPE_INTDIV &&
	       fault_last.addr > (uintptr_t)do_divide &&
	       fault_last.addr < (uintptr_t)do_divide + 64,
	   "division by zero: SIGFPE, FPE_INTDIV, at the instruction");
	sig = fault_run(do_divide_overflow, NULL);
	OK(sig == SIGFPE && fault_last.code == FPE_INTDIV, "division overflow");
	sig = fault_run(do_ud2, NULL);
	OK(sig == SIGILL && fault_last.code == ILL_ILLOPN &&
	       fault_last.addr >= (uintptr_t)do_ud2 &&
	       fault_last.addr < (uintptr_t)do_ud2 + 16,
	   "ud2: SIGILL, ILL_ILLOPN");
	sig = fault_run(do_int3, NULL);
	OK(sig == SIGTRAP && fault_last.code == SI_KERNEL, "int3: SIGTRAP");
	sig = fault_run(do_hlt, NULL);
	OK(sig == SIGSEGV && fault_last.code == SI_KERNEL &&
	       fault_last.addr == 0,
	   "hlt: SIGSEGV, SI_KERNEL");
	sig = fault_run(do_bad_int, NULL);
	OK(sig == SIGSEGV && fault_last.code == SI_KERNEL, "int 0x21");
	sig = fault_run(do_in, NULL);
	OK(sig == SIGSEGV && fault_last.code == SI_KERNEL, "in");
	sig = fault_run(do_misaligned_sse, buf);
	OK(sig == SIGSEGV && fault_last.code == SI_KERNEL,
	   "a misaligned movaps");
	sig = fault_run(do_noncanonical_jump, NULL);
	OK(sig == SIGSEGV && fault_last.code == SI_KERNEL,
	   "a jump to no canonical address");
	sig = fault_run(do_sse, NULL);
	OK(sig == SIGFPE && fault_last.code == FPE_FLTDIV,
	   "SSE division by zero: FPE_FLTDIV");
	reset_fpu();
	sig = fault_run(do_x87, NULL);
	OK(sig == SIGFPE && fault_last.code == FPE_FLTDIV,
	   "x87 division by zero: FPE_FLTDIV");
	reset_fpu();
}

/* Skips a 2-byte instruction, like a debugger would. */
static void on_skip(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	got_sig = sig;
	got_code = si->si_code;
	got_addr = (uintptr_t)si->si_addr;
	got_rip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	got_trapno = (int)uc->uc_mcontext.gregs[REG_TRAPNO];
	got_err = (int)uc->uc_mcontext.gregs[REG_ERR];
	got_cr2 = (uintptr_t)uc->uc_mcontext.gregs[REG_CR2];
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_RBX] = 0x1234;
	skipped++;
}

static void check_skip(void)
{
	struct sigaction sa, old;
	uint64_t rbx = 1, rcx = 2, r11 = 3, rax = 4;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_skip;
	sa.sa_flags = SA_SIGINFO;
	MUST(sigaction(SIGILL, &sa, &old) == 0);
	__asm__ volatile("mov %4, %%r11\n\tud2\n\tmov %%r11, %3"
			 : "+b"(rbx), "+c"(rcx), "+a"(rax), "=r"(r11)
			 : "r"(0x9999UL)
			 : "r11");
	OK(got_sig == SIGILL && got_addr == got_rip, "the address is rip");
	IS(got_trapno, 6, "the trap number");
	IS(rbx, 0x1234, "a changed register is changed");
	OK(rcx == 2 && rax == 4 && r11 == 0x9999, "the others are as before");
	MUST(sigaction(SIGILL, &old, NULL) == 0);
}

static char *page;

/* Makes the page accessible and lets the access happen again. */
static void on_open(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	got_sig = sig;
	got_code = si->si_code;
	got_addr = (uintptr_t)si->si_addr;
	got_trapno = (int)uc->uc_mcontext.gregs[REG_TRAPNO];
	got_err = (int)uc->uc_mcontext.gregs[REG_ERR];
	got_cr2 = (uintptr_t)uc->uc_mcontext.gregs[REG_CR2];
	skipped++;
	MUST(mprotect(page, PG, PROT_READ | PROT_WRITE) == 0);
}

static void check_retry(void)
{
	struct sigaction sa, old;

	page = mmap(NULL, PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(page != MAP_FAILED);
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_open;
	sa.sa_flags = SA_SIGINFO;
	MUST(sigaction(SIGSEGV, &sa, &old) == 0);
	skipped = 0;
	*(volatile char *)(page + 77) = 5;
	IS(page[77], 5, "a handler opens a page and the write goes on");
	OK(got_addr == (uintptr_t)page + 77 && got_code == SEGV_ACCERR,
	   "it was told where");
	IS(got_trapno, 14, "the trap number");
	IS(got_err & 6, 6, "the error code: a write by user");
	OK(got_cr2 == (uintptr_t)page + 77, "cr2");
	IS(skipped, 1, "once");
	MUST(mprotect(page, PG, PROT_READ) == 0);
	for (int i = 0; i < 300; i++) {
		*(volatile char *)(page + i) = (char)i;
		MUST(mprotect(page, PG, PROT_READ) == 0);
	}
	IS(skipped, 301, "three hundred times, like a write barrier");
	MUST(sigaction(SIGSEGV, &old, NULL) == 0);
	munmap(page, PG);
}

/* Faults in several threads at once. */
static void *fault_work(void *arg)
{
	char *p = arg;
	intptr_t bad = 0;

	for (int i = 0; i < 500; i++) {
		bad += fault_read(p + i) != SIGSEGV;
		bad += fault_last.addr != (uintptr_t)p + (unsigned int)i;
		bad += fault_run(do_divide, NULL) != SIGFPE;
	}
	return (void *)bad;
}

static void check_threads(void)
{
	char *p =
	    mmap(NULL, 4 * PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t t[4];
	intptr_t bad = 0;

	MUST(p != MAP_FAILED);
	for (int i = 0; i < 4; i++)
		MUST(pthread_create(&t[i], NULL, fault_work, p + i * PG) == 0);
	for (int i = 0; i < 4; i++) {
		void *r;

		MUST(pthread_join(t[i], &r) == 0);
		bad += (intptr_t)r;
	}
	IS(bad, 0, "four threads fault five hundred times each");
	munmap(p, 4 * PG);
}

static void on_step(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig;
	got_code = si->si_code;
	if (++skipped == 5)
		uc->uc_mcontext.gregs[REG_EFL] &= ~0x100L;
}

/* The trap flag, set by the program: a SIGTRAP after each instruction. */
static void check_single_step(void)
{
	struct sigaction sa, old;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_step;
	sa.sa_flags = SA_SIGINFO;
	MUST(sigaction(SIGTRAP, &sa, &old) == 0);
	skipped = 0;
	__asm__ volatile("sub $128, %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\t"
			 "popfq\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\t"
			 "nop\n\tadd $128, %%rsp"
			 :
			 :
			 : "cc", "memory");
	OK(skipped == 5 && got_code == TRAP_TRACE, "single stepping");
	MUST(sigaction(SIGTRAP, &old, NULL) == 0);
}

static void check_mask_after_longjmp(void)
{
	sigset_t now;

	fault_read(NULL);
	sigprocmask(SIG_SETMASK, NULL, &now);
	IS(sigismember(&now, SIGSEGV), 0, "siglongjmp restores the mask");
}

int main(void)
{
	fault_init();
	check_codes();
	check_skip();
	check_retry();
	check_threads();
	check_single_step();
	check_mask_after_longjmp();
	return tap_done();
}
