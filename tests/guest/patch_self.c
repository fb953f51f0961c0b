/* SPDX-License-Identifier: MIT */
/*
 * patch_self.c - a program that reads its own code. Its file is always what it
 * was. Its text in memory is so with AZALEA_PATCH=0, as here; otherwise call
 * sites that have been used look different (see caveats.md).
 */
// env: AZALEA_PATCH=0
// variants: pie static
// modes: auto direct-1
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tap.h"

#define PAGE 4096UL

static uint64_t sum(const uint8_t *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h;
}

struct text {
	const uint8_t *at;
	size_t len;
};

static int find_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct text *t = arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD &&
		    info->dlpi_phdr[i].p_flags & PF_X && t->len == 0) {
			t->at = (const uint8_t *)info->dlpi_addr +
				info->dlpi_phdr[i].p_vaddr;
			t->len = info->dlpi_phdr[i].p_memsz;
		}
	return 0;
}

long site(long nr);
extern char site_end[];
__asm__(".text\n\t.p2align 4\n\t.globl site\nsite:\n\tmov %rdi, %rax\n\t"
	"mov $-1, %edi\n\tsyscall\n\tret\n\t.globl site_end\nsite_end:\n");

static int calls(void)
{
	int bad = 0;

	for (int i = 0; i < 300; i++) {
		bad += site(SYS_getppid) != getppid();
		bad += close(-1) != -1;
		bad += site(SYS_close) != -EBADF;
		if (i % 100 == 50)
			sleep_ms(1);
	}
	return bad;
}

int main(void)
{
	struct text t = { 0 };
	uint64_t before, file_before, file_after = 0;
	size_t len = (size_t)(site_end - (char *)site);
	uint8_t *copy, *file;
	struct stat st;
	int fd, bad = 0;

	dl_iterate_phdr(find_text, &t);
	MUST(t.len > 0);
	fd = open("/proc/self/exe", O_RDONLY);
	MUST(fd >= 0 && fstat(fd, &st) == 0);
	file = malloc((size_t)st.st_size);
	MUST(file && read(fd, file, (size_t)st.st_size) == st.st_size);
	file_before = sum(file, (size_t)st.st_size);
	before = sum(t.at, t.len);
	IS(calls(), 0, "the calls work");
	OK(sum(t.at, t.len) == before, "the text is what it was");

	MUST(pread(fd, file, (size_t)st.st_size, 0) == st.st_size);
	file_after = sum(file, (size_t)st.st_size);
	OK(file_before == file_after, "so is the file, read");
	free(file);
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	MUST(file != MAP_FAILED);
	OK(sum(file, (size_t)st.st_size) == file_before,
	   "and mapped privately");
	munmap(file, (size_t)st.st_size);
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	MUST(file != MAP_FAILED);
	OK(sum(file, (size_t)st.st_size) == file_before, "and shared");

	/* Code that was used, copied elsewhere and used there. */
	copy = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(copy != MAP_FAILED);
	memcpy(copy, (void *)(uintptr_t)site, len);
	MUST(mprotect(copy, PAGE, PROT_READ | PROT_EXEC) == 0);
	for (int i = 0; i < 200; i++)
		bad += ((long (*)(long))copy)(SYS_getppid) != getppid();
	IS(bad, 0, "a copy of used code works");
	return tap_done();
}
