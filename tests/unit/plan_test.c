/* SPDX-License-Identifier: MIT */
/*
 * plan_test.c - kernel/patch/plan.c: which bytes become a jump, and what the
 * stubs do when they run.
 *
 * The code is that of the functions below, as the assembler made it, and that
 * of real files, where Zydis says where instructions begin.
 */
/* links: kernel/patch/plan.c kernel/patch/insn.c */
/* ldlibs: -lZydis */
#include "patch/plan.h"

#include <Zydis/Zydis.h>
#include <asm/prctl.h>
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ntests, nfailed;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

/* Ordinary code in front of each case, so that there are voters. */
#define BEFORE                      \
	"	mov %rdi, %rax\n"         \
	"	test %rsi, %rsi\n"        \
	"	je 1f\n"                  \
	"	add $8, %rax\n"           \
	"	lea 4(%rax,%rdi), %rdx\n" \
	"	mov %rdx, -8(%rsp)\n"     \
	"	cmp $100, %edx\n"         \
	"	jne 1f\n"                 \
	"	imul $3, %rdx, %rdx\n"    \
	"	xor %edi, %edi\n"         \
	"	mov %rsi, %rcx\n"         \
	"1:	sub $1, %rax\n"
#define CASE(name, code)                                  \
	"	.balign 16\n"                                   \
	"	.globl " name "\n" name ":\n" BEFORE code \
	"	.globl " name "_end\n" name "_end:	.fill 32, 1, 0xcc\n"

__asm__(
    "	.text\n"
    /* mov imm32; the site is at the end of what follows. */
    CASE("t_mov",
	 "	mov $39, %eax\n syscall\n") CASE("t_mov7",
						 " mov $39, %rax\n syscall\n")
	CASE("t_r8", "	mov $39, %r8d\n syscall\n") CASE(
	    "t_disp", " mov 0x27(%rax), %edi\n"
		      " .byte 0x8b, 0xb8, 0x3c, 0, 0, 0\n syscall\n")
	    CASE("t_zeros", " ret\n .fill 7, 1, 0\n mov $39, %eax\n syscall\n")
		CASE("t_rip", "	mov t_data(%rip), %edi\n syscall\n") CASE(
		    "t_two", "	mov $257, %eax\n xor %edx, %edx\n syscall\n")
		    CASE(
			"t_short",
			" lea 0x100(%rdi), %rdx\n xor %eax, %eax\n syscall\n ret\n")
			CASE("t_call", "	call t_mov\n syscall\n")
			    CASE("t_jump",
				 "	jmp t_mov\n.balign 2\n syscall\n")
				CASE("t_restore", " mov $15, %rax\n syscall\n")
    /* Padding behind a return, in front of an aligned address. */
    "	.balign 16\n"
    "	.globl t_pad, t_pad_site, t_pad_ret\n"
    "t_pad:\n" BEFORE "	cmpb $0, t_data(%rip)\n	jne t_pad\n"
    "	.balign 16\n"
    "	xor %eax, %eax\n"
    "t_pad_site:	syscall\n	neg %eax\n	ret\n"
    "t_pad_ret:	.balign 16\n"
    "	.fill 160, 1, 0x50\n"
    /*
	 * An aligned entry that begins with NOPs, as for patching, behind a
	 * return: code, even though it ends at an aligned address.
	 */
    "	.globl t_entry, t_entry_site\n"
    "t_entry:\n" BEFORE "	xor %eax, %eax\n"
    "t_entry_site:	syscall\n"
    "	.balign 16, 0x50\n	.fill 15, 1, 0x50\n	ret\n"
    "	.fill 16, 1, 0x90\n"
    "	.fill 160, 1, 0x50\n"
    "	.data\n"
    "	.globl t_data\n"
    "t_data:	.long 0x1234567\n"
    "	.text\n");

#define DECLARE(name) extern const uint8_t t_##name[], t_##name##_end[]
DECLARE(mov);
DECLARE(mov7);
DECLARE(r8);
DECLARE(disp);
DECLARE(zeros);
DECLARE(rip);
DECLARE(two);
DECLARE(short);
DECLARE(call);
DECLARE(jump);
DECLARE(restore);
extern const uint8_t t_pad_site[], t_pad_ret[], t_entry_site[], t_data[];

static struct patch_text around(const uint8_t *site)
{
	return (struct patch_text){ .bytes = site - PATCH_REACH,
				    .len = 2 * PATCH_REACH,
				    .base = (uint64_t)site - PATCH_REACH };
}

static int plan_at(const uint8_t *site, uint32_t forms, struct patch_plan *p)
{
	struct patch_text t = around(site);

	return patch_plan(&t, (uint64_t)site, forms, p);
}

/* A case whose last `moved` bytes before the site are to move, nmoved insns. */
static void moves(const uint8_t *end, uint32_t moved, uint32_t nmoved,
		  uint32_t jump_len, const char *name)
{
	struct patch_plan p;
	int why = plan_at(end - 2, PATCH_MOVE, &p);

	if (why || p.moved != moved || p.nmoved != nmoved ||
	    p.jump_len != jump_len)
		printf("# %d: %u bytes, %u instructions, jump of %u\n", why,
		       p.moved, p.nmoved, p.jump_len);
	ok(!why && p.form == PATCH_MOVE && p.moved == moved &&
	       p.nmoved == nmoved && p.jump_len == jump_len &&
	       p.jump == (uint64_t)end - 2 - moved &&
	       !memcmp(p.old, end - 2 - moved, jump_len),
	   name);
}

static void test_moves(void)
{
	struct patch_plan p;

	moves(t_mov_end, 5, 1, 5, "mov imm32");
	moves(t_mov7_end, 7, 1, 7, "mov imm32 to 64 bits");
	moves(t_r8_end, 6, 1, 6, "a prefix belongs to its instruction");
	ok(plan_at(t_disp_end - 2, PATCH_MOVE, &p) == PATCH_UNCERTAIN,
	   "what looks like a mov and should be none: better not");
	ok(plan_at(t_zeros_end - 2, PATCH_MOVE, &p) == PATCH_UNCERTAIN,
	   "zeros in front of a function are no code");
	moves(t_rip_end, 6, 1, 6, "RIP-relative");
	moves(t_two_end, 7, 2, 5, "two instructions");
	ok(plan_at(t_short_end - 3, PATCH_MOVE, &p) == PATCH_OK && p.nmoved > 1,
	   "several short ones, up to one that is long enough");
	ok(plan_at(t_call_end - 2, PATCH_MOVE, &p) == PATCH_NO_SPACE,
	   "a call does not move");
	ok(plan_at(t_jump_end - 2, PATCH_MOVE, &p) != PATCH_OK,
	   "a jump does not move");
	ok(plan_at(t_restore_end - 2, PATCH_MOVE | PATCH_PAD, &p) ==
	       PATCH_NO_SITE,
	   "what unwinders look for stays");
	ok(plan_at(t_mov_end - 3, PATCH_MOVE | PATCH_PAD, &p) == PATCH_NO_SITE,
	   "no syscall, no plan");
}

static void test_pads(void)
{
	struct patch_plan p;
	uint8_t hop[2];

	ok(plan_at(t_pad_site, PATCH_PAD, &p) == PATCH_OK &&
	       p.form == PATCH_PAD && p.jump >= (uint64_t)t_pad_ret &&
	       p.jump + 5 <= ((uint64_t)t_pad_ret + 15) / 16 * 16,
	   "padding behind a return");
	patch_hop(&p, hop);
	ok(hop[0] == 0xeb &&
	       (uint64_t)t_pad_site + 2 + (uint64_t)(int64_t)(int8_t)hop[1] ==
		   p.jump,
	   "the hop leads there");
	ok(p.jump_len >= 5 &&
	       p.jump + p.jump_len == ((uint64_t)t_pad_ret + 15) / 16 * 16,
	   "all of it, up to where code begins");
	ok(plan_at(t_entry_site, PATCH_PAD, &p) == PATCH_NO_SPACE,
	   "NOPs that are code are not padding");
}

/* --- parts of the text: nothing outside of it is read, or planned for --- */

static bool inside(const struct patch_text *t, const struct patch_plan *p)
{
	return p->site - p->moved >= t->base && p->jump >= t->base &&
	       p->jump + p->jump_len <= t->base + t->len;
}

static void test_bounds(void)
{
	const uint8_t *from = t_pad_site - PATCH_REACH;
	bool good = true;

	for (size_t lo = 0; lo <= PATCH_REACH; lo++)
		for (size_t n = PATCH_REACH - lo; n < 2 * PATCH_REACH - lo;
		     n += 7) {
			/* ASan watches the copy. */
			uint8_t *copy = malloc(n + !n);
			struct patch_text t = { copy, n, (uint64_t)from + lo };
			struct patch_plan p;

			memcpy(copy, from + lo, n);
			for (uint32_t form = PATCH_MOVE; form <= PATCH_PAD;
			     form++)
				good &= patch_plan(&t, (uint64_t)t_pad_site,
						   form, &p) != PATCH_OK ||
					inside(&t, &p);
			free(copy);
		}
	ok(good, "plans stay inside of texts of all lengths");
}

/* --- running stubs --- */

struct block {
	uint64_t hits;
	uint64_t entry;
	uint32_t pid, pad;
	uint64_t thread;
};

void entry_real(void);
uint64_t run_site(uint64_t code, uint64_t rax, uint64_t out[3]);

/* What syscall_entry amounts to: the call, then on at %rcx. */
__asm__("	.text\n"
	"	.globl entry_real\n"
	"entry_real:\n"
	"	push %rcx\n"
	"	syscall\n"
	"	pop %rcx\n"
	"	jmp *%rcx\n"
	/* run_site(code, rax, out): flags before and after, and rax. */
	"	.globl run_site\n"
	"run_site:\n"
	"	push %rbx\n"
	"	push %rbp\n"
	"	mov %rdx, %rbx\n"
	"	mov %rdi, %rbp\n"
	"	mov %rsi, %rax\n"
	"	cmp $-1, %rax\n"
	"	stc\n"
	"	pushfq\n"
	"	popq (%rbx)\n"
	"	call *%rbp\n"
	"	pushfq\n"
	"	popq 8(%rbx)\n"
	"	mov %rcx, 16(%rbx)\n"
	"	pop %rbp\n"
	"	pop %rbx\n"
	"	ret\n");

static struct block block;
static bool ret_follows = true;
static uint32_t thread_tid[4] = { 0, 0, 4711, 0 };

/*
 * Copy code [from, end) near memory for a stub, with a ret behind it, patch
 * the site at its end, and run it from `from`.
 */
static uint64_t run_patched(const uint8_t *from, const uint8_t *end,
			    uint32_t kind, uint64_t out[3], uint64_t *ret)
{
	uint8_t *mem = mmap(NULL, 0x3000, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *code = mem + 0x800, *stub = mem + 0x2000;
	size_t n = (size_t)(end - from), lead = 256;
	struct patch_stub s = { .at = (uint64_t)stub,
				.kind = kind,
				.hits = offsetof(struct block, hits),
				.entry = offsetof(struct block, entry),
				.pid = offsetof(struct block, pid),
				.thread = offsetof(struct block, thread),
				.tid = 8 };
	struct patch_marks marks;
	struct patch_plan p;
	uint8_t jump[PATCH_LONGEST];
	uint64_t r;

	memcpy(code - lead, from - lead, lead + n);
	code[n] = ret_follows ? 0xc3 : 0x90;
	code[n + 1] = 0xc3;
	if (plan_at(code + n - 2, PATCH_MOVE, &p) ||
	    patch_emit(&p, &s, stub, &marks) || patch_jump(&p, s.at, jump) ||
	    marks.len > PATCH_STUB_MAX)
		return ~0ULL;
	memcpy((void *)p.jump, jump, p.jump_len);
	*ret = p.site + 2;
	block.entry = (uint64_t)entry_real;
	block.pid = 1234;
	block.thread = (uint64_t)thread_tid;
	syscall(SYS_arch_prctl, ARCH_SET_GS, &block);
	r = run_site((uint64_t)code, SYS_getpid, out);
	munmap(mem, 0x3000);
	return r;
}

static void test_stubs(void)
{
	const uint64_t arithmetic = 0x8d5;
	uint64_t out[3], ret = 0;

	block.hits = 0;
	ok(run_patched(t_mov_end - 7, t_mov_end, PATCH_STUB_CALL, out, &ret) ==
	       (uint64_t)getpid(),
	   "a stub calls");
	ok(block.hits == 1, "and counts");
	ok((out[0] & arithmetic) == (out[1] & arithmetic), "and keeps flags");
	ok(out[2] == ret, "and leaves the return address in rcx");
	ok(run_patched(t_mov_end - 7, t_mov_end, PATCH_STUB_GETPID, out,
		       &ret) == 1234 &&
	       out[2] == ret && block.hits == 2,
	   "a stub that knows the process id");
	ok(run_patched(t_mov_end - 7, t_mov_end, PATCH_STUB_GETTID, out,
		       &ret) == 4711 &&
	       out[2] == ret,
	   "a stub that knows the thread id");
	ok((out[0] & arithmetic) == (out[1] & arithmetic),
	   "flags are kept there, too");
	ret_follows = false;
	ok(run_patched(t_mov_end - 7, t_mov_end, PATCH_STUB_GETTID, out,
		       &ret) == 4711 &&
	       out[2] == ret,
	   "as does one that jumps back");
	ret_follows = true;
	ok(run_patched(t_two_end - 9, t_two_end - 4, PATCH_STUB_CALL, out,
		       &ret) == ~0ULL,
	   "without a syscall there is nothing to patch");
}

static void test_rip(void)
{
	struct patch_stub s = { .kind = PATCH_STUB_CALL };
	uint8_t code[PATCH_STUB_MAX];
	struct patch_marks marks;
	struct patch_plan p;
	int32_t disp;

	ok(!plan_at(t_rip_end - 2, PATCH_MOVE, &p), "a RIP-relative load");
	s.at = (p.site & ~0xfffULL) + 0x1000000;
	ok(!patch_emit(&p, &s, code, &marks), "moves");
	memcpy(&disp, code + 2, sizeof(disp));
	ok(s.at + 6 + (uint64_t)(int64_t)disp == (uint64_t)t_data,
	   "and still refers to the same place");
	s.at = p.site + 0x90000000ULL;
	ok(patch_emit(&p, &s, code, &marks), "too far away is refused");
	ok(patch_jump(&p, s.at, code), "as is the jump");
}

/* --- real files --- */

struct sweep {
	const uint8_t *p;
	uint64_t base;
	size_t n;
	uint8_t *starts;
};

/* Linear sweep from the start: where instructions begin. */
static void sweep_mark(struct sweep *s)
{
	ZydisDecodedInstruction z;
	ZydisDecoder d;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (size_t at = 0; at < s->n;) {
		s->starts[at] = 1;
		if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(
			&d, NULL, s->p + at, s->n - at, &z)))
			at += z.length;
		else
			at++;
	}
}

static bool plan_agrees(const struct sweep *s, const struct patch_plan *p)
{
	uint64_t start = p->site - p->moved - s->base;

	for (uint32_t i = 0; i < p->nmoved; i++)
		if (!s->starts[start + p->at[i]])
			return false;
	return p->form != PATCH_PAD || s->starts[p->jump - s->base];
}

static void sweep_sites(const struct sweep *s, int *sites, int *planned,
			int *wrong)
{
	for (size_t at = 0; at + 1 < s->n; at++) {
		size_t lo = at > PATCH_REACH ? at - PATCH_REACH : 0;
		size_t hi = at + PATCH_REACH < s->n ? at + PATCH_REACH : s->n;
		struct patch_text t = { s->p + lo, hi - lo, s->base + lo };
		struct patch_plan p;
		int why = PATCH_NO_SITE;

		if (!s->starts[at] || s->p[at] != 0x0f || s->p[at + 1] != 5)
			continue;
		for (uint32_t form = PATCH_MOVE; form <= PATCH_PAD; form++) {
			int r = patch_plan(&t, s->base + at, form, &p);

			if (r == PATCH_OK && !plan_agrees(s, &p)) {
				printf("# %#llx, form %u\n",
				       (unsigned long long)p.site, form);
				++*wrong;
			}
			why = r == PATCH_OK ? r : why;
		}
		++*sites;
		*planned += why == PATCH_OK;
	}
}

static void test_file(const char *path, int sites_min)
{
	int sites = 0, planned = 0, wrong = 0;
	int fd = open(path, O_RDONLY);
	const Elf64_Ehdr *eh;
	const Elf64_Shdr *sh;
	struct stat st;
	uint8_t *p;

	if (fd < 0 || fstat(fd, &st)) {
		printf("# no %s\n", path);
		return;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	eh = (const void *)p;
	sh = (const void *)(p + eh->e_shoff);
	for (int i = 0; i < eh->e_shnum; i++) {
		struct sweep s = { p + sh[i].sh_offset, sh[i].sh_addr,
				   sh[i].sh_size, NULL };

		if (!(sh[i].sh_flags & SHF_EXECINSTR))
			continue;
		s.starts = calloc(1, s.n);
		sweep_mark(&s);
		sweep_sites(&s, &sites, &planned, &wrong);
		free(s.starts);
	}
	munmap(p, (size_t)st.st_size);
	printf("# %s: %d sites, %d planned\n", path, sites, planned);
	ok(!wrong, path);
	ok(sites >= sites_min && planned * 100 >= sites * 95,
	   "19 of 20 of its sites have a plan");
}

int main(void)
{
	test_moves();
	test_pads();
	test_bounds();
	test_stubs();
	test_rip();
	test_file("/lib/x86_64-linux-gnu/libc.so.6", 400);
	test_file("/lib64/ld-linux-x86-64.so.2", 30);
	test_file("/lib/ld-musl-x86_64.so.1", 300);
	test_file("/usr/bin/busybox", 200);
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
