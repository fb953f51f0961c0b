/* SPDX-License-Identifier: MIT */
/*
 * elf.h - what an x86-64 ELF file asks its loader for.
 *
 * Pure: reads the bytes it is given and nothing else, so that the owner (which
 * wants to say early what is wrong) and the unikernel (which loads) decide
 * alike. The file is hostile. Once a function has returned 0, no sum of an
 * offset, address and size in its result can overflow, and what is said to be
 * in the file is.
 */
#ifndef LIB_ELF_H
#define LIB_ELF_H

#include <stddef.h>
#include <stdint.h>

/* Linux's limit (fs/binfmt_elf.c, load_elf_phdrs): a page of headers. */
#define ELF_MAX_PHDRS 73U
#define ELF_EHDR_SIZE 64U
#define ELF_PHDR_SIZE 56U
/* A head of this size holds every table that follows the header at once. */
#define ELF_HEAD_SIZE (ELF_EHDR_SIZE + ELF_MAX_PHDRS * ELF_PHDR_SIZE)
#define ELF_MAX_ALIGN (1ULL << 32) /* p_align beyond it is ignored */
#define ELF_MAX_SPAN  (1ULL << 44) /* first to last byte in memory */
#define ELF_MAX_ADDR  (1ULL << 47) /* x86-64, 4-level paging */
#define ELF_PATH_MAX  4096U        /* Linux's PATH_MAX, NUL included */

#define ELF_READ  4U /* elf_seg.flags: PF_R, PF_W, PF_X */
#define ELF_WRITE 2U
#define ELF_EXEC  1U

#define ELF_STACK_DEFAULT 0U /* no PT_GNU_STACK */
#define ELF_STACK_NOEXEC  1U
#define ELF_STACK_EXEC    2U

/* A PT_LOAD with something in memory; vaddr before the bias is added. */
struct elf_seg {
	uint64_t vaddr, memsz;
	uint64_t offset, filesz; /* filesz may be 0, and offset then anything */
	uint32_t flags;
	uint32_t pad;
};

struct elf_info {
	const char *why;  /* set on error: "is ..." or "has ...", static */
	uint16_t machine; /* e_machine */
	uint8_t dyn;      /* ET_DYN: may be loaded anywhere */
	uint8_t stack;    /* ELF_STACK_ */
	uint16_t phnum;
	uint16_t nsegs;
	uint64_t entry;       /* inside a segment, before the bias */
	uint64_t phoff;       /* of the program headers in the file */
	uint64_t phdr_vaddr;  /* of the same in memory; 0: not loaded */
	uint64_t lo, hi;      /* of all segments, rounded to pages */
	uint64_t align;       /* of lo, at least a page */
	uint64_t interp_off;  /* PT_INTERP's string in the file */
	uint32_t interp_size; /* NUL included; 0: no interpreter */
	uint32_t pad;
	struct elf_seg seg[ELF_MAX_PHDRS]; /* in the file's order */
};

/*
 * elf_parse_header - look at the file's first bytes (ELF_EHDR_SIZE of them
 * are enough): machine, dyn, phnum, phoff, entry of out. 0 or -ENOEXEC.
 */
int elf_parse_header(const void *head, size_t head_len, uint64_t file_size,
		     struct elf_info *out);

/*
 * elf_parse_phdrs - the rest, from the bytes at out->phoff, of which there are
 * out->phnum * ELF_PHDR_SIZE. 0 or -ENOEXEC.
 */
int elf_parse_phdrs(const void *phdrs, size_t len, uint64_t file_size,
		    struct elf_info *out);

/*
 * elf_parse - both, if the table lies in head, as linkers put it. 0, -ENOEXEC,
 * or -ERANGE: valid so far, and to be gone on with by elf_parse_phdrs once the
 * table has been read.
 */
int elf_parse(const void *head, size_t head_len, uint64_t file_size,
	      struct elf_info *out);

/*
 * elf_parse_interp - check the bytes of PT_INTERP: NUL-terminated, not empty.
 * 0 or -ENOEXEC, with out->why.
 */
int elf_parse_interp(const char *path, size_t len, struct elf_info *out);

#endif
