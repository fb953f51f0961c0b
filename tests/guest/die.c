/* SPDX-License-Identifier: MIT */
/* die.c - a process ends of each signal, sent or caused, with its status. */
// run: 1
// run: 2
// run: 3
// run: 4
// run: 5
// run: 6
// run: 7
// run: 8
// run: 9
// run: 10
// run: 11
// run: 12
// run: 13
// run: 14
// run: 15
// run: 16
// run: 24
// run: 25
// run: 26
// run: 27
// run: 29
// run: 30
// run: 31
// run: 34
// run: 63
// run: null
// run: null-in-thread
// run: jump-0
// run: divide
// run: ud2
// run: int3
// run: hlt
// run: abort
// run: stack-overflow
// run: thread-stack-overflow
// run: sigbus
// run: read-only
// run: sigpipe
// run: fault-in-handler
// run: fault-blocked
// run: fault-ignored
// run: bad-altstack
// run: bad-sigreturn
// run: thread-kill
// run: alarm
// run: from-thread-blocked
// run: fsize
// run: execute-data
// run: smashed
// status: any
// variants: pie static
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tap.h"

static volatile int *volatile bad_pointer = (volatile int *)8;

__attribute__((noinline)) static int recurse(int n)
{
	volatile char frame[4000];

	frame[n % 4000] = (char)n;
	if (n < 0)
		return 0;
	return recurse(n + 1) + frame[n % 3999];
}

static void *deref_null(void *arg)
{
	*(volatile int *)arg = 1;
	return NULL;
}

static void *overflow(void *arg)
{
	recurse(0);
	return arg;
}

static void *kill_all(void *arg)
{
	sleep_ms(5);
	kill(getpid(), SIGTERM);
	sleep(100);
	return arg;
}

static void in_thread(void *(*fn)(void *))
{
	pthread_t t;

	MUST(pthread_create(&t, NULL, fn, NULL) == 0);
	pthread_join(t, NULL);
}

static void fault_again(int sig)
{
	(void)sig;
	*bad_pointer = 1;
}

static void block(int sig)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, sig);
	sigprocmask(SIG_BLOCK, &s, NULL);
}

static void die_faulting(const char *how)
{
	if (!strcmp(how, "null"))
		deref_null(NULL);
	if (!strcmp(how, "null-in-thread"))
		in_thread(deref_null);
	if (!strcmp(how, "jump-0"))
		((void (*)(void))(uintptr_t)(how[0] - 'j'))();
	if (!strcmp(how, "divide"))
		__asm__ volatile("xor %%ecx, %%ecx\n\tmov $1, %%eax\n\t"
				 "cltd\n\tidivl %%ecx" ::
				     : "eax", "ecx", "edx");
	if (!strcmp(how, "ud2"))
		__asm__ volatile("ud2");
	if (!strcmp(how, "int3"))
		__asm__ volatile("int3");
	if (!strcmp(how, "hlt"))
		__asm__ volatile("hlt");
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "stack-overflow"))
		recurse(0);
	if (!strcmp(how, "thread-stack-overflow"))
		in_thread(overflow);
	if (!strcmp(how, "read-only"))
		*(volatile char *)(uintptr_t) "constant" = 1;
}

static void die_memory(const char *how)
{
	static char code[4096] __attribute__((aligned(4096)));

	if (!strcmp(how, "sigbus")) {
		int fd = (int)syscall(SYS_memfd_create, "die", 0U);

		*(volatile char *)mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				       MAP_SHARED, fd, 0) = 1;
	}
	if (!strcmp(how, "execute-data")) {
		code[0] = (char)0xc3;
		((void (*)(void))(void *)code)();
	}
	if (!strcmp(how, "fsize")) {
		struct rlimit lim = { 100, 100 };
		int fd = open("die.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);

		unlink("die.tmp");
		MUST(setrlimit(RLIMIT_FSIZE, &lim) == 0);
		MUST(write(fd, code, 100) == 100);
		MUST(write(fd, code, 1) == 1);
	}
}

static void die_handling(const char *how)
{
	stack_t ss = { .ss_sp = (void *)4096, .ss_size = 65536 };
	struct sigaction sa = { .sa_handler = fault_again };

	if (!strcmp(how, "fault-in-handler")) {
		signal(SIGSEGV, fault_again);
		fault_again(0);
	}
	if (!strcmp(how, "fault-blocked")) {
		signal(SIGSEGV, fault_again);
		block(SIGSEGV);
		fault_again(0);
	}
	if (!strcmp(how, "fault-ignored")) {
		signal(SIGSEGV, SIG_IGN);
		fault_again(0);
	}
	if (!strcmp(how, "bad-altstack")) {
		sa.sa_flags = SA_ONSTACK;
		sigaction(SIGUSR1, &sa, NULL);
		MUST(sigaltstack(&ss, NULL) == 0);
		raise(SIGUSR1);
	}
	if (!strcmp(how, "bad-sigreturn"))
		__asm__ volatile(
		    "mov $64, %%rsp\n\tmov $15, %%eax\n\tsyscall" ::
			: "rax", "memory");
	if (!strcmp(how, "smashed"))
		__asm__ volatile("mov $0x123456789, %%rsp\n\tret" ::: "memory");
}

static void die_sent(const char *how)
{
	int p[2];

	if (!strcmp(how, "sigpipe")) {
		MUST(pipe(p) == 0);
		close(p[0]);
		MUST(write(p[1], "x", 1) == 1);
	}
	if (!strcmp(how, "thread-kill"))
		in_thread(kill_all);
	if (!strcmp(how, "alarm")) {
		alarm(1);
		for (;;)
			pause();
	}
	if (!strcmp(how, "from-thread-blocked")) {
		pthread_t t;
		char c;

		MUST(pipe(p) == 0);
		MUST(pthread_create(&t, NULL, kill_all, NULL) == 0);
		MUST(read(p[0], &c, 1) == 1);
	}
}

int main(int argc, char **argv)
{
	struct rlimit none = { 0, 0 };
	int sig;

	MUST(argc == 2);
	setrlimit(RLIMIT_CORE, &none);
	sig = atoi(argv[1]);
	tap_line("dying of %s", argv[1]);
	if (sig) {
		kill(getpid(), sig);
		tap_line("signal %d did not end the process", sig);
		return 3;
	}
	die_faulting(argv[1]);
	die_memory(argv[1]);
	die_handling(argv[1]);
	die_sent(argv[1]);
	tap_line("still alive");
	return 4;
}
