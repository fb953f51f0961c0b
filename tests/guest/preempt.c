/* SPDX-License-Identifier: MIT */
/*
 * preempt.c - more runnable threads than cores: nobody starves, although
 * nobody yields, and no register of any kind is mixed up.
 */
#include <immintrin.h>
#include <pthread.h>

#include "tap.h"

static volatile int flag;

static void *set_flag(void *arg)
{
	flag = 1;
	return arg;
}

static void check_spin_wait(void)
{
	pthread_t t;

	for (int i = 0; i < 20; i++) {
		flag = 0;
		MUST(pthread_create(&t, NULL, set_flag, NULL) == 0);
		while (!flag)
			;
		MUST(pthread_join(t, NULL) == 0);
	}
	OK(1, "spinning without a system call lets others run");
}

/* A chain: each spins until the one before it has set its cell. */
static volatile int chain[17];

static void *link_work(void *arg)
{
	intptr_t i = (intptr_t)arg;

	while (!chain[i])
		;
	chain[i + 1] = 1;
	return NULL;
}

static void check_chain(void)
{
	pthread_t t[16];

	for (intptr_t i = 0; i < 16; i++)
		MUST(pthread_create(&t[i], NULL, link_work, (void *)i) == 0);
	chain[0] = 1;
	while (!chain[16])
		;
	for (int i = 0; i < 16; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	OK(1, "a chain of sixteen spinning threads");
}

static int wrong;
static volatile int stop;

/*
 * All sixteen xmm registers and ten general ones hold values of this thread;
 * a loop without calls checks that they stay for `rounds` turns.
 */
static int hold_sse(uint64_t seed, long rounds)
{
	int bad;

	__asm__ volatile(
	    "movq %[s], %%xmm0\n\tmovq %[s], %%xmm3\n\tmovq %[s], %%xmm7\n\t"
	    "movq %[s], %%xmm8\n\tmovq %[s], %%xmm12\n\tmovq %[s], %%xmm15\n\t"
	    "mov %[s], %%r8\n\tmov %[s], %%r9\n\tmov %[s], %%r10\n\t"
	    "mov %[s], %%r11\n\tmov %[s], %%r12\n\tmov %[s], %%r13\n\t"
	    "mov %[s], %%rsi\n\tmov %[s], %%rdi\n\tmov %[s], %%rdx\n\t"
	    "xor %[bad], %[bad]\n"
	    "1:\n\t"
	    "movq %%xmm0, %%rax\n\tcmp %[s], %%rax\n\tjne 2f\n\t"
	    "movq %%xmm3, %%rax\n\tcmp %[s], %%rax\n\tjne 2f\n\t"
	    "movq %%xmm7, %%rax\n\tcmp %[s], %%rax\n\tjne 2f\n\t"
	    "movq %%xmm8, %%rax\n\tcmp %[s], %%rax\n\tjne 2f\n\t"
	    "movq %%xmm12, %%rax\n\tcmp %[s], %%rax\n\tjne 2f\n\t"
	    "movq %%xmm15, %%rax\n\tcmp %[s], %%rax\n\tjne 2f\n\t"
	    "cmp %[s], %%r8\n\tjne 2f\n\tcmp %[s], %%r9\n\tjne 2f\n\t"
	    "cmp %[s], %%r10\n\tjne 2f\n\tcmp %[s], %%r11\n\tjne 2f\n\t"
	    "cmp %[s], %%r12\n\tjne 2f\n\tcmp %[s], %%r13\n\tjne 2f\n\t"
	    "cmp %[s], %%rsi\n\tjne 2f\n\tcmp %[s], %%rdi\n\tjne 2f\n\t"
	    "cmp %[s], %%rdx\n\tjne 2f\n\t"
	    "dec %%rcx\n\tjnz 1b\n\tjmp 3f\n"
	    "2:\n\tmov $1, %[bad]\n"
	    "3:\n\t"
	    : [bad] "=&r"(bad), "+c"(rounds)
	    : [s] "b"(seed)
	    : "rax", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
	      "r13", "xmm0", "xmm3", "xmm7", "xmm8", "xmm12", "xmm15", "cc",
	      "memory");
	return bad;
}

__attribute__((target("avx"), noinline)) static int hold_avx(uint64_t seed,
							     long rounds)
{
	__m256d v = _mm256_set_pd((double)seed, (double)seed + 1,
				  (double)seed + 2, (double)seed + 3);
	__m256d sum = _mm256_setzero_pd();
	double out[4];

	for (long i = 0; i < rounds; i++) {
		sum = _mm256_add_pd(sum, v);
		__asm__ volatile("" : "+x"(sum), "+x"(v));
	}
	_mm256_storeu_pd(out, sum);
	for (int k = 0; k < 4; k++)
		if (out[k] != ((double)seed + 3 - k) * (double)rounds)
			return 1;
	return 0;
}

/* Control words differ between threads and must stay with them. */
static int hold_control(int me, long rounds)
{
	unsigned int want = 0x1f80U | (unsigned int)(me & 3) << 13, got;
	unsigned short cw = (unsigned short)(0x37f | (me & 3) << 10), now;

	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(want), "m"(cw));
	for (long i = 0; i < rounds; i++) {
		__asm__ volatile("stmxcsr %0\n\tfnstcw %1"
				 : "=m"(got), "=m"(now));
		if ((got & 0x7fc0) != (want & 0x7fc0) || now != cw)
			return 1;
	}
	want = 0x1f80;
	cw = 0x37f;
	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(want), "m"(cw));
	return 0;
}

static long double x87(long rounds, long double step)
{
	long double sum = 0;

	for (long i = 0; i < rounds; i++) {
		sum += step;
		__asm__ volatile("" : "+t"(sum));
	}
	return sum;
}

static void *hold_work(void *arg)
{
	intptr_t me = (intptr_t)arg;
	int bad = 0;

	for (int i = 0; i < 12; i++) {
		bad |= hold_sse(0x0123456789abcdefULL * (uint64_t)(me + 1),
				1000000);
		bad |= hold_control((int)me, 200000) << 2;
		if (__builtin_cpu_supports("avx"))
			bad |= hold_avx((uint64_t)me * 7, 1000000) << 1;
		bad |= (x87(500000, (long double)me) !=
			500000.0L * (long double)me)
		       << 3;
	}
	if (bad)
		__atomic_or_fetch(&wrong, bad, __ATOMIC_SEQ_CST);
	return NULL;
}

static void check_registers(void)
{
	pthread_t t[6];

	for (intptr_t i = 0; i < 6; i++)
		MUST(pthread_create(&t[i], NULL, hold_work, (void *)i) == 0);
	for (int i = 0; i < 6; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	IS(wrong & 1, 0, "general and xmm registers stay their thread's");
	IS(wrong & 2, 0, "ymm registers too");
	IS(wrong & 4, 0, "control words too");
	IS(wrong & 8, 0, "the x87 stack too");
}

static void *count_up(void *arg)
{
	volatile long *mine = arg;

	while (!stop)
		++*mine;
	return NULL;
}

static void check_fair(void)
{
	static volatile long n[6];
	pthread_t t[6];
	long least, most;
	int tries = 0;

	for (int i = 0; i < 6; i++)
		MUST(pthread_create(&t[i], NULL, count_up, (void *)&n[i]) == 0);
	do {
		sleep_ms(300);
		least = most = n[0];
		for (int i = 1; i < 6; i++) {
			least = n[i] < least ? n[i] : least;
			most = n[i] > most ? n[i] : most;
		}
	} while ((least == 0 || most / least > 20) && ++tries < 20);
	stop = 1;
	for (int i = 0; i < 6; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	OK(tries < 20, "six spinning threads share the cores");
}

/* Sleepers wake although every core is busy. */
static void *spinner(void *arg)
{
	while (!stop)
		;
	return arg;
}

static void check_sleepers(void)
{
	pthread_t t[4];

	stop = 0;
	for (int i = 0; i < 4; i++)
		MUST(pthread_create(&t[i], NULL, spinner, NULL) == 0);
	for (int i = 0; i < 20; i++)
		sleep_ms(2);
	OK(1, "sleeping among busy threads");
	stop = 1;
	for (int i = 0; i < 4; i++)
		MUST(pthread_join(t[i], NULL) == 0);
}

/*
 * A thread that makes calls, then spins until others have had a turn: whatever
 * wanted its core's attention during a call must not be forgotten after it.
 */
static volatile int turns[2], turns_end;

static void *take_turns(void *arg)
{
	while (!turns_end)
		turns[(intptr_t)arg]++;
	return NULL;
}

static void check_calls_then_spin(void)
{
	pthread_t t[2];
	int fd[2];
	char c;

	MUST(pipe(fd) == 0);
	for (intptr_t i = 0; i < 2; i++)
		MUST(pthread_create(&t[i], NULL, take_turns, (void *)i) == 0);
	for (int i = 0; i < 40; i++) {
		int64_t end = now_ns(CLOCK_MONOTONIC) + i % 8 * 500000;
		int seen[2];

		do {
			MUST(write(fd[1], "x", 1) == 1);
			MUST(read(fd[0], &c, 1) == 1);
		} while (now_ns(CLOCK_MONOTONIC) < end);
		seen[0] = turns[0];
		seen[1] = turns[1];
		while (turns[0] == seen[0] || turns[1] == seen[1])
			;
	}
	turns_end = 1;
	for (int i = 0; i < 2; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	OK(1, "a thread that has made calls gives way to others");
}

int main(void)
{
	check_spin_wait();
	check_chain();
	check_calls_then_spin();
	check_registers();
	check_fair();
	check_sleepers();
	return tap_done();
}
