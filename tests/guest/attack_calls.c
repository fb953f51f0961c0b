/* SPDX-License-Identifier: MIT */
/* attack_calls.c - system calls from odd places, with odd registers. */
// status: any
// variants: static pie
#include <limits.h>

#include "attack.h"

static const uint64_t odd[] = {
	0,
	1,
	8,
	0x1001,
	0x00004effffffffff,
	0x00004f0000000000, /* where Azalea's unikernel is */
	0x00004f0080000000,
	0x00004f0100000000,
	0x00004f0100007000,
	0x00004f0200000000,
	0x0000500000000000, /* and its owner */
	0x00007fffffffffff,
	0x0000800000000000,
	0x1234567812345678,
	0xffff7fffffffffff,
	0xffff888000000000,
	0xffffff0000000000,
	0xffffff0020000000,
	0xffffff0060000000,
	0xffffffff81000000,
	0xffffffffffffffff,
};

static long call_with_stack(long nr, uint64_t sp)
{
	__asm__ volatile("movq %%rsp, %%r12\n\t"
			 "movq %1, %%rsp\n\t"
			 "syscall\n\t"
			 "movq %%r12, %%rsp"
			 : "+a"(nr)
			 : "r"(sp)
			 : "r12", "rcx", "r11", "memory");
	return nr;
}

static long call_with_all(long nr, uint64_t v)
{
	__asm__ volatile("pushq %%rbp\n\t"
			 "pushq %%rbx\n\t"
			 "movq %%rsp, %%xmm7\n\t"
			 "movq %1, %%rdi\n\t"
			 "movq %%rdi, %%rsi\n\t"
			 "movq %%rdi, %%rdx\n\t"
			 "movq %%rdi, %%r10\n\t"
			 "movq %%rdi, %%r8\n\t"
			 "movq %%rdi, %%r9\n\t"
			 "movq %%rdi, %%rbx\n\t"
			 "movq %%rdi, %%rbp\n\t"
			 "movq %%rdi, %%r11\n\t"
			 "movq %%rdi, %%r12\n\t"
			 "movq %%rdi, %%r13\n\t"
			 "movq %%rdi, %%r14\n\t"
			 "movq %%rdi, %%r15\n\t"
			 "movq %%rdi, %%rcx\n\t"
			 "movq %%rdi, %%rsp\n\t"
			 "syscall\n\t"
			 "movq %%xmm7, %%rsp\n\t"
			 "popq %%rbx\n\t"
			 "popq %%rbp"
			 : "+a"(nr)
			 : "m"(v)
			 : "rdi", "rsi", "rdx", "r8", "r9", "r10", "r11", "r12",
			   "r13", "r14", "r15", "rcx", "xmm7", "memory");
	return nr;
}

/* Several times each: what traps at first is a jump later. */
static void stacks(void)
{
	long pid = getpid();

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		int right = 0;

		for (int k = 0; k < 5; k++)
			right += call_with_stack(SYS_getpid, odd[i]) == pid;
		for (int k = 0; k < 5; k++)
			right +=
			    call_with_stack(SYS_getppid, odd[i]) == getppid();
		for (int k = 0; k < 5; k++)
			right += call_with_stack(SYS_sched_yield, odd[i]) == 0;
		for (int k = 0; k < 5; k++)
			right += call_with_all(SYS_getpid, odd[i]) == pid;
		for (int k = 0; k < 5; k++)
			right += call_with_all(100000, odd[i]) == -ENOSYS;
		tap_line("%#llx: %d of 25 right", (unsigned long long)odd[i],
			 right);
	}
}

/* What a unikernel asks its monitor for is nothing that a program can. */
static void monitor(void)
{
	for (long nr = 0x415a0000; nr < 0x415a0010; nr++)
		for (int k = 0; k < 3; k++)
			tap_line("call %#lx: %ld", nr,
				 call_with_all(nr, odd[k * 7]));
	tap_line("call -1: %ld", call_with_all(-1, 0));
	tap_line("call 2^32: %d",
		 call_with_all(1L << 32 | SYS_getpid, 0) == getpid());
	tap_line("call 2^63: %ld", call_with_all(LONG_MIN, 0));
	tap_line("x32 getpid: %d",
		 call_with_all(0x40000000 | SYS_getpid, 0) < 0);
}

static uint8_t *edge;

static void run_edge(uint64_t at)
{
	__asm__ volatile("movl %0, %%eax\n\tcall *%1" ::"i"(SYS_getppid),
			 "r"(at)
			 : "rax", "rcx", "r11", "memory");
}

/* A syscall whose return address is in a page that is not there. */
static void at_the_edge(void)
{
	edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(edge != MAP_FAILED);
	edge[4094] = 0x0f;
	edge[4095] = 0x05;
	MUST(mprotect(edge, 4096, PROT_READ | PROT_EXEC) == 0);
	MUST(munmap(edge + 4096, 4096) == 0);
	for (int k = 0; k < 4; k++) {
		attack_run(run_edge, (uint64_t)edge + 4094);
		tap_line("edge: signal %d code %d at + %d", attack_last.signo,
			 attack_last.code,
			 (int)(attack_last.addr - (uint64_t)edge));
	}
	munmap(edge, 4096);
}

/* A load of %ss holds interrupts and traps back by one instruction. */
static void mov_ss_int3(uint64_t arg)
{
	__asm__ volatile(
	    "movl $0x2b, %%eax\n\tmovw %%ax, %%ss\n\tint3" ::"r"(arg)
	    : "rax", "memory");
}

static void mov_ss_ud2(uint64_t arg)
{
	__asm__ volatile(
	    "movl $0x2b, %%eax\n\tmovw %%ax, %%ss\n\tud2" ::"r"(arg)
	    : "rax", "memory");
}

static void mov_ss_call(uint64_t arg)
{
	uint64_t nr = SYS_getpid;

	__asm__ volatile("movl $0x2b, %%ecx\n\tmovw %%cx, %%ss\n\tsyscall"
			 : "+a"(nr)
			 : "r"(arg)
			 : "rcx", "r11", "memory");
	tap_line("  pid is %s", nr == (uint64_t)getpid() ? "right" : "wrong");
}

/* With the trap flag set as well, which traps after the instruction. */
static void stepping_int3(uint64_t arg)
{
	__asm__ volatile("movl $0x2b, %%eax\n\tpushq $0x302\n\tpopfq\n\t"
			 "movw %%ax, %%ss\n\tint3" ::"r"(arg)
			 : "rax", "cc", "memory");
}

static void rep_stepping(uint64_t arg)
{
	char to[64];
	uint64_t n = sizeof(to), at = (uint64_t)to;

	__asm__ volatile("movl $0x2b, %%eax\n\tpushq $0x302\n\tpopfq\n\t"
			 "rep stosb"
			 : "+D"(at), "+c"(n)
			 : "r"(arg)
			 : "rax", "cc", "memory");
}

int main(void)
{
	attack_init();
	stacks();
	monitor();
	at_the_edge();
	for (int k = 0; k < 4; k++) {
		attack("mov ss, int3", mov_ss_int3, 0);
		attack("mov ss, ud2", mov_ss_ud2, 0);
		attack("mov ss, syscall", mov_ss_call, 0);
	}
	attack_run(stepping_int3, 0);
	tap_line("stepping: signal %d", attack_last.signo);
	attack_run(rep_stepping, 0);
	tap_line("stepping rep: signal %d code %d", attack_last.signo,
		 attack_last.code);
	return 0;
}
