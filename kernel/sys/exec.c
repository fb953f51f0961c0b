/* SPDX-License-Identifier: MIT */
/*
 * exec.c - loading a program and its interpreter.
 *
 * The files are hostile: lib/elf.c checks what they say, and what changes or
 * vanishes between that and the mapping ends the start with a message. As in
 * Linux's fs/binfmt_elf.c, segments are mapped in the file's order and later
 * ones replace earlier ones where they share a page.
 *
 * Runs before the first thread, on an empty address space: nothing to lock,
 * and nothing is undone on failure, for then the instance ends.
 */
#include "sys/exec.h"

#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "core.h"
#include "lib/elf.h"
#include "lib/string.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "sched/thread.h"
#include "sys/bundle.h"
#include "sys/exec_stack.h"
#include "sys/sys.h"
#include "vdso/vdso.h"

#define STATUS_NOEXEC   126
#define STATUS_NOTFOUND 127

/* Position-independent programs; the heap grows behind (mm/space.h). */
#define PIE_BASE AZ_WINDOW_BASE
/*
 * vDSO and main stack stand in the room above AZ_SHARED_END, where nothing else
 * is placed: what is below the stack stays unmapped, as a guard. The top is no
 * multiple of 2 MiB, so that the first touch brings in a page and no big one.
 */
#define VDSO_ADDR       (AZ_GUEST_END - 0x20000)
#define STACK_TOP       (AZ_GUEST_END - 0x40000)
#define STACK_MIN       0x20000ULL      /* beside arguments and environment */
#define STACK_UNLIMITED 0x10000000ULL   /* what "unlimited" gives */
#define STACK_MAX       0x8000000000ULL /* half of the room there is */
#define RLIMIT_STACK    3
#define FLAGS_START     0x202 /* IF, and the bit that is always 1 */

/* st_mode, inode(7) */
#define MODE_TYPE    0170000
#define MODE_REGULAR 0100000
#define MODE_EXEC    0111

/* In build/kernel/vdso_image.o. */
extern const char vdso_start[] __asm__("_binary_vdso_so_start");
extern const char vdso_end[] __asm__("_binary_vdso_so_end");

extern struct az_vvar clock_vvar;

/* A file to load. */
struct image {
	const char *path;
	int fd;
	uint64_t offset; /* of its first byte in what fd is open on */
	uint64_t size;
	uint64_t bias; /* added to the file's addresses */
	struct elf_info elf;
	char head[ELF_HEAD_SIZE];
};

/* All that is needed while loading: too large for a kernel stack. */
struct loader {
	struct image exe, interp;
	char interp_path[ELF_PATH_MAX];
};

static int fail(const struct image *im, const char *why)
{
	printk("%s: %s", im->path, why);
	return STATUS_NOEXEC;
}

/* A mapping or a read did not work: say what can be said of the reason. */
static int fail_errno(const struct image *im, const char *what, long err)
{
	if (err == -ENOMEM)
		printk("%s: not enough memory to %s: give the instance more "
		       "(-m)",
		       im->path, what);
	else
		printk("%s: cannot %s: error %ld", im->path, what, -err);
	return STATUS_NOEXEC;
}

/* --- reading --- */

static long read_at(const struct image *im, void *buf, uint64_t len,
		    uint64_t off)
{
	uint64_t done = 0;

	while (done < len) {
		long r = host_call(__NR_pread64, (uint64_t)im->fd,
				   (uint64_t)buf + done, len - done,
				   im->offset + off + done, 0, 0);

		if (r == -EINTR)
			continue;
		if (r < 0)
			return r;
		if (r == 0)
			break;
		done += (uint64_t)r;
	}
	return (long)done;
}

static int image_stat(struct image *im)
{
	struct stat st;
	long err;

	/* Part of a bundle: whoever made that has looked. */
	if (im->size)
		return 0;
	err =
	    host_call(__NR_fstat, (uint64_t)im->fd, (uint64_t)&st, 0, 0, 0, 0);
	if (err)
		return fail_errno(im, "look at it", err);
	if ((st.st_mode & MODE_TYPE) != MODE_REGULAR)
		return fail(im, "is not a regular file");
	if (!(st.st_mode & MODE_EXEC))
		return fail(im, "is not executable: chmod +x it");
	im->size = (uint64_t)st.st_size;
	return 0;
}

/* The header, and the program headers wherever they are. 0 or the status. */
static int image_parse(struct image *im)
{
	struct elf_info *e = &im->elf;
	long n, len;
	int err = image_stat(im);

	if (err)
		return err;
	n = read_at(im, im->head, sizeof(im->head), 0);
	if (n < 0)
		return fail_errno(im, "read it", n);
	err = elf_parse(im->head, (size_t)n, im->size, e);
	if (err == -ERANGE) {
		len = e->phnum * (long)ELF_PHDR_SIZE;
		n = read_at(im, im->head, (uint64_t)len, e->phoff);
		if (n != len)
			return fail(im, "its program headers cannot be read");
		err = elf_parse_phdrs(im->head, (size_t)n, im->size, e);
	}
	return err ? fail(im, e->why) : 0;
}

/* --- mapping --- */

static int prot_of(const struct elf_seg *s)
{
	return (s->flags & ELF_READ ? PROT_READ : 0) |
	       (s->flags & ELF_WRITE ? PROT_WRITE : 0) |
	       (s->flags & ELF_EXEC ? PROT_EXEC : 0);
}

/* The part that is in the file; *end: the page after it. */
static long map_file_part(const struct image *im, const struct elf_seg *s,
			  uint64_t *end)
{
	uint64_t start = ALIGN_DOWN(s->vaddr, AZ_PAGE_SIZE);
	uint64_t stop = s->vaddr + s->filesz;
	long r;

	*end = s->filesz ? ALIGN_UP(stop, AZ_PAGE_SIZE) : start;
	if (!s->filesz)
		return 0;
	r = mm_map(start + im->bias, *end - start, prot_of(s),
		   MAP_PRIVATE | MAP_FIXED, im->fd,
		   im->offset + ALIGN_DOWN(s->offset, AZ_PAGE_SIZE), 0);
	if (r < 0)
		return r;
	/* Linux does not zero the tail of a page it must not write, either. */
	if (s->memsz > s->filesz && (s->flags & ELF_WRITE))
		return zero_user(stop + im->bias, *end - stop);
	return 0;
}

/* The rest is writable whatever the header says: Linux's vm_brk_flags(). */
static long map_zero_part(const struct image *im, const struct elf_seg *s,
			  uint64_t start)
{
	uint64_t end = ALIGN_UP(s->vaddr + s->memsz, AZ_PAGE_SIZE);
	long r;

	if (end <= start)
		return 0;
	r = mm_map(start + im->bias, end - start,
		   PROT_READ | PROT_WRITE | (prot_of(s) & PROT_EXEC),
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0, 0);
	return r < 0 ? r : 0;
}

static bool range_free(uint64_t start, uint64_t end)
{
	struct vma_info v;

	return !mm_find(start, &v) || v.start >= end;
}

static int image_map(const struct image *im)
{
	const struct elf_info *e = &im->elf;
	uint64_t lo = e->lo + im->bias, hi = e->hi + im->bias;
	uint64_t end;

	/* Above AZ_SHARED_END are vDSO and stack. */
	if (lo < AZ_GUEST_MIN || hi > AZ_SHARED_END) {
		printk("%s: is linked for addresses %#lx-%#lx, which an "
		       "instance does not have",
		       im->path, lo, hi);
		return STATUS_NOEXEC;
	}
	if (!range_free(lo, hi))
		return fail(im, "is linked for addresses that are taken");
	for (uint32_t i = 0; i < e->nsegs; i++) {
		long err = map_file_part(im, &e->seg[i], &end);

		if (!err)
			err = map_zero_part(im, &e->seg[i], end);
		if (err)
			return fail_errno(im, "map it", err);
	}
	return 0;
}

/* --- the interpreter --- */

/* It is part of the same file as the program. */
static bool interp_bundled(struct loader *l)
{
	const struct az_bundle_entry *e = NULL;
	char path[VPATH_MAX] = "";

	if (!vpath_append(path, sizeof(path), l->interp_path) ||
	    bundle_find(path, true, &e) || !e || !e->size ||
	    e->offset % AZ_PAGE_SIZE)
		return false;
	if (!BOOT->exe_size) { /* after an exec, exe.fd is not the image */
		l->interp.fd = (int)bundle_standin(e, O_RDONLY | O_CLOEXEC);
		return l->interp.fd >= 0;
	}
	l->interp.fd = l->exe.fd;
	l->interp.offset = e->offset;
	l->interp.size = e->size;
	return true;
}

static int interp_open(struct loader *l)
{
	struct elf_info *e = &l->exe.elf;
	struct image *im = &l->interp;
	long r =
	    read_at(&l->exe, l->interp_path, e->interp_size, e->interp_off);

	if (r != (long)e->interp_size)
		return fail(&l->exe, "its interpreter's path cannot be read");
	if (elf_parse_interp(l->interp_path, e->interp_size, e))
		return fail(&l->exe, e->why);
	im->path = l->interp_path;
	if (bundle_here() && interp_bundled(l))
		return image_parse(im);
	r = host_call(__NR_openat, (uint64_t)AT_FDCWD, (uint64_t)im->path,
		      O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (r < 0) {
		printk("%s: its interpreter %s cannot be opened (error %ld): "
		       "install the C library it was built for",
		       l->exe.path, im->path, -r);
		return STATUS_NOTFOUND;
	}
	im->fd = (int)r;
	return image_parse(im);
}

/*
 * mm chooses where: the whole span is reserved to find room for it, and given
 * back; nobody else is there who could take it.
 */
static int interp_place(struct image *im)
{
	uint64_t align = im->elf.align;
	uint64_t span = im->elf.hi - im->elf.lo + align;
	long at = mm_map(0, span, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0, 0);

	if (at < 0)
		return fail_errno(im, "find room for it", at);
	mm_unmap((uint64_t)at, span);
	im->bias =
	    ALIGN_UP((uint64_t)at, align) - ALIGN_DOWN(im->elf.lo, align);
	return 0;
}

static int interp_load(struct loader *l)
{
	int status = interp_open(l);

	if (!status && l->interp.elf.dyn)
		status = interp_place(&l->interp);
	if (!status)
		status = image_map(&l->interp);
	if (l->interp.fd >= 0 && l->interp.fd != l->exe.fd)
		host_call(__NR_close, (uint64_t)l->interp.fd, 0, 0, 0, 0, 0);
	return status;
}

/* --- vDSO and stack --- */

static int map_vdso(const struct image *im)
{
	uint64_t size = (uint64_t)vdso_end - (uint64_t)vdso_start;
	uint64_t vvar = (uint64_t)&clock_vvar;
	long r = mm_map(VDSO_ADDR, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			0, VMA_VDSO);

	if (r < 0)
		return fail_errno(im, "map its vDSO", r);
	r = copy_to_user(VDSO_ADDR, vdso_start, size);
	if (!r)
		r = copy_to_user(VDSO_ADDR + VDSO_VVAR_SLOT, &vvar,
				 sizeof(vvar));
	if (!r)
		r = mm_protect(VDSO_ADDR, ALIGN_UP(size, AZ_PAGE_SIZE),
			       PROT_READ | PROT_EXEC);
	return r ? fail_errno(im, "map its vDSO", r) : 0;
}

static int map_stack(const struct image *im)
{
	uint64_t size = BOOT->rlimit[RLIMIT_STACK].soft;
	int prot = PROT_READ | PROT_WRITE;
	long r;

	if (size == UINT64_MAX)
		size = STACK_UNLIMITED;
	size = MIN(MAX(size, exec_stack_need() + STACK_MIN), STACK_MAX);
	size = ALIGN_UP(size, AZ_PAGE_SIZE);
	if (im->elf.stack == ELF_STACK_EXEC)
		prot |= PROT_EXEC;
	r = mm_map(STACK_TOP - size, size, prot,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE |
		       MAP_STACK | MAP_NORESERVE,
		   -1, 0, VMA_MAIN_STACK);
	return r < 0 ? fail_errno(im, "map its stack", r) : 0;
}

/* --- all of it --- */

/* As Linux counts them: what /proc/self/stat shows. */
static void layout_note(const struct image *im)
{
	struct exec_layout *x = &exec_layout;

	memset(x, 0, sizeof(*x));
	x->code_start = UINT64_MAX;
	for (uint32_t i = 0; i < im->elf.nsegs; i++) {
		const struct elf_seg *s = &im->elf.seg[i];
		uint64_t start = s->vaddr + im->bias;
		uint64_t end = start + s->filesz;

		if (s->flags & ELF_EXEC) {
			x->code_start = MIN(x->code_start, start);
			x->code_end = MAX(x->code_end, end);
		}
		x->data_start = MAX(x->data_start, start);
		x->data_end = MAX(x->data_end, end);
	}
	x->brk_start = im->elf.hi + im->bias;
	x->vdso = VDSO_ADDR;
}

static void thread_name(struct thread *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;

	memset(t->name, 0, sizeof(t->name));
	memcpy(t->name, base, strnlen(base, sizeof(t->name) - 1));
}

static int program_enter(struct thread *t, const struct loader *l)
{
	const struct elf_info *e = &l->exe.elf;
	struct exec_stack st = {
		.top = STACK_TOP,
		.phdr = e->phdr_vaddr + l->exe.bias,
		.phnum = e->phnum,
		.entry = e->entry + l->exe.bias,
		.vdso = VDSO_ADDR,
	};
	uint64_t rip = st.entry, sp;

	if (e->interp_size) {
		st.base = l->interp.bias;
		rip = l->interp.elf.entry + l->interp.bias;
	}
	if (exec_stack_build(&st, &sp))
		return fail(&l->exe, "its stack cannot be written");
	memset(t->frame, 0, sizeof(*t->frame));
	t->frame->orig_rax = UINT64_MAX; /* not in a call */
	t->frame->rip = rip;
	t->frame->rsp = sp;
	t->frame->rflags = FLAGS_START;
	t->fs = 0;
	thread_name(t, (const char *)BOOT + BOOT->exec_fn);
	return 0;
}

static int load(struct loader *l, struct thread *t)
{
	struct image *exe = &l->exe;
	int status = image_parse(exe);

	if (status)
		return status;
	if (exe->elf.dyn)
		exe->bias = PIE_BASE - ALIGN_DOWN(exe->elf.lo, exe->elf.align);
	status = image_map(exe);
	if (!status && exe->elf.interp_size)
		status = interp_load(l);
	if (!status)
		status = map_vdso(exe);
	if (!status)
		status = map_stack(exe);
	if (status)
		return status;
	mm_set_brk(exe->elf.hi + exe->bias);
	layout_note(exe);
	return program_enter(t, l);
}

int exec_start(struct thread *t)
{
	struct loader *l = kalloc_pages(sizeof(*l));
	int status;

	AZ_ASSERT(l);
	l->exe.path = (const char *)BOOT + BOOT->exe_path;
	l->exe.fd = BOOT->exe_fd;
	l->exe.offset = BOOT->exe_offset;
	l->exe.size = BOOT->exe_size;
	l->interp.fd = -1;
	status = load(l, t);
	host_call(__NR_close, (uint64_t)l->exe.fd, 0, 0, 0, 0, 0);
	kfree_pages(l, sizeof(*l));
	return status;
}
