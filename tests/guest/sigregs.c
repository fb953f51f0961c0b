/* SPDX-License-Identifier: MIT */
/*
 * sigregs.c - a signal that comes between any two instructions changes
 * nothing: registers, flags, red zone, vector and x87 state.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

#include "tap.h"

static volatile long handled;
static volatile int in_handler_bad;

/* Spoils every vector register and the control words. */
static void on_timer(int sig)
{
	unsigned int csr = 0x1f80;
	uint64_t x = 0xdeadbeefdeadbeefULL;

	(void)sig;
	__asm__ volatile("stmxcsr %0" : "=m"(csr));
	/* Linux hands over the control state as it was. */
	handled++;
	__asm__ volatile(
	    "movq %0, %%xmm0\n\tmovq %0, %%xmm1\n\tmovq %0, %%xmm2\n\t"
	    "movq %0, %%xmm3\n\tmovq %0, %%xmm4\n\tmovq %0, %%xmm5\n\t"
	    "movq %0, %%xmm6\n\tmovq %0, %%xmm7\n\tmovq %0, %%xmm8\n\t"
	    "movq %0, %%xmm9\n\tmovq %0, %%xmm10\n\tmovq %0, %%xmm11\n\t"
	    "movq %0, %%xmm12\n\tmovq %0, %%xmm13\n\tmovq %0, %%xmm14\n\t"
	    "movq %0, %%xmm15\n\tfninit\n\tfldz\n\tfldz\n\tfldpi"
	    :
	    : "r"(x)
	    : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
	      "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
	      "xmm15");
	csr = 0x9fc0;
	__asm__ volatile("ldmxcsr %0" : : "m"(csr));
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroall" ::: "xmm0");
}

static void timer_start(void)
{
	struct itimerval it = { { 0, 300 }, { 0, 300 } };
	struct sigaction sa = { .sa_handler = on_timer,
				.sa_flags = SA_RESTART };

	MUST(sigaction(SIGALRM, &sa, NULL) == 0);
	MUST(setitimer(ITIMER_REAL, &it, NULL) == 0);
}

static void timer_stop(void)
{
	struct itimerval off = { { 0, 0 }, { 0, 0 } };

	MUST(setitimer(ITIMER_REAL, &off, NULL) == 0);
}

/* Every general register, flags and the red zone, checked in a tight loop. */
static long hold_general(long rounds)
{
	long bad;

	__asm__ volatile(
	    "mov %%rsp, %%rbx\n\t"
	    "mov $0x1001, %%rdx\n\tmov $0x1002, %%rsi\n\tmov $0x1003, %%rdi\n\t"
	    "mov $0x1008, %%r8\n\tmov $0x1009, %%r9\n\tmov $0x100a, %%r10\n\t"
	    "mov $0x100b, %%r11\n\tmov $0x100c, %%r12\n\tmov $0x100d, %%r13\n\t"
	    "mov $0x100e, %%r14\n\tmov $0x100f, %%r15\n\t"
	    "movq $0x7e57, -8(%%rsp)\n\tmovq $0x7e58, -64(%%rsp)\n\t"
	    "movq $0x7e59, -128(%%rsp)\n\t"
	    "1:\n\t"
	    "cmp %%rsp, %%rbx\n\tjne 2f\n\t"
	    "cmp $0x1001, %%rdx\n\tjne 2f\n\tcmp $0x1002, %%rsi\n\tjne 2f\n\t"
	    "cmp $0x1003, %%rdi\n\tjne 2f\n\tcmp $0x1008, %%r8\n\tjne 2f\n\t"
	    "cmp $0x1009, %%r9\n\tjne 2f\n\tcmp $0x100a, %%r10\n\tjne 2f\n\t"
	    "cmp $0x100b, %%r11\n\tjne 2f\n\tcmp $0x100c, %%r12\n\tjne 2f\n\t"
	    "cmp $0x100d, %%r13\n\tjne 2f\n\tcmp $0x100e, %%r14\n\tjne 2f\n\t"
	    "cmp $0x100f, %%r15\n\tjne 2f\n\t"
	    "cmpq $0x7e57, -8(%%rsp)\n\tjne 2f\n\t"
	    "cmpq $0x7e58, -64(%%rsp)\n\tjne 2f\n\t"
	    "cmpq $0x7e59, -128(%%rsp)\n\tjne 2f\n\t"
	    "xor %%eax, %%eax\n\tstc\n\tadc $0, %%eax\n\t"
	    "cmp $1, %%eax\n\tjne 2f\n\t"
	    "std\n\tnop\n\tnop\n\tnop\n\tcld\n\t"
	    "dec %%rcx\n\tjnz 1b\n\txor %%eax, %%eax\n\tjmp 3f\n"
	    "2:\n\tmov $1, %%eax\n"
	    "3:\n\t"
	    : "=&a"(bad), "+c"(rounds)
	    :
	    : "rbx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
	      "r13", "r14", "r15", "cc", "memory");
	return bad;
}

static long hold_vector(long rounds)
{
	static const uint64_t want[2]
	    __attribute__((aligned(16))) = { 0x1122334455667788ULL,
					     0x99aabbccddeeff00ULL };
	long bad;

	__asm__ volatile("movaps (%[w]), %%xmm0\n\tmovaps %%xmm0, %%xmm5\n\t"
			 "movaps %%xmm0, %%xmm9\n\tmovaps %%xmm0, %%xmm15\n\t"
			 "xor %%eax, %%eax\n"
			 "1:\n\t"
			 "movaps %%xmm0, %%xmm1\n\tpcmpeqb (%[w]), %%xmm1\n\t"
			 "movaps %%xmm5, %%xmm2\n\tpcmpeqb (%[w]), %%xmm2\n\t"
			 "movaps %%xmm9, %%xmm3\n\tpcmpeqb (%[w]), %%xmm3\n\t"
			 "movaps %%xmm15, %%xmm4\n\tpcmpeqb (%[w]), %%xmm4\n\t"
			 "pand %%xmm2, %%xmm1\n\tpand %%xmm4, %%xmm3\n\t"
			 "pand %%xmm3, %%xmm1\n\tpmovmskb %%xmm1, %%edx\n\t"
			 "cmp $0xffff, %%edx\n\tjne 2f\n\t"
			 "dec %%rcx\n\tjnz 1b\n\tjmp 3f\n"
			 "2:\n\tmov $1, %%eax\n3:\n\t"
			 : "=&a"(bad), "+c"(rounds)
			 : [w] "r"(want)
			 : "rdx", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
			   "xmm5", "xmm9", "xmm15", "cc", "memory");
	return bad;
}

__attribute__((target("avx"))) static long hold_avx(long rounds)
{
	uint64_t want[4] = { 1, 2, 3, 4 }, got[4];

	__asm__ volatile("vmovdqu %[w], %%ymm6\n\tvmovdqu %[w], %%ymm13\n"
			 "1:\n\tdec %[n]\n\tjnz 1b\n\t"
			 "vpermilpd $5, %%ymm6, %%ymm6\n\t"
			 "vpermilpd $5, %%ymm6, %%ymm6\n\t"
			 "vandpd %%ymm6, %%ymm13, %%ymm6\n\t"
			 "vmovdqu %%ymm6, %[g]\n\tvzeroupper"
			 : [g] "=m"(got), [n] "+r"(rounds)
			 : [w] "m"(want)
			 : "xmm6", "xmm13", "cc");
	return memcmp(want, got, sizeof(want)) != 0;
}

static long hold_x87(long rounds)
{
	unsigned short cw = 0x27f, now;     /* double precision */
	unsigned int csr = 0x3f80, csr_now; /* round down */
	long double r;

	__asm__ volatile("fldcw %0\n\tldmxcsr %1" : : "m"(cw), "m"(csr));
	__asm__ volatile("fld1\n\tfldpi\n\tfldl2e\n"
			 "1:\n\tdec %1\n\tjnz 1b\n\tfaddp\n\tfaddp"
			 : "=t"(r), "+r"(rounds)
			 :
			 : "cc");
	__asm__ volatile("fnstcw %0\n\tstmxcsr %1" : "=m"(now), "=m"(csr_now));
	cw = 0x37f;
	csr = 0x1f80;
	__asm__ volatile("fldcw %0\n\tldmxcsr %1" : : "m"(cw), "m"(csr));
	return now != 0x27f || (csr_now & ~0x3fU) != 0x3f80 || r < 5.58L ||
	       r > 5.585L;
}

static void check_held(long (*fn)(long), long rounds, const char *name)
{
	long bad = 0, start;

	handled = 0;
	timer_start();
	/* Until enough signals have come in the middle of it. */
	start = handled;
	for (int i = 0; i < 1000 && handled - start < 100 && !bad; i++)
		bad = fn(rounds);
	timer_stop();
	IS(bad, 0, name);
	OK(handled > 0, "with signals meanwhile");
}

/* The context tells the registers as they were. */
static volatile greg_t seen[3];

static void on_context(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig;
	(void)si;
	seen[0] = uc->uc_mcontext.gregs[REG_R12];
	seen[1] = uc->uc_mcontext.gregs[REG_R15];
	seen[2] = uc->uc_mcontext.gregs[REG_RBX];
	uc->uc_mcontext.gregs[REG_R15] = 0x5555;
	if (!uc->uc_mcontext.fpregs)
		in_handler_bad = 1;
	else
		memcpy((void *)&uc->uc_mcontext.fpregs->_xmm[7],
		       &(uint64_t){ 0x777 }, 8);
}

static void check_context(void)
{
	struct sigaction sa;
	long nr = SYS_tkill, tid = my_tid();
	uint64_t r15, xmm7;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_context;
	sa.sa_flags = SA_SIGINFO;
	MUST(sigaction(SIGUSR1, &sa, NULL) == 0);
	__asm__ volatile(
	    "mov $0x1212, %%r12\n\tmov $0x1515, %%r15\n\t"
	    "mov $0x3b3b, %%ebx\n\tpxor %%xmm7, %%xmm7\n\tsyscall\n\t"
	    "mov %%r15, %1\n\tmovq %%xmm7, %2"
	    : "+a"(nr), "=&r"(r15), "=&r"(xmm7)
	    : "D"(tid), "S"((long)SIGUSR1)
	    : "rcx", "r11", "r12", "r15", "rbx", "xmm7", "memory");
	OK(seen[0] == 0x1212 && seen[1] == 0x1515 && seen[2] == 0x3b3b,
	   "the context holds the registers");
	IS(r15, 0x5555, "a register changed in it is changed");
	IS(xmm7, 0x777, "so is a vector register");
	IS(nr, 0, "the call's result is kept");
	IS(in_handler_bad, 0, "vector state is in the context");
}

static volatile int handler_regs_bad;

static void check_entry_state(int sig, siginfo_t *si, void *ctx)
{
	uint64_t fl;

	__asm__ volatile("pushfq\n\tpop %0" : "=r"(fl));
	if (fl & 0x500) /* TF, DF */
		handler_regs_bad |= 1;
	if (sig != SIGUSR2 || si->si_signo != SIGUSR2 || !ctx)
		handler_regs_bad |= 2;
}

static void check_df(void)
{
	struct sigaction sa;
	long nr = SYS_tkill, tid = my_tid();
	uint64_t fl;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = check_entry_state;
	sa.sa_flags = SA_SIGINFO;
	MUST(sigaction(SIGUSR2, &sa, NULL) == 0);
	__asm__ volatile("sub $128, %%rsp\n\tstd\n\tstc\n\tsyscall\n\t"
			 "pushfq\n\tpop %1\n\tcld\n\tadd $128, %%rsp"
			 : "+a"(nr), "=&r"(fl)
			 : "D"(tid), "S"((long)SIGUSR2)
			 : "rcx", "r11", "memory", "cc");
	IS(handler_regs_bad, 0, "a handler starts with DF clear");
	IS(fl & 0x401, 0x401, "DF and CF are as before afterwards");
}

int main(void)
{
	check_context();
	check_df();
	check_held(hold_general, 3000000, "general registers and red zone");
	check_held(hold_vector, 3000000, "xmm registers");
	if (__builtin_cpu_supports("avx"))
		check_held(hold_avx, 20000000, "ymm registers");
	else
		tap_skip("ymm registers", "this CPU has no AVX");
	check_held(hold_x87, 20000000, "the x87 stack and control words");
	return tap_done();
}
