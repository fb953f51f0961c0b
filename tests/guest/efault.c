/* SPDX-License-Identifier: MIT */
/*
 * efault.c - bad pointers in calls of every kind are EFAULT, wherever they
 * point: page 0, a hole, read-only memory, behind the end of user space, into
 * what is not the program's.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>

#include "tap.h"

static int file, sock[2], pipes[2], ep, tfd, efd, udp;

struct
try {
	const char *name;
	long nr, a, b, c, d, e, f;
};

static void tries(const char *where, long x)
{
	struct iovec iov = { (void *)x, 16 };
	socklen_t len = 16;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct msghdr badiov = { .msg_iov = (void *)x, .msg_iovlen = 1 };
	const struct try t[] = {
		{ "read", SYS_read, file, x, 16 },
		{ "pread64", SYS_pread64, file, x, 16, 0 },
		{ "write", SYS_write, pipes[1], x, 16 },
		{ "pwrite64", SYS_pwrite64, file, x, 16, 0 },
		{ "readv, buffer", SYS_readv, file, (long)&iov, 1 },
		{ "readv, vector", SYS_readv, file, x, 1 },
		{ "writev, buffer", SYS_writev, pipes[1], (long)&iov, 1 },
		{ "writev, vector", SYS_writev, pipes[1], x, 1 },
		{ "preadv", SYS_preadv, file, x, 1, 0, 0 },
		{ "open", SYS_open, x, 0, 0 },
		{ "openat", SYS_openat, AT_FDCWD, x, 0, 0 },
		{ "stat, path", SYS_stat, x, 0 },
		{ "stat, buffer", SYS_stat, (long)"/", x },
		{ "fstat", SYS_fstat, file, x },
		{ "newfstatat", SYS_newfstatat, AT_FDCWD, (long)"/", x, 0 },
		{ "statx", SYS_statx, AT_FDCWD, (long)"/", 0, 0x7ff, x },
		{ "access", SYS_access, x, 0 },
		{ "readlink", SYS_readlink, (long)"/proc/self/exe", x, 100 },
		{ "readlink, path", SYS_readlink, x, (long)&iov, 16 },
		{ "getcwd", SYS_getcwd, x, 4096 },
		{ "chdir", SYS_chdir, x },
		{ "mkdir", SYS_mkdir, x, 0 },
		{ "rename", SYS_rename, (long)"/nonexistent", x },
		{ "unlink", SYS_unlink, x },
		{ "pipe", SYS_pipe, x },
		{ "pipe2", SYS_pipe2, x, 0 },
		{ "poll", SYS_poll, x, 1, 0 },
		{ "ppoll, time", SYS_ppoll, 0, 0, x, 0, 8 },
		{ "select", SYS_select, 8, x, 0, 0, 0 },
		{ "pselect6", SYS_pselect6, 8, x, 0, 0, 0, 0 },
		{ "epoll_ctl", SYS_epoll_ctl, ep, EPOLL_CTL_ADD, pipes[0], x },
		{ "socketpair", SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, x },
		{ "bind", SYS_bind, udp, x, 16 },
		{ "connect", SYS_connect, udp, x, 16 },
		{ "getsockname", SYS_getsockname, sock[0], x, (long)&len },
		{ "getsockopt", SYS_getsockopt, sock[0], SOL_SOCKET, SO_TYPE, x,
		  x },
		{ "setsockopt", SYS_setsockopt, sock[0], SOL_SOCKET, SO_SNDBUF,
		  x, 4 },
		{ "sendto", SYS_sendto, sock[0], x, 16, 0, 0, 0 },
		{ "recvfrom", SYS_recvfrom, sock[0], x, 16, MSG_DONTWAIT, 0,
		  0 },
		{ "sendmsg, buffer", SYS_sendmsg, sock[0], (long)&msg, 0 },
		{ "sendmsg, header", SYS_sendmsg, sock[0], x, 0 },
		{ "sendmsg, vector", SYS_sendmsg, sock[0], (long)&badiov, 0 },
		{ "recvmsg, buffer", SYS_recvmsg, sock[0], (long)&msg,
		  MSG_DONTWAIT },
		{ "recvmsg, header", SYS_recvmsg, sock[0], x, MSG_DONTWAIT },
		{ "timerfd_settime", SYS_timerfd_settime, tfd, 0, x, 0 },
		{ "timerfd_gettime", SYS_timerfd_gettime, tfd, x },
		{ "eventfd write", SYS_write, efd, x, 8 },
		{ "clock_gettime", SYS_clock_gettime, 1, x },
		{ "clock_getres", SYS_clock_getres, 1, x },
		{ "gettimeofday", SYS_gettimeofday, x, 0 },
		{ "nanosleep", SYS_nanosleep, x, 0 },
		{ "time", SYS_time, x },
		{ "uname", SYS_uname, x },
		{ "sysinfo", SYS_sysinfo, x },
		{ "getrlimit", SYS_getrlimit, RLIMIT_NOFILE, x },
		{ "prlimit64", SYS_prlimit64, 0, RLIMIT_NOFILE, 0, x },
		{ "getrusage", SYS_getrusage, 0, x },
		{ "times", SYS_times, x },
		{ "sched_getaffinity", SYS_sched_getaffinity, 0, 128, x },
		{ "sched_setaffinity", SYS_sched_setaffinity, 0, 128, x },
		{ "sched_getparam", SYS_sched_getparam, 0, x },
		{ "getrandom", SYS_getrandom, x, 16, 0 },
		{ "getgroups", SYS_getgroups, 65536, x },
		{ "getresuid", SYS_getresuid, x, x, x },
		{ "rt_sigaction", SYS_rt_sigaction, SIGUSR1, x, 0, 8 },
		{ "rt_sigprocmask", SYS_rt_sigprocmask, 0, x, 0, 8 },
		{ "rt_sigpending", SYS_rt_sigpending, x, 8 },
		{ "sigaltstack", SYS_sigaltstack, x, 0 },
		{ "rt_sigtimedwait", SYS_rt_sigtimedwait, x, 0, 0, 8 },
		{ "setitimer", SYS_setitimer, 0, x, 0 },
		{ "getitimer", SYS_getitimer, 0, x },
		{ "timer_create", SYS_timer_create, 1, 0, x },
		{ "futex", SYS_futex, x & ~3L, 0, 0, 0, 0, 0 },
		{ "mincore", SYS_mincore, (long)&t & -4096L, 4096, x },
		{ "getcpu", SYS_getcpu, x, 0, 0 },
		{ "arch_prctl", SYS_arch_prctl, 0x1003, x },
		{ "prctl name", SYS_prctl, 16, x, 0, 0, 0 },
		{ "memfd_create", SYS_memfd_create, x, 0 },
		{ "utimensat", SYS_utimensat, AT_FDCWD, (long)".", x, 0 },
		{ "fcntl lock", SYS_fcntl, file, F_GETLK, x },
		{ "getdents64", SYS_getdents64, 0, x, 1000 },
		{ "sendfile", SYS_sendfile, pipes[1], file, x, 10 },
		{ "inotify_add_watch", SYS_inotify_add_watch, 0, x, 1 },
		{ "getxattr", SYS_getxattr, x, x, 0, 0 },
		{ "ioctl", SYS_ioctl, pipes[0], 0x541b, x },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		long r;
		char name[100];

		errno = 0;
		r = syscall(t[i].nr, t[i].a, t[i].b, t[i].c, t[i].d, t[i].e,
			    t[i].f);
		snprintf(name, sizeof(name), "%s: %s: %ld %s", where, t[i].name,
			 r > 0 ? 1 : r, r == -1 ? strerror(errno) : "");
		/* What Linux does is the expectation: this is compared. */
		OK(1, name);
	}
}

int main(void)
{
	char *ro, *hole, *edge, name[64];

	file = open("efault.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
	MUST(file >= 0 && write(file, "some text to be read", 20) == 20);
	MUST(lseek(file, 0, SEEK_SET) == 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sock) == 0);
	MUST(send(sock[1], "waiting bytes in here", 21, 0) == 21);
	MUST(pipe2(pipes, O_NONBLOCK) == 0);
	ep = epoll_create1(0);
	tfd = timerfd_create(CLOCK_MONOTONIC, 0);
	efd = eventfd(0, EFD_NONBLOCK);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	hole = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(hole != MAP_FAILED && munmap(hole + 4096, 4096) == 0);
	ro = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(ro != MAP_FAILED);
	edge = hole + 4096 - 4; /* begins in good memory, ends in the hole */
	tries("page 0", 8);
	tries("a hole", (long)hole + 4096);
	tries("no access", (long)ro);
	tries("the end of user space", 0x7ffffffff000);
	tries("not canonical", (long)0x8000000000000000);
	tries("the kernel's half", -4096L);
	tries("all ones", -1L);
	/* Addresses where Azalea keeps itself; on Linux nothing is there. */
	tries("the image", 0x4f0000000000);
	tries("the boot block", 0x4f0080000000);
	tries("a core block", 0x4f0100000000);
	tries("a ring", 0x4f0200000000);
	tries("the heap", 0x4f1000000000);
	/* Partly good: so many bytes, or EFAULT. Linux's answer is compared. */
	MUST(lseek(file, 0, SEEK_SET) == 0);
	snprintf(name, sizeof(name), "a buffer that ends in a hole: %zd",
		 read(file, edge, 16));
	OK(1, name);
	snprintf(name, sizeof(name), "writing from one: %zd",
		 write(pipes[1], edge, 16));
	OK(1, name);
	unlink("efault.tmp");
	return tap_done();
}
