/* SPDX-License-Identifier: MIT */
/*
 * insn_test.c - kernel/patch/insn.c against Zydis.
 *
 * Whatever ours accepts, Zydis must accept with the same length, the same
 * branch target and the same RIP-relative displacement; or refuse, which is
 * noise where it is data that is decoded. What Zydis says is ordinary code,
 * ours must accept nearly always.
 */
/* links: kernel/patch/insn.c */
/* ldlibs: -lZydis */
#include "patch/insn.h"

#include <Zydis/Zydis.h>
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int ntests, nfailed;
static ZydisDecoder zydis;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

static bool same_kind(const ZydisDecodedInstruction *z, const struct insn *i)
{
	switch (z->meta.category) {
	case ZYDIS_CATEGORY_UNCOND_BR:
		return i->kind == INSN_JMP || i->kind == INSN_JMP_IND;
	case ZYDIS_CATEGORY_COND_BR:
		return i->kind == INSN_BRANCH ||
		       z->mnemonic == ZYDIS_MNEMONIC_XEND;
	case ZYDIS_CATEGORY_CALL:
		return i->kind == INSN_CALL || i->kind == INSN_CALL_IND;
	case ZYDIS_CATEGORY_RET:
		return i->kind == INSN_RET || i->kind == INSN_ODD;
	default:
		break;
	}
	if (z->mnemonic == ZYDIS_MNEMONIC_SYSCALL)
		return i->kind == INSN_SYSCALL || i->kind == INSN_ODD;
	if (z->mnemonic == ZYDIS_MNEMONIC_INT3)
		return i->kind == INSN_INT3;
	if (i->kind == INSN_NOP)
		return z->mnemonic == ZYDIS_MNEMONIC_NOP;
	return i->kind == INSN_PLAIN || i->kind == INSN_STOP ||
	       i->kind == INSN_ODD;
}

static bool is_direct(const struct insn *i)
{
	return i->kind == INSN_JMP || i->kind == INSN_BRANCH ||
	       i->kind == INSN_CALL;
}

static void show(const char *why, const uint8_t *p, size_t n)
{
	printf("# %s:", why);
	for (size_t i = 0; i < n && i < INSN_MAX; i++)
		printf(" %02x", p[i]);
	printf("\n");
}

/* 1: both agree; 0: one refuses; -1: they contradict each other. */
static int compare(const uint8_t *p, size_t n, bool *refused)
{
	ZydisDecodedInstruction z;
	struct insn i;
	bool have = !insn_decode(p, n, &i);
	bool zhave =
	    ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&zydis, NULL, p, n, &z));

	*refused = zhave && !have;
	if (!have || !zhave)
		return 0;
	if (i.len != z.length || !same_kind(&z, &i)) {
		show("length or kind", p, n);
		return -1;
	}
	if (is_direct(&i) && (int64_t)i.rel != z.raw.imm[0].value.s) {
		show("target", p, n);
		return -1;
	}
	if (i.rip_disp &&
	    (i.rip_disp != z.raw.disp.offset || z.raw.disp.size != 32)) {
		show("displacement", p, n);
		return -1;
	}
	if (!i.rip_disp && (z.attributes & ZYDIS_ATTRIB_IS_RELATIVE) &&
	    !is_direct(&i)) {
		show("relative", p, n);
		return -1;
	}
	return 1;
}

static uint64_t rng = 88172645463325252ULL;

static uint64_t random_64(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

/* Bytes that are prefixes and escapes more often than chance would have it. */
static void random_code(uint8_t *p, size_t n)
{
	static const uint8_t likely[] = { 0x66, 0xf2, 0xf3, 0x48, 0x41, 0x0f,
					  0xc4, 0xc5, 0x62, 0x0f, 0x64, 0x38,
					  0x3a, 0x67, 0x4c, 0xf0 };

	for (size_t i = 0; i < n; i++) {
		uint64_t r = random_64();

		p[i] = (uint8_t)(r >> 8);
		if (i < 4 && (r & 3) == 0)
			p[i] = likely[r >> 16 & 15];
	}
}

static void test_random(void)
{
	uint8_t code[INSN_MAX];
	int bad = 0, good = 0;
	bool refused;

	for (int i = 0; i < 2000000 && bad < 20; i++) {
		size_t n = 1 + random_64() % INSN_MAX;
		int r;

		random_code(code, n);
		r = compare(code, n, &refused);
		bad += r < 0;
		good += r > 0;
	}
	ok(!bad, "random bytes: no contradiction");
	ok(good > 100000, "random bytes: enough of them mean something");
}

/* Every instruction of a file's code, by linear sweep. */
static void sweep(const uint8_t *p, size_t n, long count[2], int *bad)
{
	bool refused;

	for (size_t at = 0; at < n && *bad < 20;) {
		ZydisDecodedInstruction z;
		size_t left = n - at < INSN_MAX ? n - at : INSN_MAX;

		*bad += compare(p + at, left, &refused) < 0;
		count[refused]++;
		if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(
			&zydis, NULL, p + at, left, &z)))
			at += z.length;
		else
			at++;
	}
}

static void test_file(const char *path)
{
	long count[2] = { 0 };
	struct stat st;
	uint8_t *p;
	int fd = open(path, O_RDONLY), bad = 0;
	const Elf64_Ehdr *eh;
	const Elf64_Phdr *ph;

	if (fd < 0 || fstat(fd, &st)) {
		printf("# no %s\n", path);
		return;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	eh = (const void *)p;
	ph = (const void *)(p + eh->e_phoff);
	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && (ph[i].p_flags & PF_X))
			sweep(p + ph[i].p_offset,
			      ph[i].p_filesz < 0x400000 ? ph[i].p_filesz
							: 0x400000,
			      count, &bad);
	munmap(p, (size_t)st.st_size);
	printf("# %s: %ld known, %ld not\n", path, count[0], count[1]);
	ok(!bad, path);
	ok(count[0] > 1000 && count[1] <= count[0] / 1000,
	   "hardly an instruction of it is unknown");
}

int main(void)
{
	ZydisDecoderInit(&zydis, ZYDIS_MACHINE_MODE_LONG_64,
			 ZYDIS_STACK_WIDTH_64);
	test_random();
	test_file("/lib/x86_64-linux-gnu/libc.so.6");
	test_file("/lib64/ld-linux-x86-64.so.2");
	test_file("/lib/x86_64-linux-gnu/libcrypto.so.3");
	test_file("/proc/self/exe");
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
