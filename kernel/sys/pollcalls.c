/* SPDX-License-Identifier: MIT */
/*
 * pollcalls.c - waiting for descriptors with a signal mask of its own.
 *
 * Linux waits; the mask is the unikernel's business. As in Linux, descriptors
 * that are ready win over signals that the new mask lets through, so a call
 * that starts with one pending looks at the descriptors without waiting; so
 * does one that had not begun when the signal came (ERESTARTNOINTR).
 */
#include "calls.h"
#include "lib/errno.h"
#include "lib/user.h"
#include "sched/thread.h"
#include "sys/clockid.h"
#include "sys/sys.h"

#define POLLFD_SIZE      8
#define EPOLL_EVENT_SIZE 12
#define NSEC_PER_MSEC    1000000ULL

/* With more descriptors, a pending signal wins: select(2) rarely has them. */
#define SELECT_MAX  4096
#define SELECT_WORD 8 /* bytes; fd_set's unit */

static bool ended(long r)
{
	return r == -EINTR || r == -ERESTARTSYS || r == -ERESTARTNOHAND;
}

/* r of a call that is made again if no handler runs. */
static long finish(long r)
{
	if (ended(r))
		r = -ERESTARTNOHAND;
	sigmask_end_temp(ended(r));
	return r;
}

static int timeout_check(uint64_t uaddr)
{
	uint64_t ns;

	return uaddr ? timespec_load(uaddr, &ns) : 0;
}

/* --- ppoll --- */

static long poll_now(uint64_t fds, uint64_t n)
{
	if (n > AZ_GUEST_END / POLLFD_SIZE ||
	    !user_range_ok(fds, n * POLLFD_SIZE))
		return -EFAULT;
	return host_call(AZ_SYS_poll, fds, n, 0, 0, 0, 0);
}

long sys_ppoll(const uint64_t a[6])
{
	const uint64_t b[6] = { a[0], a[1], a[2] };
	int err = timeout_check(a[2]);
	long r;

	if (!err)
		err = sigmask_set_temp(a[3], a[4]);
	if (err)
		return err;
	do {
		if (signal_pending()) {
			r = poll_now(a[0], (uint32_t)a[1]);
			return finish(r ? r : -ERESTARTNOHAND);
		}
		r = offload(AZ_SYS_ppoll, b);
	} while (r == -ERESTARTNOINTR);
	return finish(r);
}

/* --- pselect6 --- */

/* The sets must be as they were if the call is made again: use copies. */
static long select_now(int n, const uint64_t sets[3])
{
	uint64_t copy[3][SELECT_MAX / 64];
	struct timeval64 now = { 0, 0 };
	uint64_t arg[3];
	size_t bytes;
	long r;

	if (n < 0)
		return -EINVAL;
	if (n > SELECT_MAX)
		return 0;
	bytes = ALIGN_UP((size_t)n, 64) / 64 * SELECT_WORD;
	for (int i = 0; i < 3; i++) {
		arg[i] = sets[i] ? (uint64_t)copy[i] : 0;
		if (sets[i] && copy_from_user(copy[i], sets[i], bytes))
			return -EFAULT;
	}
	r = host_call(AZ_SYS_select, (uint64_t)n, arg[0], arg[1], arg[2],
		      (uint64_t)&now, 0);
	for (int i = 0; i < 3 && r > 0; i++)
		if (sets[i] && copy_to_user(sets[i], copy[i], bytes))
			return -EFAULT;
	return r;
}

long sys_pselect6(const uint64_t a[6])
{
	const uint64_t b[6] = { a[0], a[1], a[2], a[3], a[4] };
	uint64_t pack[2] = { 0, 0 }; /* set and size */
	int err;
	long r;

	if (a[5] && copy_from_user(pack, a[5], sizeof(pack)))
		return -EFAULT;
	err = timeout_check(a[4]);
	if (!err)
		err = sigmask_set_temp(pack[0], pack[1]);
	if (err)
		return err;
	do {
		if (signal_pending()) {
			r = select_now((int)a[0], &a[1]);
			return finish(r ? r : -ERESTARTNOHAND);
		}
		r = offload(AZ_SYS_pselect6, b);
	} while (r == -ERESTARTNOINTR);
	return finish(r);
}

/* --- epoll_pwait --- */

static long epoll_now(const uint64_t a[6])
{
	int32_t max = (int32_t)a[2];

	if (max <= 0)
		return -EINVAL;
	if (!user_range_ok(a[1], (uint64_t)max * EPOLL_EVENT_SIZE))
		return -EFAULT;
	return host_call(AZ_SYS_epoll_wait, a[0], a[1], a[2], 0, 0, 0);
}

/* epoll_wait is never made again, signal(7). */
static long epoll_wait_masked(const uint64_t a[6], int32_t timeout)
{
	const uint64_t b[6] = { a[0], a[1], a[2], (uint64_t)timeout };
	long r;

	do {
		if (!timeout || signal_pending()) {
			r = epoll_now(a);
			if (!r && timeout)
				r = -EINTR;
			break;
		}
		r = offload(AZ_SYS_epoll_wait, b);
	} while (r == -ERESTARTNOINTR);
	if (ended(r))
		r = -EINTR;
	sigmask_end_temp(r == -EINTR);
	return r;
}

long sys_epoll_pwait(const uint64_t a[6])
{
	int err = sigmask_set_temp(a[4], a[5]);

	return err ? err : epoll_wait_masked(a, (int32_t)a[3]);
}

/* The timeout is rounded up to what epoll_wait can express. */
long sys_epoll_pwait2(const uint64_t a[6])
{
	uint64_t ns, ms;
	int32_t timeout = -1;
	int err;

	if (a[3]) {
		err = timespec_load(a[3], &ns);
		if (err)
			return err;
		ms = ns / NSEC_PER_MSEC + (ns % NSEC_PER_MSEC != 0);
		timeout = (int32_t)MIN(ms, (uint64_t)INT32_MAX);
	}
	err = sigmask_set_temp(a[4], a[5]);
	return err ? err : epoll_wait_masked(a, timeout);
}
