/* SPDX-License-Identifier: MIT */
/*
 * files.c - calls on paths that may be virtual, and on descriptors that may
 * be the owner's.
 *
 * Linux does all the work; what is changed here is only what it is asked. The
 * owner's descriptors lie in [fd_hidden_lo, fd_hidden_hi) and answer EBADF.
 * No state, no locks.
 */
#include "sys/files.h"

#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/membarrier.h>
#include <linux/openat2.h>

#include "calls.h"
#include "lib/string.h"
#include "lib/user.h"
#include "sched/thread.h"
#include "sys/procfs.h"
#include "sys/sys.h"
#include "sys/vpath.h"

#define STAT_SIZE   144 /* struct stat, <asm/stat.h> */
#define STATX_SIZE  256
#define RUSAGE_SIZE 144

/* Those of membarrier's commands that are no questions. */
#define MEMBARRIERS                                                \
	(MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED | \
	 MEMBARRIER_CMD_PRIVATE_EXPEDITED |                        \
	 MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE |              \
	 MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ)

/* --- open --- */

/* nr, a: the call as the program made it. */
static long open_path(uint32_t nr, const uint64_t a[6], int dirfd,
		      uint64_t upath, uint64_t flags, uint64_t mode)
{
	struct vpath v;
	int err;

	if (dirfd != AT_FDCWD && fd_hidden((uint32_t)dirfd))
		return -EBADF;
	err = vpath_find(&v, dirfd, upath, !(flags & O_NOFOLLOW));
	if (err)
		return err;
	if (likely(v.kind == VPATH_HOST))
		return offload(nr, a);
	return procfs_open(&v, flags, mode);
}

long sys_open(const uint64_t a[6])
{
	return open_path(AZ_SYS_open, a, AT_FDCWD, a[0], (uint32_t)a[1], a[2]);
}

long sys_openat(const uint64_t a[6])
{
	return open_path(AZ_SYS_openat, a, (int)a[0], a[1], (uint32_t)a[2],
			 a[3]);
}

long sys_openat2(const uint64_t a[6])
{
	struct open_how how;

	/* Linux says what is wrong with these, and keeps to its own tree. */
	if (a[3] < sizeof(how) || copy_from_user(&how, a[2], sizeof(how)) ||
	    how.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
		return offload(AZ_SYS_openat2, a);
	return open_path(AZ_SYS_openat2, a, (int)a[0], a[1], how.flags,
			 how.mode);
}

/* --- stat --- */

/*
 * What Linux says of v's host path, by a call whose third or fifth argument
 * is the result, copied out to ubuf.
 */
static long stat_host(const struct vpath *v, uint64_t ubuf, uint64_t flags)
{
	char st[STAT_SIZE];
	long r = host_call(AZ_SYS_newfstatat, (uint64_t)AT_FDCWD,
			   (uint64_t)v->host, (uint64_t)st, flags, 0, 0);

	return r ? r : copy_to_user(ubuf, st, sizeof(st));
}

static long stat_path(uint32_t nr, const uint64_t a[6], int dirfd,
		      uint64_t upath, uint64_t ubuf, uint64_t flags)
{
	struct vpath v;
	int err = vpath_find(&v, dirfd, upath, !(flags & AT_SYMLINK_NOFOLLOW));

	if (!err && !user_range_ok(ubuf, STAT_SIZE))
		err = -EFAULT;
	if (err)
		return err;
	if (likely(v.kind == VPATH_HOST))
		return offload(nr, a);
	return stat_host(&v, ubuf, flags);
}

long sys_stat(const uint64_t a[6])
{
	return stat_path(AZ_SYS_stat, a, AT_FDCWD, a[0], a[1], 0);
}

long sys_lstat(const uint64_t a[6])
{
	return stat_path(AZ_SYS_lstat, a, AT_FDCWD, a[0], a[1],
			 AT_SYMLINK_NOFOLLOW);
}

long sys_newfstatat(const uint64_t a[6])
{
	if ((int)a[0] != AT_FDCWD && fd_hidden(a[0]))
		return -EBADF;
	return stat_path(AZ_SYS_newfstatat, a, (int)a[0], a[1], a[2],
			 (uint32_t)a[3]);
}

long sys_statx(const uint64_t a[6])
{
	struct vpath v;
	char stx[STATX_SIZE];
	long r;

	if ((int)a[0] != AT_FDCWD && fd_hidden(a[0]))
		return -EBADF;
	r = vpath_find(&v, (int)a[0], a[1], !(a[2] & AT_SYMLINK_NOFOLLOW));
	if (!r && !user_range_ok(a[4], STATX_SIZE))
		r = -EFAULT;
	if (r)
		return r;
	if (likely(v.kind == VPATH_HOST))
		return offload(AZ_SYS_statx, a);
	r = host_call(AZ_SYS_statx, (uint64_t)AT_FDCWD, (uint64_t)v.host,
		      (uint32_t)a[2], (uint32_t)a[3], (uint64_t)stx, 0);
	return r ? r : copy_to_user(a[4], stx, sizeof(stx));
}

/* --- access --- */

static long access_path(uint32_t nr, const uint64_t a[6], int dirfd,
			uint64_t upath, uint64_t mode, uint64_t flags)
{
	struct vpath v;
	int err;

	if (dirfd != AT_FDCWD && fd_hidden((uint32_t)dirfd))
		return -EBADF;
	err = vpath_find(&v, dirfd, upath, !(flags & AT_SYMLINK_NOFOLLOW));
	if (err)
		return err;
	if (likely(v.kind == VPATH_HOST))
		return offload(nr, a);
	if (!flags)
		return host_call(AZ_SYS_faccessat, (uint64_t)AT_FDCWD,
				 (uint64_t)v.host, mode, 0, 0, 0);
	return host_call(AZ_SYS_faccessat2, (uint64_t)AT_FDCWD,
			 (uint64_t)v.host, mode, flags, 0, 0);
}

long sys_access(const uint64_t a[6])
{
	return access_path(AZ_SYS_access, a, AT_FDCWD, a[0], (uint32_t)a[1], 0);
}

long sys_faccessat(const uint64_t a[6])
{
	return access_path(AZ_SYS_faccessat, a, (int)a[0], a[1], (uint32_t)a[2],
			   0);
}

long sys_faccessat2(const uint64_t a[6])
{
	return access_path(AZ_SYS_faccessat2, a, (int)a[0], a[1],
			   (uint32_t)a[2], (uint32_t)a[3]);
}

/* --- readlink --- */

static long give_link(uint64_t ubuf, int size, const char *s, size_t len)
{
	len = MIN(len, (size_t)size);
	return copy_to_user(ubuf, s, len) ? -EFAULT : (long)len;
}

static long link_made(const struct vpath *v, uint64_t ubuf, int size)
{
	struct text t = TEXT_EMPTY;
	long r = v->file->make(&t, v);

	if (!r)
		r = t.failed ? -ENOMEM : give_link(ubuf, size, t.buf, t.len);
	text_free(&t);
	return r;
}

static long link_host(const struct vpath *v, uint64_t ubuf, int size)
{
	char target[VPATH_MAX];
	long n =
	    host_call(AZ_SYS_readlinkat, (uint64_t)AT_FDCWD, (uint64_t)v->host,
		      (uint64_t)target, sizeof(target), 0, 0);

	return n < 0 ? n : give_link(ubuf, size, target, (size_t)n);
}

static long readlink_path(uint32_t nr, const uint64_t a[6], int dirfd,
			  uint64_t upath, uint64_t ubuf, int size)
{
	struct vpath v;
	int err;

	if (dirfd != AT_FDCWD && fd_hidden((uint32_t)dirfd))
		return -EBADF;
	err = vpath_find(&v, dirfd, upath, false);
	if (!err && size > 0 && !user_range_ok(ubuf, (uint64_t)size))
		err = -EFAULT;
	if (err)
		return err;
	if (likely(v.kind == VPATH_HOST))
		return offload(nr, a);
	if (size <= 0)
		return -EINVAL;
	if (v.kind == VPATH_LINK)
		return link_made(&v, ubuf, size);
	return v.kind == VPATH_FILE ? -EINVAL : link_host(&v, ubuf, size);
}

long sys_readlink(const uint64_t a[6])
{
	return readlink_path(AZ_SYS_readlink, a, AT_FDCWD, a[0], a[1],
			     (int)a[2]);
}

long sys_readlinkat(const uint64_t a[6])
{
	return readlink_path(AZ_SYS_readlinkat, a, (int)a[0], a[1], a[2],
			     (int)a[3]);
}

/* --- descriptors --- */

/*
 * Not interruptible: a close that a signal kept from beginning would look to
 * the program like one that Linux had done.
 */
long sys_close(const uint64_t a[6])
{
	uint32_t fd = (uint32_t)a[0];

	if (fd_hidden(fd))
		return -EBADF;
	procfs_comm_sync(fd, fd);
	return host_call(AZ_SYS_close, fd, 0, 0, 0, 0, 0);
}

static long close_part(uint64_t first, uint64_t last, uint64_t flags)
{
	const uint64_t a[6] = { first, last, flags };

	return first > last ? 0 : offload(AZ_SYS_close_range, a);
}

/*
 * A thread cannot have a descriptor table of its own. With one thread there
 * is nobody to share it with, and CLOSE_RANGE_UNSHARE changes nothing.
 */
long sys_close_range(const uint64_t a[6])
{
	uint64_t first = (uint32_t)a[0];
	uint64_t last = (uint32_t)a[1];
	uint64_t flags = (uint32_t)a[2];
	long r;

	if (first > last ||
	    flags & ~(uint64_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE &&
	    __atomic_load_n(&thread_count, __ATOMIC_RELAXED) > 1)
		return -EINVAL;
	flags &= ~(uint64_t)CLOSE_RANGE_UNSHARE;
	if (!flags)
		procfs_comm_sync(first, last);
	if (last < BOOT->fd_hidden_lo || first >= BOOT->fd_hidden_hi)
		return close_part(first, last, flags);
	/* lo is above 0, as the program has its own descriptors below. */
	r = close_part(first, (uint64_t)BOOT->fd_hidden_lo - 1, flags);
	return r ? r : close_part(BOOT->fd_hidden_hi, last, flags);
}

static long dup_to(uint32_t nr, const uint64_t a[6])
{
	if (fd_hidden(a[0]) || fd_hidden(a[1]))
		return -EBADF;
	if ((uint32_t)a[0] != (uint32_t)a[1])
		procfs_comm_sync((uint32_t)a[1], (uint32_t)a[1]);
	return offload(nr, a);
}

long sys_dup2(const uint64_t a[6])
{
	return dup_to(AZ_SYS_dup2, a);
}

long sys_dup3(const uint64_t a[6])
{
	return dup_to(AZ_SYS_dup3, a);
}

/* Duplicates that the program asks for by a lower bound: not in the hole. */
static long dup_above(const uint64_t a[6])
{
	uint64_t b[6];

	memcpy(b, a, sizeof(b));
	if (fd_hidden(b[2]))
		b[2] = BOOT->fd_hidden_hi;
	return offload(AZ_SYS_fcntl, b);
}

/* A thread as the receiver of SIGIO: the owner does not know its id. */
static long set_owner_ex(const uint64_t a[6])
{
	struct {
		int32_t type, pid;
	} who;

	if (copy_from_user(&who, a[2], sizeof(who)))
		return -EFAULT;
	if (who.type != F_OWNER_TID || who.pid == (int32_t)BOOT->pid ||
	    !vpath_own_tid((uint32_t)who.pid))
		return offload(AZ_SYS_fcntl, a);
	return -EINVAL;
}

long sys_fcntl(const uint64_t a[6])
{
	if (fd_hidden(a[0]))
		return -EBADF;
	switch ((uint32_t)a[1]) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return dup_above(a);
	case F_SETOWN_EX:
		return set_owner_ex(a);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		if (!user_range_ok(a[2], sizeof(struct flock)))
			return -EFAULT;
		break;
	case F_GETOWN_EX:
	case F_GET_RW_HINT:
	case F_SET_RW_HINT:
	case F_GET_FILE_RW_HINT:
	case F_SET_FILE_RW_HINT:
		if (!user_range_ok(a[2], sizeof(uint64_t)))
			return -EFAULT;
		break;
	}
	return offload(AZ_SYS_fcntl, a);
}

long sys_ioctl(const uint64_t a[6])
{
	return fd_hidden(a[0]) ? -EBADF : offload(AZ_SYS_ioctl, a);
}

/* --- what concerns the whole process: the owner's cores are its threads --- */

/* Linux answers, but may not know of cores as its threads. */
long sys_membarrier(const uint64_t a[6])
{
	uint32_t cmd = (uint32_t)a[0];
	long r = offload(AZ_SYS_membarrier, a);

	if (!r && (cmd & MEMBARRIERS) && !mon_direct_ok())
		r = mon_sync_cores();
	return r;
}

long sys_wait4(const uint64_t a[6])
{
	if (!user_range_ok(a[1], 4) || !user_range_ok(a[3], RUSAGE_SIZE))
		return -EFAULT;
	return offload(AZ_SYS_wait4, a);
}

long sys_waitid(const uint64_t a[6])
{
	if (!user_range_ok(a[2], 128) || !user_range_ok(a[4], RUSAGE_SIZE))
		return -EFAULT;
	return offload(AZ_SYS_waitid, a);
}
