/* SPDX-License-Identifier: MIT */
/*
 * check.c - calls out of a ring: number, class, and arguments by the table.
 *
 * The ring and all program memory are written by the program while this runs:
 * what decides anything is copied once, and the copy is what Linux gets.
 * check_env is set before the first call and constant afterwards, but for
 * exe_fd, which a close takes away.
 */
#include "offload/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "offload/check_private.h"

struct check_chunk {
	struct check_chunk *next;
	_Alignas(16) uint8_t data[];
};

#define DESC_ENTRY(nr, name, class, attrs, nargs, a0, a1, a2, a3, a4, a5) \
	[nr] = { #name, class, attrs, nargs, 0, { a0, a1, a2, a3, a4, a5 } },
static const struct az_call_desc calls[AZ_NR_CALLS] = { AZ_CALLS(DESC_ENTRY) };

long (*checked_by_plat)(const struct checked_call *c);

struct check_env check_env = {
	.exe_fd = -1,
	.mem_fd = -1,
	.trace_fd = -1,
	.mem = { guestmem_read, guestmem_write },
};

int check_init(const struct az_boot *boot, const struct check_memory *mem)
{
	check_env.fd_lo = boot->fd_hidden_lo;
	check_env.fd_hi = boot->fd_hidden_hi;
	check_env.exe_fd = boot->exe_fd;
	check_env.mem_fd = boot->mem_fd;
	check_env.trace_fd = boot->trace_fd;
	check_env.guarded = boot->plat == AZ_PLAT_KVM;
	if (mem) {
		check_env.mem = *mem;
		return 0;
	}
	return guestmem_init(boot->fd_hidden_lo, boot->fd_hidden_hi);
}

int check_peek(void *dst, uint64_t src, size_t n)
{
	if (src >= AZ_OWNER_BASE || n > AZ_OWNER_BASE - src)
		return -EFAULT;
	return check_env.mem.read(dst, src, n);
}

bool check_range(const struct checked_call *c, uint64_t addr, uint64_t len)
{
	uint64_t limit = check_limit(c);

	return addr <= limit && len <= limit - addr;
}

uint64_t check_addr(const struct checked_call *c, uint64_t addr, uint64_t len)
{
	/* Linux moves nothing, and may tell one such address from another. */
	if (!len)
		return addr;
	return check_range(c, addr, len) ? addr : CHECK_BAD_ADDR;
}

uint64_t check_word(const struct checked_call *c, uint64_t word)
{
	if (word >= check_limit(c) && word < CHECK_BAD_ADDR)
		return CHECK_BAD_ADDR;
	return word;
}

/* The unikernel rewrites the program's text: through the owner, see mem_fd. */
static bool writes_text(const struct checked_call *c)
{
	uint64_t len = c->arg[2], at = c->arg[3];

	return c->nr == AZ_SYS_pwrite64 && at >= AZ_GUEST_MIN &&
	       at <= AZ_GUEST_END && len <= AZ_GUEST_END - at;
}

bool check_fd_hidden(const struct checked_call *c, uint64_t fd)
{
	uint32_t n = (uint32_t)fd;

	if (n < check_env.fd_lo || n >= check_env.fd_hi)
		return false;
	if (!c->internal)
		return true;
	if ((int32_t)n == check_env.mem_fd)
		return !writes_text(c);
	if ((int32_t)n == check_env.trace_fd)
		return c->nr != AZ_SYS_write;
	return (int32_t)n !=
	       __atomic_load_n(&check_env.exe_fd, __ATOMIC_RELAXED);
}

uint64_t check_fd(const struct checked_call *c, uint64_t fd)
{
	return check_fd_hidden(c, fd) ? CHECK_BAD_FD : fd;
}

void *check_alloc(struct checked_call *c, size_t n)
{
	struct check_chunk *chunk;
	void *p;

	if (n > CHECK_MAX - 15)
		return NULL;
	n = (n + 15) & ~15UL;
	if (n > CHECK_MAX - c->total)
		return NULL;
	if (n <= CHECK_SPACE - c->used) {
		p = c->space + c->used;
		c->used += (uint32_t)n;
		c->total += (uint32_t)n;
		return p;
	}
	chunk = malloc(sizeof(*chunk) + n);
	if (!chunk)
		return NULL;
	c->total += (uint32_t)n;
	chunk->next = c->chunks;
	c->chunks = chunk;
	return chunk->data;
}

void *check_copy(struct checked_call *c, uint64_t src, size_t n, int *err)
{
	void *p;

	*err = -EFAULT;
	if (!check_range(c, src, n))
		return NULL;
	p = check_alloc(c, n);
	*err = p ? check_env.mem.read(p, src, n) : -ENOMEM;
	return *err ? NULL : p;
}

static void chunks_free(struct checked_call *c)
{
	while (c->chunks) {
		struct check_chunk *next = c->chunks->next;

		free(c->chunks);
		c->chunks = next;
	}
}

/* How many bytes a counted argument has, at most. */
static uint64_t buffer_bytes(const struct checked_call *c,
			     const struct az_call_desc *d,
			     const struct az_arg *a)
{
	uint64_t n = c->arg[a->len];

	switch (d->arg[a->len].kind) {
	case AZ_ARG_INT:
	case AZ_ARG_UINT:
		n = (uint32_t)n;
		break;
	default:
		if (n > CHECK_MAX_COUNT)
			n = CHECK_MAX_COUNT;
	}
	return n * a->size;
}

/* Arguments that need no copy: the value that Linux is to get. */
static uint64_t check_plain(const struct checked_call *c,
			    const struct az_call_desc *d, unsigned int i)
{
	const struct az_arg *a = &d->arg[i];
	uint64_t v = c->arg[i];

	switch (a->kind) {
	case AZ_ARG_FD:
	case AZ_ARG_DIRFD:
		return check_fd(c, v);
	case AZ_ARG_PATH:
	case AZ_ARG_STR:
	case AZ_ARG_STRVEC:
	case AZ_ARG_OUT_LENPTR:
		return check_addr(c, v, 1);
	case AZ_ARG_IN:
	case AZ_ARG_OUT:
	case AZ_ARG_INOUT:
		return check_addr(c, v, buffer_bytes(c, d, a));
	case AZ_ARG_STRUCT_IN:
	case AZ_ARG_STRUCT_OUT:
	case AZ_ARG_STRUCT_INOUT:
		return check_addr(c, v, a->size);
	case AZ_ARG_SPECIAL:
		return check_is_number(c, i) ? v : check_word(c, v);
	default:
		return v;
	}
}

static int check_arg(struct checked_call *c, const struct az_call_desc *d,
		     unsigned int i)
{
	const struct az_arg *a = &d->arg[i];

	switch (a->kind) {
	case AZ_ARG_IOV_IN:
	case AZ_ARG_IOV_OUT:
		return check_iov(c, i, c->arg[a->len]);
	case AZ_ARG_MSG_IN:
	case AZ_ARG_MSG_OUT:
		return check_msg(c, i, a->kind == AZ_ARG_MSG_OUT);
	case AZ_ARG_MMSG_IN:
	case AZ_ARG_MMSG_OUT:
		return check_mmsg(c, i, a->len, a->kind == AZ_ARG_MMSG_OUT);
	case AZ_ARG_SIGMASK_PTR:
		return check_sigmask(c, i);
	case AZ_ARG_FDSET:
		return check_fdset(c, i, (int)c->arg[a->len]);
	case AZ_ARG_INOUT:
		if (a->fmt == AZ_FMT_POLLFD)
			return check_poll(c, i, (uint32_t)c->arg[a->len]);
		break;
	}
	c->arg[i] = check_plain(c, d, i);
	return 0;
}

static uint32_t call_takes(uint32_t nr)
{
	switch (nr) {
	case AZ_SYS_mmap:
	case AZ_SYS_munmap:
	case AZ_SYS_mprotect:
	case AZ_SYS_mremap:
	case AZ_SYS_shmat:
	case AZ_SYS_shmdt:
		return CHECK_TAKES_MEMORY;
	case AZ_SYS_close:
	case AZ_SYS_close_range:
	case AZ_SYS_dup2:
	case AZ_SYS_dup3:
		return CHECK_TAKES_FD;
	default:
		return 0;
	}
}

static int check_class(struct checked_call *c, const struct az_call_desc *d)
{
	if (d->class == AZ_CLASS_OFFLOAD || (d->attrs & AZ_ATTR_HOST))
		return 0;
	if (c->internal)
		return check_internal(c);
	return d->class == AZ_CLASS_DENY ? -EPERM : -ENOSYS;
}

int check_call(const struct az_call *in, struct checked_call *out)
{
	const struct az_call_desc *d;
	int err;

	out->nr = __atomic_load_n(&in->nr, __ATOMIC_RELAXED);
	out->flags = __atomic_load_n(&in->flags, __ATOMIC_RELAXED);
	for (int i = 0; i < 6; i++)
		out->arg[i] = __atomic_load_n(&in->arg[i], __ATOMIC_RELAXED);
	out->internal = out->flags & AZ_CALL_INTERNAL;
	out->undo = CHECK_UNDO_NONE;
	out->used = out->total = 0;
	out->chunks = NULL;
	if (out->nr >= AZ_NR_CALLS)
		return -ENOSYS;
	d = &calls[out->nr];
	out->attrs = d->attrs;
	out->takes = call_takes(out->nr);
	err = check_class(out, d);
	for (unsigned int i = 0; !err && i < d->nargs; i++)
		err = check_arg(out, d, i);
	if (!err)
		err = check_named(out);
	if (err)
		chunks_free(out);
	return err;
}

const struct az_call_desc *check_desc(uint32_t nr)
{
	return nr < AZ_NR_CALLS && calls[nr].name ? &calls[nr] : NULL;
}

long check_done(struct checked_call *c, long result)
{
	switch (c->undo) {
	case CHECK_UNDO_NONE:
		break;
	case CHECK_UNDO_EXE_CLOSE:
		__atomic_store_n(&check_env.exe_fd, -1, __ATOMIC_RELAXED);
		break;
	default:
		result = check_undo_msg(c, result);
	}
	chunks_free(c);
	return result;
}
