/* SPDX-License-Identifier: MIT */
/*
 * direct_fuzz.c - making calls direct in any file.
 *
 * A small program with symbols is altered by the input: four bytes of it say
 * where and how, as long as the first one is below 128; what follows is the
 * code. What comes out must be a program that begins as the old one does, with
 * one more segment that holds the stubs.
 */
/* links: host/cli/direct.c host/lib/error.c */
/* links: kernel/patch/plan.c kernel/patch/insn.c */
#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/direct.h"
#include "image_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define BASE 0x400000ULL
#define TEXT 512 /* offset of the code, up to SIZE */
#define SIZE 4096

#define CHECK(cond)              \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

struct file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[1];
	Elf64_Shdr sh[2];
	Elf64_Sym sym[4];
};

_Static_assert(sizeof(struct file) <= TEXT, "TEXT");

static void file_make(struct file *f)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->eh.e_ident, ELFMAG, SELFMAG);
	f->eh.e_ident[EI_CLASS] = ELFCLASS64;
	f->eh.e_type = ET_EXEC;
	f->eh.e_machine = EM_X86_64;
	f->eh.e_phoff = offsetof(struct file, ph);
	f->eh.e_phentsize = sizeof(f->ph[0]);
	f->eh.e_phnum = 1;
	f->eh.e_shoff = offsetof(struct file, sh);
	f->eh.e_shentsize = sizeof(f->sh[0]);
	f->eh.e_shnum = 2;
	f->ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
				 .p_flags = PF_R | PF_X,
				 .p_vaddr = BASE,
				 .p_filesz = SIZE,
				 .p_memsz = SIZE };
	f->sh[1] = (Elf64_Shdr){ .sh_type = SHT_SYMTAB,
				 .sh_offset = offsetof(struct file, sym),
				 .sh_size = sizeof(f->sym) };
	for (unsigned int i = 0; i < 4; i++)
		f->sym[i] = (Elf64_Sym){
			.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
			.st_shndx = 1,
			.st_value = BASE + TEXT + 200ULL * i,
			.st_size = i % 2 ? 200 : 0,
		};
}

static void check_program(const struct direct *d)
{
	const Elf64_Ehdr *eh = d->bytes;
	const Elf64_Phdr *ph;

	CHECK(d->size >= sizeof(*eh) && eh->e_phnum >= 1);
	CHECK(eh->e_phoff <= d->size &&
	      eh->e_phnum * sizeof(*ph) <= d->size - eh->e_phoff);
	ph = (const void *)((const char *)d->bytes + eh->e_phoff +
			    (eh->e_phnum - 1U) * sizeof(*ph));
	CHECK(ph->p_type == PT_LOAD && ph->p_flags == (PF_R | PF_X));
	CHECK(ph->p_offset + ph->p_filesz == d->size);
	CHECK((ph->p_offset ^ ph->p_vaddr) % 4096 == 0);
	CHECK(d->stubs > ph->p_vaddr &&
	      d->stubs_end == ph->p_vaddr + ph->p_filesz);
	CHECK((d->stubs_end - d->stubs) / AZ_STUB_SIZE == d->done);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *bytes = malloc(SIZE);
	struct direct d;
	struct file f;
	size_t n;

	CHECK(bytes);
	file_make(&f);
	memset(bytes, 0x90, SIZE);
	memcpy(bytes, &f, sizeof(f));
	for (; len >= 4 && data[0] < 128; data += 4, len -= 4)
		bytes[(data[0] | data[1] << 8) % sizeof(f)] ^= data[2];
	n = len < SIZE - TEXT ? len : SIZE - TEXT;
	if (n)
		memcpy(bytes + TEXT, data, n);
	CHECK(direct_rewrite(bytes, SIZE, &d) == 0);
	CHECK(d.done <= d.sites && !d.bytes == !d.done);
	if (d.bytes)
		check_program(&d);
	free(d.bytes);
	free(bytes);
	return 0;
}
