/* SPDX-License-Identifier: MIT */
/*
 * nested.c - pointers inside what a call's arguments point to.
 *
 * For calls that the core makes itself. This is about errors, not about
 * protection: where the program is not trusted with the unikernel's memory,
 * calls go by ring, and the owner checks a copy (host/offload/check.c).
 */
#include "sys/nested.h"

#include <linux/uio.h>

#include "lib/user.h"

#define IOV_MAX  1024
#define USER_END 0x800000000000ULL

struct user_msghdr {
	uint64_t name;
	uint64_t namelen;
	uint64_t iov, iovlen;
	uint64_t control, controllen;
	uint64_t flags;
};

struct user_mmsghdr {
	struct user_msghdr hdr;
	uint64_t len;
};

static bool foreign(uint64_t addr)
{
	return addr >= AZ_GUEST_END && addr < USER_END;
}

static bool iov_ok(uint64_t addr, uint64_t n)
{
	for (uint64_t i = 0; i < MIN(n, IOV_MAX); i++) {
		struct iovec v;

		if (copy_from_user(&v, addr + i * sizeof(v), sizeof(v)))
			return true;
		if (v.iov_len && foreign((uint64_t)v.iov_base))
			return false;
	}
	return true;
}

static bool msg_ok(uint64_t addr)
{
	struct user_msghdr m;

	if (copy_from_user(&m, addr, sizeof(m)))
		return true;
	return !foreign(m.name) && !foreign(m.iov) && !foreign(m.control) &&
	       iov_ok(m.iov, m.iovlen);
}

static bool mmsg_ok(uint64_t addr, uint64_t n)
{
	for (uint64_t i = 0; i < MIN(n, IOV_MAX); i++)
		if (!msg_ok(addr + i * sizeof(struct user_mmsghdr)))
			return false;
	return true;
}

bool nested_ok(const struct az_call_desc *d, const uint64_t a[6])
{
	for (uint32_t i = 0; i < d->nargs; i++) {
		const struct az_arg *arg = &d->arg[i];

		switch (arg->kind) {
		case AZ_ARG_IOV_IN:
		case AZ_ARG_IOV_OUT:
			if (!iov_ok(a[i], a[arg->len]))
				return false;
			break;
		case AZ_ARG_MSG_IN:
		case AZ_ARG_MSG_OUT:
			if (!msg_ok(a[i]))
				return false;
			break;
		case AZ_ARG_MMSG_IN:
		case AZ_ARG_MMSG_OUT:
			if (!mmsg_ok(a[i], (uint32_t)a[arg->len]))
				return false;
			break;
		default:
			break;
		}
	}
	return true;
}
