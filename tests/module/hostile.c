/* SPDX-License-Identifier: MIT */
/*
 * hostile.c - a program that attacks the unikernel it runs on, and through it
 * the owner, the module and whoever else is on the machine.
 *
 *	hostile list		the attacks, a line each
 *	hostile ATTACK SEED	make one, after the word "begun"; how it ends is
 *				nobody's business
 *
 * A program shares its privilege level with the unikernel and can do all that
 * the unikernel can: that is granted. What it must not do is to outlive
 * SIGKILL, to keep a CPU, to be seen in Linux's log or by another instance, or
 * to reach its owner's memory. If it does the last, it says "REACHED" and what.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot.h"
#include "kvm.h"
#include "metal.h"
#include "ring.h"

#define BOOT ((struct az_boot *)AZ_BOOT_BASE)
#define CORE ((struct az_core *)AZ_CORE_BASE)
#define PAGE ((struct azm_page *)(AZ_CORE_BASE + AZ_CORE_PLAT))
#define RING ((struct az_ring *)AZ_RING_BASE)

static uint64_t seed;
static const struct az_image_header *image;
/* Of syscall; ret in the unikernel's text. On kvm: of out %eax, $AZK_PORT. */
static uint64_t site;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Numbers that mean something to somebody. */
static uint64_t odd(void)
{
	static const uint64_t some[] = {
		0,
		1,
		2,
		0x7f,
		0x80,
		0xff,
		0x1000,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		1ULL << 40,
		AZ_GUEST_END - 8,
		AZ_IMAGE_BASE,
		AZ_BOOT_BASE,
		AZ_CORE_BASE,
		AZ_CORE_BASE + AZ_CORE_PLAT,
		AZ_RING_BASE,
		AZ_OWNER_BASE,
		0x00007ffffffff000,
		0x0000800000000000,
		0xffff888000000000,
		0xffffff0000000000,
		0xffffff0020000000,
		0xffffffff81000000,
		~0ULL - 1,
		~0ULL,
	};

	switch (rnd() % 3) {
	case 0:
		return rnd();
	case 1:
		return rnd() >> (rnd() % 64);
	default:
		return some[rnd() % (sizeof(some) / sizeof(some[0]))];
	}
}

static int on_kvm(void)
{
	return BOOT->plat == AZ_PLAT_KVM;
}

static void find_image(void)
{
	static const uint8_t by_call[] = { 0x0f, 0x05, 0xc3 };
	static const uint8_t by_port[] = { 0xe7, AZK_PORT, 0xc3 };
	const uint8_t *p;

	for (uint64_t at = AZ_IMAGE_BASE; at < AZ_IMAGE_BASE + 0x80000;
	     at += AZ_PAGE_SIZE)
		if (*(const uint64_t *)at == AZ_IMAGE_MAGIC) {
			image = (const void *)at;
			break;
		}
	if (!image) {
		fprintf(stderr, "hostile: no unikernel here\n");
		exit(3);
	}
	for (p = (const void *)image->text; (uint64_t)p < image->text_end - 3;
	     p++)
		if (!memcmp(p, on_kvm() ? by_port : by_call, 3))
			site = (uint64_t)p;
	if (!site) {
		fprintf(stderr, "hostile: no monitor call in its text\n");
		exit(3);
	}
}

/* A monitor call, as the unikernel makes it. */
static long monitor(uint64_t nr, uint64_t arg)
{
	long r;

	PAGE->arg = arg; /* as kvm wants it */
	__asm__ volatile("call *%[site]"
			 : "=a"(r)
			 : "a"(nr), "D"(arg), [site] "r"(site)
			 : "rcx", "r11", "memory");
	return on_kvm() ? (long)PAGE->value : r;
}

static long host(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2,
		 uint64_t a3, uint64_t a4, uint64_t a5)
{
	const uint64_t a[6] = { a0, a1, a2, a3, a4, a5 };

	PAGE->call.nr = nr;
	memcpy(PAGE->call.arg, a, sizeof(a));
	monitor(AZM_CALL_HOST, 0);
	return PAGE->call.result;
}

static void busy(void)
{
	for (volatile int i = 0; i < 1000; i++)
		;
}

/* Use of everything that the unikernel has, while it still has it. */
static void live(void)
{
	static volatile char *p;
	int status, i;

	for (i = 0; i < 20; i++) {
		p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p != MAP_FAILED) {
			p[rnd() % (1 << 20)] = 1;
			munmap((void *)(uintptr_t)p, 1 << 20);
		}
		getppid();
		usleep(100);
		if (write(1, "", 0) < 0)
			break;
	}
	if (fork() == 0)
		_exit(7);
	wait(&status);
}

/* --- threads --- */

static uint64_t scribble_at, scribble_len;
static volatile int stop;

static void *scribbler(void *arg)
{
	volatile uint64_t *p = (void *)scribble_at;
	uint64_t s = (uint64_t)(uintptr_t)arg | 1;

	while (!stop) {
		s ^= s << 13;
		s ^= s >> 7;
		s ^= s << 17;
		p[s % (scribble_len / 8)] = s >> 3;
	}
	return NULL;
}

static void scribble(uint64_t at, uint64_t len)
{
	pthread_t t;

	scribble_at = at;
	scribble_len = len;
	if (pthread_create(&t, NULL, scribbler, (void *)(uintptr_t)rnd()))
		exit(4);
	usleep(1000);
}

/* --- the attacks --- */

static void halt_for_ever(void)
{
	for (;;)
		monitor(AZM_CALL_HALT, ~0ULL);
}

static void halt_storm(void)
{
	for (int i = 0; i < 4000; i++)
		monitor(AZM_CALL_HALT, rnd() % 3 ? 0 : odd() % 100000);
}

static void timer_storm(void)
{
	for (int i = 0; i < 4000; i++)
		monitor(AZM_CALL_TIMER, rnd() % 2 ? 0 : odd());
}

static void kick_storm(void)
{
	for (int i = 0; i < 4000; i++)
		monitor(AZM_CALL_KICK, rnd() % 2 ? rnd() % 4 : odd());
}

static void *kicker(void *arg)
{
	for (;;)
		monitor(AZM_CALL_KICK, (uint64_t)(uintptr_t)arg);
	return NULL;
}

/* Each core interrupts the other as fast as it can. */
static void kick_war(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, kicker, NULL))
		exit(4);
	for (int i = 0; i < 4000; i++)
		monitor(AZM_CALL_KICK, 1);
	_exit(0);
}

static void *syncer(void *arg)
{
	for (;;)
		monitor(AZM_CALL_SYNC, 0);
	return arg;
}

static void sync_war(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, syncer, NULL))
		exit(4);
	for (int i = 0; i < 2000; i++)
		monitor(AZM_CALL_SYNC, odd());
	_exit(0);
}

static void fs_odd(void)
{
	uint64_t fs = (uint64_t)monitor(AZM_CALL_GETFS, 0);

	for (int i = 0; i < 2000; i++) {
		monitor(AZM_CALL_SETFS, odd());
		monitor(AZM_CALL_SETFS, fs);
	}
	monitor(AZM_CALL_SETFS, 0xffffff0000000000);
	monitor(AZM_CALL_SETFS, 0x1000);
	puts("with no TLS");
}

static void unknown_calls(void)
{
	for (int i = 0; i < 4000; i++) {
		uint64_t nr = AZM_CALL_HALT + 8 + rnd() % 1000;

		monitor(rnd() % 2 ? nr : odd() | 1ULL << 31, odd());
	}
}

static void exit_odd(void)
{
	PAGE->exit_status = (int32_t)odd();
	monitor(AZM_CALL_EXIT, odd());
	monitor(AZM_CALL_EXIT, odd());
}

static void exit_from_two(void)
{
	scribble((uint64_t)&PAGE->exit_status & ~7ULL, 8);
	for (;;)
		monitor(AZM_CALL_EXIT, 0);
}

/* What ends it, or blocks for good, says nothing about the rest. */
static int quick(uint64_t nr)
{
	return nr != SYS_exit_group && nr != SYS_exit && nr != SYS_pause &&
	       nr != SYS_rt_sigsuspend && nr != SYS_kill && nr != SYS_tgkill &&
	       nr != SYS_tkill;
}

static void host_rubbish(void)
{
	for (int i = 0; i < 3000; i++) {
		uint64_t nr = rnd() % 8 ? rnd() % 470 : odd();

		if (quick(nr))
			host(nr, odd(), odd(), odd(), odd(), odd(), odd());
	}
}

static void host_race(void)
{
	scribble((uint64_t)&PAGE->call, sizeof(PAGE->call));
	for (int i = 0; i < 3000; i++)
		host(SYS_getppid, odd(), odd(), odd(), odd(), odd(), odd());
	_exit(0);
}

/* A core of one's own would see all of the owner. */
static void host_device(void)
{
	struct azm_create c = {
		.version = AZM_VERSION,
		.ncores = 1,
		.core_base = AZ_CORE_BASE,
		.core_stride = AZ_CORE_STRIDE,
		.page_offset = AZ_CORE_PLAT,
		.trap_stack = AZM_TRAP_STACK,
		.guest_end = 1ULL << 47,
		.text = 0x400000,
		.text_end = 0x401000,
		.entry = 0x400000,
		.trap = 0x400000,
		.syscall = 0x400000,
	};
	struct azm_start s = { .cpu = AZM_ANY_CPU };
	struct azm_reserve r = { .cpu = 1 };
	int fd = open(AZM_DEVICE, O_RDWR);

	if (fd < 0)
		return;
	if (!ioctl(fd, AZM_CREATE, &c) && !ioctl(fd, AZM_START, &s))
		puts("REACHED a core of its own");
	if (!host(SYS_ioctl, (uint64_t)fd, AZM_CREATE, (uint64_t)&c, 0, 0, 0))
		puts("REACHED an instance of its own");
	ioctl(fd, AZM_KICK, 0);
	if (!ioctl(fd, AZM_RELEASE, &r))
		puts("REACHED a CPU of others");
	fflush(stdout);
}

/* Everything by which a process changes or reads its own memory. */
static void host_owner(void)
{
	uint64_t at = BOOT->owner_signal & ~4095ULL, pid = BOOT->pid;
	static uint8_t buf[64], was[64] = "untouched";
	uint64_t words[3] = { at, 0, 0 };
	const uint64_t command_line[8] = {
		(uint64_t) "azalea",       (uint64_t) "run",
		(uint64_t) "--plat",       (uint64_t) "pico",
		(uint64_t) "id",           0,
		(uint64_t) "PATH=/usr/bin"
	};
	struct {
		uint64_t at, len;
	} here = { (uint64_t)buf, 64 }, there = { at, 64 };
	uint32_t fd;
	int p[2];

	memcpy(buf, was, 64);
#define TRY(call)                                               \
	do {                                                    \
		long r_ = (call);                               \
		if (r_ >= 0)                                    \
			printf("REACHED %s: %ld\n", #call, r_); \
	} while (0)
	TRY(host(SYS_open, (uint64_t) "/proc/self/mem", O_RDWR, 0, 0, 0, 0));
	TRY(host(SYS_open, (uint64_t) "/proc/thread-self/mem", O_RDONLY, 0, 0,
		 0, 0));
	for (fd = BOOT->fd_hidden_lo; fd < BOOT->fd_hidden_hi; fd++) {
		if ((int32_t)fd == BOOT->exe_fd)
			continue; /* the program itself */
		TRY(host(SYS_pread64, fd, (uint64_t)buf, 64, at, 0, 0));
		TRY(host(SYS_pwrite64, fd, (uint64_t)buf, 1, at, 0, 0));
		TRY(host(SYS_dup, fd, 0, 0, 0, 0, 0));
		TRY(host(SYS_close, fd, 0, 0, 0, 0, 0));
		for (uint32_t nr = 1; nr < 10; nr++)
			TRY(host(SYS_ioctl, fd,
				 0xc0000000ULL | 0xa500U | nr | 24U << 16,
				 (uint64_t)buf, 0, 0, 0));
	}
	TRY(host(SYS_process_vm_readv, pid, (uint64_t)&here, 1,
		 (uint64_t)&there, 1, 0));
	TRY(host(SYS_process_vm_writev, pid, (uint64_t)&here, 1,
		 (uint64_t)&there, 1, 0));
	if (pipe(p))
		exit(4);
	TRY(host(SYS_write, (uint64_t)p[1], at, 64, 0, 0, 0));
	TRY(host(SYS_writev, (uint64_t)p[1], (uint64_t)&there, 1, 0, 0, 0));
	TRY(host(SYS_vmsplice, (uint64_t)p[1], (uint64_t)&there, 1, 0, 0, 0));
	if (write(p[1], buf, 64) != 64)
		exit(4);
	TRY(host(SYS_read, (uint64_t)p[0], at, 64, 0, 0, 0));
	TRY(host(SYS_mprotect, at, 4096, 7, 0, 0, 0));
	TRY(host(SYS_munmap, at, 4096, 0, 0, 0, 0));
	TRY(host(SYS_mremap, at, 4096, 4096, 3, 0x10000000, 0));
	TRY(host(SYS_madvise, at, 4096, MADV_DONTNEED, 0, 0, 0));
	TRY(host(SYS_mmap, at, 4096, 3, 0x32, ~0ULL, 0));
	TRY(host(SYS_rt_sigaction, 10, (uint64_t)buf, 0, 8, 0, 0));
	TRY(host(SYS_clone, 0x100, 0, 0, 0, 0, 0));
	TRY(host(SYS_clone, CLONE_VM | CLONE_VFORK | CLONE_THREAD, 0, 0, 0, 0,
		 0));
	TRY(host(SYS_clone, CLONE_VM | CLONE_VFORK | CLONE_NEWUSER, 0, 0, 0, 0,
		 0));
	TRY(host(SYS_clone, CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID, at, 0,
		 0, 0, 0));
	TRY(host(SYS_execve, (uint64_t) "/bin/true", 0, 0, 0, 0, 0));
	TRY(host(SYS_execveat, 0, 1, 1, (uint64_t)words, 0, 0));
	TRY(host(SYS_execveat, 0, 1, 1, at, 0, 0));
	TRY(host(SYS_execveat, 0, 5, 1, (uint64_t)command_line, 0, 0));
	TRY(host(SYS_execveat, 0, 5, 0, (uint64_t)command_line, 0, 0));
	TRY(host(SYS_execveat, 0, ~0ULL, ~0ULL, (uint64_t)words, 0, 0));
	TRY(host(SYS_execveat, 0, 1ULL << 61, 0, (uint64_t)words, 0, 0));
	TRY(host(SYS_execveat, BOOT->fd_hidden_lo, 0, 0, (uint64_t)(words + 1),
		 0, 0));
	TRY(host(SYS_ptrace, 0, 0, 0, 0, 0, 0));
	TRY(host(SYS_prctl, 22, 0, 0, 0, 0, 0));
	TRY(host(SYS_seccomp, 0, 0, 0, 0, 0, 0));
	TRY(host(SYS_userfaultfd, 0, 0, 0, 0, 0, 0));
	if (memcmp(buf, was, 64))
		puts("REACHED the owner's memory");
	fflush(stdout);
}

/*
 * A child of vfork that the unikernel does not know of; and the parent's end by
 * it.
 */
static void host_lend(void)
{
	const uint64_t flags = CLONE_VM | CLONE_VFORK | SIGCHLD;

	for (int i = 0; i < 8; i++) {
		if (host(SYS_clone, flags, 0, 0, 0, 0, 0))
			exit(4);
		if (i & 1)
			PAGE->over = 1;
		host(SYS_getpid, 0, 0, 0, 0, 0, 0);
		PAGE->over = 0;
		host(SYS_exit_group, odd() & 0xff00, 0, 0, 0, 0, 0);
		if (i & 2)
			host(SYS_clone, flags, 0, 0, 0, 0, 0);
		if (!PAGE->over)
			puts("REACHED a process that is not told of");
		PAGE->over = 0;
	}
	fflush(stdout);
	host(SYS_clone, flags, 0, 0, 0, 0, 0);
	PAGE->exit_status = 0;
	monitor(AZM_CALL_EXIT, 0);
}

static void scribble_page(void)
{
	scribble((uint64_t)PAGE, sizeof(*PAGE));
	for (;;)
		live();
}

static void scribble_az_core(void)
{
	scribble((uint64_t)CORE, sizeof(*CORE));
	for (;;)
		live();
}

static void scribble_core(void)
{
	for (int i = 0; i < 8; i++)
		*(uint64_t *)(AZ_CORE_BASE + rnd() % 0x7000 / 8 * 8) = odd();
	live();
}

/* Nothing that its unikernel needs to be told of a fault is there any more. */
static void lose_frame(void)
{
	for (uint64_t at = sizeof(struct az_core); at < 0x100; at += 8)
		*(uint64_t *)(AZ_CORE_BASE + at) = 8;
	__asm__ volatile("ud2");
}

static void scribble_boot(void)
{
	for (int i = 0; i < 4; i++)
		((uint64_t *)BOOT)[rnd() % (sizeof(*BOOT) / 8)] = odd();
	for (int i = 0; i < 3; i++)
		live();
}

/* The part that the owner reads all the time. */
static void scribble_live(void)
{
	uint64_t from = (uint64_t)&BOOT->bell_seq;

	scribble(from, (uint64_t)BOOT + sizeof(*BOOT) - from);
	for (;;)
		live();
}

static void scribble_ring(void)
{
	scribble((uint64_t)RING, sizeof(*RING));
	for (;;)
		live();
}

/* A credentials change and other wishes that the owner's thread grants. */
static void wishes(void)
{
	BOOT->creds_nr = (uint32_t)(rnd() % 470);
	for (int i = 0; i < 6; i++)
		BOOT->creds_arg[i] = odd();
	BOOT->want_cores = ~0U;
	BOOT->want_workers = ~0U;
	BOOT->want_cancel = ~0U;
	BOOT->creds_want = 1;
	BOOT->fork_want = rnd() % 2;
	BOOT->inbox_tail = (uint32_t)rnd();
	syscall(SYS_tgkill, BOOT->pid, BOOT->owner_tid, AZ_SIG_KICK);
	host(SYS_tgkill, BOOT->pid, BOOT->owner_tid, AZ_SIG_KICK, 0, 0, 0);
	live();
}

struct part {
	uint64_t at, len;
};

static struct part part_of_unikernel(void)
{
	const struct part parts[] = {
		{ AZ_IMAGE_BASE, 0x100000 },
		{ AZ_BOOT_BASE, 0x10000 },
		{ AZ_STATS_BASE, 0x10000 },
		{ AZ_CORE_BASE, 4096 },
		{ AZ_CORE_BASE, AZ_CORE_STRIDE },
		{ AZ_CORE_BASE + AZ_CORE_PLAT, 4096 },
		{ AZ_CORE_BASE + AZ_CORE_STRIDE, AZ_CORE_STRIDE },
		{ AZ_CORE_BASE + 0x10000, 0x30000 }, /* its stacks */
		{ AZ_RING_BASE, AZ_RING_STRIDE },
		{ AZ_HEAP_BASE, 0x1000000 },
		{ AZ_IMAGE_BASE, AZ_OWNER_BASE - AZ_IMAGE_BASE },
		{ 0x10000, AZ_OWNER_BASE - 0x10000 },
	};

	return parts[rnd() % (sizeof(parts) / sizeof(parts[0]))];
}

static void unmap_unikernel(void)
{
	struct part p = part_of_unikernel();

	host(SYS_munmap, p.at, p.len, 0, 0, 0, 0);
	live();
}

static void protect_unikernel(void)
{
	struct part p = part_of_unikernel();

	host(SYS_mprotect, p.at, p.len, rnd() % 4, 0, 0, 0);
	live();
}

static void drop_unikernel(void)
{
	struct part p = part_of_unikernel();

	host(SYS_madvise, p.at, p.len, MADV_DONTNEED, 0, 0, 0);
	live();
}

static void remap_unikernel(void)
{
	struct part p = part_of_unikernel();

	host(SYS_mmap, p.at, p.len, 3, 0x32, ~0ULL, 0);
	live();
}

/* As the unikernel asks for it: by ring, marked as its own call. */
static void ring_unmap(void)
{
	struct part p = part_of_unikernel();
	uint32_t head = RING->last.head;
	struct az_slot *s = &RING->slot[255];

	s->call.nr = SYS_munmap;
	s->call.flags = AZ_CALL_INTERNAL;
	s->call.arg[0] = p.at;
	s->call.arg[1] = p.len;
	s->call.seq++;
	RING->queue[head % AZ_RING_SLOTS] = 255;
	RING->last.begin = head + 1;
	RING->last.seq = s->call.seq;
	RING->last.nr = SYS_munmap;
	RING->last.flags = AZ_CALL_INTERNAL;
	RING->last.slot = 255;
	RING->last.arg[0] = p.at;
	RING->last.arg[1] = p.len;
	__atomic_store_n(&RING->last.head, head + 1, __ATOMIC_SEQ_CST);
	live();
}

/* Into the middle of the unikernel, with registers to match. */
static void jump_into_text(void)
{
	uint64_t to = image->text + rnd() % (image->text_end - image->text);
	uint64_t r[8];

	for (int i = 0; i < 8; i++)
		r[i] = odd();
	__asm__ volatile("movq 0(%1), %%rax\n\t"
			 "movq 8(%1), %%rbx\n\t"
			 "movq 16(%1), %%rcx\n\t"
			 "movq 24(%1), %%rdx\n\t"
			 "movq 32(%1), %%rdi\n\t"
			 "movq 40(%1), %%r8\n\t"
			 "movq 48(%1), %%r9\n\t"
			 "movq 56(%1), %%rsi\n\t"
			 "jmp *%0" ::"r"(to),
			 "S"(r)
			 : "rax", "rbx", "rcx", "rdx", "rdi", "r8", "r9",
			   "memory");
	__builtin_unreachable();
}

static void jump_to_syscalls(void)
{
	uint64_t to = site;

	for (const uint8_t *p = (const void *)image->text;
	     (uint64_t)p < image->text_end - 2; p++)
		if (p[0] == 0x0f && p[1] == 0x05 && rnd() % 3)
			to = (uint64_t)p;
	__asm__ volatile("jmp *%0" ::"r"(to), "a"(AZM_CALL_HALT + rnd() % 10),
			 "D"(odd()));
	__builtin_unreachable();
}

static void wrgsbase(uint64_t v)
{
	__asm__ volatile("wrgsbase %0" ::"r"(v) : "memory");
}

static void gs_and_call(void)
{
	long r;

	for (int i = 0; i < 4; i++)
		getppid();
	wrgsbase(odd());
	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "0"(SYS_getppid)
			 : "rcx", "r11", "memory");
	getppid();
}

static void gs_and_fault(void)
{
	wrgsbase(odd());
	*(volatile int *)(uintptr_t)(8 + (rnd() & 4)) = 1;
}

static void gs_and_wait(void)
{
	alarm(1);
	wrgsbase(odd());
	for (;;)
		;
}

static void gs_selectors(void)
{
	for (uint16_t sel = 0; sel < 4; sel++)
		__asm__ volatile("movw %0, %%gs" ::"r"(sel) : "memory");
	__asm__ volatile("movw %w0, %%gs" ::"r"(0x2b) : "memory");
	getppid();
	*(volatile int *)(uintptr_t)(8 + (rnd() & 4)) = 1;
}

/* Whatever a store or a jump there does, it is not seen elsewhere. */
static void vsyscall(void)
{
	long t = ((long (*)(long *))0xffffffffff600400)(NULL);

	printf("%d\n", t > 0);
}

static void tables(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdt = { 0, 0 }, idt = { 0, 0 };

	__asm__ volatile("sgdt %0\n\tsidt %1" : "=m"(gdt), "=m"(idt));
	/* What UMIP's emulation says, natively (arch/x86/kernel/umip.c). */
	if (gdt.base - 0xffffff0000000000 < 0x8000000000)
		printf("REACHED the stub's GDT: %#llx\n",
		       (unsigned long long)gdt.base);
	fflush(stdout);
}

static void sysenter(void)
{
	for (int i = 0; i < 3; i++)
		__asm__ volatile("movl $0x415a0000, %%eax\n\tsysenter" ::
				     : "rax", "rcx", "rdx", "rsi", "rdi", "r11",
				       "memory");
}

static void int80(void)
{
	long r = 20; /* getpid of 32-bit programs */

	__asm__ volatile("int $0x80" : "+a"(r)::"memory");
	printf("int80: %d\n", r < 0);
}

/* Bytes at random, with what they need to be code for a while. */
static void rubbish(void)
{
	uint8_t *code = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (code == MAP_FAILED)
		exit(4);
	for (int i = 0; i < 1 << 16; i += 8)
		*(uint64_t *)(code + i) = rnd();
	((void (*)(uint64_t, uint64_t, uint64_t))(uintptr_t)(code + 32768))(
	    odd(), odd(), odd());
}

/* Rubbish again and again, in children that nobody waits for at once. */
static void rubbish_children(void)
{
	for (int i = 0; i < 20; i++) {
		rnd();
		if (fork() == 0) {
			alarm(2);
			rubbish();
			_exit(0);
		}
		if (i % 4 == 3)
			while (wait(NULL) > 0)
				;
	}
	while (wait(NULL) > 0)
		;
}

static void fork_bomb(void)
{
	alarm(3);
	for (int i = 0; i < 6; i++)
		if (fork() < 0)
			break;
	for (;;)
		busy();
}

static void *fault_storm_thread(void *arg)
{
	volatile char *p = arg;

	for (uint32_t i = 1;; i = i * 1664525 + 1013904223)
		p[(i >> 8) % (8 << 20)] = 1;
	return NULL;
}

/* Pages come and go under threads that use them, until it is shot. */
static void fault_storm(void)
{
	char *p = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t t;

	alarm(3);
	for (int i = 0; i < 2; i++)
		pthread_create(&t, NULL, fault_storm_thread, p);
	for (;;) {
		host(SYS_madvise, (uint64_t)p, 8 << 20, MADV_DONTNEED, 0, 0, 0);
		madvise(p, 8 << 20, MADV_DONTNEED);
		mprotect(p, 4 << 20, PROT_READ);
		mprotect(p, 4 << 20, PROT_READ | PROT_WRITE);
	}
}

#define ROW(name)           \
	{                   \
#name, name \
	}

static const struct {
	const char *name;
	void (*fn)(void);
} attacks[] = {
	ROW(halt_for_ever),
	ROW(halt_storm),
	ROW(timer_storm),
	ROW(kick_storm),
	ROW(kick_war),
	ROW(sync_war),
	ROW(fs_odd),
	ROW(unknown_calls),
	ROW(exit_odd),
	ROW(exit_from_two),
	ROW(host_rubbish),
	ROW(host_race),
	ROW(host_owner),
	ROW(host_device),
	ROW(host_lend),
	ROW(scribble_page),
	ROW(scribble_az_core),
	ROW(scribble_core),
	ROW(lose_frame),
	ROW(scribble_boot),
	ROW(scribble_live),
	ROW(scribble_ring),
	ROW(wishes),
	ROW(unmap_unikernel),
	ROW(protect_unikernel),
	ROW(drop_unikernel),
	ROW(remap_unikernel),
	ROW(ring_unmap),
	ROW(jump_into_text),
	ROW(jump_to_syscalls),
	ROW(gs_and_call),
	ROW(gs_and_fault),
	ROW(gs_and_wait),
	ROW(gs_selectors),
	ROW(vsyscall),
	ROW(tables),
	ROW(sysenter),
	ROW(int80),
	ROW(rubbish),
	ROW(rubbish_children),
	ROW(fork_bomb),
	ROW(fault_storm),
};

int main(int argc, char **argv)
{
	size_t i, n = sizeof(attacks) / sizeof(attacks[0]);

	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (i = 0; i < n; i++)
			puts(attacks[i].name);
		return 0;
	}
	if (argc != 3)
		return 2;
	seed = strtoull(argv[2], NULL, 0) * 0x9e3779b97f4a7c15ULL | 1;
	rnd();
	find_image();
	for (i = 0; i < n; i++)
		if (!strcmp(argv[1], attacks[i].name)) {
			if (write(1, "begun\n", 6) != 6)
				return 4;
			attacks[i].fn();
			return 0;
		}
	return 2;
}
