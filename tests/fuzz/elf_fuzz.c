/* SPDX-License-Identifier: MIT */
/*
 * elf_fuzz.c - what lib/elf.h promises of its results, for any file.
 *
 * The input is the beginning of the file, or, if it does not begin as an ELF
 * file does, a table of program headers behind a good header. How long the file
 * is comes from the input's last bytes, so that offsets far beyond what is
 * there count as inside, too.
 */
/* links: kernel/lib/elf.c */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CHECK(cond)              \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static void check_segment(const struct elf_info *e, uint32_t i, uint64_t size)
{
	const struct elf_seg *s = &e->seg[i];

	CHECK(s->memsz && s->filesz <= s->memsz);
	CHECK(s->vaddr < ELF_MAX_ADDR && s->memsz < ELF_MAX_ADDR);
	CHECK(e->lo <= s->vaddr && s->vaddr + s->memsz <= e->hi);
	if (s->filesz) {
		CHECK(s->offset <= size && s->filesz <= size - s->offset);
		CHECK(s->offset % 4096 == s->vaddr % 4096);
	}
	CHECK(!(s->flags & ~(ELF_READ | ELF_WRITE | ELF_EXEC)));
}

static void check_info(const struct elf_info *e, uint64_t size)
{
	bool entry = false;

	CHECK(e->nsegs >= 1 && e->nsegs <= e->phnum &&
	      e->phnum <= ELF_MAX_PHDRS);
	CHECK(e->lo % 4096 == 0 && e->hi % 4096 == 0 && e->lo < e->hi);
	CHECK(e->hi <= ELF_MAX_ADDR && e->hi - e->lo <= ELF_MAX_SPAN);
	CHECK(e->align >= 4096 && e->align <= ELF_MAX_ALIGN &&
	      !(e->align & (e->align - 1)));
	for (uint32_t i = 0; i < e->nsegs; i++) {
		check_segment(e, i, size);
		entry |= e->entry >= e->seg[i].vaddr &&
			 e->entry - e->seg[i].vaddr < e->seg[i].memsz;
	}
	CHECK(entry);
	CHECK(e->interp_size <= ELF_PATH_MAX && e->interp_off <= size &&
	      e->interp_size <= size - e->interp_off);
	CHECK(e->phdr_vaddr < ELF_MAX_ADDR);
}

/* The length that the file is said to have. */
static uint64_t file_size(const uint8_t *data, size_t len)
{
	uint64_t size = len;

	if (len >= 8 && data[len - 1] & 1)
		memcpy(&size, data + len - 8, sizeof(size));
	return size < len ? len : size;
}

/* The input as a table: an entry point in what may be its first segment. */
static int parse_table(const uint8_t *data, size_t len, uint64_t size,
		       struct elf_info *e)
{
	memset(e, 0, sizeof(*e));
	e->phoff = ELF_EHDR_SIZE;
	e->phnum = (uint16_t)(len / ELF_PHDR_SIZE);
	if (e->phnum > ELF_MAX_PHDRS)
		e->phnum = ELF_MAX_PHDRS;
	if (len >= ELF_PHDR_SIZE)
		memcpy(&e->entry, data + 16, sizeof(e->entry)); /* p_vaddr */
	return elf_parse_phdrs(data, len, size, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint64_t size = file_size(data, len);
	uint8_t *copy = malloc(len ? len : 1); /* for ASan to watch its end */
	struct elf_info e;
	int err;

	CHECK(copy);
	memcpy(copy, data, len);
	if (len && data[0] != 0x7f)
		err = parse_table(copy, len, size, &e);
	else
		err = elf_parse(copy, len, size, &e);
	if (err == 0)
		check_info(&e, size);
	else
		CHECK(e.why || e.phnum);
	if (err == 0 && e.interp_size && e.interp_off + e.interp_size <= len) {
		const char *path = (const char *)copy + e.interp_off;

		if (!elf_parse_interp(path, e.interp_size, &e))
			CHECK(*path && strlen(path) < e.interp_size);
	}
	free(copy);
	return 0;
}
