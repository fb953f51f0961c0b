/* SPDX-License-Identifier: MIT */
/*
 * elfcheck.c - why a file is not a program for this machine.
 *
 * The file is hostile: offsets are compared without being added up, and it may
 * change under our feet, so nothing read here is used for more than words.
 */
#include "lib/elfcheck.h"

#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PHDRS_MAX 65536 /* bytes of program headers that Linux reads */

__attribute__((format(printf, 2, 3))) static int refuse(
    char reason[ELFCHECK_REASON_MAX], const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(reason, ELFCHECK_REASON_MAX, fmt, ap);
	va_end(ap);
	if (n < 0)
		reason[0] = '\0';
	return -ENOEXEC;
}

static const char *machine_name(unsigned int machine)
{
	static const struct {
		unsigned int machine;
		const char *name;
	} known[] = {
		{ EM_386, "32-bit x86" },
		{ EM_ARM, "32-bit ARM" },
		{ EM_AARCH64, "aarch64" },
		{ EM_RISCV, "RISC-V" },
		{ EM_PPC64, "64-bit Power" },
		{ EM_PPC, "32-bit Power" },
		{ EM_S390, "s390x" },
		{ EM_MIPS, "MIPS" },
		{ EM_LOONGARCH, "LoongArch" },
		{ EM_SPARCV9, "SPARC" },
		{ EM_BPF, "BPF" },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].machine == machine)
			return known[i].name;
	return "another machine";
}

static int check_type(unsigned int type, char reason[ELFCHECK_REASON_MAX])
{
	switch (type) {
	case ET_EXEC:
	case ET_DYN:
		return 0;
	case ET_REL:
		return refuse(reason, "is an object file: link it first");
	case ET_CORE:
		return refuse(reason, "is a core dump, not a program");
	default:
		return refuse(reason, "has ELF type %u, which is no program",
			      type);
	}
}

static int check_ident(const Elf64_Ehdr *eh, char reason[ELFCHECK_REASON_MAX])
{
	bool big = eh->e_ident[EI_DATA] == ELFDATA2MSB;
	unsigned int machine = eh->e_machine;

	if (big)
		machine = __builtin_bswap16(eh->e_machine);
	if (machine != EM_X86_64 || big)
		return refuse(reason,
			      "is built for %s (ELF machine %u): build it for "
			      "x86-64, which this machine is",
			      machine_name(machine), machine);
	if (eh->e_ident[EI_CLASS] != ELFCLASS64)
		return refuse(reason,
			      "is an x32 program: build it for x86-64 (-m64)");
	return 0;
}

int elfcheck_head(const void *head, size_t len, uint64_t size,
		  char reason[ELFCHECK_REASON_MAX])
{
	const Elf64_Ehdr *eh = head;
	uint64_t bytes;
	int err;

	if (size == 0)
		return refuse(reason, "is empty: build or copy it again");
	if (len < SELFMAG || memcmp(head, ELFMAG, SELFMAG) != 0)
		return refuse(reason, "is neither an ELF program nor a script "
				      "with a #! line: start it by its "
				      "interpreter");
	if (len < sizeof(*eh))
		return refuse(reason,
			      "is truncated: it has %llu bytes, less "
			      "than an ELF header: copy it again",
			      (unsigned long long)size);
	err = check_ident(eh, reason);
	if (!err)
		err = check_type(eh->e_type, reason);
	if (err)
		return err;
	bytes = (uint64_t)eh->e_phnum * sizeof(Elf64_Phdr);
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || !eh->e_phnum ||
	    bytes > PHDRS_MAX)
		return refuse(reason, "has no usable program headers: it was "
				      "not linked as a program");
	if (eh->e_phoff > size || bytes > size - eh->e_phoff)
		return refuse(reason,
			      "is truncated: its program headers lie "
			      "outside its %llu bytes: copy it again",
			      (unsigned long long)size);
	return 0;
}

static int check_interp(int fd, const Elf64_Phdr *ph,
			char reason[ELFCHECK_REASON_MAX])
{
	char path[PATH_MAX];
	ssize_t n;

	if (ph->p_filesz < 2 || ph->p_filesz > sizeof(path))
		return refuse(reason,
			      "names its interpreter in %llu bytes, "
			      "which cannot be: build it again",
			      (unsigned long long)ph->p_filesz);
	n = pread(fd, path, ph->p_filesz, (off_t)ph->p_offset);
	if (n != (ssize_t)ph->p_filesz || path[n - 1] != '\0')
		return refuse(reason, "does not end its interpreter's name: "
				      "build it again");
	if (access(path, R_OK | X_OK) == 0) {
		memcpy(reason, path, strlen(path) + 1);
		return 0;
	}
	if (errno != ENOENT && errno != ENOTDIR)
		return refuse(reason,
			      "its interpreter %s cannot be read and "
			      "executed: chmod +rx it",
			      path);
	(void)refuse(reason,
		     "its interpreter %s is not there: install the "
		     "C library that it was built for",
		     path);
	return -ENOENT;
}

static int check_segments(int fd, const Elf64_Phdr *ph, unsigned int n,
			  uint64_t size, char reason[ELFCHECK_REASON_MAX])
{
	const Elf64_Phdr *interp = NULL;
	bool load = false;

	for (; n; n--, ph++) {
		if (ph->p_type != PT_LOAD && ph->p_type != PT_INTERP)
			continue;
		if (ph->p_offset > size || ph->p_filesz > size - ph->p_offset)
			return refuse(reason,
				      "is truncated: a segment lies "
				      "outside its %llu bytes: copy "
				      "it again",
				      (unsigned long long)size);
		if (ph->p_type == PT_LOAD)
			load = true;
		else if (!interp)
			interp = ph;
	}
	if (!load)
		return refuse(reason, "has nothing to load: it was not linked "
				      "as a program");
	reason[0] = '\0';
	return interp ? check_interp(fd, interp, reason) : 0;
}

int elfcheck_file(int fd, const void *head, size_t len, uint64_t size,
		  char reason[ELFCHECK_REASON_MAX])
{
	const Elf64_Ehdr *eh = head;
	size_t bytes;
	void *phdrs;
	int err;

	err = elfcheck_head(head, len, size, reason);
	if (err)
		return err;
	bytes = eh->e_phnum * sizeof(Elf64_Phdr);
	if (eh->e_phoff % 8 == 0 && eh->e_phoff <= len &&
	    bytes <= len - eh->e_phoff)
		return check_segments(
		    fd, (const void *)((const char *)head + eh->e_phoff),
		    eh->e_phnum, size, reason);
	phdrs = malloc(PHDRS_MAX);
	if (!phdrs)
		return refuse(reason, "no memory left to read its headers");
	if (pread(fd, phdrs, bytes, (off_t)eh->e_phoff) == (ssize_t)bytes)
		err = check_segments(fd, phdrs, eh->e_phnum, size, reason);
	else
		err = refuse(reason, "its program headers cannot be read");
	free(phdrs);
	return err;
}
