/* SPDX-License-Identifier: MIT */
/*
 * exec_stack.c - argc, argv, envp and the auxiliary vector.
 *
 * From the top down, as Linux has it (fs/exec.c, fs/binfmt_elf.c:
 * create_elf_tables): eight zero bytes, the name given to execve, environment
 * strings, argument strings, all in order and without gaps, for programs (and
 * /proc/self/cmdline) rely on that; then the platform's name, 16 random bytes,
 * and, 16-byte aligned, the vectors.
 *
 * az_boot has arguments and environment as strings in a row, so that each goes
 * to the stack as one piece. One thread exists; there is nothing to lock.
 */
#include "sys/exec_stack.h"

#include <elf.h>

#include "core.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "lib/user.h"
#include "sys/exec.h"

#define PLATFORM     "x86_64"
#define RANDOM_BYTES 16
#define ROOM         1024 /* more than auxv, alignment and the small strings */

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

struct exec_layout exec_layout;

/* Strings in a row, in az_boot. */
struct strings {
	const char *data;
	uint32_t count;
	uint64_t bytes; /* NULs included */
};

/* Words that go to ascending addresses, a bufferful at a time. */
struct words {
	uint64_t addr;
	uint32_t n;
	int err;
	uint64_t buf[64];
};

static const char *boot_string(uint32_t offset)
{
	return (const char *)BOOT + offset;
}

static struct strings boot_strings(uint32_t offset, uint32_t count)
{
	struct strings s = { .data = boot_string(offset), .count = count };

	for (uint32_t i = 0; i < count; i++)
		s.bytes += strlen(s.data + s.bytes) + 1;
	AZ_ASSERT(offset + s.bytes <= AZ_BOOT_MAX);
	return s;
}

static void words_flush(struct words *w)
{
	size_t n = w->n * sizeof(uint64_t);

	if (!w->err)
		w->err = copy_to_user(w->addr, w->buf, n);
	w->addr += n;
	w->n = 0;
}

static void put_word(struct words *w, uint64_t v)
{
	if (w->n == ARRAY_SIZE(w->buf))
		words_flush(w);
	w->buf[w->n++] = v;
}

/* Pointers to strings that are at addr now, and a null one. */
static void put_vector(struct words *w, const struct strings *s, uint64_t addr)
{
	const char *p = s->data;

	for (uint32_t i = 0; i < s->count; i++) {
		put_word(w, addr + (uint64_t)(p - s->data));
		p += strlen(p) + 1;
	}
	put_word(w, 0);
}

static void aux(uint64_t type, uint64_t value)
{
	struct exec_layout *x = &exec_layout;

	AZ_ASSERT(x->auxv_words + 2 <= EXEC_AUXV_MAX);
	x->auxv[x->auxv_words++] = type;
	x->auxv[x->auxv_words++] = value;
}

/* In Linux's order. No AT_RSEQ_: there is no rseq(2) here. */
static void auxv_make(const struct exec_stack *st, uint64_t platform,
		      uint64_t random, uint64_t execfn)
{
	const struct az_boot *b = BOOT;

	exec_layout.auxv_words = 0;
	aux(AT_SYSINFO_EHDR, st->vdso);
	aux(AT_MINSIGSTKSZ, b->minsigstksz);
	aux(AT_HWCAP, b->hwcap);
	aux(AT_PAGESZ, AZ_PAGE_SIZE);
	aux(AT_CLKTCK, b->clktck);
	aux(AT_PHDR, st->phdr);
	aux(AT_PHENT, sizeof(Elf64_Phdr));
	aux(AT_PHNUM, st->phnum);
	aux(AT_BASE, st->base);
	aux(AT_FLAGS, 0);
	aux(AT_ENTRY, st->entry);
	aux(AT_UID, b->uid);
	aux(AT_EUID, b->euid);
	aux(AT_GID, b->gid);
	aux(AT_EGID, b->egid);
	aux(AT_SECURE, b->flags & AZ_BOOT_SECURE ? 1 : 0);
	aux(AT_RANDOM, random);
	aux(AT_HWCAP2, b->hwcap2);
	aux(AT_EXECFN, execfn);
	aux(AT_PLATFORM, platform);
	aux(AT_NULL, 0);
}

uint64_t exec_stack_need(void)
{
	struct strings args = boot_strings(BOOT->args, BOOT->argc);
	struct strings envs = boot_strings(BOOT->envs, BOOT->envc);

	return args.bytes + envs.bytes + strlen(boot_string(BOOT->exec_fn)) +
	       (args.count + (uint64_t)envs.count) * sizeof(uint64_t) + ROOM;
}

/* The vectors, ending below `end`. */
static int put_vectors(uint64_t end, const struct strings *args,
		       const struct strings *envs, uint64_t *sp)
{
	const struct exec_layout *x = &exec_layout;
	uint64_t n = 1 + args->count + 1 + envs->count + 1 + x->auxv_words;
	struct words w;

	w.addr = *sp = ALIGN_DOWN(end - n * sizeof(uint64_t), 16);
	w.n = 0;
	w.err = 0;
	put_word(&w, args->count);
	put_vector(&w, args, x->arg_start);
	put_vector(&w, envs, x->env_start);
	for (uint32_t i = 0; i < x->auxv_words; i++)
		put_word(&w, x->auxv[i]);
	words_flush(&w);
	return w.err;
}

int exec_stack_build(const struct exec_stack *st, uint64_t *sp)
{
	struct strings args = boot_strings(BOOT->args, BOOT->argc);
	struct strings envs = boot_strings(BOOT->envs, BOOT->envc);
	const char *fn = boot_string(BOOT->exec_fn);
	struct exec_layout *x = &exec_layout;
	uint64_t execfn = st->top - sizeof(uint64_t) - (strlen(fn) + 1);
	uint64_t platform, random;

	x->stack_top = st->top;
	x->env_end = execfn;
	x->env_start = execfn - envs.bytes;
	x->arg_end = x->env_start;
	x->arg_start = x->arg_end - args.bytes;
	platform = ALIGN_DOWN(x->arg_start, 16) - sizeof(PLATFORM);
	random = platform - RANDOM_BYTES;
	if (copy_to_user(execfn, fn, strlen(fn) + 1) ||
	    copy_to_user(x->env_start, envs.data, envs.bytes) ||
	    copy_to_user(x->arg_start, args.data, args.bytes) ||
	    copy_to_user(platform, PLATFORM, sizeof(PLATFORM)) ||
	    copy_to_user(random, BOOT->random, RANDOM_BYTES))
		return -EFAULT;
	auxv_make(st, platform, random, execfn);
	if (put_vectors(random, &args, &envs, sp))
		return -EFAULT;
	x->stack_start = *sp;
	return 0;
}
