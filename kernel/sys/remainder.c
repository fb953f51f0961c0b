/* SPDX-License-Identifier: MIT */
/*
 * remainder.c - finishing what a kick has cut short.
 *
 * Linux ends a write that waits for room in a pipe or socket when a signal
 * arrives, and a kick is one on platform pico; the program must not see that.
 * Only calls that Linux would have gone on with are here: reads end with what
 * there is in any case, but for MSG_WAITALL.
 */
#include "sys/remainder.h"

#include <linux/uio.h>

#include "calls.h"
#include "lib/string.h"
#include "lib/user.h"

#define IOV_MAX     1024
#define MSG_WAITALL 0x100

struct user_msghdr {
	uint64_t name;
	uint64_t namelen;
	uint64_t iov, iovlen;
};

/* One buffer: where its address and length are among the arguments. */
static long finish_buffer(uint32_t nr, const uint64_t args[6], long done,
			  int offset_arg)
{
	uint64_t a[6];

	memcpy(a, args, sizeof(a));
	while ((uint64_t)done < args[2]) {
		long r;

		a[1] = args[1] + (uint64_t)done;
		a[2] = args[2] - (uint64_t)done;
		if (offset_arg)
			a[offset_arg] = args[offset_arg] + (uint64_t)done;
		r = ring_offload(nr, a);
		if (r <= 0)
			break;
		done += r;
	}
	return done;
}

/* The buffers of an iovec, each by a call of its own, from byte `done` on. */
static long finish_iov(uint64_t iov, uint64_t n, long done, uint32_t nr,
		       uint64_t fd, uint64_t flags)
{
	uint64_t skip = (uint64_t)done;

	for (uint64_t i = 0; i < MIN(n, IOV_MAX); i++) {
		uint64_t a[6] = { fd, 0, 0, flags, 0, 0 };
		uint64_t before = skip;
		struct iovec v;
		long r;

		if (copy_from_user(&v, iov + i * sizeof(v), sizeof(v)))
			break;
		if (skip >= v.iov_len) {
			skip -= v.iov_len;
			continue;
		}
		skip = 0;
		a[1] = (uint64_t)v.iov_base;
		a[2] = v.iov_len;
		r = finish_buffer(nr, a, (long)before, 0);
		done += r - (long)before;
		if ((uint64_t)r < v.iov_len)
			break;
	}
	return done;
}

static long finish_sendfile(const uint64_t args[6], long done)
{
	uint64_t a[6];

	memcpy(a, args, sizeof(a));
	while ((uint64_t)done < args[3]) {
		long r;

		a[3] = args[3] - (uint64_t)done;
		r = ring_offload(AZ_SYS_sendfile, a);
		if (r <= 0)
			break;
		done += r;
	}
	return done;
}

static long finish_sendmsg(const uint64_t a[6], long done)
{
	struct user_msghdr m;

	if (copy_from_user(&m, a[1], sizeof(m)))
		return done;
	return finish_iov(m.iov, m.iovlen, done, AZ_SYS_sendto, a[0], a[2]);
}

long remainder_finish(uint32_t nr, const uint64_t a[6], long done)
{
	switch (nr) {
	case AZ_SYS_write:
	case AZ_SYS_sendto:
		return finish_buffer(nr, a, done, 0);
	case AZ_SYS_pwrite64:
		return finish_buffer(nr, a, done, 3);
	case AZ_SYS_recvfrom:
		return a[3] & MSG_WAITALL ? finish_buffer(nr, a, done, 0)
					  : done;
	case AZ_SYS_writev:
		return finish_iov(a[1], a[2], done, AZ_SYS_write, a[0], 0);
	case AZ_SYS_sendmsg:
		return finish_sendmsg(a, done);
	case AZ_SYS_sendfile:
		return finish_sendfile(a, done);
	default:
		return done;
	}
}
