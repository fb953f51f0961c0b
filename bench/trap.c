/* SPDX-License-Identifier: MIT */
/*
 * trap.c - what does the first call at a site cost?
 *
 * Each of these system call instructions is executed once in a process, but for
 * the case "second call": a site that is used again is rewritten then. Those of
 * the first kind follow a mov of five bytes, as most in a C library do;
 * those of the second follow something else, and have no padding near.
 */
#include "bench.h"

#define GROUP     32 /* sites for a sample */
#define GROUPS    64
#define MOV_SIZE  (GROUP * 7UL + 1)
#define BARE_SIZE (GROUP * 5UL + 1)

/* 39 is getpid. */
__asm__(".text\n"
	"sites_mov:\n"
	".rept 64\n"
	"	.rept 32\n"
	"		mov $39, %eax\n"
	"		syscall\n"
	"	.endr\n"
	"	ret\n"
	".endr\n"
	"sites_bare:\n"
	".rept 64\n"
	"	.rept 32\n"
	"		push $39\n"
	"		pop %rax\n"
	"		syscall\n"
	"	.endr\n"
	"	ret\n"
	".endr\n");

extern char sites_mov[], sites_bare[];

/* Bring the code itself to memory: that is not the question. */
static void load(const char *code, unsigned long size)
{
	for (unsigned long at = 0; at < size; at++)
		(void)((const volatile char *)code)[at];
}

static void call_all(const char *code, unsigned long size)
{
	for (int i = 0; i < GROUPS; i++)
		((void (*)(void))(uintptr_t)(code + size * i))();
}

static void walk(const char *code, unsigned long size)
{
	uint64_t start;

	for (int i = 0; i < GROUPS; i++) {
		void (*call)(void) =
		    (void (*)(void))(uintptr_t)(code + size * i);

		start = bench_now();
		call();
		bench_sample((double)(bench_now() - start) / GROUP);
	}
}

static void mov(double seconds)
{
	(void)seconds;
	load(sites_mov, MOV_SIZE * GROUPS);
	walk(sites_mov, MOV_SIZE);
}

static void bare(double seconds)
{
	(void)seconds;
	load(sites_bare, BARE_SIZE * GROUPS);
	walk(sites_bare, BARE_SIZE);
}

/* A site that is used again is rewritten: only the second round counts. */
static void mov_again(double seconds)
{
	(void)seconds;
	call_all(sites_mov, MOV_SIZE);
	walk(sites_mov, MOV_SIZE);
}

const struct bench bench = {
	.question = "What does the first call at a site cost?",
	.rounds = 20,
	.cases = {
		{ .name = "after a mov", .sample = mov,
		  .target = { { BENCH_AT_MOST, 3000 } } },
		{ .name = "after anything else", .sample = bare,
		  .target = { { BENCH_AT_MOST, 3000 } } },
		{ .name = "second call, after a mov", .sample = mov_again },
		{ .name = "not rewritten", .sample = mov,
		  .options = "--no-patch",
		  .target = { { BENCH_AT_MOST, 3000 } } },
		{ 0 },
	},
};
