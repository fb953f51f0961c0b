/* SPDX-License-Identifier: MIT */
/* inferior.c - the threads of the program, as the unikernel knows them. */
#include "gdb/inferior.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot.h"

#define THREADS_MAX    65536
#define STATE_IPC_BARE 5 /* kernel/sched/thread.h */

/* What context_switch has pushed, from the stack pointer up. */
struct parked {
	uint64_t r15, r14, r13, r12, rbx, rbp, rip;
};

/* XSAVE image: what XSTATE_BV says is not in it is as after a reset. */
#define X_MXCSR       24
#define X_LEGACY      512
#define BV_SSE        2U
#define MXCSR_DEFAULT 0x1f80U

struct az_image_header inferior_image;
struct az_debug inferior_debug;

static const struct gdb_target *target;
static struct gdb_thread *list;
static uint32_t count, room;

static bool get(uint64_t addr, void *out, size_t n)
{
	return target->read(addr, out, n) == (ssize_t)n;
}

uint64_t inferior_read_u64(uint64_t addr)
{
	uint64_t v;

	return get(addr, &v, sizeof(v)) ? v : 0;
}

void inferior_string(uint64_t addr, char *out, size_t max)
{
	size_t at = 0, n;

	while (at + 1 < max) {
		/* Up to the end of a page, behind which may be nothing. */
		n = AZ_PAGE_SIZE - (addr + at) % AZ_PAGE_SIZE;
		if (n > max - 1 - at)
			n = max - 1 - at;
		if (!get(addr + at, out + at, n))
			break;
		at += n;
		if (memchr(out + at - n, '\0', n))
			return;
	}
	out[at] = '\0';
}

static uint32_t read_u32(uint64_t addr)
{
	uint32_t v;

	return get(addr, &v, sizeof(v)) ? v : 0;
}

int inferior_init(const struct gdb_target *t, uint64_t header)
{
	target = t;
	count = 0;
	if (!get(header, &inferior_image, sizeof(inferior_image)))
		return -EFAULT;
	if (inferior_image.magic != AZ_IMAGE_MAGIC ||
	    inferior_image.version != AZ_IMAGE_VERSION ||
	    !get(inferior_image.debug, &inferior_debug, sizeof(inferior_debug)))
		return -ENOEXEC;
	return 0;
}

/* --- threads --- */

static struct gdb_thread *append(void)
{
	if (count == room) {
		uint32_t more = room ? 2 * room : 64;
		struct gdb_thread *p;

		if (more > THREADS_MAX)
			return NULL;
		p = reallocarray(list, more, sizeof(*list));
		if (!p)
			return NULL;
		list = p;
		room = more;
	}
	list[count] = (struct gdb_thread){ .core = -1 };
	return &list[count++];
}

static void look_at_threads(void)
{
	const struct az_debug *d = &inferior_debug;
	uint64_t link = inferior_read_u64(d->threads);

	while (link && link != d->threads) {
		struct gdb_thread *t = append();

		if (!t)
			return;
		t->addr = link - d->all;
		t->tid = read_u32(t->addr + d->tid);
		t->state = read_u32(t->addr + d->state);
		(void)get(t->addr + d->name, t->name, sizeof(t->name));
		t->name[sizeof(t->name) - 1] = '\0';
		link = inferior_read_u64(link);
	}
}

static void look_at_core(uint32_t i)
{
	uint64_t block = AZ_CORE_BASE + i * AZ_CORE_STRIDE;
	uint64_t current =
	    inferior_read_u64(block + inferior_debug.core_current);
	struct gdb_thread *t;

	for (uint32_t k = 0; k < count; k++)
		if (current && list[k].addr == current) {
			list[k].core = (int32_t)i;
			return;
		}
	t = append();
	if (!t)
		return;
	t->tid = CORE_TID + i;
	t->core = (int32_t)i;
	(void)snprintf(t->name, sizeof(t->name), "core %u", i);
}

void inferior_look(void)
{
	count = 0;
	look_at_threads();
	for (uint32_t i = 0; i < AZ_MAX_CORES; i++)
		if (target->up(i))
			look_at_core(i);
}

const struct gdb_thread *inferior_threads(uint32_t *n)
{
	*n = count;
	return list;
}

const struct gdb_thread *inferior_thread(uint32_t tid)
{
	for (uint32_t i = 0; i < count; i++)
		if (list[i].tid == tid)
			return &list[i];
	return NULL;
}

const struct gdb_thread *inferior_on_core(uint32_t core)
{
	for (uint32_t i = 0; i < count; i++)
		if (list[i].core == (int32_t)core)
			return &list[i];
	return NULL;
}

uint32_t inferior_tid_on(uint32_t core)
{
	uint64_t block = AZ_CORE_BASE + core * AZ_CORE_STRIDE;
	uint64_t current =
	    inferior_read_u64(block + inferior_debug.core_current);
	uint32_t tid = current ? read_u32(current + inferior_debug.tid) : 0;

	return tid ? tid : CORE_TID + core;
}

/* --- registers --- */

bool inferior_avx(void)
{
	return inferior_read_u64(AZ_BOOT_BASE +
				 offsetof(struct az_boot, xsave_mask)) &
	       4;
}

static bool frame_address(const struct gdb_thread *t, uint64_t *addr)
{
	*addr = t->addr ? inferior_read_u64(t->addr + inferior_debug.frame) : 0;
	return *addr != 0;
}

int inferior_frame(const struct gdb_thread *t, struct gdb_regs *r)
{
	struct az_frame f;
	uint64_t addr;

	if (!frame_address(t, &addr) || !get(addr, &f, sizeof(f)))
		return -EFAULT;
	regs_frame(r, &f);
	r->known |= REGS_KEPT | REGS_GENERAL;
	return 0;
}

int inferior_set_frame(const struct gdb_thread *t, const struct gdb_regs *r)
{
	struct az_frame f;
	uint64_t addr;

	if (!frame_address(t, &addr) || !get(addr, &f, sizeof(f)))
		return -EFAULT;
	regs_to_frame(&f, r);
	if (target->write(addr, &f, sizeof(f)) != (ssize_t)sizeof(f))
		return -EFAULT;
	return 0;
}

/* What kernel/sched/vector.c has saved: mxcsr and xmm. */
static void parked_vectors(const struct gdb_thread *t, struct gdb_regs *r)
{
	const struct az_debug *d = &inferior_debug;
	uint64_t image = inferior_read_u64(t->addr + d->xsave);
	uint32_t full = read_u32(t->addr + d->vector_full);
	uint32_t mxcsr = MXCSR_DEFAULT;
	uint64_t bv;

	if (!image || !get(image, r->xsave, X_LEGACY + sizeof(bv)))
		return;
	memcpy(&bv, r->xsave + X_LEGACY, sizeof(bv));
	if (full && !(bv & BV_SSE)) {
		memset(r->xsave, 0, X_LEGACY);
		memcpy(r->xsave + X_MXCSR, &mxcsr, sizeof(mxcsr));
	}
	r->known |= REGS_SSE;
}

int inferior_parked(const struct gdb_thread *t, struct gdb_regs *r)
{
	const struct az_debug *d = &inferior_debug;
	uint64_t ksp = inferior_read_u64(t->addr + d->ksp);
	struct parked p;

	memset(r, 0, sizeof(*r));
	if (t->state == STATE_IPC_BARE) {
		r->rip = inferior_read_u64(t->addr + d->ipc);
		r->rsp = inferior_read_u64(t->addr + d->ipc + 8);
		r->rbp = inferior_read_u64(t->addr + d->ipc + 16);
	} else if (get(ksp, &p, sizeof(p))) {
		r->r15 = p.r15, r->r14 = p.r14, r->r13 = p.r13;
		r->r12 = p.r12, r->rbx = p.rbx, r->rbp = p.rbp;
		r->rip = p.rip;
		r->rsp = ksp + sizeof(p);
	} else {
		return -EFAULT;
	}
	r->known = REGS_KEPT;
	r->fs_base = inferior_read_u64(t->addr + d->fs);
	r->gs_base =
	    AZ_CORE_BASE + read_u32(t->addr + d->core) * AZ_CORE_STRIDE;
	r->known |= REGS_BASES;
	parked_vectors(t, r);
	return 0;
}

/* --- program --- */

size_t inferior_auxv(void *out, size_t max)
{
	size_t n = read_u32(inferior_debug.auxv_words) * sizeof(uint64_t);

	if (n > max || !get(inferior_debug.auxv, out, n))
		return 0;
	return n;
}

bool inferior_path(char *out, size_t max)
{
	uint32_t at =
	    read_u32(AZ_BOOT_BASE + offsetof(struct az_boot, exe_path));

	inferior_string(AZ_BOOT_BASE + at, out, max);
	return out[0] == '/';
}
