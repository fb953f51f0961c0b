/* SPDX-License-Identifier: MIT */
/* attack_memory.c - kernel and impossible addresses, used in every way. */
// status: any
// variants: static pie
#include <sys/uio.h>

#include "attack.h"

/*
 * What a kernel has in its half of the address space on x86-64
 * (Documentation/x86/x86_64/mm.rst), what Azalea's module has there, and what
 * is no address at all. With five-level page tables some of the latter are
 * addresses, natively and here.
 */
static const uint64_t targets[] = {
	0xffff800000000000, /* hypervisor hole */
	0xffff888000000000, /* direct map: physical page 0 */
	0xffff888001000000,
	0xff11000000000000, /* the same with five levels */
	0xffffc90000000000, /* vmalloc */
	0xffffea0000000000, /* struct page */
	0xfffffe0000000000, /* cpu_entry_area: IDT, TSS */
	0xfffffe0000001000,
	0xffffffff80000000, /* text */
	0xffffffff81000000,
	0xffffffff82000000,
	0xffffffffc0000000, /* modules */
	0xffffffffff5fd000, /* fixmap: LAPIC */
	0xffffffffff600000, /* vsyscall */
	0xffffffffff700000,
	0xfffffffffffff000,
	0xffffff0000000000, /* the stub's text */
	0xffffff0000001000,
	0xffffff0010000000, /* its LAPIC */
	0xffffff0010000300,
	0xffffff0020000000, /* its blocks */
	0xffffff0020008000,
	0xffffff0020010000,
	0xffffff0020018000,
	0xffffff0060000000, /* its aliases */
	0xffffff0060002000,
	0xffffff0060004000,
	0x0000800000000000, /* just beyond the lower half */
	0x0000800000001000,
	0xffff7fffffffe000, /* just below the upper half */
	0x8000000000000000,
	0x7fffffffffffe000,
	0x1234567812345000,
	0xfee00000, /* where the LAPIC is physically */
	0x1000,
	0,
};

static void do_read(uint64_t a)
{
	__asm__ volatile("movb (%0), %%al" ::"r"(a) : "rax", "memory");
}

static void do_read8(uint64_t a)
{
	__asm__ volatile("movq 5(%0), %%rax" ::"r"(a) : "rax", "memory");
}

static void do_write(uint64_t a)
{
	__asm__ volatile("movb $0x5a, (%0)" ::"r"(a) : "memory");
}

static void do_or(uint64_t a)
{
	__asm__ volatile("lock orq $1, 64(%0)" ::"r"(a) : "memory");
}

static void do_cx16(uint64_t a)
{
	__asm__ volatile("lock cmpxchg16b (%0)" ::"r"(a)
			 : "rax", "rbx", "rcx", "rdx", "memory");
}

static void do_stos(uint64_t a)
{
	uint64_t n = 16;

	__asm__ volatile("rep stosb" : "+D"(a), "+c"(n)::"memory");
}

static void do_movs(uint64_t a)
{
	char buf[64];
	uint64_t n = sizeof(buf), to = (uint64_t)buf;

	__asm__ volatile("rep movsb" : "+S"(a), "+D"(to), "+c"(n)::"memory");
}

static void do_fxsave(uint64_t a)
{
	__asm__ volatile("fxsave (%0)" ::"r"(a) : "memory");
}

static void do_fxrstor(uint64_t a)
{
	__asm__ volatile("fxrstor (%0)" ::"r"(a) : "memory");
}

static void do_clflush(uint64_t a)
{
	__asm__ volatile("clflush (%0)" ::"r"(a) : "memory");
}

static void do_prefetch(uint64_t a)
{
	__asm__ volatile("prefetcht0 (%0)\n\tprefetchnta (%0)" ::"r"(a));
}

/* With the stack there: #SS, where the address is none. */
static void do_push(uint64_t a)
{
	__asm__ volatile("movq %%rsp, %%r12\n\t"
			 "leaq 64(%0), %%rsp\n\t"
			 "pushq $1\n\t"
			 "movq %%r12, %%rsp" ::"r"(a)
			 : "r12", "memory");
}

static void do_call(uint64_t a)
{
	__asm__ volatile("movq %%rsp, %%r12\n\t"
			 "leaq 64(%0), %%rsp\n\t"
			 "call 1f\n"
			 "1:\n\t"
			 "movq %%r12, %%rsp" ::"r"(a)
			 : "r12", "memory");
}

static void do_ret(uint64_t a)
{
	__asm__ volatile("movq %%rsp, %%r12\n\t"
			 "movq %0, %%rsp\n\t"
			 "ret" ::"r"(a)
			 : "r12", "memory");
}

/* Where the fault is of a jump to no address: at the jump, or there? AMD and
 * Intel differ; what is printed is the same for both. */
static void do_jump(uint64_t a)
{
	__asm__ volatile("jmp *%0" ::"r"(a) : "memory");
}

static void do_jump_through(uint64_t a)
{
	__asm__ volatile("jmp *(%0)" ::"r"(a) : "memory");
}

static const struct {
	const char *name;
	void (*fn)(uint64_t);
} ways[] = {
	{ "read", do_read },         { "read 8", do_read8 },
	{ "write", do_write },       { "locked or", do_or },
	{ "cmpxchg16b", do_cx16 },   { "stos", do_stos },
	{ "movs", do_movs },         { "fxsave", do_fxsave },
	{ "fxrstor", do_fxrstor },   { "clflush", do_clflush },
	{ "prefetch", do_prefetch }, { "push", do_push },
	{ "call from", do_call },    { "return from", do_ret },
	{ "jump to", do_jump },      { "jump through", do_jump_through },
};

/* Calls that are to read or write there. */
static void calls(uint64_t a)
{
	struct iovec iov = { (void *)a, 8 };
	int p[2];

	MUST(pipe(p) == 0);
	MUST(write(p[1], "0123456789", 10) == 10);
	tap_line("read to %#llx: %ld", (unsigned long long)a,
		 syscall(SYS_read, p[0], a, 8L));
	tap_line("write from: %ld", syscall(SYS_write, p[1], a, 8L));
	tap_line("readv: %ld", syscall(SYS_readv, p[0], &iov, 1L));
	tap_line("getcwd: %ld", syscall(SYS_getcwd, a, 4096L));
	tap_line("clock_gettime: %ld",
		 syscall(SYS_clock_gettime, CLOCK_MONOTONIC, a));
	tap_line("nanosleep: %ld", syscall(SYS_nanosleep, a, 0L));
	tap_line("open: %ld", syscall(SYS_open, a, 0L));
	tap_line("sigaction: %ld", syscall(SYS_rt_sigaction, 10L, a, 0L, 8L));
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	size_t i, k;

	attack_init();
	for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		for (k = 0; k < sizeof(ways) / sizeof(ways[0]); k++) {
			/* A jump there is a call of old, and works. */
			if (ways[k].fn == do_jump &&
			    targets[i] == 0xffffffffff600000)
				continue;
			attack(ways[k].name, ways[k].fn, targets[i]);
		}
		calls(targets[i]);
	}
	return 0;
}
