/* SPDX-License-Identifier: MIT */
/*
 * elf.c - reading ELF headers that may be hostile.
 *
 * What Linux's loader (fs/binfmt_elf.c) accepts is accepted and means the
 * same; refused is, beyond that, only what would die of a signal on Linux
 * before its first instruction: segments outside the file, or none with the
 * entry point in it. Segments may overlap, as on Linux: the later one counts.
 *
 * Sums are formed only of values already bounded: addresses by ELF_MAX_ADDR,
 * offsets by the file's size, which is below 2^63.
 */
#include "lib/elf.h"

#include <asm/errno.h>
#include <elf.h>
#include <stdbool.h>

#define PAGE_MASK_LOW 0xfffULL

_Static_assert(sizeof(Elf64_Ehdr) == ELF_EHDR_SIZE, "ELF header");
_Static_assert(sizeof(Elf64_Phdr) == ELF_PHDR_SIZE, "ELF program header");

static int refuse(struct elf_info *out, const char *why)
{
	out->why = why;
	return -ENOEXEC;
}

static uint64_t page_down(uint64_t v)
{
	return v & ~PAGE_MASK_LOW;
}

static uint64_t page_up(uint64_t v)
{
	return (v + PAGE_MASK_LOW) & ~PAGE_MASK_LOW;
}

/* The range [off, off + len) lies in [0, size). */
static bool range_in(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

/* Linux looks at the machine only, which is what tells x86-64 from others. */
static int check_ident(const Elf64_Ehdr *eh, struct elf_info *out)
{
	if (__builtin_memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0)
		return refuse(out, "is not an ELF file");
	out->machine = eh->e_machine;
	if (eh->e_machine == EM_386)
		return refuse(out, "is a 32-bit x86 program, not x86-64");
	if (eh->e_machine != EM_X86_64)
		return refuse(out, "is for another kind of processor than "
				   "x86-64");
	if (eh->e_ident[EI_CLASS] == ELFCLASS32)
		return refuse(out, "is an x32 program, not x86-64");
	if (eh->e_type == ET_REL)
		return refuse(out, "is an object file, not yet linked");
	if (eh->e_type == ET_CORE)
		return refuse(out, "is a core dump, not a program");
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return refuse(out, "has an unknown ELF type");
	return 0;
}

int elf_parse_header(const void *head, size_t head_len, uint64_t file_size,
		     struct elf_info *out)
{
	Elf64_Ehdr eh;
	int err;

	__builtin_memset(out, 0, sizeof(*out));
	if (head_len >= SELFMAG && __builtin_memcmp(head, ELFMAG, SELFMAG) != 0)
		return refuse(out, "is not an ELF file");
	if (head_len < sizeof(eh) || file_size < sizeof(eh))
		return refuse(out, "is too short for a program: truncated?");
	if (file_size > INT64_MAX)
		return refuse(out, "has an impossible size");
	__builtin_memcpy(&eh, head, sizeof(eh));
	err = check_ident(&eh, out);
	if (err)
		return err;
	if (eh.e_phentsize != ELF_PHDR_SIZE)
		return refuse(out, "has program headers of a wrong size");
	if (eh.e_phnum == 0)
		return refuse(out, "has no program headers");
	if (eh.e_phnum > ELF_MAX_PHDRS)
		return refuse(out, "has too many program headers");
	if (!range_in(eh.e_phoff, eh.e_phnum * (uint64_t)ELF_PHDR_SIZE,
		      file_size))
		return refuse(out, "has its program headers beyond its end: "
				   "truncated?");
	out->dyn = eh.e_type == ET_DYN;
	out->phnum = eh.e_phnum;
	out->phoff = eh.e_phoff;
	out->entry = eh.e_entry;
	return 0;
}

static void grow_span(struct elf_info *out, const struct elf_seg *s,
		      uint64_t align)
{
	uint64_t lo = page_down(s->vaddr);
	uint64_t hi = page_up(s->vaddr + s->memsz);

	if (out->nsegs == 1 || lo < out->lo)
		out->lo = lo;
	if (hi > out->hi)
		out->hi = hi;
	/* Linux too passes over alignments that are no power of two. */
	if (!(align & (align - 1)) && align <= ELF_MAX_ALIGN &&
	    align > out->align)
		out->align = align;
}

static int parse_load(const Elf64_Phdr *ph, uint64_t file_size,
		      struct elf_info *out)
{
	struct elf_seg s = { .vaddr = ph->p_vaddr,
			     .memsz = ph->p_memsz,
			     .offset = ph->p_offset,
			     .filesz = ph->p_filesz,
			     .flags = ph->p_flags &
				      (ELF_READ | ELF_WRITE | ELF_EXEC) };

	if (s.filesz > s.memsz)
		return refuse(out, "has a segment larger in the file than in "
				   "memory");
	if (s.memsz == 0)
		return 0;
	if (!range_in(s.vaddr, s.memsz, ELF_MAX_ADDR - PAGE_MASK_LOW))
		return refuse(out, "has a segment beyond the address space");
	if (s.filesz && !range_in(s.offset, s.filesz, file_size))
		return refuse(out, "has a segment beyond its end: truncated?");
	if (s.filesz && ((s.offset ^ s.vaddr) & PAGE_MASK_LOW))
		return refuse(out, "has a segment that no page can hold: file "
				   "offset and address differ modulo 4096");
	/* As Linux: where the last segment that has the table puts it. */
	if (s.offset <= out->phoff && out->phoff - s.offset < s.filesz)
		out->phdr_vaddr = out->phoff - s.offset + s.vaddr;
	out->seg[out->nsegs++] = s;
	grow_span(out, &s, ph->p_align);
	return 0;
}

static int parse_interp(const Elf64_Phdr *ph, uint64_t file_size,
			struct elf_info *out)
{
	if (out->interp_size) /* the first one counts, as on Linux */
		return 0;
	if (ph->p_filesz < 2 || ph->p_filesz > ELF_PATH_MAX)
		return refuse(out, "has an interpreter's path of impossible "
				   "length");
	if (!range_in(ph->p_offset, ph->p_filesz, file_size))
		return refuse(out, "has its interpreter's path beyond its end: "
				   "truncated?");
	out->interp_off = ph->p_offset;
	out->interp_size = (uint32_t)ph->p_filesz;
	return 0;
}

static bool entry_loaded(const struct elf_info *out)
{
	for (uint32_t i = 0; i < out->nsegs; i++) {
		const struct elf_seg *s = &out->seg[i];

		if (out->entry >= s->vaddr && out->entry - s->vaddr < s->memsz)
			return true;
	}
	return false;
}

int elf_parse_phdrs(const void *phdrs, size_t len, uint64_t file_size,
		    struct elf_info *out)
{
	const unsigned char *p = phdrs;
	Elf64_Phdr ph;
	int err = 0;

	if (file_size > INT64_MAX || out->phnum > ELF_MAX_PHDRS ||
	    len < out->phnum * (size_t)ELF_PHDR_SIZE)
		return refuse(out, "has program headers that cannot be read");
	out->nsegs = 0;
	out->align = PAGE_MASK_LOW + 1;
	for (uint32_t i = 0; i < out->phnum && !err; i++) {
		__builtin_memcpy(&ph, p + (size_t)i * ELF_PHDR_SIZE,
				 sizeof(ph));
		if (ph.p_type == PT_LOAD)
			err = parse_load(&ph, file_size, out);
		else if (ph.p_type == PT_INTERP)
			err = parse_interp(&ph, file_size, out);
		else if (ph.p_type == PT_GNU_STACK)
			out->stack = ph.p_flags & PF_X ? ELF_STACK_EXEC
						       : ELF_STACK_NOEXEC;
	}
	if (err)
		return err;
	if (!out->nsegs)
		return refuse(out, "has nothing to load into memory");
	if (out->hi - out->lo > ELF_MAX_SPAN)
		return refuse(out, "has segments too far apart");
	if (!entry_loaded(out))
		return refuse(out, "has an entry point outside its segments");
	return 0;
}

int elf_parse(const void *head, size_t head_len, uint64_t file_size,
	      struct elf_info *out)
{
	const unsigned char *p = head;
	int err = elf_parse_header(head, head_len, file_size, out);

	if (err)
		return err;
	if (!range_in(out->phoff, out->phnum * (uint64_t)ELF_PHDR_SIZE,
		      head_len))
		return -ERANGE;
	return elf_parse_phdrs(p + out->phoff, head_len - out->phoff, file_size,
			       out);
}

int elf_parse_interp(const char *path, size_t len, struct elf_info *out)
{
	if (len < 2 || path[len - 1] != '\0')
		return refuse(out, "has an interpreter's path that does not "
				   "end");
	if (path[0] == '\0')
		return refuse(out, "has an empty interpreter's path");
	return 0;
}
