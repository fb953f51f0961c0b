/* SPDX-License-Identifier: MIT */
/*
 * exec_test.c - kernel/sys/exec.c loading real and broken programs.
 *
 * Memory is mapped for real, at the addresses that it would have in an
 * instance; what is not is the rest of the unikernel. Nothing loaded here runs.
 */
/* links: kernel/sys/exec.c kernel/sys/exec_stack.c kernel/lib/elf.c */
/* cflags: -DAZ_KERNEL */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/user.h"
#include "mm/mm.h"
#include "sched/thread.h"
#include "sys/bundle.h"
#include "sys/exec.h"
#include "sys/sys.h"
#include "vdso/vdso.h"

static int ntests, nfailed;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

/* --- the rest of the unikernel --- */

extern struct az_vvar clock_vvar;
struct az_vvar clock_vvar;

__asm__(".data\n"
	".globl _binary_vdso_so_start\n"
	"_binary_vdso_so_start:\n"
	".fill 2500, 1, 0xcc\n"
	".globl _binary_vdso_so_end\n"
	"_binary_vdso_so_end:\n"
	".text\n");

/* There are no files but Linux's here. */
bool bundle_here(void)
{
	return false;
}

int bundle_find(char path[VPATH_MAX], bool follow,
		const struct az_bundle_entry **e)
{
	(void)path;
	(void)follow;
	*e = NULL;
	return -ENOENT;
}

long bundle_standin(const struct az_bundle_entry *e, uint64_t flags)
{
	(void)e;
	(void)flags;
	return -ENOENT;
}

bool vpath_append(char *out, size_t size, const char *path)
{
	(void)out;
	(void)size;
	(void)path;
	return false;
}

#define NMAPS 64
static struct {
	uint64_t start, end;
} maps[NMAPS];
static int nmaps, map_fails_at;
static uint64_t brk_set;
static char said[1024];

void printk(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	abort();
}

static bool memory_ok(uint64_t addr, uint64_t len)
{
	for (uint64_t end = addr + len; addr < end;) {
		int i;

		for (i = 0; i < nmaps; i++)
			if (maps[i].start <= addr && addr < maps[i].end)
				break;
		if (i == nmaps)
			return false;
		addr = maps[i].end;
	}
	return true;
}

int copy_to_user(uint64_t dst, const void *src, size_t n)
{
	if (!memory_ok(dst, n))
		return -EFAULT;
	memcpy((void *)dst, src, n);
	return 0;
}

/* A page beyond a file's end is there, but a fault to touch: ask Linux. */
int zero_user(uint64_t dst, size_t n)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ssize_t r = n ? read(fd, (void *)dst, n) : 0;

	close(fd);
	return r == (ssize_t)n ? 0 : -EFAULT;
}

long mm_map(uint64_t addr, uint64_t len, int prot, int flags, int fd,
	    uint64_t off, uint32_t vma_flags)
{
	void *p;

	(void)vma_flags;
	if (map_fails_at && !--map_fails_at)
		return -ENOMEM;
	if (!addr)
		addr = AZ_WINDOW_BASE + 0x20000000000;
	p = mmap((void *)addr, len, prot, flags | MAP_FIXED, fd, (off_t)off);
	if (p == MAP_FAILED)
		return -errno;
	if (nmaps == NMAPS)
		abort();
	maps[nmaps].start = addr;
	maps[nmaps++].end = ALIGN_UP(addr + len, AZ_PAGE_SIZE);
	return (long)addr;
}

long mm_unmap(uint64_t addr, uint64_t len)
{
	for (int i = 0; i < nmaps; i++)
		if (maps[i].start >= addr && maps[i].end <= addr + len)
			maps[i].start = maps[i].end = 0;
	return munmap((void *)addr, len) ? -errno : 0;
}

long mm_protect(uint64_t addr, uint64_t len, int prot)
{
	return mprotect((void *)addr, len, prot) ? -errno : 0;
}

void mm_set_brk(uint64_t start)
{
	brk_set = start;
}

bool mm_find(uint64_t addr, struct vma_info *info)
{
	bool found = false;

	for (int i = 0; i < nmaps; i++)
		if (maps[i].end > addr &&
		    (!found || maps[i].start < info->start)) {
			info->start = maps[i].start;
			info->end = maps[i].end;
			found = true;
		}
	return found;
}

void *kalloc_pages(size_t size)
{
	return calloc(1, size);
}

void kfree_pages(void *p, size_t size)
{
	(void)size;
	free(p);
}

long host_call(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
	       uint64_t a4, uint64_t a5)
{
	long r = syscall((long)nr, a0, a1, a2, a3, a4, a5);

	return r < 0 ? -errno : r;
}

/* --- starting something --- */

static struct thread thread;
static struct az_frame frame;

static uint32_t put_string(uint32_t *at, const char *s)
{
	uint32_t start = *at;

	memcpy((char *)BOOT + start, s, strlen(s) + 1);
	*at += (uint32_t)strlen(s) + 1;
	return start;
}

static int fd_count(void)
{
	int n = 0;

	for (int i = 0; i < 64; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

static int start(const char *path, char *const *argv, char *const *envp)
{
	uint32_t at = sizeof(struct az_boot);

	for (int i = 0; i < nmaps; i++)
		munmap((void *)maps[i].start, maps[i].end - maps[i].start);
	nmaps = 0;
	said[0] = '\0';
	memset(&thread, 0, sizeof(thread));
	memset(&frame, 0xff, sizeof(frame));
	thread.frame = &frame;
	BOOT->exe_fd = open(path, O_RDONLY | O_CLOEXEC);
	BOOT->exe_path = put_string(&at, path);
	BOOT->exec_fn = put_string(&at, "./given");
	BOOT->args = at;
	for (BOOT->argc = 0; argv[BOOT->argc]; BOOT->argc++)
		put_string(&at, argv[BOOT->argc]);
	BOOT->envs = at;
	for (BOOT->envc = 0; envp[BOOT->envc]; BOOT->envc++)
		put_string(&at, envp[BOOT->envc]);
	BOOT->size = at;
	return exec_start(&thread);
}

static char *none[] = { NULL };
static char arg0[] = "first", arg1[] = "", arg2[] = "third argument";
static char env0[] = "HOME=/", env1[] = "A=b";
static char *args[] = { arg0, arg1, arg2, NULL };
static char *envs[] = { env0, env1, NULL };

static uint64_t *aux_find(uint64_t type)
{
	uint64_t *p = (uint64_t *)frame.rsp;

	p += 1 + p[0] + 1;
	while (*p++)
		;
	for (; p[0]; p += 2)
		if (p[0] == type)
			return p + 1;
	return NULL;
}

static bool aux_is(uint64_t type, uint64_t value)
{
	uint64_t *v = aux_find(type);

	return v && *v == value;
}

static bool aux_text(uint64_t type, const char *text)
{
	uint64_t *v = aux_find(type);

	return v && !strcmp((const char *)*v, text);
}

static void test_stack_image(void)
{
	uint64_t *sp;

	ok(start("/proc/self/exe", args, envs) == 0, "a program is loaded");
	sp = (uint64_t *)frame.rsp;
	ok(frame.rsp % 16 == 0, "the stack pointer is 16-byte aligned");
	ok(sp[0] == 3 && !strcmp((char *)sp[1], "first") &&
	       !strcmp((char *)sp[2], "") &&
	       !strcmp((char *)sp[3], "third argument") && !sp[4],
	   "argc and argv stand there");
	ok(!strcmp((char *)sp[5], "HOME=/") && !strcmp((char *)sp[6], "A=b") &&
	       !sp[7],
	   "envp follows");
	ok(sp[2] == sp[1] + 6 && sp[3] == sp[2] + 1 && sp[5] == sp[3] + 15 &&
	       sp[6] == sp[5] + 7 && *aux_find(AT_EXECFN) == sp[6] + 4,
	   "the strings are in one piece, in order");
	ok(*(uint64_t *)(exec_layout.stack_top - 8) == 0 &&
	       *aux_find(AT_EXECFN) + 8 == exec_layout.stack_top - 8,
	   "above them, eight zero bytes");
	ok(aux_text(AT_EXECFN, "./given") && aux_text(AT_PLATFORM, "x86_64") &&
	       !memcmp((void *)*aux_find(AT_RANDOM), BOOT->random, 16),
	   "auxv: name, platform, random bytes");
	ok(aux_is(AT_PAGESZ, 4096) && aux_is(AT_HWCAP, 0x11) &&
	       aux_is(AT_HWCAP2, 0x12) && aux_is(AT_CLKTCK, 100) &&
	       aux_is(51, 1776) && aux_is(AT_FLAGS, 0) &&
	       aux_is(AT_SECURE, 0) && aux_is(AT_UID, 1) &&
	       aux_is(AT_EUID, 2) && aux_is(AT_GID, 3) && aux_is(AT_EGID, 4),
	   "auxv: what az_boot says");
	ok(exec_layout.arg_start == sp[1] && exec_layout.arg_end == sp[5] &&
	       exec_layout.env_start == sp[5] &&
	       exec_layout.env_end == *aux_find(AT_EXECFN) &&
	       exec_layout.stack_start == frame.rsp,
	   "/proc/self can tell where they are");
}

static void test_registers(void)
{
	bool zero = true;

	for (uint64_t *p = &frame.r15; p < &frame.orig_rax; p++)
		zero &= *p == 0;
	ok(zero, "all registers are zero");
	ok(frame.rflags == 0x202 && frame.orig_rax == UINT64_MAX,
	   "flags and restart state are those of a start");
	ok(!strcmp(thread.name, "given"), "the thread has the program's name");
}

static void test_files(void)
{
	const Elf64_Ehdr *eh = (void *)AZ_WINDOW_BASE;
	uint64_t base = *aux_find(AT_BASE);
	const Elf64_Ehdr *ld = (void *)base;

	ok(!memcmp(eh->e_ident, ELFMAG, SELFMAG) &&
	       aux_is(AT_PHDR, AZ_WINDOW_BASE + eh->e_phoff) &&
	       aux_is(AT_PHNUM, eh->e_phnum) && aux_is(AT_PHENT, 56) &&
	       aux_is(AT_ENTRY, AZ_WINDOW_BASE + eh->e_entry),
	   "the program is where auxv says");
	ok(!memcmp(ld->e_ident, ELFMAG, SELFMAG) &&
	       frame.rip == base + ld->e_entry,
	   "its interpreter too, and that runs first");
	ok(brk_set == exec_layout.brk_start && brk_set % 4096 == 0 &&
	       brk_set >= exec_layout.data_end && !memory_ok(brk_set, 1),
	   "the heap starts behind the program");
	ok(aux_is(AT_SYSINFO_EHDR, exec_layout.vdso) &&
	       *(uint8_t *)exec_layout.vdso == 0xcc &&
	       *(uint64_t *)(exec_layout.vdso + VDSO_VVAR_SLOT) ==
		   (uint64_t)&clock_vvar,
	   "the vDSO knows where the clock is");
}

static uint64_t stack_size(void)
{
	for (int i = 0; i < nmaps; i++)
		if (maps[i].end == exec_layout.stack_top)
			return maps[i].end - maps[i].start;
	return 0;
}

static void test_stack_sizes(void)
{
	static char big[200000];
	char *many[] = { arg0, big, NULL };
	bool good;

	ok(stack_size() == 0x800000, "8 MiB of stack for a limit of 8 MiB");
	BOOT->rlimit[3].soft = UINT64_MAX;
	good = start("/proc/self/exe", args, envs) == 0;
	ok(good && stack_size() == 0x10000000, "256 MiB for no limit");
	memset(big, 'x', sizeof(big) - 1);
	BOOT->rlimit[3].soft = 4096;
	good = start("/proc/self/exe", many, envs) == 0;
	ok(good && stack_size() >= 0x20000 + sizeof(big) &&
	       !strcmp((char *)((uint64_t *)frame.rsp)[2], big) &&
	       frame.rsp - (exec_layout.stack_top - stack_size()) >= 0x20000,
	   "arguments larger than the limit still leave 128 KiB");
	BOOT->rlimit[3].soft = 0x800000;
	ok(start("/proc/self/exe", none, none) == 0 &&
	       *(uint64_t *)frame.rsp == 0 && frame.rsp % 16 == 0,
	   "no arguments and no environment");
}

/* --- files made up --- */

static char tmp[] = "/tmp/exec_test.XXXXXX";

static Elf64_Ehdr header(uint16_t type, uint64_t entry, uint16_t phnum)
{
	Elf64_Ehdr eh = { .e_type = type,
			  .e_machine = EM_X86_64,
			  .e_entry = entry,
			  .e_phoff = sizeof(eh),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = phnum };

	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	return eh;
}

static int start_bytes(const void *eh, const Elf64_Phdr *ph, int nph,
		       const void *data, size_t size, off_t off)
{
	int fd = open(tmp, O_RDWR | O_TRUNC | O_CLOEXEC);
	bool good = fd >= 0 && !fchmod(fd, 0755) &&
		    write(fd, eh, sizeof(Elf64_Ehdr)) > 0 &&
		    write(fd, ph, (size_t)nph * sizeof(*ph)) > 0 &&
		    pwrite(fd, data, size, off) == (ssize_t)size;

	close(fd);
	return good ? start(tmp, args, envs) : -1;
}

static void test_fixed(void)
{
	static uint8_t data[0x2000];
	Elf64_Ehdr eh = header(ET_EXEC, 0x400100, 2);
	Elf64_Phdr ph[] = { { .p_type = PT_LOAD,
			      .p_flags = PF_R | PF_X,
			      .p_vaddr = 0x400000,
			      .p_filesz = 0x1000,
			      .p_memsz = 0x1000 },
			    { .p_type = PT_LOAD,
			      .p_flags = PF_R | PF_W,
			      .p_offset = 0x1000,
			      .p_vaddr = 0x402000,
			      .p_filesz = 0x10,
			      .p_memsz = 0x2800 } };
	bool zero = true;
	int r;

	memset(data, 0x5a, sizeof(data));
	r = start_bytes(&eh, ph, 2, data, sizeof(data) - 0x200, 0x200);
	ok(r == 0 && frame.rip == 0x400100 && *aux_find(AT_BASE) == 0,
	   "a fixed-address program without interpreter is entered itself");
	if (r)
		printf("# %s\n", said);
	for (uint64_t a = 0x402010; a < 0x405000; a++)
		zero &= *(uint8_t *)a == 0;
	ok(zero && *(uint8_t *)0x40200f == 0x5a,
	   "zero from the end of the file's part to the page's end and on");
	ok(brk_set == 0x405000 && !memory_ok(0x401000, 1),
	   "pages between segments stay free");
	ph[0].p_flags = PF_R;
	ph[1].p_flags = PF_R;
	r = start_bytes(&eh, ph, 2, data, sizeof(data) - 0x200, 0x200);
	ok(r == 0 && *(uint8_t *)0x402010 == 0x5a,
	   "a read-only page's tail is left as on Linux");
}

static void refused(int r, int status, const char *text, const char *name)
{
	ok(r == status && strstr(said, text), name);
	if (r != status || !strstr(said, text))
		printf("# status %d, said: %s\n", r, said);
}

static void test_refused(void)
{
	static const char data[0x1000];
	static const char no_interp[] = "/nowhere/ld.so";
	static const char bad_interp[] = "/etc/passwd";
	static const char dir_interp[] = "/tmp";
	Elf64_Ehdr eh = header(ET_DYN, 0x200, 2);
	Elf64_Phdr ph[] = { { .p_type = PT_LOAD,
			      .p_flags = PF_R | PF_X,
			      .p_filesz = 0x1000,
			      .p_memsz = 0x1000 },
			    { .p_type = PT_INTERP,
			      .p_offset = 0x800,
			      .p_filesz = sizeof(no_interp) } };
	int fds = fd_count();

	ph[0].p_filesz = 0x800 + sizeof(no_interp);
	refused(start_bytes(&eh, ph, 2, no_interp, sizeof(no_interp), 0x800),
		127, "/nowhere/ld.so", "an interpreter that is not there");
	ph[0].p_filesz = 0x800 + sizeof(bad_interp);
	ph[1].p_filesz = sizeof(bad_interp);
	refused(start_bytes(&eh, ph, 2, bad_interp, sizeof(bad_interp), 0x800),
		126, "/etc/passwd", "an interpreter that is no program");
	ph[0].p_filesz = 0x800 + sizeof(dir_interp);
	ph[1].p_filesz = sizeof(dir_interp);
	refused(start_bytes(&eh, ph, 2, dir_interp, sizeof(dir_interp), 0x800),
		126, "not a regular file",
		"an interpreter that is a directory");
	ph[1].p_filesz = 3;
	refused(start_bytes(&eh, ph, 2, dir_interp, sizeof(dir_interp), 0x800),
		126, "does not end", "an interpreter's path without end");
	ph[0].p_filesz = 0x1000;
	refused(start_bytes(&eh, ph, 1, data, 0x100, 0x200), 126, "truncated",
		"a truncated program");
	eh = header(ET_EXEC, AZ_IMAGE_BASE + 0x200, 1);
	ph[0].p_vaddr = AZ_IMAGE_BASE;
	refused(start_bytes(&eh, ph, 1, data, sizeof(data), 0x200), 126,
		"does not have", "a program for the unikernel's addresses");
	eh = header(ET_EXEC, 0x200, 1);
	ph[0].p_vaddr = 0;
	refused(start_bytes(&eh, ph, 1, data, sizeof(data), 0x200), 126,
		"does not have", "a program for address 0");
	refused(start("/etc/passwd", args, envs), 126, "executable",
		"a file that is not executable");
	ok(fd_count() == fds, "no descriptor is left open");
}

/* Every mapping in turn is refused: always a message, never a crash. */
static void test_no_memory(void)
{
	int n, r = -1;
	bool good = true;

	for (n = 1; n < NMAPS; n++) {
		map_fails_at = n;
		r = start("/proc/self/exe", args, envs);
		if (r == 0)
			break;
		good &= r == 126 && strstr(said, "memory");
	}
	map_fails_at = 0;
	ok(good && r == 0 && n > 8, "each mapping that fails is reported");
}

int main(void)
{
	void *boot =
	    mmap((void *)AZ_BOOT_BASE, AZ_BOOT_MAX, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	int fd = mkstemp(tmp);

	if (boot != (void *)AZ_BOOT_BASE || fd < 0) {
		printf("1..0 # SKIP cannot map az_boot or make a file\n");
		return 0;
	}
	close(fd);
	BOOT->rlimit[3].soft = 0x800000;
	BOOT->hwcap = 0x11;
	BOOT->hwcap2 = 0x12;
	BOOT->clktck = 100;
	BOOT->minsigstksz = 1776;
	BOOT->uid = 1;
	BOOT->euid = 2;
	BOOT->gid = 3;
	BOOT->egid = 4;
	memset(BOOT->random, 0xa5, sizeof(BOOT->random));
	test_stack_image();
	test_registers();
	test_files();
	test_stack_sizes();
	test_fixed();
	test_refused();
	test_no_memory();
	unlink(tmp);
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
