/* SPDX-License-Identifier: MIT */
/*
 * elf_test.c - kernel/lib/elf.c on files made up here, and on real ones.
 *
 * Each case changes one thing in a good file and expects the refusal that
 * names it, or the same acceptance as Linux's.
 */
/* links: kernel/lib/elf.c */
#include "lib/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ntests, nfailed;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

#define NPH 5

/* A file of 64 KiB: header, program headers, and whatever. */
static struct {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[NPH];
} file;
#define FILE_SIZE 0x10000

static struct elf_info info;

static void make_good(void)
{
	memset(&file, 0, sizeof(file));
	memcpy(file.eh.e_ident, ELFMAG, SELFMAG);
	file.eh.e_ident[EI_CLASS] = ELFCLASS64;
	file.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	file.eh.e_ident[EI_VERSION] = EV_CURRENT;
	file.eh.e_type = ET_DYN;
	file.eh.e_machine = EM_X86_64;
	file.eh.e_entry = 0x1100;
	file.eh.e_phoff = sizeof(file.eh);
	file.eh.e_phentsize = sizeof(Elf64_Phdr);
	file.eh.e_phnum = NPH;
	file.ph[0] = (Elf64_Phdr){ .p_type = PT_INTERP,
				   .p_flags = PF_R,
				   .p_offset = 0x300,
				   .p_vaddr = 0x300,
				   .p_filesz = 28,
				   .p_memsz = 28 };
	file.ph[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
				   .p_flags = PF_R,
				   .p_filesz = 0x800,
				   .p_memsz = 0x800,
				   .p_align = 0x1000 };
	file.ph[2] = (Elf64_Phdr){ .p_type = PT_LOAD,
				   .p_flags = PF_R | PF_X,
				   .p_offset = 0x1000,
				   .p_vaddr = 0x1000,
				   .p_filesz = 0x500,
				   .p_memsz = 0x500,
				   .p_align = 0x1000 };
	file.ph[3] = (Elf64_Phdr){ .p_type = PT_LOAD,
				   .p_flags = PF_R | PF_W,
				   .p_offset = 0x2e10,
				   .p_vaddr = 0x3e10,
				   .p_filesz = 0x400,
				   .p_memsz = 0x5000,
				   .p_align = 0x1000 };
	file.ph[4] =
	    (Elf64_Phdr){ .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W };
}

static int parse_sized(uint64_t size)
{
	return elf_parse(&file, sizeof(file), size, &info);
}

static int parse(void)
{
	return parse_sized(FILE_SIZE);
}

/* Refused, with a reason that has this text in it. Puts the file right. */
static void refused(const char *reason, const char *name)
{
	int err = parse();

	ok(err == -ENOEXEC && info.why && strstr(info.why, reason), name);
	if (err != -ENOEXEC || !info.why)
		printf("# result %d\n", err);
	else if (!strstr(info.why, reason))
		printf("# why: %s\n", info.why);
	make_good();
}

static void accepted(bool also, const char *name)
{
	int err = parse();

	ok(err == 0 && also, name);
	if (err)
		printf("# result %d: %s\n", err, info.why);
	make_good();
}

static void test_good(void)
{
	make_good();
	ok(parse() == 0, "an ordinary program is accepted");
	ok(info.dyn && info.entry == 0x1100 && info.phnum == NPH,
	   "its header is reported");
	ok(info.nsegs == 3 && info.seg[2].vaddr == 0x3e10 &&
	       info.seg[2].memsz == 0x5000 && info.seg[2].filesz == 0x400 &&
	       info.seg[2].flags == (ELF_READ | ELF_WRITE),
	   "its segments are reported");
	ok(info.lo == 0 && info.hi == 0x9000 && info.align == 0x1000,
	   "and their span, in whole pages");
	ok(info.interp_off == 0x300 && info.interp_size == 28,
	   "and its interpreter");
	ok(info.phdr_vaddr == sizeof(Elf64_Ehdr), "and its program headers");
	ok(info.stack == ELF_STACK_NOEXEC, "and its stack");
}

static void test_stack(void)
{
	file.ph[4].p_flags = PF_R | PF_W | PF_X;
	ok(parse() == 0 && info.stack == ELF_STACK_EXEC,
	   "an executable stack is reported");
	file.ph[4].p_type = PT_NULL;
	ok(parse() == 0 && info.stack == ELF_STACK_DEFAULT,
	   "so is the absence of PT_GNU_STACK");
	make_good();
}

static void test_header(void)
{
	file.eh.e_ident[1] = 'e';
	refused("not an ELF", "a wrong magic is refused");
	file.eh.e_machine = EM_AARCH64;
	refused("another kind", "another machine is refused");
	file.eh.e_machine = EM_386;
	refused("32-bit", "a 32-bit program is refused");
	file.eh.e_ident[EI_CLASS] = ELFCLASS32;
	refused("x32", "an x32 program is refused");
	file.eh.e_type = ET_REL;
	refused("not yet linked", "an object file is refused");
	file.eh.e_type = ET_CORE;
	refused("core dump", "a core dump is refused");
	file.eh.e_type = 77;
	refused("unknown ELF type", "an unknown type is refused");
	file.eh.e_phentsize = 32;
	refused("wrong size", "odd program headers are refused");
	file.eh.e_phnum = 0;
	refused("no program headers", "no program headers are refused");
	file.eh.e_phnum = 74;
	refused("too many", "more headers than a page holds are refused");
	file.eh.e_phoff = FILE_SIZE - NPH * ELF_PHDR_SIZE + 1;
	refused("truncated", "headers beyond the end are refused");
	file.eh.e_phoff = UINT64_MAX - 8;
	refused("truncated", "an offset of headers that overflows is refused");
	file.eh.e_type = ET_EXEC;
	accepted(true, "ET_EXEC is accepted");
	memset(file.eh.e_ident + EI_DATA, 0xff, EI_NIDENT - EI_DATA);
	file.eh.e_version = 77;
	file.eh.e_ehsize = 0;
	accepted(true, "what Linux does not look at does not matter");
}

static void test_short(void)
{
	bool good = true;

	for (size_t n = 0; n < sizeof(file.eh); n++) {
		char *part = malloc(n ? n : 1); /* for ASan to watch its end */

		memcpy(part, &file, n);
		good &= elf_parse(part, n, n, &info) == -ENOEXEC && info.why;
		free(part);
	}
	ok(good, "every file shorter than a header is refused");
	good = elf_parse("#!/bin/sh\n", 10, 10, &info) == -ENOEXEC;
	ok(good && strstr(info.why, "not an ELF"), "a script is no ELF file");
	good = true;
	for (uint64_t n = sizeof(file); n < 0x3210; n += 16)
		good &=
		    parse_sized(n) == -ENOEXEC && strstr(info.why, "truncated");
	ok(good, "every truncated file is refused and called so");
	ok(parse_sized(0x3210) == 0, "but not the whole one");
	ok(parse_sized(UINT64_MAX) == -ENOEXEC, "nor is an absurd size used");
}

static void test_elsewhere(void)
{
	struct elf_info again;
	int err;

	file.eh.e_phoff = 0x8000;
	err = parse();
	ok(err == -ERANGE && info.phoff == 0x8000 && info.phnum == NPH,
	   "a table outside the head is asked for");
	again = info;
	err = elf_parse_phdrs(file.ph, sizeof(file.ph), FILE_SIZE, &again);
	ok(err == 0 && again.nsegs == 3 && again.phdr_vaddr == 0,
	   "and then parsed; it is in no segment");
	err = elf_parse_phdrs(file.ph, sizeof(file.ph) - 1, FILE_SIZE, &info);
	ok(err == -ENOEXEC, "a short table is refused");
	make_good();
}

static void test_segments(void)
{
	file.ph[3].p_filesz = 0x5001;
	refused("larger in the file", "filesz beyond memsz is refused");
	file.ph[3].p_offset = 0x10000 - 0x3f0 + 0xe00;
	refused("truncated", "a segment beyond the end is refused");
	file.ph[3].p_offset = UINT64_MAX - 0x1ff;
	refused("truncated", "an offset that overflows is refused");
	file.ph[3].p_vaddr = UINT64_MAX - 0x21ef;
	refused("address space", "an address that overflows is refused");
	file.ph[3].p_memsz = UINT64_MAX - 0x3e10;
	refused("address space", "a size that overflows is refused");
	file.ph[3].p_vaddr = 0x7fffffffde10;
	refused("address space", "a segment in the kernel's half is refused");
	file.ph[3].p_vaddr = 0x3e11;
	refused("modulo", "offset and address must agree modulo a page");
	file.ph[3].p_vaddr = 0x7fffffffe10;
	accepted(true, "segments 8 TiB apart are far, but possible");
	file.ph[3].p_vaddr = 0x3ffffffffe10;
	refused("far apart", "segments 64 TiB apart are refused");
	for (int i = 1; i < 4; i++)
		file.ph[i].p_type = PT_NOTE;
	refused("nothing to load", "a file without segments is refused");
	for (int i = 1; i < 4; i++)
		file.ph[i].p_memsz = file.ph[i].p_filesz = 0;
	refused("nothing to load", "and one with empty ones only");
}

static void test_lenient(void)
{
	Elf64_Phdr swap = file.ph[1];

	file.ph[1] = file.ph[3];
	file.ph[3] = swap;
	accepted(true, "segments out of order are accepted");
	file.ph[3].p_filesz = 0;
	file.ph[3].p_offset = UINT64_MAX;
	accepted(parse() == 0 && info.nsegs == 3,
		 "a segment without file part may have any offset");
	file.ph[2].p_memsz = file.ph[2].p_filesz = 0xe00;
	file.ph[3].p_vaddr = 0x1e00;
	file.ph[3].p_offset = 0x1e00;
	accepted(true, "segments may share a page");
	file.ph[3].p_vaddr = 0x1210;
	file.ph[3].p_offset = 0x1210;
	accepted(true, "they may even overlap, as on Linux");
	file.ph[1].p_align = 0x200000;
	accepted(parse() == 0 && info.align == 0x200000,
		 "the largest alignment counts");
	file.ph[1].p_align = 0x3000;
	accepted(parse() == 0 && info.align == 0x1000,
		 "one that is no power of two does not");
	file.ph[1].p_align = 1ULL << 40;
	accepted(parse() == 0 && info.align == 0x1000, "nor an absurd one");
}

static void test_entry(void)
{
	file.eh.e_entry = 0x1500;
	refused("entry point", "an entry point outside is refused");
	file.eh.e_entry = UINT64_MAX;
	refused("entry point", "so is one at the end of the world");
	file.eh.e_entry = 0x8e0f;
	accepted(true, "the last byte of zeroed memory is inside");
}

static void test_interp(void)
{
	static const char path[] = "/lib64/ld.so";

	file.ph[0].p_filesz = 1;
	refused("impossible length", "an empty interpreter is refused");
	file.ph[0].p_filesz = 4097;
	refused("impossible length", "one beyond PATH_MAX is refused");
	file.ph[0].p_offset = FILE_SIZE - 27;
	refused("truncated", "one beyond the end is refused");
	file.ph[4] = file.ph[0];
	file.ph[4].p_filesz = 5000;
	accepted(parse() == 0 && info.interp_size == 28, "the first counts");
	ok(elf_parse_interp(path, sizeof(path), &info) == 0,
	   "a path with its NUL is accepted");
	ok(elf_parse_interp(path, sizeof(path) - 1, &info) == -ENOEXEC,
	   "one without is refused");
	ok(elf_parse_interp("\0", 2, &info) == -ENOEXEC,
	   "an empty one is refused");
}

static bool real_file(const char *path)
{
	static char head[ELF_HEAD_SIZE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	ssize_t n = size < 0 ? -1 : pread(fd, head, sizeof(head), 0);

	if (fd >= 0)
		close(fd);
	return n > 0 && elf_parse(head, (size_t)n, (uint64_t)size, &info) == 0;
}

static void test_real(void)
{
	ok(real_file("/proc/self/exe") && info.nsegs >= 2 && info.interp_size,
	   "this test itself is a program");
	ok(real_file("/lib64/ld-linux-x86-64.so.2") && info.dyn &&
	       !info.interp_size && info.phdr_vaddr == ELF_EHDR_SIZE,
	   "so is its interpreter");
}

int main(void)
{
	test_good();
	test_stack();
	test_header();
	test_short();
	test_elsewhere();
	test_segments();
	test_lenient();
	test_entry();
	test_interp();
	test_real();
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
