/* SPDX-License-Identifier: MIT */
/* attack_segments.c - every selector, loaded, jumped to and returned to. */
// status: any
// variants: static pie
#include <asm/prctl.h>

#include "attack.h"

/*
 * Linux's GDT (arch/x86/include/asm/segment.h) has two entries that Azalea's
 * cores have not: 32-bit code, 0x23, and the CPU's number, 0x7b. A core may
 * have no descriptor where Linux has one, but never one where Linux has none.
 */
static int compared(uint64_t sel)
{
	return (sel & ~3ULL) != 0x20 && (sel & ~3ULL) != 0x78;
}

static void load_ds(uint64_t sel)
{
	__asm__ volatile(
	    "movw %%ds, %%cx\n\tmovw %w0, %%ds\n\tmovw %%cx, %%ds" ::"r"(sel)
	    : "rcx", "memory");
}

static void load_es(uint64_t sel)
{
	__asm__ volatile(
	    "movw %%es, %%cx\n\tmovw %w0, %%es\n\tmovw %%cx, %%es" ::"r"(sel)
	    : "rcx", "memory");
}

static void load_ss(uint64_t sel)
{
	__asm__ volatile(
	    "movl $0x2b, %%ecx\n\tmovw %w0, %%ss\n\tmovw %%cx, %%ss" ::"r"(sel)
	    : "rcx", "memory");
}

static void load_fs(uint64_t sel)
{
	uint64_t base, back;

	MUST(syscall(SYS_arch_prctl, ARCH_GET_FS, &base) == 0);
	__asm__ volatile("movw %w2, %%fs\n\t"
			 "movl %4, %%eax\n\t"
			 "movl %5, %%edi\n\t"
			 "movq %3, %%rsi\n\t"
			 "syscall"
			 : "=&a"(back), "+m"(base)
			 : "r"(sel), "r"(base), "i"(SYS_arch_prctl),
			   "i"(ARCH_SET_FS)
			 : "rdi", "rsi", "rcx", "r11", "memory");
	MUST(back == 0);
}

static void lret_to(uint64_t sel)
{
	__asm__ volatile("movq %%rsp, %%r12\n\t"
			 "pushq %0\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovq %%r12, %%rsp" ::"r"(sel)
			 : "rax", "r12", "memory");
}

static void iret_to(uint64_t sel)
{
	__asm__ volatile("movq %%rsp, %%r12\n\t"
			 "pushq $0x2b\n\t"
			 "pushq %%r12\n\t"
			 "pushfq\n\t"
			 "pushq %0\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "iretq\n"
			 "1:\tmovq %%r12, %%rsp" ::"r"(sel)
			 : "rax", "r12", "memory");
}

static void iret_stack(uint64_t sel)
{
	__asm__ volatile("movq %%rsp, %%r12\n\t"
			 "pushq %0\n\t"
			 "pushq %%r12\n\t"
			 "pushfq\n\t"
			 "pushq $0x33\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "iretq\n"
			 "1:\tmovl $0x2b, %%eax\n\t"
			 "movw %%ax, %%ss\n\t"
			 "movq %%r12, %%rsp" ::"r"(sel)
			 : "rax", "r12", "memory");
}

static void far_call(uint64_t sel)
{
	struct {
		uint32_t at;
		uint16_t sel;
	} to = { 0x10000, (uint16_t)sel };

	__asm__ volatile("movq %%rsp, %%r12\n\t"
			 "lcall *(%0)\n\t"
			 "movq %%r12, %%rsp" ::"r"(&to)
			 : "r12", "memory");
}

static void far_jump(uint64_t sel)
{
	struct {
		uint32_t at;
		uint16_t sel;
	} to = { 0x10000, (uint16_t)sel };

	__asm__ volatile("ljmp *(%0)" ::"r"(&to) : "memory");
}

static const struct {
	const char *name;
	void (*fn)(uint64_t);
} ways[] = {
	{ "ds", load_ds },         { "es", load_es },
	{ "ss", load_ss },         { "fs", load_fs },
	{ "lret", lret_to },       { "iret", iret_to },
	{ "iret ss", iret_stack }, { "far call", far_call },
	{ "far jump", far_jump },
};

/*
 * A far call that gets as far as its push: QEMU's TCG pushes as the kernel
 * would, at half an address, and Linux takes that for a bug of its own.
 */
static int tried(void (*fn)(uint64_t), uint64_t sel)
{
	return compared(sel) && (fn != far_call || (sel & ~3ULL) != 0x30);
}

int main(void)
{
	static const uint64_t more[] = { 0xfff8, 0xffff, 0x8003, 0x107, 0x20b };
	size_t k, i;

	attack_init();
	for (k = 0; k < sizeof(ways) / sizeof(ways[0]); k++) {
		for (uint64_t sel = 0; sel < 0x90; sel++)
			if (tried(ways[k].fn, sel))
				attack(ways[k].name, ways[k].fn, sel);
		for (i = 0; i < sizeof(more) / sizeof(more[0]); i++)
			attack(ways[k].name, ways[k].fn, more[i]);
	}
	return 0;
}
