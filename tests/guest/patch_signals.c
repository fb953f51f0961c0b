/* SPDX-License-Identifier: MIT */
/*
 * patch_signals.c - signals that arrive while call sites are in use, however
 * those are implemented: a handler sees an address in the program's own code,
 * at an instruction of it, with the registers that belong there; it may return,
 * jump away, or go on somewhere else; calls restart or end as they should.
 */
// variants: pie static
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "tap.h"

/*
 * storm - %rdi rounds of calls, by sites of several shapes. r12 to r15, xmm6
 * and the red zone hold known values all the time; returns 0 if they and all
 * answers are right. %rsi: getpid(). Between storm_lo and storm_hi every
 * instruction's address is in storm_insns, ended by 0.
 */
__asm__(".text\n\t.p2align 4\n"
	".macro I\n"
	"999:	.pushsection .data.rel.ro.insns,\"aw\"\n"
	"	.quad 999b\n"
	"	.popsection\n"
	".endm\n"
	".pushsection .data.rel.ro.insns,\"aw\"\n"
	".globl storm_insns\n"
	"storm_insns:\n"
	".popsection\n"
	".globl storm\n\t.type storm, @function\n"
	"storm:\n"
	"	push %rbx\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n"
	"	mov %rdi, %rbx\n"
	"	movabs $0x1212121212121212, %r12\n"
	"	movabs $0x1313131313131313, %r13\n"
	"	mov %rsi, %r14\n"
	"	mov $0x15151515, %r15d\n"
	"	movq %r12, %xmm6\n"
	"	mov %r13, -8(%rsp)\n"
	"	mov %r12, -128(%rsp)\n"
	".globl storm_lo\n"
	"storm_lo:\n"
	"I\n	mov $39, %eax\n"
	".globl site_a\n"
	"site_a:\n"
	"I\n	syscall\n"
	"I\n	cmp %rax, %r14\n"
	"I\n	jne 9f\n"
	"I\n	mov $110, %eax\n"
	"I\n	syscall\n"
	"I\n	cmp %rax, %r14\n"
	"I\n	je 9f\n"
	"I\n	push $39\n"
	"I\n	pop %rax\n"
	"I\n	mov %r13, -8(%rsp)\n"
	"I\n	stc\n"
	"I\n	syscall\n"
	"I\n	jnc 9f\n"
	"I\n	cmp %rax, %r14\n"
	"I\n	jne 9f\n"
	"I\n	mov $102, %eax\n" /* getuid */
	"I\n	lea storm(%rip), %rdi\n"
	"I\n	syscall\n"
	"I\n	mov $3, %eax\n" /* close(-1) */
	"I\n	mov $-1, %edi\n"
	"I\n	syscall\n"
	"I\n	cmp $-9, %rax\n"
	"I\n	jne 9f\n"
	"I\n	xor %eax, %eax\n" /* read(-1) */
	"I\n	syscall\n"
	"I\n	cmp $-9, %rax\n"
	"I\n	jne 9f\n"
	"I\n	movq %xmm6, %rax\n"
	"I\n	cmp %rax, %r12\n"
	"I\n	jne 9f\n"
	"I\n	cmp %r13, -8(%rsp)\n"
	"I\n	jne 9f\n"
	"I\n	cmp %r12, -128(%rsp)\n"
	"I\n	jne 9f\n"
	"I\n	movabs $0x1313131313131313, %rax\n"
	"I\n	cmp %rax, %r13\n"
	"I\n	jne 9f\n"
	"I\n	cmp $0x15151515, %r15\n"
	"I\n	jne 9f\n"
	"I\n	dec %rbx\n"
	"I\n	jnz storm_lo\n"
	".globl storm_hi\n"
	"storm_hi:\n"
	"	xor %eax, %eax\n"
	"	jmp 8f\n"
	"9:	mov $1, %eax\n"
	"8:	pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbx\n"
	"	ret\n"
	"	.size storm, . - storm\n"
	".pushsection .data.rel.ro.insns,\"aw\"\n"
	"	.quad 0\n"
	".popsection\n"
	/* injected - saves all, calls, and goes back where it came from. */
	".globl injected\n"
	"injected:\n"
	"	pushfq\n\tpush %rax\n\tpush %rcx\n\tpush %r11\n\tpush %rdi\n"
	"	mov $39, %eax\n"
	"	syscall\n"
	"	incq injections(%rip)\n"
	"	pop %rdi\n\tpop %r11\n\tpop %rcx\n\tpop %rax\n\tpopfq\n"
	"	ret $128\n");

int storm(long rounds, long pid);
void injected(void);
extern char storm_lo[], storm_hi[], site_a[];
extern char *const storm_insns[];
long injections;

static long pid;
static char *maps_lo[256], *maps_hi[256];
static int nmaps;

/* What is the program's to execute, as far as it can know. */
static void read_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], x;

	MUST(f);
	while (fgets(line, sizeof(line), f) && nmaps < 256)
		if (sscanf(line, "%p-%p %*c%*c%c", (void **)&maps_lo[nmaps],
			   (void **)&maps_hi[nmaps], &x) == 3 &&
		    x == 'x')
			nmaps++;
	fclose(f);
}

static int in_maps(const char *p)
{
	for (int i = 0; i < nmaps; i++)
		if (p >= maps_lo[i] && p < maps_hi[i])
			return 1;
	return 0;
}

static int at_instruction(const char *p)
{
	for (int i = 0; storm_insns[i]; i++)
		if (p == storm_insns[i])
			return 1;
	return 0;
}

static volatile int count, foreign, amid, regs_bad, inside;
static volatile int leave; /* siglongjmp out of the handler */
static sigjmp_buf out;
static volatile int inject;

static void on_signal(int sig, siginfo_t *si, void *ucp)
{
	ucontext_t *uc = ucp;
	greg_t *r = uc->uc_mcontext.gregs;
	char *rip = (char *)r[REG_RIP];

	(void)sig;
	(void)si;
	count++;
	if (!in_maps(rip))
		foreign++;
	if (rip < storm_lo || rip >= storm_hi)
		return;
	inside++;
	if (!at_instruction(rip))
		amid++;
	if (r[REG_R12] != 0x1212121212121212 ||
	    r[REG_R13] != 0x1313131313131313 || r[REG_R14] != pid ||
	    r[REG_R15] != 0x15151515 || r[REG_RBX] <= 0)
		regs_bad++;
	/* At the instruction, the number; behind it, the answer. */
	if (rip == site_a && r[REG_RAX] != SYS_getpid)
		regs_bad++;
	if (rip == site_a + 2 && r[REG_RAX] != pid)
		regs_bad++;
	if (leave)
		siglongjmp(out, 1);
	if (inject) {
		/* As Go preempts: a call is pushed onto the program's stack. */
		r[REG_RSP] -= 128 + 8;
		*(greg_t *)r[REG_RSP] = r[REG_RIP];
		r[REG_RIP] = (greg_t)injected;
	}
}

static void take(int sig, int flags)
{
	struct sigaction sa = { .sa_sigaction = on_signal,
				.sa_flags = SA_SIGINFO | flags };

	MUST(sigaction(sig, &sa, NULL) == 0);
}

static void every(int which, long us)
{
	struct itimerval it = { { 0, us }, { 0, us } };

	MUST(setitimer(which, &it, NULL) == 0);
}

static void reset(void)
{
	count = foreign = amid = regs_bad = inside = 0;
}

static void judge(const char *what, int bad)
{
	char name[128];

	snprintf(name, sizeof(name), "%s: all calls answered", what);
	IS(bad, 0, name);
	snprintf(name, sizeof(name), "%s: handlers saw the program's code",
		 what);
	IS(foreign, 0, name);
	snprintf(name, sizeof(name), "%s: at its instructions", what);
	IS(amid, 0, name);
	snprintf(name, sizeof(name), "%s: with its registers", what);
	IS(regs_bad, 0, name);
	snprintf(name, sizeof(name), "%s: and some of them in the loop", what);
	OK(inside > 0, name);
}

static void storms(int which, int sig, const char *what)
{
	int bad = 0;

	take(sig, SA_RESTART);
	reset();
	every(which, 100);
	for (int i = 0; inside < 200 && i < 20000; i++)
		bad += storm(100, pid);
	every(which, 0);
	judge(what, bad);
}

/* The other thread sends as fast as it can. */
static volatile int done;

static void *sender(void *arg)
{
	int sig = (int)(long)arg;

	while (!done) {
		syscall(SYS_tgkill, pid, pid, sig);
		for (volatile int i = 0; i < 2000; i++)
			;
		sched_yield();
	}
	return NULL;
}

static void flood(void)
{
	pthread_t t;
	int bad = 0;

	take(SIGUSR1, 0);
	reset();
	done = 0;
	MUST(pthread_create(&t, NULL, sender, (void *)(long)SIGUSR1) == 0);
	for (int i = 0; (inside < 300 && i < 20000) || i < 20; i++)
		bad += storm(50, pid);
	done = 1;
	pthread_join(t, NULL);
	judge("a flood from another thread", bad);
}

static void jumps_away(void)
{
	volatile int jumped = 0, bad = 0;

	take(SIGALRM, 0);
	reset();
	for (volatile int i = 0; i < 100; i++) {
		if (sigsetjmp(out, 1) == 0) {
			leave = 1;
			every(ITIMER_REAL, 100);
			for (int k = 0; k < 10000; k++)
				bad += storm(100, pid);
		}
		jumped++;
		every(ITIMER_REAL, 0);
		leave = 0;
		bad += storm(10, pid);
	}
	judge("left by siglongjmp", bad);
	IS(jumped, 100, "left by siglongjmp: every time");
}

static void goes_elsewhere(void)
{
	int bad = 0;

	take(SIGALRM, SA_RESTART);
	reset();
	inject = 1;
	every(ITIMER_REAL, 100);
	for (int i = 0; injections < 200 && i < 20000; i++)
		bad += storm(100, pid);
	every(ITIMER_REAL, 0);
	inject = 0;
	judge("calls pushed in between", bad);
	OK(injections > 0, "calls pushed in between: they were made");
	IS(inside, injections, "calls pushed in between: each of them");
}

/* --- restarts, at a site that has been used before --- */
static long __attribute__((noinline)) raw(long nr, long a, long b, long c)
{
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return r;
}

static long __attribute__((noinline)) raw_read(int fd, void *p)
{
	long r;

	__asm__ volatile("mov $1, %%edx\n\tmov $0, %%eax\n\tsyscall"
			 : "=a"(r)
			 : "D"((long)fd), "S"(p)
			 : "rdx", "rcx", "r11", "memory");
	return r;
}

static long __attribute__((noinline))
raw_sleep(struct timespec *ts, struct timespec *rest)
{
	long r;

	__asm__ volatile("mov $35, %%eax\n\tsyscall"
			 : "=a"(r)
			 : "D"(ts), "S"(rest)
			 : "rcx", "r11", "memory");
	return r;
}

static volatile int ticks, write_at, pipe_w;

static void on_tick(int sig)
{
	(void)sig;
	if (++ticks == write_at)
		(void)!write(pipe_w, "x", 1);
}

static void restarts(void)
{
	struct timespec ms = { 0, 1000 }, rest = { 0, 0 };
	struct sigaction sa = { .sa_handler = on_tick, .sa_flags = SA_RESTART };
	int p[2], bad = 0, st;
	int64_t before;
	char c;

	MUST(pipe(p) == 0);
	pipe_w = p[1];
	MUST(sigaction(SIGALRM, &sa, NULL) == 0);
	for (int i = 0; i < 200; i++) {
		bad += write(p[1], "y", 1) != 1;
		bad += raw_read(p[0], &c) != 1;
		bad += write(p[1], "y", 1) != 1;
		bad += raw(SYS_read, p[0], (long)&c, 1) != 1;
		bad += raw_sleep(&ms, NULL) != 0;
	}
	IS(bad, 0, "the sites work");
	for (int i = 0; i < 4; i++) {
		ticks = 0;
		write_at = 5;
		every(ITIMER_REAL, 2000);
		bad += (i & 1 ? raw_read(p[0], &c)
			      : raw(SYS_read, p[0], (long)&c, 1)) != 1;
		bad += c != 'x' || ticks < 5;
		every(ITIMER_REAL, 0);
	}
	IS(bad, 0, "a read goes on after handlers with SA_RESTART");
	sa.sa_flags = 0;
	MUST(sigaction(SIGALRM, &sa, NULL) == 0);
	write_at = -1;
	for (int i = 0; i < 4; i++) {
		every(ITIMER_REAL, 3000);
		bad += (i & 1 ? raw_read(p[0], &c)
			      : raw(SYS_read, p[0], (long)&c, 1)) != -EINTR;
		every(ITIMER_REAL, 0);
	}
	IS(bad, 0, "and is EINTR without");
	ms = (struct timespec){ 30, 0 };
	every(ITIMER_REAL, 3000);
	bad += raw_sleep(&ms, &rest) != -EINTR;
	every(ITIMER_REAL, 0);
	OK(rest.tv_sec < 30 && (rest.tv_sec || rest.tv_nsec),
	   "a sleep says what is left");
	IS(bad, 0, "and is EINTR");
	/* Stopped and continued, without a handler: restart_syscall. */
	st = fork();
	MUST(st >= 0);
	if (st == 0) {
		ms = (struct timespec){ 0, 60000000 };
		before = now_ns(CLOCK_MONOTONIC);
		bad = raw_sleep(&ms, &rest) != 0;
		bad += now_ns(CLOCK_MONOTONIC) - before < 60000000;
		_exit(bad);
	}
	for (int i = 0; i < 3; i++) {
		sleep_ms(10);
		kill(st, SIGSTOP);
		kill(st, SIGCONT);
	}
	MUST(waitpid(st, &bad, 0) == st);
	IS(bad, 0,
	   "a sleep that is stopped and continued lasts as long as it should");
}

/* --- fork at a site --- */
static long __attribute__((noinline)) raw_fork(void)
{
	long r;

	__asm__ volatile("mov $57, %%eax\n\tsyscall"
			 : "=a"(r)
			 :
			 : "rcx", "r11", "memory");
	return r;
}

static long __attribute__((noinline)) raw_clone(void)
{
	long r;
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;

	__asm__ volatile("mov $56, %%eax\n\tsyscall"
			 : "=a"(r)
			 : "D"((long)SIGCHLD), "S"(0L), "d"(0L), "r"(r10),
			   "r"(r8)
			 : "rcx", "r11", "memory");
	return r;
}

static void forks(void)
{
	int bad = 0, status;

	for (int i = 0; i < 16; i++) {
		long child = i & 1 ? raw_fork() : raw_clone();

		MUST(child >= 0);
		if (child == 0) {
			long me = raw(SYS_getpid, 0, 0, 0);

			raw(SYS_exit_group,
			    storm(100, me) || me == pid ||
				raw(SYS_getppid, 0, 0, 0) != pid,
			    0, 0);
		}
		bad += waitpid((pid_t)child, &status, 0) != child || status;
		bad += raw(SYS_getpid, 0, 0, 0) != pid;
	}
	IS(bad, 0,
	   "fork and clone at sites in use; children know who they are");
}

int main(void)
{
	pid = syscall(SYS_getpid);
	read_maps();
	storms(ITIMER_REAL, SIGALRM, "timer");
	storms(ITIMER_PROF, SIGPROF, "profiler");
	flood();
	jumps_away();
	goes_elsewhere();
	restarts();
	forks();
	return tap_done();
}
