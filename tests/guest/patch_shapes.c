/* SPDX-License-Identifier: MIT */
/*
 * patch_shapes.c - what stands before a `syscall` instruction, and how one gets
 * to it: a call does the same the thousandth time as the first, changes rax,
 * rcx (the address behind it) and r11 (the flags) and nothing else, whatever
 * a system does to the places that calls come from.
 */
// variants: pie static
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

#include "tap.h"

enum {
	RAX,
	RCX,
	RDX,
	RBX,
	RSP,
	RBP,
	RSI,
	RDI,
	R8,
	R15 = 15,
	FLAGS = 16
};

struct regs {
	uint64_t r[17];
	uint64_t pad;
	uint8_t ymm[16][32];
};

_Static_assert(offsetof(struct regs, ymm) == 144, "used below");

struct regs shape_in __attribute__((aligned(32))),
    shape_out __attribute__((aligned(32)));
uint64_t shape_save[4]; /* stack, function, has AVX */
uint32_t shape_nr_getpid = SYS_getpid;
uint32_t shape_table[256]; /* all of them SYS_getpid */

/*
 * shape_run - call shape_save[1] with all registers from shape_in, and store
 * them to shape_out afterwards. rsp is the caller's and must come back.
 */
__asm__(".text\n"
	".macro vectors op:req, avxop:req, base:req\n"
	"	cmpq $0, shape_save+16(%rip)\n"
	"	jne 7f\n"
	"	lea \\base+144(%rip), %rax\n"
	"	.irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"	\\op \\i\n"
	"	.endr\n"
	"	jmp 8f\n"
	"7:	lea \\base+144(%rip), %rax\n"
	"	.irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"	\\avxop \\i\n"
	"	.endr\n"
	"8:\n"
	".endm\n"
	".macro sse_load i\n	movups 32*\\i(%rax), %xmm\\i\n.endm\n"
	".macro sse_store i\n	movups %xmm\\i, 32*\\i(%rax)\n.endm\n"
	".macro avx_load i\n	vmovups 32*\\i(%rax), %ymm\\i\n.endm\n"
	".macro avx_store i\n	vmovups %ymm\\i, 32*\\i(%rax)\n.endm\n"
	".globl shape_run\n"
	"shape_run:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14\n"
	"	push %r15; pushfq\n"
	"	mov %rsp, shape_save(%rip)\n"
	"	vectors sse_load, avx_load, shape_in\n"
	"	pushq shape_in+128(%rip)\n"
	"	popfq\n"
	"	mov shape_in(%rip), %rax\n"
	"	mov shape_in+8(%rip), %rcx\n"
	"	mov shape_in+16(%rip), %rdx\n"
	"	mov shape_in+24(%rip), %rbx\n"
	"	mov shape_in+40(%rip), %rbp\n"
	"	mov shape_in+48(%rip), %rsi\n"
	"	mov shape_in+56(%rip), %rdi\n"
	"	mov shape_in+64(%rip), %r8\n"
	"	mov shape_in+72(%rip), %r9\n"
	"	mov shape_in+80(%rip), %r10\n"
	"	mov shape_in+88(%rip), %r11\n"
	"	mov shape_in+96(%rip), %r12\n"
	"	mov shape_in+104(%rip), %r13\n"
	"	mov shape_in+112(%rip), %r14\n"
	"	mov shape_in+120(%rip), %r15\n"
	"	call *shape_save+8(%rip)\n"
	"	mov %rax, shape_out(%rip)\n"
	"	mov %rcx, shape_out+8(%rip)\n"
	"	mov %rdx, shape_out+16(%rip)\n"
	"	mov %rbx, shape_out+24(%rip)\n"
	"	mov %rsp, shape_out+32(%rip)\n"
	"	mov %rbp, shape_out+40(%rip)\n"
	"	mov %rsi, shape_out+48(%rip)\n"
	"	mov %rdi, shape_out+56(%rip)\n"
	"	mov %r8, shape_out+64(%rip)\n"
	"	mov %r9, shape_out+72(%rip)\n"
	"	mov %r10, shape_out+80(%rip)\n"
	"	mov %r11, shape_out+88(%rip)\n"
	"	mov %r12, shape_out+96(%rip)\n"
	"	mov %r13, shape_out+104(%rip)\n"
	"	mov %r14, shape_out+112(%rip)\n"
	"	mov %r15, shape_out+120(%rip)\n"
	"	mov shape_save(%rip), %rsp\n"
	"	pushfq\n"
	"	popq shape_out+128(%rip)\n"
	"	vectors sse_store, avx_store, shape_out\n"
	"	popfq; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp\n"
	"	pop %rbx\n"
	"	ret\n");

void shape_run(void);

/*
 * A shape is a function of its own section of text, 16 bytes aligned, with
 * NOPs before the next; NAME_after is behind its (last) syscall.
 */
#define SHAPE(name, code)                                                 \
	void name(void);                                                  \
	extern char name##_after[];                                       \
	__asm__(".text\n\t.p2align 4\n\t.globl " #name "\n\t.type " #name \
		", @function\n" #name ":\n\t" code "\n\t.size " #name     \
		", . - " #name "\n");
/* The same, described in .eh_frame. */
#define SHAPE_CFI(name, code)                                             \
	void name(void);                                                  \
	extern char name##_after[];                                       \
	__asm__(".text\n\t.p2align 4\n\t.globl " #name "\n\t.type " #name \
		", @function\n" #name ":\n\t.cfi_startproc\n\t" code      \
		"\n\t.cfi_endproc\n\t.size " #name ", . - " #name "\n");
#define CALL(name) "syscall\n.globl " #name "_after\n" #name "_after:\n\t"

/* --- what stands before it --- */
SHAPE(mov_imm, "mov $39, %eax\n\t" CALL(mov_imm) "ret")
SHAPE_CFI(mov_imm_cfi, "mov $39, %eax\n\t" CALL(mov_imm_cfi) "ret")
SHAPE(mov_imm_rax, ".byte 0x48,0xc7,0xc0,39,0,0,0\n\t" CALL(mov_imm_rax) "ret")
SHAPE(movabs, "movabs $39, %rax\n\t" CALL(movabs) "ret")
SHAPE(mov_r8d, "mov $39, %eax\n\tmov $7, %r8d\n\t" CALL(mov_r8d) "ret")
SHAPE(xor_eax, "xor %eax, %eax\n\t" CALL(xor_eax) "ret")
SHAPE_CFI(xor_eax_cfi, "xor %eax, %eax\n\t" CALL(xor_eax_cfi) "ret")
SHAPE(mov_al, "mov $39, %al\n\t" CALL(mov_al) "ret")
SHAPE(mov_ax, "mov $39, %ax\n\t" CALL(mov_ax) "ret")
SHAPE(mov_rip, "mov shape_nr_getpid(%rip), %eax\n\t" CALL(mov_rip) "ret")
SHAPE(mov_zone,
      "movl $39, -8(%rsp)\n\tmov -8(%rsp), %eax\n\t" CALL(mov_zone) "ret")
SHAPE(mov_index, "mov 16(%rbx,%r12,4), %eax\n\t" CALL(mov_index) "ret")
SHAPE(mov_far, "mov 0x100(%rbx), %eax\n\t" CALL(mov_far) "ret")
SHAPE(mov_reg, "mov %r13d, %eax\n\t" CALL(mov_reg) "ret")
SHAPE(mov_between,
      "mov $39, %eax\n\tmov %rcx, %r10\n\t" CALL(mov_between) "ret")
SHAPE(push_pop, "push $39\n\tpop %rax\n\t" CALL(push_pop) "ret")
SHAPE(push_imm32,
      "mov $39, %eax\n\tpushq $0x12345678\n\t" CALL(
	  push_imm32) "movl (%rsp), %edx\n\tlea 8(%rsp), %rsp\n\tret")
SHAPE(sub_rsp, "mov $39, %eax\n\tlea -0x108(%rsp), %rsp\n\t" CALL(
		   sub_rsp) "lea 0x108(%rsp), %rsp\n\tret")
SHAPE(lea_rip,
      "mov $39, %eax\n\tlea shape_table(%rip), %rsi\n\t" CALL(lea_rip) "ret")
SHAPE(sse_rip, "mov $39, %eax\n\tmovups shape_in+176(%rip), %xmm1\n\t" CALL(
		   sse_rip) "ret")
SHAPE(locked, "mov $39, %eax\n\tlock orl $0, 0x100(%rbx)\n\tclc\n\tstc\n\t"
	      "mov $39, %eax\n\t" CALL(locked) "ret")
SHAPE(string,
      "push %rdi\n\tpush %rcx\n\tmov %rbx, %rdi\n\tmov $4, %ecx\n\t"
      "mov $39, %eax\n\trep stosl\n\t" CALL(
	  string) "pop %rcx\n\tpop %rdi\n\tlea string_after(%rip), %rcx\n\tret")
SHAPE(xchg_eax, "xchg %eax, %r13d\n\t" CALL(xchg_eax) "mov $39, %r13d\n\tret")
SHAPE(cmov, "cmovc %r13d, %eax\n\t" CALL(cmov) "ret")
SHAPE(long_nop, "mov $39, %eax\n\t.byte 0x0f,0x1f,0x84,0,0,0,0,0\n\t" CALL(
		    long_nop) "ret")
SHAPE(one_nops, "mov $39, %eax\n\t.byte 0x90,0x90,0x90,0x90,0x90\n\t" CALL(
		    one_nops) "ret")
SHAPE(first, CALL(first) "ret")
SHAPE_CFI(first_cfi, CALL(first_cfi) "ret")
SHAPE(endbr, ".byte 0xf3,0x0f,0x1e,0xfa\n\t" CALL(endbr) "ret")

/* --- prefixes, which belong to the instruction --- */
SHAPE(rex_w, "mov $39, %eax\n\t.byte 0x48\n\t" CALL(rex_w) "ret")
SHAPE(rex, "mov $39, %eax\n\t.byte 0x40\n\t" CALL(rex) "ret")
SHAPE(opsize, "mov $39, %eax\n\t.byte 0x66\n\t" CALL(opsize) "ret")
SHAPE(segment, "mov $39, %eax\n\t.byte 0x3e\n\t" CALL(segment) "ret")
SHAPE(segment_fs, "mov $39, %eax\n\t.byte 0x64\n\t" CALL(segment_fs) "ret")
SHAPE(addrsize, "mov $39, %eax\n\t.byte 0x67\n\t" CALL(addrsize) "ret")
SHAPE(repeated, "mov $39, %eax\n\t.byte 0xf2\n\t" CALL(repeated) "ret")
SHAPE(five_prefixes,
      ".byte 0x66,0x66,0x66,0x66,0x66\n\t" CALL(five_prefixes) "ret")

/* --- how one gets there --- */
SHAPE(jump_over, "mov $39, %eax\n\tjmp 1f\n\t.byte 0xb8,1,2,3,4\n1:\t" CALL(
		     jump_over) "ret")
SHAPE(jump_back_to,
      "jmp 2f\n1:\t" CALL(jump_back_to) "ret\n2:\tmov $39, %eax\n\tjmp 1b")
SHAPE(behind_jump,
      "mov $0, %ebp\n\t.byte 0xe9\n\t.long 2f-1f\n1:\t" CALL(
	  behind_jump) "mov $0xbbbb, %ebp\n\tret\n2:\tmov $39, %eax\n\tjmp 1b")
SHAPE(behind_branch,
      "mov $39, %eax\n\t.byte 0x0f,0x83\n\t.long 2f-1f\n1:\t" CALL(
	  behind_branch) "ret\n2:\tud2")
SHAPE(
    behind_call,
    "call 2f\n\tbehind_call_ret:\n\t" CALL(
	behind_call) "ret\n2:\tlea behind_call_ret(%rip), %rax\n\tcmp %rax, (%rsp)\n\t"
		     "jne 3f\n\tmov $39, %eax\n\tstc\n\tret\n3:\tmov $-1, %eax\n\tret")
SHAPE(branch_to,
      "mov %r13d, %eax\n\tjc 1f\n\tmov $110, %eax\n1:\t" CALL(branch_to) "ret")
/* Entered at the instruction itself, with a number of one's own. */
SHAPE(own_number,
      "mov $110, %eax\n.globl own_number_at\nown_number_at:\n\t" CALL(
	  own_number) "ret")
/* A jump into the immediate, which is code as well: mov $39,%al; nop; nop. */
SHAPE(overlap,
      "jmp 1f+1\n1:\t.byte 0xb8,0xb0,39,0x90,0x90\n\t" CALL(overlap) "ret")
SHAPE(twice, "mov $8, %eax\n\tsyscall\n\t" CALL(twice) "ret")
SHAPE(loop,
      "mov $3, %r14d\n1:\tmov $39, %eax\n\t" CALL(
	  loop) "lea -1(%r14), %r14\n\tmov %r14, %rcx\n\tjrcxz 2f\n\tjmp 1b\n"
		"2:\tlea loop_after(%rip), %rcx\n\tmov $0x1e1e, %r14d\n\tret")
SHAPE(
    loop_at,
    "mov $3, %r14d\n\tmov $39, %eax\n1:\t" CALL(
	loop_at) "mov %r14, %rcx\n\tlea -1(%r14), %r14\n\tjrcxz 2f\n\t"
		 "mov $39, %eax\n\tjmp 1b\n"
		 "2:\tlea loop_at_after(%rip), %rcx\n\tmov $0x1e1e, %r14d\n\tret")
SHAPE(tail, "mov $39, %eax\n\t" CALL(tail) "jmp 1f\n\tud2\n1:\tret")
/* The last function's padding is this one's beginning. */
SHAPE(nops_first,
      ".rept 16\n\tnop\n\t.endr\n\tmov $39, %eax\n\t" CALL(nops_first) "ret")
SHAPE(full_block,
      ".rept 8\n\tnop\n\t.endr\n\tmov $39, %eax\n\t" CALL(full_block) "ret")
SHAPE(nops_after_ret,
      ".rept 9\n\tnop\n\t.endr\n\tmov $39, %eax\n\t" CALL(nops_after_ret) "ret")
SHAPE_CFI(nops_cfi,
	  ".rept 8\n\tnop\n\t.endr\n\txor %eax, %eax\n\tmov $39, %al\n\t" CALL(
	      nops_cfi) "ret")
/* A number in the text, before an entry that is a syscall. */
SHAPE(data_before, CALL(data_before) "ret\n\t.byte 0xb8,0x27,0,0,0")
SHAPE(after_data, CALL(after_data) "ret")

/* --- flags, and the red zone of a leaf --- */
SHAPE(
    red_zone,
    ".set i, 1\n\t.rept 16\n\tlea 0x77(%rdx), %rdx\n\t"
    "mov %rdx, -8*i(%rsp)\n\t.set i, i+1\n\t.endr\n\t"
    "mov $39, %eax\n\t" CALL(
	red_zone) ".set i, 16\n\t.rept 16\n\tmov -8*i(%rsp), %rcx\n\t"
		  "not %rcx\n\tlea 1(%rcx,%rdx), %rcx\n\tjrcxz 1f\n\tmov $-1, %eax\n"
		  "1:\tlea -0x77(%rdx), %rdx\n\t.set i, i-1\n\t.endr\n\t"
		  "lea red_zone_after(%rip), %rcx\n\tret")

/* What shapes return where it isn't getpid(). */
#define PID  (-1000)
#define PPID (-1001)

struct shape {
	const char *name;
	void (*fn)(void);
	char *after;
	long rax, want;
	int changed; /* a register that the code itself sets; 0: none */
};

extern char own_number_at[];

#define S(name, rax, want, changed)                           \
	{                                                     \
#name, name, name##_after, rax, want, changed \
	}
static const struct shape shapes[] = {
	S(mov_imm, 0, PID, 0),
	S(mov_imm_cfi, 0, PID, 0),
	S(mov_imm_rax, 0, PID, 0),
	S(movabs, 0, PID, 0),
	S(mov_r8d, 0, PID, R8),
	S(xor_eax, 0, -EBADF, FLAGS),
	S(xor_eax_cfi, 0, -EBADF, FLAGS),
	S(mov_al, 0, PID, 0),
	S(mov_ax, 0, PID, 0),
	S(mov_rip, 0, PID, 0),
	S(mov_zone, 0, PID, 0),
	S(mov_index, 0, PID, 0),
	S(mov_far, 0, PID, 0),
	S(mov_reg, 0, PID, 0),
	S(mov_between, 0, PID, 10),
	S(push_pop, 0, PID, 0),
	S(push_imm32, 0, PID, RDX),
	S(sub_rsp, 0, PID, 0),
	S(lea_rip, 0, PID, RSI),
	S(sse_rip, 0, PID, 0),
	S(locked, 0, PID, FLAGS),
	S(string, 0, PID, 0),
	S(xchg_eax, 0, PID, 0),
	S(cmov, 0, PID, 0),
	S(long_nop, 0, PID, 0),
	S(one_nops, 0, PID, 0),
	S(first, 39, PID, 0),
	S(first_cfi, 39, PID, 0),
	S(endbr, 39, PID, 0),
	S(rex_w, 0, PID, 0),
	S(rex, 0, PID, 0),
	S(opsize, 0, PID, 0),
	S(segment, 0, PID, 0),
	S(segment_fs, 0, PID, 0),
	S(addrsize, 0, PID, 0),
	S(repeated, 0, PID, 0),
	S(five_prefixes, 39, PID, 0),
	S(jump_over, 0, PID, 0),
	S(jump_back_to, 0, PID, 0),
	S(behind_jump, 0, PID, RBP),
	S(behind_branch, 0, PID, 0),
	S(behind_call, 0, PID, FLAGS),
	S(branch_to, 0, PID, 0),
	S(own_number, 0, PPID, 0),
	{ "own_number, entered at the instruction",
	  (void (*)(void))own_number_at, own_number_after, 39, PID, 0 },
	{ "own_number, again", own_number, own_number_after, 39, PPID, 0 },
	S(overlap, 0, PID, 0),
	S(twice, 0, -ENOSYS, 0),
	S(loop, 0, PID, 0),
	S(loop_at, 0, PID, 0),
	S(tail, 0, PID, 0),
	S(nops_first, 0, PID, 0),
	S(full_block, 0, PID, 0),
	S(nops_after_ret, 0, PID, 0),
	S(nops_cfi, 0, PID, FLAGS),
	S(data_before, 39, PID, 0),
	S(after_data, 39, PID, 0),
	S(red_zone, 0, PID, 0),
};
#define NSHAPES (sizeof(shapes) / sizeof(shapes[0]))

static int pid, ppid;
static const char *why[NSHAPES];

static void prepare(const struct shape *s, uint64_t flags)
{
	for (int i = 0; i < 16; i++)
		shape_in.r[i] = 0x0101010101010101ULL * (unsigned)(0x10 + i);
	shape_in.r[RAX] = (uint64_t)s->rax;
	shape_in.r[RDI] = ~0ULL; /* no descriptor */
	shape_in.r[RBX] = (uint64_t)shape_table;
	shape_in.r[12] = 3;
	shape_in.r[13] = SYS_getpid;
	shape_in.r[14] = 0x1e1e;
	shape_in.r[FLAGS] = flags;
	for (int i = 0; i < 16; i++)
		for (int j = 0; j < 32; j++)
			shape_in.ymm[i][j] = (uint8_t)(i * 32 + j + 1);
	shape_save[1] = (uint64_t)s->fn;
}

/* judge - what is wrong after one run of s, or NULL. */
static const char *judge(const struct shape *s)
{
	static const char *const names[] = { "rax", "rcx",  "rdx", "rbx", "rsp",
					     "rbp", "rsi",  "rdi", "r8",  "r9",
					     "r10", "r11",  "r12", "r13", "r14",
					     "r15", "flags" };
	long want = s->want == PID ? pid : s->want == PPID ? ppid : s->want;

	if ((long)shape_out.r[RAX] != want)
		return "rax";
	if (shape_out.r[RCX] != (uint64_t)s->after)
		return "rcx";
	if (shape_out.r[RSP] != shape_save[0])
		return "rsp";
	for (int i = 2; i <= FLAGS; i++) {
		if (i == RSP || i == 11 || (i == s->changed && i))
			continue;
		if (shape_out.r[i] != shape_in.r[i])
			return names[i];
	}
	/* r11 is the flags, which may be the code's own. */
	if (s->changed != FLAGS && shape_out.r[11] != shape_in.r[FLAGS])
		return "r11";
	if (memcmp(shape_out.ymm, shape_in.ymm, sizeof(shape_in.ymm)) != 0)
		return "vectors";
	return NULL;
}

static void run_all(int times)
{
	/* Reserved bit 1, interrupts on; carry for those that look at it. */
	static const uint64_t flags[] = { 0x203, 0xad7, 0x247, 0xa93 };

	for (size_t i = 0; i < NSHAPES; i++) {
		for (int n = 0; n < times && !why[i]; n++) {
			prepare(&shapes[i], flags[n & 3]);
			shape_run();
			why[i] = judge(&shapes[i]);
		}
	}
}

/* --- a fault in the instruction before it --- */
SHAPE(faulting,
      ".globl faulting_at\nfaulting_at:\n\tmov 0x100(%rbx), %eax\n\t" CALL(
	  faulting) "ret")
extern char faulting_at[];
static int fault_bad, fault_count;

static void on_fault(int sig, siginfo_t *si, void *ucp)
{
	ucontext_t *uc = ucp;

	fault_count++;
	if (uc->uc_mcontext.gregs[REG_RIP] != (greg_t)faulting_at)
		fault_bad |= 1;
	if (si->si_addr != (void *)0x1100)
		fault_bad |= 2;
	if (uc->uc_mcontext.gregs[REG_RBX] != 0x1000)
		fault_bad |= 4;
	if (sig != SIGSEGV)
		fault_bad |= 8;
	uc->uc_mcontext.gregs[REG_RBX] = (greg_t)shape_table;
}

static void check_fault(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault,
				.sa_flags = SA_SIGINFO };
	struct shape s = { "faulting", faulting, faulting_after, 0, PID, RBX };
	int bad = 0;

	MUST(sigaction(SIGSEGV, &sa, NULL) == 0);
	for (int n = 0; n < 300; n++) {
		prepare(&s, 0x203);
		if (n % 30 == 0)
			sleep_ms(1);
		if (n % 10 == 9)
			shape_in.r[RBX] = 0x1000;
		shape_run();
		bad |= judge(&s) != NULL;
	}
	IS(bad, 0, "faulting: the call is made after the handler's repair");
	IS(fault_count, 30, "faulting: every fault arrives");
	IS(fault_bad, 0, "faulting: with the program's own rip and registers");
}

int main(void)
{
	pid = (int)syscall(SYS_getpid);
	ppid = (int)syscall(SYS_getppid);
	shape_save[2] = !!__builtin_cpu_supports("avx");
	for (int i = 0; i < 256; i++)
		shape_table[i] = SYS_getpid;
	/* Whatever happens to a site may happen late: look again. */
	run_all(1);
	run_all(4);
	for (int i = 0; i < 4; i++) {
		sleep_ms(2);
		run_all(100);
	}
	for (size_t i = 0; i < NSHAPES; i++) {
		tap_ok(!why[i], __LINE__, shapes[i].name, shapes[i].name);
		if (why[i])
			tap_line("# differs: %s", why[i]);
	}
	check_fault();
	return tap_done();
}
