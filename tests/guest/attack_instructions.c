/* SPDX-License-Identifier: MIT */
/* attack_instructions.c - what only a kernel may execute, and odd encodings. */
// status: any
// variants: static pie
#include "attack.h"

/* As text, so that a table can hold them: the code of each stands alone. */
#define INSN(id, text)                                                         \
	__attribute__((noinline)) static void do_##id(uint64_t arg)            \
	{                                                                      \
		__asm__ volatile("movq %%rsp, %%r12\n\t" text                  \
				 "\n\tmovq %%r12, %%rsp"                       \
				 : "+a"(arg)                                   \
				 :                                             \
				 : "rbx", "rcx", "rdx", "rsi", "rdi", "r8",    \
				   "r9", "r10", "r11", "r12", "cc", "memory"); \
	}

INSN(cli, "cli")
INSN(sti, "sti")
INSN(hlt, "hlt")
INSN(in_imm, "inb $0x80, %%al")
INSN(in_dx, "movl $0xcf8, %%edx\n\tinl %%dx, %%eax")
INSN(out_imm, "outb %%al, $0x80")
INSN(out_dx, "movl $0x64, %%edx\n\tmovb $0xfe, %%al\n\toutb %%al, %%dx")
INSN(ins, "movq %%rsp, %%rdi\n\tsubq $64, %%rdi\n\tmovl $0x60, %%edx\n\tinsb")
INSN(outs, "movq %%rsp, %%rsi\n\tmovl $1, %%ecx\n\tmovl $0x60, %%edx\n\t"
	   "rep outsb")
INSN(rdmsr_efer, "movl $0xc0000080, %%ecx\n\trdmsr")
INSN(rdmsr_apic, "movl $0x1b, %%ecx\n\trdmsr")
INSN(wrmsr_lstar, "movl $0xc0000082, %%ecx\n\txorl %%eax, %%eax\n\t"
		  "xorl %%edx, %%edx\n\twrmsr")
INSN(wrmsr_icr, "movl $0x830, %%ecx\n\tmovl $0xc4500, %%eax\n\t"
		"xorl %%edx, %%edx\n\twrmsr")
INSN(wrmsr_none, "movl $0x7fffffff, %%ecx\n\twrmsr")
INSN(get_cr0, "movq %%cr0, %%rax")
INSN(get_cr2, "movq %%cr2, %%rax")
INSN(get_cr3, "movq %%cr3, %%rax")
INSN(get_cr4, "movq %%cr4, %%rax")
INSN(get_cr8, "movq %%cr8, %%rax")
INSN(set_cr0, "xorl %%eax, %%eax\n\tmovq %%rax, %%cr0")
INSN(set_cr2, "movq %%rax, %%cr2")
INSN(set_cr3, "xorl %%eax, %%eax\n\tmovq %%rax, %%cr3")
INSN(set_cr4, "xorl %%eax, %%eax\n\tmovq %%rax, %%cr4")
INSN(set_cr8, "xorl %%eax, %%eax\n\tmovq %%rax, %%cr8")
INSN(get_dr0, "movq %%dr0, %%rax")
INSN(get_dr7, "movq %%dr7, %%rax")
INSN(set_dr0, "movq %%rax, %%dr0")
INSN(set_dr7, "movq $0x400, %%rax\n\tmovq %%rax, %%dr7")
INSN(clts, "clts")
INSN(lmsw, "lmsw %%ax")
INSN(invd, "invd")
INSN(wbinvd, "wbinvd")
INSN(invlpg, "invlpg (%%rsp)")
INSN(invlpg_kernel, "movq $0xffffffff81000000, %%rax\n\tinvlpg (%%rax)")
INSN(swapgs, "swapgs")
INSN(sysretq, "leaq 1f(%%rip), %%rcx\n\tmovl $0x202, %%r11d\n\tsysretq\n1:")
INSN(sysretl, "leaq 1f(%%rip), %%rcx\n\tmovl $0x202, %%r11d\n\tsysretl\n1:")
INSN(sysexit, "sysexitl")
INSN(lgdt, "lgdt -64(%%rsp)")
INSN(lidt, "lidt -64(%%rsp)")
INSN(lldt, "xorl %%eax, %%eax\n\tlldt %%ax")
INSN(ltr, "movl $0x40, %%eax\n\tltr %%ax")
INSN(xsetbv, "xorl %%ecx, %%ecx\n\tmovl $7, %%eax\n\txorl %%edx, %%edx\n\t"
	     "xsetbv")
INSN(xgetbv_bad, "movl $99, %%ecx\n\txgetbv")
INSN(monitor, "movq %%rsp, %%rax\n\txorl %%ecx, %%ecx\n\txorl %%edx, %%edx\n\t"
	      ".byte 0x0f, 0x01, 0xc8")
INSN(mwait, "xorl %%eax, %%eax\n\txorl %%ecx, %%ecx\n\t.byte 0x0f, 0x01, 0xc9")
INSN(rsm, "rsm")
INSN(ud0, ".byte 0x0f, 0xff, 0xc0")
INSN(ud1, ".byte 0x0f, 0xb9, 0xc0")
INSN(ud2, "ud2")
INSN(into, ".byte 0xce")
INSN(push_es, ".byte 0x06")
INSN(bcd_adjust, ".byte 0x27")
INSN(pusha, ".byte 0x60")
INSN(aam, ".byte 0xd4, 0x0a")
INSN(far_call_imm, ".byte 0x9a, 0, 0, 0, 0, 0x10, 0")
INSN(far_jump_imm, ".byte 0xea, 0, 0, 0, 0, 0x10, 0")
INSN(lock_nop, ".byte 0xf0, 0x90")
INSN(lock_ud, ".byte 0xf0, 0x0f, 0x0b")
INSN(mov_to_cs, ".byte 0x8e, 0xc8")
INSN(mov_cr1, ".byte 0x0f, 0x20, 0xc8")
INSN(mov_cr15, ".byte 0x44, 0x0f, 0x20, 0xf8")
INSN(long_insn, ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,"
		"0x66,0x66,0x66,0x66,0x66,0x66,0x90")
INSN(int3, "int3")
INSN(int_3, ".byte 0xcd, 3")
INSN(int1, ".byte 0xf1")
INSN(div0, "xorl %%ecx, %%ecx\n\txorl %%edx, %%edx\n\tdivl %%ecx")
INSN(div_big, "movl $1, %%ecx\n\tmovl $2, %%edx\n\tdivl %%ecx")
INSN(div_min, "movl $1, %%eax\n\tshlq $63, %%rax\n\tcqto\n\t"
	      "movq $-1, %%rcx\n\tidivq %%rcx")
INSN(x87, "fninit\n\tpushq $0x360\n\tfldcw (%%rsp)\n\tfld1\n\tfldz\n\t"
	  "fdivrp %%st, %%st(1)\n\tfwait\n\tfninit")
INSN(sse, "pushq $0x1d00\n\tldmxcsr (%%rsp)\n\tpxor %%xmm0, %%xmm0\n\t"
	  "movl $0x3f800000, %%eax\n\tmovd %%eax, %%xmm1\n\t"
	  "divss %%xmm0, %%xmm1")
INSN(ldmxcsr_bad, "pushq $-1\n\tldmxcsr (%%rsp)")
INSN(movaps_odd, "movaps 1(%%rsp), %%xmm0")
INSN(cx16_odd, "movq %%rsp, %%rax\n\tandq $-16, %%rax\n\t"
	       "lock cmpxchg16b -40(%%rax)")
INSN(noncanonical_ss, "movq $0x1234567812345678, %%rsp\n\tpopq %%rax")
INSN(noncanonical_bp, "movq %%rbp, %%rbx\n\tmovabsq $0x1234567812345678, "
		      "%%rbp\n\tmovq (%%rbp), %%rax\n\tmovq %%rbx, %%rbp")
INSN(iret_0, "movq %%ss, %%rax\n\tpushq $0\n\tpushq %%r12\n\tpushfq\n\t"
	     "pushq $0x10\n\tleaq 1f(%%rip), %%rax\n\tpushq %%rax\n\tiretq\n1:")
INSN(iret_ss_0, "pushq $0x18\n\tpushq %%r12\n\tpushfq\n\tpushq $0x33\n\t"
		"leaq 1f(%%rip), %%rax\n\tpushq %%rax\n\tiretq\n1:")
INSN(iret_flags, "pushq $0x2b\n\tpushq %%r12\n\tpushq $0x3f7ed7\n\t"
		 "pushq $0x33\n\tleaq 1f(%%rip), %%rax\n\tpushq %%rax\n\t"
		 "iretq\n1:\n\tpushq $0x202\n\tpopfq")
INSN(iret_away, "pushq $0x2b\n\tpushq %%r12\n\tpushfq\n\tpushq $0x33\n\t"
		"movabsq $0xffffffff81000000, %%rax\n\tpushq %%rax\n\tiretq")
INSN(iret_nt, "pushq $0x2b\n\tpushq %%r12\n\tpushq $0x202\n\tpushq $0x33\n\t"
	      "leaq 1f(%%rip), %%rax\n\tpushq %%rax\n\tpushfq\n\t"
	      "orq $0x4000, (%%rsp)\n\tpopfq\n\tiretq\n1:\n\t"
	      "pushq $0x202\n\tpopfq")
INSN(iret_good, "pushq $0x2b\n\tpushq %%r12\n\tpushfq\n\tpushq $0x33\n\t"
		"leaq 1f(%%rip), %%rax\n\tpushq %%rax\n\tiretq\n1:")
INSN(lret_0, "pushq $0x10\n\tleaq 1f(%%rip), %%rax\n\tpushq %%rax\n\t"
	     "lretq\n1:")
INSN(lret_good, "pushq $0x33\n\tleaq 1f(%%rip), %%rax\n\tpushq %%rax\n\t"
		"lretq\n1:")

#define ROW(id)              \
	{                    \
#id, do_##id \
	}

static const struct {
	const char *name;
	void (*fn)(uint64_t);
} rows[] = {
	ROW(cli),        ROW(sti),           ROW(hlt),
	ROW(in_imm),     ROW(in_dx),         ROW(out_imm),
	ROW(out_dx),     ROW(ins),           ROW(outs),
	ROW(rdmsr_efer), ROW(rdmsr_apic),    ROW(wrmsr_lstar),
	ROW(wrmsr_icr),  ROW(wrmsr_none),    ROW(get_cr0),
	ROW(get_cr2),    ROW(get_cr3),       ROW(get_cr4),
	ROW(get_cr8),    ROW(set_cr0),       ROW(set_cr2),
	ROW(set_cr3),    ROW(set_cr4),       ROW(set_cr8),
	ROW(get_dr0),    ROW(get_dr7),       ROW(set_dr0),
	ROW(set_dr7),    ROW(clts),          ROW(lmsw),
	ROW(invd),       ROW(wbinvd),        ROW(invlpg),
	ROW(swapgs),     ROW(invlpg_kernel), ROW(sysretq),
	ROW(sysretl),    ROW(sysexit),       ROW(lgdt),
	ROW(lidt),       ROW(lldt),          ROW(ltr),
	ROW(xsetbv),     ROW(xgetbv_bad),    ROW(monitor),
	ROW(mwait),      ROW(rsm),           ROW(ud0),
	ROW(ud1),        ROW(ud2),           ROW(into),
	ROW(push_es),    ROW(bcd_adjust),    ROW(pusha),
	ROW(aam),        ROW(far_call_imm),  ROW(far_jump_imm),
	ROW(lock_nop),   ROW(lock_ud),       ROW(mov_to_cs),
	ROW(mov_cr1),    ROW(mov_cr15),      ROW(long_insn),
	ROW(int3),       ROW(int_3),         ROW(int1),
	ROW(div0),       ROW(div_big),       ROW(div_min),
	ROW(x87),        ROW(sse),           ROW(ldmxcsr_bad),
	ROW(movaps_odd), ROW(cx16_odd),      ROW(noncanonical_ss),
	ROW(iret_0),     ROW(iret_ss_0),     ROW(iret_flags),
	ROW(iret_away),  ROW(iret_nt),       ROW(iret_good),
	ROW(lret_0),     ROW(lret_good),
};

static void run_code(uint64_t at)
{
	((void (*)(void))at)();
}

/* All of int n, each from a page of code that says nothing else. */
static void interrupts(void)
{
	uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(code != MAP_FAILED);
	for (int n = 0; n < 256; n++) {
		if (n == 0x80)
			continue; /* natively a way to make 32-bit calls */
		MUST(mprotect(code, 4096, PROT_READ | PROT_WRITE) == 0);
		code[0] = 0xcd;
		code[1] = (uint8_t)n;
		code[2] = 0xc3;
		MUST(mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
		attack_run(run_code, (uint64_t)code);
		tap_line("int %d: signal %d code %d at %s + %d", n,
			 attack_last.signo, attack_last.code,
			 attack_last.addr ? "code" : "0",
			 (int)(attack_last.rip - (uint64_t)code));
	}
	munmap(code, 4096);
}

/* An instruction that goes on where there is nothing. */
static void at_the_edge(void)
{
	uint8_t *code = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(code != MAP_FAILED);
	code[4093] = 0x48; /* movabs, of which 7 bytes are missing */
	code[4094] = 0xb8;
	MUST(mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
	MUST(munmap(code + 4096, 4096) == 0);
	attack_run(run_code, (uint64_t)code + 4093);
	tap_line("edge: signal %d code %d at + %d", attack_last.signo,
		 attack_last.code, (int)(attack_last.addr - (uint64_t)code));
	MUST(munmap(code, 4096) == 0);
	attack_run(run_code, (uint64_t)code);
	tap_line("gone: signal %d code %d at + %d", attack_last.signo,
		 attack_last.code, (int)(attack_last.addr - (uint64_t)code));
}

static void do_popf(uint64_t flags)
{
	__asm__ volatile("pushq %0\n\tpopfq\n\tpushfq\n\tpushq $0x202\n\tpopfq"
			 "\n\tpopq %0"
			 : "+r"(flags)::"cc", "memory");
	/* IOPL, IF, NT, AC, VM, VIF, VIP and ID as they came through. */
	tap_line("  flags are %#llx", (unsigned long long)(flags & 0x3f7200));
}

/* Every flag, and a system call while it is set. */
static void do_popf_call(uint64_t flags)
{
	uint64_t nr = SYS_getpid;

	__asm__ volatile("pushq %1\n\tpopfq\n\tsyscall\n\tpushfq\n\t"
			 "pushq $0x202\n\tpopfq\n\tpopq %1"
			 : "+a"(nr), "+r"(flags)::"rcx", "r11", "cc", "memory");
	tap_line("  pid is %s", nr == (uint64_t)getpid() ? "right" : "wrong");
}

static void flags(void)
{
	static const uint64_t sets[] = { 0x3202,  0x2,     0x20202,  0x4202,
					 0x40202, 0x80202, 0x100202, 0x200202,
					 0x10202, 0x8202,  0x602,    0x3f7ed7 };

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		attack("popf", do_popf, sets[i]);
		for (int k = 0; k < 4; k++)
			attack("popf and call", do_popf_call, sets[i]);
	}
	attack("popf TF", do_popf, 0x302);
	attack("popf all", do_popf, ~0x40100ULL);
}

int main(void)
{
	attack_init();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		attack(rows[i].name, rows[i].fn, 0);
	attack("noncanonical_bp", do_noncanonical_bp, 0);
	interrupts();
	at_the_edge();
	flags();
	return 0;
}
