/* SPDX-License-Identifier: MIT */
/*
 * libraries.c - the list of libraries, for gdb.
 *
 * As the program's dynamic linker keeps it (<link.h>: struct r_debug), found
 * by way of the auxiliary vector. Until the linker has made it, and in a
 * static program, there is none: then the unikernel is all.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gdb/inferior.h"

#define PHDRS_MAX     64
#define DYNAMIC_MAX   256
#define LIBRARIES_MAX 4096
#define AUXV_MAX      64
#define NAME_ROOM     4096
/* Handles of what is in no list of the program's. */
#define LM_UNIKERNEL 1
#define LM_LINKER    2

/* What a debugger may rely on, <link.h>. */
struct link {
	uint64_t addr, name, ld, next, prev;
};

static const struct gdb_target *target;

static uint64_t auxv_value(uint64_t type)
{
	uint64_t v[2 * AUXV_MAX];
	size_t n = inferior_auxv(v, sizeof(v)) / sizeof(v[0]);

	for (size_t i = 0; i + 1 < n; i += 2)
		if (v[i] == type)
			return v[i + 1];
	return 0;
}

static bool get(uint64_t addr, void *out, size_t n)
{
	return target->read(addr, out, n) == (ssize_t)n;
}

/*
 * Address of the segment of that type, or 0. The n program headers are at `at`;
 * what they say is off by bias, or by as much as they are themselves.
 */
static uint64_t segment_of(uint64_t at, uint64_t n, uint64_t bias,
			   uint32_t type)
{
	uint64_t found = 0;
	Elf64_Phdr ph;

	for (uint64_t i = 0; i < n && i < PHDRS_MAX; i++) {
		if (!get(at + i * sizeof(ph), &ph, sizeof(ph)))
			return 0;
		if (ph.p_type == PT_PHDR)
			bias = at - ph.p_vaddr;
		if (ph.p_type == type)
			found = ph.p_vaddr;
	}
	return found ? found + bias : 0;
}

static uint64_t segment(uint32_t type)
{
	return segment_of(auxv_value(AT_PHDR), auxv_value(AT_PHNUM), 0, type);
}

/* The first of the list, or 0. */
static uint64_t first_link(void)
{
	uint64_t at = segment(PT_DYNAMIC);
	Elf64_Dyn d;

	for (int i = 0; at && i < DYNAMIC_MAX; i++, at += sizeof(d)) {
		if (!get(at, &d, sizeof(d)) || d.d_tag == DT_NULL)
			return 0;
		if (d.d_tag == DT_DEBUG)
			return d.d_un.d_ptr
				   ? inferior_read_u64(d.d_un.d_ptr + 8)
				   : 0;
	}
	return 0;
}

static void put_name(FILE *f, const char *name)
{
	for (; *name; name++)
		switch (*name) {
		case '&':
			(void)fputs("&amp;", f);
			break;
		case '<':
			(void)fputs("&lt;", f);
			break;
		case '"':
			(void)fputs("&quot;", f);
			break;
		default:
			(void)fputc(*name, f);
		}
}

static void put_library(FILE *f, const char *name, uint64_t lm,
			const struct link *l)
{
	(void)fputs("<library name=\"", f);
	put_name(f, name);
	(void)fprintf(f,
		      "\" lm=\"0x%lx\" l_addr=\"0x%lx\" l_ld=\"0x%lx\" "
		      "lmid=\"0x0\"/>",
		      lm, l->addr, l->ld);
}

static void put_link(FILE *f, uint64_t lm, const struct link *l)
{
	char name[NAME_ROOM];

	inferior_string(l->name, name, sizeof(name));
	/* The vDSO has no file. */
	if (name[0] && l->addr != auxv_value(AT_SYSINFO_EHDR))
		put_library(f, name, lm, l);
}

/* What is going to make the list. */
static void put_linker(FILE *f)
{
	struct link l = { .addr = auxv_value(AT_BASE),
			  .name = segment(PT_INTERP) };
	Elf64_Ehdr eh;

	if (!l.name || !l.addr || !get(l.addr, &eh, sizeof(eh)))
		return;
	l.ld = segment_of(l.addr + eh.e_phoff, eh.e_phnum, l.addr, PT_DYNAMIC);
	put_link(f, LM_LINKER, &l);
}

/* All but the first, which is the program. */
static void put_links(FILE *f, uint64_t at)
{
	struct link l;

	for (int i = 0; at && i < LIBRARIES_MAX; i++, at = l.next) {
		if (!get(at, &l, sizeof(l)))
			return;
		if (i)
			put_link(f, at, &l);
	}
}

char *inferior_libraries(const struct gdb_target *t, const char *image)
{
	static const struct link own = { .addr = 0 }; /* is what it says */
	char *text = NULL;
	uint64_t first;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	target = t;
	first = first_link();
	(void)fputs("<library-list-svr4 version=\"1.0\"", f);
	if (first)
		(void)fprintf(f, " main-lm=\"0x%lx\"", first);
	(void)fputs(">", f);
	if (first)
		put_links(f, first);
	else
		put_linker(f);
	if (image)
		put_library(f, image, LM_UNIKERNEL, &own);
	(void)fputs("</library-list-svr4>", f);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
