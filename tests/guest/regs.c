/* SPDX-License-Identifier: MIT */
/*
 * regs.c - a system call changes rax, rcx and r11 and nothing else: general
 * and vector registers, flags, red zone; whatever kind of call it is.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "tap.h"

static long dummy[64];
static int pipe_fd[2];

/*
 * One call with every other register and the red zone set to known values.
 * Returns a mask of what changed.
 */
static unsigned long call_watched(long nr, long a, long b, long c, long d,
				  long e, long f, long *result)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	unsigned long bad;

	__asm__ volatile(
	    "mov $0xb0b0, %%rbx\n\tmov $0x1212, %%r12\n\t"
	    "mov $0x1313, %%r13\n\tmov $0x1414, %%r14\n\t"
	    "mov %%rsp, %%r15\n\t"
	    "movq $0x5a51, -8(%%rsp)\n\tmovq $0x5a52, -72(%%rsp)\n\t"
	    "movq $0x5a53, -128(%%rsp)\n\t"
	    "movq %%rbx, %%xmm0\n\tmovq %%r12, %%xmm1\n\t"
	    "movq %%r13, %%xmm8\n\tmovq %%r14, %%xmm15\n\t"
	    "mov %%rdi, -16(%%rsp)\n\tmov %%rsi, -24(%%rsp)\n\t"
	    "mov %%rdx, -32(%%rsp)\n\tmov %%r10, -40(%%rsp)\n\t"
	    "mov %%r8, -48(%%rsp)\n\tmov %%r9, -56(%%rsp)\n\t"
	    "stc\n\tstd\n\t"
	    "syscall\n\t"
	    "mov $0, %%ecx\n\t"
	    "jnc 91f\n\tjmp 92f\n91:\n\tor $1, %%ecx\n92:\n\t"
	    "cld\n\t"
	    "cmp %%rsp, %%r15\n\tje 1f\n\tor $2, %%ecx\n1:\n\t"
	    "cmp $0xb0b0, %%rbx\n\tje 1f\n\tor $4, %%ecx\n1:\n\t"
	    "cmp $0x1212, %%r12\n\tje 1f\n\tor $8, %%ecx\n1:\n\t"
	    "cmp $0x1313, %%r13\n\tje 1f\n\tor $0x10, %%ecx\n1:\n\t"
	    "cmp $0x1414, %%r14\n\tje 1f\n\tor $0x20, %%ecx\n1:\n\t"
	    "cmpq $0x5a51, -8(%%rsp)\n\tje 1f\n\tor $0x40, %%ecx\n1:\n\t"
	    "cmpq $0x5a52, -72(%%rsp)\n\tje 1f\n\tor $0x40, %%ecx\n1:\n\t"
	    "cmpq $0x5a53, -128(%%rsp)\n\tje 1f\n\tor $0x40, %%ecx\n1:\n\t"
	    "cmp %%rdi, -16(%%rsp)\n\tje 1f\n\tor $0x80, %%ecx\n1:\n\t"
	    "cmp %%rsi, -24(%%rsp)\n\tje 1f\n\tor $0x100, %%ecx\n1:\n\t"
	    "cmp %%rdx, -32(%%rsp)\n\tje 1f\n\tor $0x200, %%ecx\n1:\n\t"
	    "cmp %%r10, -40(%%rsp)\n\tje 1f\n\tor $0x400, %%ecx\n1:\n\t"
	    "cmp %%r8, -48(%%rsp)\n\tje 1f\n\tor $0x800, %%ecx\n1:\n\t"
	    "cmp %%r9, -56(%%rsp)\n\tje 1f\n\tor $0x1000, %%ecx\n1:\n\t"
	    "movq %%xmm0, %%r11\n\tcmp $0xb0b0, %%r11\n\tje 1f\n\t"
	    "or $0x2000, %%ecx\n1:\n\t"
	    "movq %%xmm1, %%r11\n\tcmp $0x1212, %%r11\n\tje 1f\n\t"
	    "or $0x2000, %%ecx\n1:\n\t"
	    "movq %%xmm8, %%r11\n\tcmp $0x1313, %%r11\n\tje 1f\n\t"
	    "or $0x2000, %%ecx\n1:\n\t"
	    "movq %%xmm15, %%r11\n\tcmp $0x1414, %%r11\n\tje 1f\n\t"
	    "or $0x2000, %%ecx\n1:\n\t"
	    : "+a"(nr), "=&c"(bad)
	    : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	    : "rbx", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm8",
	      "xmm15", "memory", "cc");
	*result = nr;
	return bad;
}

struct call {
	const char *name;
	long nr, a, b, c, d, e, f;
};

static void check_calls(int rounds, const char *suffix)
{
	struct timespec tiny = { 0, 1000 };
	long p = (long)dummy, fd = open("/dev/zero", O_RDWR);
	const struct call calls[] = {
		{ "getpid", SYS_getpid, 1, 2, 3, 4, 5, 6 },
		{ "gettid", SYS_gettid, 1, 2, 3, 4, 5, 6 },
		{ "clock_gettime", SYS_clock_gettime, 1, p, 3, 4, 5, 6 },
		{ "nanosleep", SYS_nanosleep, (long)&tiny, 0, 3, 4, 5, 6 },
		{ "sched_yield", SYS_sched_yield, 1, 2, 3, 4, 5, 6 },
		{ "futex wake", SYS_futex, p, FUTEX_WAKE, 1, 4, 5, 6 },
		{ "futex wait", SYS_futex, p, FUTEX_WAIT, 0, (long)&tiny, 5,
		  6 },
		{ "read", SYS_read, fd, p, 64, 4, 5, 6 },
		{ "write", SYS_write, fd, p, 64, 4, 5, 6 },
		{ "read of a bad fd", SYS_read, -1, p, 64, 4, 5, 6 },
		{ "openat", SYS_openat, AT_FDCWD, (long)"/nonexistent", 0, 4, 5,
		  6 },
		{ "getcwd", SYS_getcwd, p, 500, 3, 4, 5, 6 },
		{ "lseek", SYS_lseek, pipe_fd[0], 0, 0, 4, 5, 6 },
		{ "no such call", 5000, 1, 2, 3, 4, 5, 6 },
		{ "a negative call", -5, 1, 2, 3, 4, 5, 6 },
		{ "mincore", SYS_mincore, 1, 2, 3, 4, 5, 6 },
		{ "rt_sigprocmask", SYS_rt_sigprocmask, 0, 0, p, 8, 5, 6 },
		{ "kill with 0", SYS_kill, getpid(), 0, 3, 4, 5, 6 },
		{ "mmap", SYS_mmap, 0, 4096, 3, 0x22, -1, 0 },
		{ "madvise", SYS_madvise, 0, 0, 0, 4, 5, 6 },
		{ "uname", SYS_uname, p, 2, 3, 4, 5, 6 },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const struct call *k = &calls[i];
		unsigned long bad = 0;
		char name[64];
		long r;

		dummy[0] = 0;
		for (int n = 0; n < rounds && !bad; n++)
			bad = call_watched(k->nr, k->a, k->b, k->c, k->d, k->e,
					   k->f, &r);
		snprintf(name, sizeof(name), "%s%s", k->name, suffix);
		IS(bad, 0, name);
	}
	close((int)fd);
}

/* Vector state must also survive a call that lets other threads run. */
__attribute__((target("avx"), noinline)) static int yield_avx(void)
{
	uint64_t want[4] = { 0x11, 0x22, 0x33, 0x44 }, got[4];
	long nr = SYS_sched_yield;

	__asm__ volatile("vmovdqu %[w], %%ymm2\n\tvmovdqu %[w], %%ymm14\n\t"
			 "syscall\n\t"
			 "vandpd %%ymm2, %%ymm14, %%ymm2\n\t"
			 "vmovdqu %%ymm2, %[g]\n\tvzeroupper"
			 : [g] "=m"(got), "+a"(nr)
			 : [w] "m"(want)
			 : "rcx", "r11", "xmm2", "xmm14", "memory");
	return memcmp(want, got, 32) != 0;
}

static volatile int stop;

static void *spoil(void *arg)
{
	while (!stop) {
		__asm__ volatile("pcmpeqd %%xmm2, %%xmm2\n\t"
				 "pcmpeqd %%xmm14, %%xmm14\n\tpxor %%xmm0, "
				 "%%xmm0\n\tpxor %%xmm1, %%xmm1" ::
				     : "xmm0", "xmm1", "xmm2", "xmm14");
		sched_yield();
	}
	return arg;
}

/* The arithmetic flags after a call that began with these. */
static unsigned long flags_after(unsigned long flags, long nr)
{
	unsigned long got;

	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
			 "push %[f]\n\tpopfq\n\t"
			 "syscall\n\t"
			 "pushfq\n\tpop %[g]\n\t"
			 "lea 128(%%rsp), %%rsp"
			 : [g] "=&r"(got), "+a"(nr)
			 : [f] "r"(flags), "D"(0), "S"(0), "d"(0)
			 : "rcx", "r11", "cc", "memory");
	return got & 0x8d5;
}

/* CF PF AF ZF SF OF in all combinations, with the reserved bit and IF. */
static void check_flags(void)
{
	static const long calls[] = { SYS_getppid, SYS_sched_yield, SYS_uname };
	unsigned long wrong = 0;

	for (int round = 0; round < 4; round++)
		for (unsigned long i = 0; i < 64; i++)
			for (int k = 0; k < 3; k++) {
				unsigned long f = (i & 1) | (i & 2) << 1 |
						  (i & 4) << 2 | (i & 24) << 3 |
						  (i & 32) << 6;

				wrong |= flags_after(f | 0x202, calls[k]) ^ f;
			}
	IS(wrong, 0, "arithmetic flags survive, whatever they are");
}

static volatile int ticks;

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
}

int main(void)
{
	pthread_t t[3];
	int bad = 0;
	struct itimerval it = { { 0, 500 }, { 0, 500 } };
	struct sigaction sa = { .sa_handler = on_tick, .sa_flags = SA_RESTART };

	MUST(pipe(pipe_fd) == 0);
	check_calls(1, "");
	check_flags();
	for (int i = 0; i < 3; i++)
		MUST(pthread_create(&t[i], NULL, spoil, NULL) == 0);
	check_calls(100, ", among other threads");
	if (__builtin_cpu_supports("avx")) {
		for (int i = 0; i < 3000; i++)
			bad += yield_avx();
		IS(bad, 0, "ymm registers across sched_yield");
	} else {
		tap_skip("ymm registers across sched_yield", "no AVX");
	}
	MUST(sigaction(SIGALRM, &sa, NULL) == 0);
	MUST(setitimer(ITIMER_REAL, &it, NULL) == 0);
	check_calls(100, ", under signals");
	stop = 1;
	for (int i = 0; i < 3; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	return tap_done();
}
