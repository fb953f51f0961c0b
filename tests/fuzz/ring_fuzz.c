/* SPDX-License-Identifier: MIT */
/*
 * ring_fuzz.c - hostile ring contents against host/offload/check*.c.
 *
 * Input: one struct az_call, a result, and what program memory holds (repeated
 * for ever, with holes). Whatever passes must not name the owner's memory or
 * descriptors, on the surface or nested, and the checker itself must not reach
 * beyond what the program may name.
 */
/* cflags: -idirafter kernel */
/* (<sys/...> is libc's here, not the unikernel's kernel/sys) */
/* links: host/offload/check_named.c host/offload/check_nested.c */
/* links: host/offload/guestmem.c */
#include "../../host/offload/check.c"

#include <malloc.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define HIDDEN_LO   4 /* small, to be hit often */
#define HIDDEN_HI   8
#define EXE_FD      6
#define NEAR_RIGHTS 0x40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	struct az_call call;
	int64_t result;
	uint8_t holes; /* one page in so many is not there; 0: all are */
	uint8_t near;  /* bit i: argument i is an address in reach, or close */
	/* and NEAR_RIGHTS: memory begins with descriptors to be sent */
};

static const uint8_t *memory;
static size_t memory_size;
static uint8_t holes;
static bool rights;
static struct checked_call c;

static void must(bool cond)
{
	if (!cond)
		abort();
}

/* The whole range is below the limit, whichever applies. */
static bool range_ok(uint64_t addr, uint64_t n)
{
	uint64_t limit =
	    c.internal ? AZ_HEAP_BASE + AZ_HEAP_SIZE : AZ_GUEST_END;

	return addr <= limit && n <= limit - addr;
}

static bool is_hole(uint64_t addr, size_t n)
{
	uint64_t last = (addr + n - 1) / AZ_PAGE_SIZE;

	if (addr < AZ_PAGE_SIZE)
		return true;
	for (uint64_t p = addr / AZ_PAGE_SIZE; holes && p <= last; p++)
		if (p % holes == 1)
			return true;
	return false;
}

static int fake_read(void *dst, uint64_t src, size_t n)
{
	struct cmsghdr h = { n, SOL_SOCKET, SCM_RIGHTS };

	must(range_ok(src, n));
	if (is_hole(src, n) || !memory_size)
		return -EFAULT;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)dst)[i] = memory[(src + i) % memory_size];
	if (rights && n >= sizeof(h) && n != sizeof(struct msghdr))
		memcpy(dst, &h, sizeof(h));
	return 0;
}

static int fake_write(uint64_t dst, const void *src, size_t n)
{
	uint8_t sum = 0;

	must(range_ok(dst, n));
	for (size_t i = 0; i < n; i++)
		sum |= ((const uint8_t *)src)[i];
	return is_hole(dst, n) || sum == 0xff ? -EFAULT : 0;
}

/* Copied by the checker: out of the program's reach. */
static bool is_copy(uint64_t addr, size_t n)
{
	uint64_t space = (uint64_t)c.space;

	if (addr >= space && addr - space < CHECK_SPACE)
		return addr + n <= space + CHECK_SPACE;
	for (struct check_chunk *k = c.chunks; k; k = k->next) {
		uint64_t base = (uint64_t)k->data;
		size_t room = malloc_usable_size(k) - sizeof(*k);

		if (addr >= base && addr - base < room)
			return addr + n <= base + room;
	}
	return false;
}

static bool addr_ok(uint64_t addr, uint64_t n)
{
	return n == 0 || addr >= 1ULL << 63 || range_ok(addr, n);
}

static bool fd_ok(uint64_t fd)
{
	uint32_t n = (uint32_t)fd;

	return n < HIDDEN_LO || n >= HIDDEN_HI || (c.internal && n == EXE_FD);
}

static void iov_must_be_ok(uint64_t addr, uint64_t n)
{
	const struct iovec *v = (const void *)addr;

	/* None, refused for their number, or in no process's reach. */
	if (!n || n > 1024 || addr >= 1ULL << 63)
		return;
	must(is_copy(addr, n * sizeof(*v)));
	for (uint64_t i = 0; i < n; i++) {
		uint64_t len = v[i].iov_len;

		must(addr_ok((uint64_t)v[i].iov_base,
			     len > 0x7ffff000 ? 0x7ffff000 : len));
	}
}

static void rights_must_be_ok(const struct msghdr *m)
{
	const uint8_t *p = m->msg_control;
	size_t at = 0, n = m->msg_controllen;

	/* As Linux's CMSG_OK and __CMSG_NXTHDR walk them. */
	while (at <= n && n - at >= sizeof(struct cmsghdr)) {
		struct cmsghdr h;
		uint32_t fd;

		memcpy(&h, p + at, sizeof(h));
		if (h.cmsg_len < sizeof(h) || h.cmsg_len > n - at)
			return;
		for (size_t i = sizeof(h); i + 4 <= h.cmsg_len; i += 4) {
			memcpy(&fd, p + at + i, 4);
			must(h.cmsg_level != SOL_SOCKET ||
			     h.cmsg_type != SCM_RIGHTS || fd_ok(fd));
		}
		at += (h.cmsg_len + 7) & ~7UL;
	}
}

static void header_must_be_ok(const struct msghdr *m, bool out)
{
	uint64_t control = (uint64_t)m->msg_control;
	uint64_t name_len = m->msg_namelen;

	must(addr_ok((uint64_t)m->msg_name, name_len > 128 ? 128 : name_len));
	iov_must_be_ok((uint64_t)m->msg_iov, m->msg_iovlen);
	if (out || !control || !m->msg_controllen || control >= 1ULL << 63) {
		must(control >= AZ_CORE_BASE || !m->msg_controllen ||
		     addr_ok(control, 1));
		return;
	}
	must(is_copy(control, m->msg_controllen));
	rights_must_be_ok(m);
}

static void messages_must_be_ok(uint64_t addr, size_t stride, uint64_t n,
				bool out)
{
	if (!n || addr >= 1ULL << 63)
		return;
	must(is_copy(addr, n * stride));
	for (uint64_t i = 0; i < n; i++)
		header_must_be_ok((const void *)(addr + i * stride), out);
}

/* What is counted, as Linux sees it. */
static uint64_t count_of(const struct az_call_desc *d, const struct az_arg *a)
{
	uint64_t n = c.arg[a->len];

	if (d->arg[a->len].kind == AZ_ARG_INT ||
	    d->arg[a->len].kind == AZ_ARG_UINT)
		return (uint32_t)n;
	return n > 0x7ffff000 ? 0x7ffff000 : n;
}

static void arg_must_be_ok(const struct az_call_desc *d, unsigned int i)
{
	const struct az_arg *a = &d->arg[i];
	uint64_t v = c.arg[i], n = a->size;

	switch (a->kind) {
	case AZ_ARG_FD:
	case AZ_ARG_DIRFD:
		must(fd_ok(v));
		break;
	case AZ_ARG_PATH:
	case AZ_ARG_STR:
	case AZ_ARG_OUT_LENPTR:
		must(addr_ok(v, 1));
		break;
	case AZ_ARG_IN:
	case AZ_ARG_OUT:
	case AZ_ARG_INOUT:
		n *= count_of(d, a);
		must(addr_ok(v, n) || is_copy(v, n));
		break;
	case AZ_ARG_STRUCT_IN:
	case AZ_ARG_STRUCT_OUT:
	case AZ_ARG_STRUCT_INOUT:
		must(addr_ok(v, n));
		break;
	case AZ_ARG_IOV_IN:
	case AZ_ARG_IOV_OUT:
		iov_must_be_ok(v, c.arg[a->len]);
		break;
	case AZ_ARG_MSG_IN:
	case AZ_ARG_MSG_OUT:
		messages_must_be_ok(v, sizeof(struct msghdr), 1,
				    a->kind == AZ_ARG_MSG_OUT);
		break;
	case AZ_ARG_MMSG_IN:
	case AZ_ARG_MMSG_OUT:
		messages_must_be_ok(v, sizeof(struct mmsghdr),
				    (uint32_t)c.arg[a->len],
				    a->kind == AZ_ARG_MMSG_OUT);
		break;
	case AZ_ARG_SIGMASK_PTR:
		must(!v || v >= 1ULL << 63 ||
		     (is_copy(v, 16) && addr_ok(*(const uint64_t *)v, 8)));
		break;
	}
}

/* The unikernel's own mappings stay off the owner. */
static void mapping_must_be_ok(void)
{
	switch (c.nr) {
	case AZ_SYS_mremap:
		must(range_ok(c.arg[0], c.arg[1]));
		must(!(c.arg[3] & 1) || (c.arg[3] & 2));
		must(range_ok(c.arg[3] & 2 ? c.arg[4] : c.arg[0], c.arg[2]));
		break;
	case AZ_SYS_mmap:
		must(c.arg[3] & 0x100010);
		/* fallthrough */
	case AZ_SYS_munmap:
	case AZ_SYS_mprotect:
	case AZ_SYS_madvise:
		must(c.internal && c.arg[0] && range_ok(c.arg[0], c.arg[1]));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct check_memory mem = { fake_read, fake_write };
	static const struct az_boot boot = { .fd_hidden_lo = HIDDEN_LO,
					     .fd_hidden_hi = HIDDEN_HI,
					     .exe_fd = EXE_FD };
	struct input in;

	if (size < sizeof(in))
		return -1;
	memcpy(&in, data, sizeof(in));
	memory = data + sizeof(in);
	memory_size = size - sizeof(in);
	holes = in.holes;
	rights = in.near & NEAR_RIGHTS;
	in.call.nr %= AZ_NR_CALLS + 8;
	for (int i = 0; i < 6; i++)
		if (in.near >> i & 1)
			in.call.arg[i] %= AZ_OWNER_BASE + AZ_PAGE_SIZE;
	check_init(&boot, &mem);
	if (check_call(&in.call, &c))
		return 0;
	must(c.nr == in.call.nr && c.total <= CHECK_MAX);
	for (unsigned int i = 0; i < calls[c.nr].nargs; i++)
		arg_must_be_ok(&calls[c.nr], i);
	mapping_must_be_ok();
	/* Linux reports no more messages than it was given. */
	if ((c.undo == CHECK_UNDO_MMSG_IN || c.undo == CHECK_UNDO_MMSG_OUT) &&
	    in.result > (int64_t)c.arg[2])
		in.result = (int64_t)c.arg[2];
	check_done(&c, in.result);
	return 0;
}
