/* SPDX-License-Identifier: MIT */
/*
 * calls.c - time small operations, from inside a program.
 *
 *	calls MODE SAMPLES OPERATION...
 *
 * MODE says how system calls are made: "syscall" by that instruction, as
 * every program does, or "entry" by a call of __azalea_syscall, which
 * Azalea's vDSO has: what a rewritten call site costs. Each sample is the
 * mean of a batch; for each, one line: operation, nanoseconds. An operation
 * that is not known is an error; "entry" where there is none is exit status 77.
 */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BATCH_NS 200000.0 /* long against the clock, short against a tick */

typedef long call_fn(long nr, long a, long b, long c, long d, long e, long f);

static call_fn *call;
static int zero_fd, null_fd, file_fd;
static char buffer[65536];

static long call_syscall(long nr, long a, long b, long c, long d, long e,
			 long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* Of a shared object's dynamic section, what a look-up needs. */
struct symbols {
	const Elf64_Sym *sym;
	const char *str;
	uint32_t count;
};

static int symbols_find(uintptr_t base, struct symbols *s)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)base;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(base + head->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	uintptr_t shift = 0;

	for (int i = 0; i < head->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && ph[i].p_offset == 0)
			shift = base - ph[i].p_vaddr;
	}
	for (int i = 0; i < head->e_phnum; i++) {
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const Elf64_Dyn *)(shift + ph[i].p_vaddr);
	}
	memset(s, 0, sizeof(*s));
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		uintptr_t at = shift + dyn->d_un.d_ptr;

		if (dyn->d_tag == DT_SYMTAB)
			s->sym = (const Elf64_Sym *)at;
		else if (dyn->d_tag == DT_STRTAB)
			s->str = (const char *)at;
		else if (dyn->d_tag == DT_HASH)
			s->count = ((const uint32_t *)at)[1];
	}
	return s->sym && s->str && s->count ? 0 : -1;
}

static call_fn *entry_find(void)
{
	uintptr_t base = getauxval(AT_SYSINFO_EHDR);
	struct symbols s;

	if (!base || symbols_find(base, &s))
		return NULL;
	for (uint32_t i = 0; i < s.count; i++) {
		const char *name = s.str + s.sym[i].st_name;

		if (!strcmp(name, "__azalea_syscall"))
			return (call_fn *)(base + s.sym[i].st_value);
	}
	return NULL;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Operations. Each runs once. */

static void op_getpid(void)
{
	call(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

static void op_lseek(void)
{
	call(SYS_lseek, file_fd, 0, SEEK_CUR, 0, 0, 0);
}

static void op_umask(void)
{
	call(SYS_umask, 022, 0, 0, 0, 0, 0);
}

static void op_read_zero(void)
{
	call(SYS_read, zero_fd, (long)buffer, 1, 0, 0, 0);
}

static void op_write_null(void)
{
	call(SYS_write, null_fd, (long)buffer, sizeof(buffer), 0, 0, 0);
}

static void op_pread_4k(void)
{
	call(SYS_pread64, file_fd, (long)buffer, 4096, 0, 0, 0);
}

static void op_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
}

static void op_sigmask(void)
{
	sigset_t old;

	call(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&old, 8, 0, 0);
}

static void op_futex_wake(void)
{
	static int word;

	call(SYS_futex, (long)&word, 129 /* WAKE, private */, 1, 0, 0, 0);
}

static void op_yield(void)
{
	call(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

static void op_mmap_64k(void)
{
	long p = call(SYS_mmap, 0, 65536, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*(volatile char *)p = 1;
	call(SYS_munmap, p, 65536, 0, 0, 0, 0);
}

static void *thread_nothing(void *arg)
{
	return arg;
}

static void op_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, thread_nothing, NULL))
		errx(1, "pthread_create");
	pthread_join(t, NULL);
}

static void handler(int sig)
{
	(void)sig;
}

static void op_signal(void)
{
	call(SYS_tgkill, getpid(), gettid(), SIGUSR1, 0, 0, 0);
}

/* A partner thread that answers each turn: two switches an operation. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t turned;
	int turn, started;
} ball = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0 };

static void ball_pass(int from)
{
	pthread_mutex_lock(&ball.lock);
	while (ball.turn != from)
		pthread_cond_wait(&ball.turned, &ball.lock);
	ball.turn = !from;
	pthread_cond_signal(&ball.turned);
	pthread_mutex_unlock(&ball.lock);
}

static void *partner(void *arg)
{
	(void)arg;
	for (;;)
		ball_pass(1);
	return NULL;
}

static void op_pingpong(void)
{
	pthread_t t;

	if (!ball.started && pthread_create(&t, NULL, partner, NULL))
		errx(1, "pthread_create");
	ball.started = 1;
	ball_pass(0);
}

static const struct {
	const char *name;
	void (*run)(void);
} operations[] = {
	{ "getpid", op_getpid },         { "umask", op_umask },
	{ "lseek", op_lseek },           { "read-zero", op_read_zero },
	{ "write-null", op_write_null }, { "pread-4k", op_pread_4k },
	{ "clock", op_clock },           { "sigmask", op_sigmask },
	{ "futex-wake", op_futex_wake }, { "yield", op_yield },
	{ "mmap-64k", op_mmap_64k },     { "thread", op_thread },
	{ "signal", op_signal },         { "pingpong", op_pingpong },
};

static void measure(const char *name, int samples)
{
	size_t n = sizeof(operations) / sizeof(*operations), i = 0;
	uint64_t start, batch = 8;
	double took = 0;

	while (i < n && strcmp(operations[i].name, name) != 0)
		i++;
	if (i == n)
		errx(2, "no operation '%s'", name);
	/* Warm up, and find how many make a batch. */
	while (took < BATCH_NS) {
		batch *= 2;
		start = now_ns();
		for (uint64_t k = 0; k < batch; k++)
			operations[i].run();
		took = (double)(now_ns() - start);
	}
	for (int s = 0; s < samples; s++) {
		start = now_ns();
		for (uint64_t k = 0; k < batch; k++)
			operations[i].run();
		took = (double)(now_ns() - start);
		printf("%s %.2f\n", name, took / (double)batch);
	}
}

static int file_open(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	if (fd < 0 || write(fd, buffer, sizeof(buffer)) != sizeof(buffer))
		err(1, "a temporary file in /tmp");
	return fd;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		errx(2, "usage: calls syscall|entry SAMPLES OPERATION...");
	call = strcmp(argv[1], "entry") ? call_syscall : entry_find();
	if (!call)
		return 77;
	zero_fd = open("/dev/zero", O_RDONLY);
	null_fd = open("/dev/null", O_WRONLY);
	file_fd = file_open();
	if (zero_fd < 0 || null_fd < 0)
		err(1, "/dev");
	signal(SIGUSR1, handler);
	for (int i = 3; i < argc; i++)
		measure(argv[i], atoi(argv[2]));
	return 0;
}
