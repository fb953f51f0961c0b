/* SPDX-License-Identifier: MIT */
/*
 * ebadf.c - every call that takes a descriptor, given none; and calls that do
 * not exist. What Linux answers is printed, and compared.
 */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tap.h"

static char buf[256];

static void try(long nr, const char *name, long fd, long b, long c, long d)
{
	char line[128];
	long r;

	errno = 0;
	r = syscall(nr, fd, b, c, d, 0L, 0L);
	snprintf(line, sizeof(line), "%s(%ld): %ld %s", name, fd, r,
		 r == -1 ? strerror(errno) : "");
	OK(1, line);
}

static void try_all(long fd)
{
	long p = (long)buf;

	try(SYS_read, "read", fd, p, 1, 0);
	try(SYS_write, "write", fd, p, 1, 0);
	try(SYS_close, "close", fd, 0, 0, 0);
	try(SYS_fstat, "fstat", fd, p, 0, 0);
	try(SYS_lseek, "lseek", fd, 0, 0, 0);
	try(SYS_ioctl, "ioctl", fd, 0x5401, p, 0);
	try(SYS_pread64, "pread64", fd, p, 1, 0);
	try(SYS_pwrite64, "pwrite64", fd, p, 1, 0);
	try(SYS_readv, "readv", fd, p, 0, 0);
	try(SYS_writev, "writev", fd, p, 0, 0);
	try(SYS_dup, "dup", fd, 0, 0, 0);
	try(SYS_dup2, "dup2", fd, 5, 0, 0);
	try(SYS_fcntl, "fcntl", fd, F_GETFL, 0, 0);
	try(SYS_flock, "flock", fd, 1, 0, 0);
	try(SYS_fsync, "fsync", fd, 0, 0, 0);
	try(SYS_fdatasync, "fdatasync", fd, 0, 0, 0);
	try(SYS_ftruncate, "ftruncate", fd, 0, 0, 0);
	try(SYS_getdents64, "getdents64", fd, p, 100, 0);
	try(SYS_fchdir, "fchdir", fd, 0, 0, 0);
	try(SYS_fchmod, "fchmod", fd, 0600, 0, 0);
	try(SYS_fchown, "fchown", fd, -1, -1, 0);
	try(SYS_fstatfs, "fstatfs", fd, p, 0, 0);
	try(SYS_sendto, "sendto", fd, p, 1, 0);
	try(SYS_recvfrom, "recvfrom", fd, p, 1, 0);
	try(SYS_listen, "listen", fd, 1, 0, 0);
	try(SYS_accept, "accept", fd, 0, 0, 0);
	try(SYS_shutdown, "shutdown", fd, 0, 0, 0);
	try(SYS_bind, "bind", fd, p, 16, 0);
	try(SYS_connect, "connect", fd, p, 16, 0);
	try(SYS_epoll_ctl, "epoll_ctl", fd, EPOLL_CTL_ADD, 0, p);
	try(SYS_epoll_wait, "epoll_wait", fd, p, 1, 0);
	try(SYS_timerfd_gettime, "timerfd_gettime", fd, p, 0, 0);
	try(SYS_inotify_rm_watch, "inotify_rm_watch", fd, 1, 0, 0);
	try(SYS_fallocate, "fallocate", fd, 0, 0, 10);
	try(SYS_splice, "splice", fd, 0, 1, 0);
	try(SYS_tee, "tee", fd, 1, 10, 0);
	try(SYS_sendfile, "sendfile", fd, 0, 0, 10);
	try(SYS_copy_file_range, "copy_file_range", fd, 0, 1, 0);
	try(SYS_openat, "openat", fd, (long)"x", O_RDONLY, 0);
	try(SYS_unlinkat, "unlinkat", fd, (long)"x", 0, 0);
	try(SYS_fgetxattr, "fgetxattr", fd, (long)"user.x", p, 10);
	try(SYS_fadvise64, "fadvise64", fd, 0, 0, 0);
	try(SYS_readahead, "readahead", fd, 0, 0, 0);
	try(SYS_sync_file_range, "sync_file_range", fd, 0, 0, 0);
	try(SYS_syncfs, "syncfs", fd, 0, 0, 0);
	try(SYS_getsockname, "getsockname", fd, p, p + 128, 0);
}

int main(void)
{
	try_all(-1);
	try_all(9999);
	try_all(0x7fffffff);
	try_all(-100);
	try_all(0x100000000L + 9999); /* the upper half does not count */
	for (long nr = 340; nr < 424; nr += 11)
		try(nr, "no call", -1, 0, 0, 0);
	try(600, "call 600", 0, 0, 0, 0);
	try(100000, "call 100000", 0, 0, 0, 0);
	try(0x40000000 + SYS_getpid, "an x32 call", 0, 0, 0, 0);
	try(-1, "call -1", 0, 0, 0, 0);
	try(0x7fffffff, "the highest", 0, 0, 0, 0);
	try(SYS_uselib, "uselib", 0, 0, 0, 0);
	try(SYS_create_module, "create_module", 0, 0, 0, 0);
	try(SYS_getpmsg, "getpmsg", 0, 0, 0, 0);
	return tap_done();
}
