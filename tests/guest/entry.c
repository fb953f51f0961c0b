/* SPDX-License-Identifier: MIT */
/*
 * entry.c - the registers at the very first instruction of a program without
 * a C library: all zero, an aligned stack, default FPU and vector control.
 */
// variants: bare barepie
// run: a bc

static long call(long nr, long a, long b, long c)
{
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return r;
}

static long text_len(const char *s)
{
	long n = 0;

	while (s[n])
		n++;
	return n;
}

static int count, bad;

static void say(int good, const char *name)
{
	char num[4] = { 0 };

	count++;
	num[0] = (char)('0' + count / 10);
	num[1] = (char)('0' + count % 10);
	num[2] = ' ';
	if (!good) {
		bad = 1;
		call(1, 1, (long)"not ", 4);
	}
	call(1, 1, (long)"ok ", 3);
	call(1, 1, (long)num, 3);
	call(1, 1, (long)name, text_len(name));
	call(1, 1, (long)"\n", 1);
}

/* regs: rax rbx rcx rdx rsi rdi rbp r8..r15 rflags, in this order. */
__attribute__((used)) void entry_c(const unsigned long *regs,
				   const unsigned long *sp)
{
	/* No pointers: nobody relocates a bare static PIE. */
	static const char names[][12] = {
		"rax is 0", "rbx is 0", "rcx is 0", "rdx is 0", "rsi is 0",
		"rdi is 0", "rbp is 0", "r8 is 0",  "r9 is 0",  "r10 is 0",
		"r11 is 0", "r12 is 0", "r13 is 0", "r14 is 0", "r15 is 0",
	};
	unsigned int mxcsr;
	unsigned short cw;
	unsigned long nonzero = 0;

	for (int i = 0; i < 15; i++)
		say(regs[i] == 0, names[i]);
	say((regs[15] & 0xcd5) == 0, "arithmetic flags, DF and TF are clear");
	say((unsigned long)sp % 16 == 0, "the stack is aligned to 16");
	say(sp[0] == 3, "argc is at the top of the stack");
	say(((const char *)sp[2])[0] == 'a', "then argv");
	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(cw));
	say(mxcsr == 0x1f80, "MXCSR is 0x1f80");
	say(cw == 0x37f, "the x87 control word is 0x37f");
	__asm__ volatile("movq %%xmm0, %0" : "=r"(nonzero));
	say(nonzero == 0, "xmm0 is 0");
	__asm__ volatile("movq %%xmm15, %0" : "=r"(nonzero));
	say(nonzero == 0, "xmm15 is 0");
	__asm__ volatile("mov %%fs, %0" : "=r"(nonzero));
	say((nonzero & 0xffff) == 0, "the fs selector is 0");
	call(1, 1, (long)"1..24\n", 6);
	call(231, bad, 0, 0);
}

__asm__(".globl _start\n"
	"_start:\n"
	"	mov %rsp, saved_sp(%rip)\n"
	"	mov %rax, saved(%rip)\n"
	"	mov %rbx, saved+8(%rip)\n"
	"	mov %rcx, saved+16(%rip)\n"
	"	mov %rdx, saved+24(%rip)\n"
	"	mov %rsi, saved+32(%rip)\n"
	"	mov %rdi, saved+40(%rip)\n"
	"	mov %rbp, saved+48(%rip)\n"
	"	mov %r8, saved+56(%rip)\n"
	"	mov %r9, saved+64(%rip)\n"
	"	mov %r10, saved+72(%rip)\n"
	"	mov %r11, saved+80(%rip)\n"
	"	mov %r12, saved+88(%rip)\n"
	"	mov %r13, saved+96(%rip)\n"
	"	mov %r14, saved+104(%rip)\n"
	"	mov %r15, saved+112(%rip)\n"
	"	pushfq\n"
	"	popq saved+120(%rip)\n"
	"	lea saved(%rip), %rdi\n"
	"	mov saved_sp(%rip), %rsi\n"
	"	and $-16, %rsp\n"
	"	call entry_c\n"
	"	ud2\n"
	".local saved\n"
	".comm saved, 128, 8\n"
	".local saved_sp\n"
	".comm saved_sp, 8, 8\n");
