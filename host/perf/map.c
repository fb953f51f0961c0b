/* SPDX-License-Identifier: MIT */
/*
 * map.c - /tmp/perf-PID.map: the names of a process's code, for perf(1).
 *
 * perf names what is mapped from files by itself. What it does not know is the
 * unikernel, whose code is no file's, and a program that stands inside another
 * file (a single-file image). All are named here, each by its own symbols.
 */
#include "perf/map.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"

#define SYMBOLS "azalea.elf" /* beside this executable */
#define PAGE    (AZ_PAGE_SIZE - 1)

/* A file's bytes. */
struct bytes {
	const char *data;
	size_t size;
};

/* Executable addresses [start, end) that show a file from offset on. */
struct range {
	uint64_t start, end, offset;
};

static bool within(const struct bytes *b, uint64_t at, uint64_t n)
{
	return at <= b->size && n <= b->size - at;
}

static bool bytes_map(const char *path, struct bytes *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p = MAP_FAILED;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd,
			 0);
	close(fd);
	if (p == MAP_FAILED)
		return false;
	*b = (struct bytes){ p, (size_t)st.st_size };
	return true;
}

/* --- an ELF file --- */

static const Elf64_Ehdr *header(const struct bytes *b)
{
	const Elf64_Ehdr *eh = (const void *)b->data;

	if (!within(b, 0, sizeof(*eh)) ||
	    memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh->e_phentsize != sizeof(Elf64_Phdr) ||
	    eh->e_shentsize != sizeof(Elf64_Shdr) ||
	    !within(b, eh->e_phoff, eh->e_phnum * sizeof(Elf64_Phdr)) ||
	    !within(b, eh->e_shoff, eh->e_shnum * sizeof(Elf64_Shdr)) ||
	    eh->e_phoff % 8 || eh->e_shoff % 8)
		return NULL;
	return eh;
}

static const Elf64_Shdr *section(const struct bytes *b, const Elf64_Ehdr *eh,
				 uint32_t i)
{
	const Elf64_Shdr *sh = (const void *)(b->data + eh->e_shoff);

	if (i >= eh->e_shnum || !within(b, sh[i].sh_offset, sh[i].sh_size) ||
	    sh[i].sh_offset % 8)
		return NULL;
	return &sh[i];
}

/* All symbols, or, of a stripped file, those of the dynamic linker. */
static const Elf64_Shdr *symbols(const struct bytes *b, const Elf64_Ehdr *eh)
{
	const Elf64_Shdr *found = NULL;

	for (uint32_t i = 0; i < eh->e_shnum; i++) {
		const Elf64_Shdr *sh = section(b, eh, i);

		if (!sh || sh->sh_entsize != sizeof(Elf64_Sym))
			continue;
		if (sh->sh_type == SHT_SYMTAB)
			return sh;
		if (sh->sh_type == SHT_DYNSYM)
			found = sh;
	}
	return found;
}

/* What has to be added to the file's addresses. False: the range is no code. */
static bool bias_of(const struct bytes *b, const Elf64_Ehdr *eh,
		    const struct range *r, uint64_t *bias)
{
	const Elf64_Phdr *ph = (const void *)(b->data + eh->e_phoff);

	for (uint32_t i = 0; i < eh->e_phnum; i++) {
		uint64_t from = ph[i].p_offset & ~PAGE;

		if (ph[i].p_type != PT_LOAD || !(ph[i].p_flags & PF_X) ||
		    r->offset < from ||
		    r->offset >= ph[i].p_offset + ph[i].p_filesz)
			continue;
		*bias =
		    r->start - ((ph[i].p_vaddr & ~PAGE) + (r->offset - from));
		return true;
	}
	return false;
}

/* A name ends the line: no other line in it. */
static bool printable(const struct bytes *b, const Elf64_Shdr *names,
		      uint32_t at)
{
	const char *s = b->data + names->sh_offset;

	if (at >= names->sh_size || !s[at])
		return false;
	for (; at < names->sh_size; at++) {
		if (!s[at])
			return true;
		if ((unsigned char)s[at] < ' ')
			return false;
	}
	return false;
}

/* Code: a function, or a label of assembly in an executable section. */
static bool is_code(const struct bytes *b, const Elf64_Ehdr *eh,
		    const Elf64_Sym *sym)
{
	uint32_t type = ELF64_ST_TYPE(sym->st_info);
	const Elf64_Shdr *sh = section(b, eh, sym->st_shndx);

	if (sym->st_shndx == SHN_UNDEF)
		return false;
	return type == STT_FUNC || type == STT_GNU_IFUNC ||
	       (type == STT_NOTYPE && sh && sh->sh_flags & SHF_EXECINSTR);
}

struct name {
	uint64_t at, size;
	const char *text;
};

/* By address; where two are at one, the one with a size goes last. */
static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return (x->size > y->size) - (x->size < y->size);
}

static size_t collect(const struct bytes *b, const Elf64_Ehdr *eh,
		      const Elf64_Shdr *sh, const struct range *r,
		      struct name *out)
{
	const Elf64_Sym *sym = (const void *)(b->data + sh->sh_offset);
	const Elf64_Shdr *names = section(b, eh, sh->sh_link);
	uint64_t bias;
	size_t n = 0;

	if (!names || !bias_of(b, eh, r, &bias))
		return 0;
	for (uint64_t i = 0; i < sh->sh_size / sizeof(*sym); i++) {
		uint64_t at = sym[i].st_value + bias;

		if (is_code(b, eh, &sym[i]) && at >= r->start && at < r->end &&
		    printable(b, names, sym[i].st_name))
			out[n++] = (struct name){ at, sym[i].st_size,
						  b->data + names->sh_offset +
						      sym[i].st_name };
	}
	return n;
}

/* What has no size goes up to the next. */
static void put_names(FILE *f, struct name *v, size_t n, uint64_t end,
		      const char *file)
{
	qsort(v, n, sizeof(*v), compare_names);
	for (size_t i = 0; i < n; i++) {
		uint64_t next = i + 1 < n ? v[i + 1].at : end;
		uint64_t size = v[i].size ? v[i].size : next - v[i].at;

		if (size)
			(void)fprintf(f, "%" PRIx64 " %" PRIx64 " %s [%s]\n",
				      v[i].at, size, v[i].text, file);
	}
}

static void put_symbols(FILE *f, const struct bytes *b, const struct range *r,
			const char *file)
{
	const Elf64_Ehdr *eh = header(b);
	const Elf64_Shdr *sh = eh ? symbols(b, eh) : NULL;
	struct name *v;

	if (!sh)
		return;
	v = calloc(sh->sh_size / sizeof(Elf64_Sym) + 1, sizeof(*v));
	if (!v)
		return;
	put_names(f, v, collect(b, eh, sh, r, v), r->end, file);
	free(v);
}

static void put_file(FILE *f, const char *path, const struct range *r)
{
	const char *slash = strrchr(path, '/');
	struct bytes b;

	if (!bytes_map(path, &b))
		return;
	put_symbols(f, &b, r, slash ? slash + 1 : path);
	munmap((void *)(uintptr_t)b.data, b.size);
}

/* --- a process --- */

static void put_unikernel(FILE *f)
{
	const struct range r = { AZ_IMAGE_BASE, AZ_BOOT_BASE, AZ_PAGE_SIZE };
	char path[4096];
	ssize_t n =
	    readlink("/proc/self/exe", path, sizeof(path) - sizeof(SYMBOLS));
	char *slash;

	if (n <= 0)
		return;
	path[n] = '\0';
	slash = strrchr(path, '/');
	memcpy(slash ? slash + 1 : path, SYMBOLS, sizeof(SYMBOLS));
	put_file(f, path, &r);
}

/* START-END PERMS OFFSET DEVICE INODE PATH, below the unikernel. */
static void put_line(FILE *f, char *line)
{
	struct range r;
	char *path = strchr(line, '/'), *at;

	r.start = strtoull(line, &at, 16);
	if (*at++ != '-' || !path || r.start >= AZ_GUEST_END)
		return;
	r.end = strtoull(at, &at, 16);
	if (strncmp(at, " r-xp ", 6) != 0)
		return;
	r.offset = strtoull(at + 6, NULL, 16);
	path[strcspn(path, "\n")] = '\0';
	put_file(f, path, &r);
}

static void put_all(FILE *f)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char *line = NULL;
	size_t room = 0;

	put_unikernel(f);
	if (!maps)
		return;
	while (getline(&line, &room, maps) > 0)
		put_line(f, line);
	free(line);
	(void)fclose(maps);
}

int perf_map_write(void)
{
	char path[64];
	FILE *f;
	int fd;

	(void)snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	/* /tmp is everybody's: what is there by that name is not followed. */
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	f = fdopen(fd, "w");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	put_all(f);
	return fclose(f) ? -errno : 0;
}
