/* SPDX-License-Identifier: MIT */
/*
 * image.c - put the unikernel into place.
 *
 * The image stands in this binary page-aligned, so its segments are moved
 * (mremap) to where they belong instead of being copied: no page is touched,
 * and code is shared by all instances through the page cache.
 */
#include "instance/image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_UP(x)   (((x) + AZ_PAGE_SIZE - 1) & ~(AZ_PAGE_SIZE - 1))
#define PAGE_DOWN(x) ((x) & ~(AZ_PAGE_SIZE - 1))

extern char azalea_image[], azalea_image_end[];

static int prot_of(const Elf64_Phdr *ph)
{
	return (ph->p_flags & PF_R ? PROT_READ : 0) |
	       (ph->p_flags & PF_W ? PROT_WRITE : 0) |
	       (ph->p_flags & PF_X ? PROT_EXEC : 0);
}

/* What of the segment is beyond the file: zero memory. */
static int map_bss(const Elf64_Phdr *ph, int prot)
{
	uint64_t file_end = ph->p_vaddr + ph->p_filesz;
	uint64_t start = PAGE_UP(file_end);
	uint64_t end = PAGE_UP(ph->p_vaddr + ph->p_memsz);

	if ((prot & PROT_WRITE) && file_end != start &&
	    ph->p_memsz > ph->p_filesz)
		memset((void *)file_end, 0, start - file_end);
	if (end > start &&
	    mmap((void *)start, end - start, prot,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		 0) == MAP_FAILED)
		return -errno;
	return 0;
}

static int map_segment(const Elf64_Phdr *ph)
{
	uint64_t base = PAGE_DOWN(ph->p_vaddr);
	uint64_t len = PAGE_UP(ph->p_vaddr + ph->p_filesz) - base;
	char *from = azalea_image + PAGE_DOWN(ph->p_offset);
	int prot = prot_of(ph);

	if (ph->p_filesz) {
		if (mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
			   (void *)base) == MAP_FAILED)
			return -errno;
		if (mprotect((void *)base, len, prot))
			return -errno;
	}
	return map_bss(ph, prot);
}

int image_map(const struct az_image_header **out)
{
	const Elf64_Ehdr *eh = (const void *)azalea_image;
	Elf64_Phdr ph[8];
	const struct az_image_header *header = NULL;
	int n = eh->e_phnum;

	/* The headers move away with the segment that holds them. */
	if (n > 8)
		return -ENOEXEC;
	memcpy(ph, azalea_image + eh->e_phoff, (size_t)n * sizeof(*ph));
	for (int i = 0; i < n; i++) {
		int err;

		if (ph[i].p_type != PT_LOAD)
			continue;
		err = map_segment(&ph[i]);
		if (err)
			return err;
		if (ph[i].p_flags == PF_R)
			header = (const void *)ph[i].p_vaddr;
	}
	if (!header || header->magic != AZ_IMAGE_MAGIC ||
	    header->version != AZ_IMAGE_VERSION)
		return -ENOEXEC;
	*out = header;
	return 0;
}

int image_anonymous(const struct az_image_header *header)
{
	uint64_t from = PAGE_DOWN(header->text);
	size_t len = PAGE_UP(header->text_end) - from;
	void *copy = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err = 0;

	if (copy == MAP_FAILED)
		return -errno;
	memcpy(copy, (void *)from, len);
	if (mmap((void *)from, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		err = -errno;
	if (!err) {
		memcpy((void *)from, copy, len);
		if (mprotect((void *)from, len, PROT_READ | PROT_EXEC))
			err = -errno;
	}
	munmap(copy, len);
	return err;
}

uint64_t image_header_at(void)
{
	const Elf64_Ehdr *eh = (const void *)azalea_image;
	const Elf64_Phdr *ph = (const void *)(azalea_image + eh->e_phoff);

	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && ph[i].p_flags == PF_R)
			return ph[i].p_vaddr;
	return 0;
}
