/* SPDX-License-Identifier: MIT */
/*
 * fds.c - descriptors: duplicating, limits, close-on-exec, ranges; the table
 * holds what the program opened and nothing else.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tap.h"

static void check_dup(void)
{
	int fd = open("/dev/null", O_RDWR), d;

	IS(fd, 3, "the lowest free number");
	IS(dup(fd), 4, "dup");
	IS(dup2(fd, 10), 10, "dup2");
	IS(dup2(fd, fd), fd, "dup2 to itself");
	ERR(dup2(99, 10), EBADF, "dup2 of nothing");
	ERR(dup2(fd, -1), EBADF, "dup2 to -1");
	ERR(syscall(SYS_dup3, fd, fd, 0), EINVAL, "dup3 to itself");
	ERR(syscall(SYS_dup3, fd, 11, 12345), EINVAL, "dup3, bad flags");
	IS(syscall(SYS_dup3, fd, 11, O_CLOEXEC), 11, "dup3");
	IS(fcntl(11, F_GETFD), FD_CLOEXEC, "with O_CLOEXEC");
	IS(fcntl(10, F_GETFD), 0, "dup2 without");
	d = fcntl(fd, F_DUPFD, 100);
	IS(d, 100, "F_DUPFD");
	d = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	OK(d == 101 && fcntl(d, F_GETFD) == FD_CLOEXEC, "F_DUPFD_CLOEXEC");
	ERR(fcntl(fd, F_DUPFD, -1), EINVAL, "F_DUPFD from -1");
	IS(fcntl(fd, F_SETFD, FD_CLOEXEC), 0, "F_SETFD");
	IS(fcntl(fd, F_GETFD), FD_CLOEXEC, "F_GETFD");
	ERR(fcntl(fd, 9999, 0), EINVAL, "no such command");
	ERR(fcntl(99, F_GETFD), EBADF, "fcntl of nothing");
	IS(close(4), 0, "close");
	ERR(close(4), EBADF, "twice");
	IS(open("/dev/null", O_RDONLY), 4, "the number is used again");
}

static void check_ranges(void)
{
	for (int i = 50; i < 60; i++)
		MUST(dup2(3, i) == i);
	IS(syscall(SYS_close_range, 52, 55, 0), 0, "close_range");
	ERR(fcntl(52, F_GETFD), EBADF, "closes");
	ERR(fcntl(55, F_GETFD), EBADF, "to the end");
	IS(fcntl(56, F_GETFD), 0, "and no more");
	IS(syscall(SYS_close_range, 56, 57, 4), 0, "CLOSE_RANGE_CLOEXEC");
	IS(fcntl(56, F_GETFD), FD_CLOEXEC, "marks");
	ERR(syscall(SYS_close_range, 60, 50, 0), EINVAL, "a bad range");
	ERR(syscall(SYS_close_range, 50, 60, 64), EINVAL, "bad flags");
	IS(syscall(SYS_close_range, 3, ~0U, 0), 0, "close all from 3");
	IS(open("/dev/null", O_RDONLY), 3, "all are closed");
	IS(fcntl(1, F_GETFD), 0, "but stdout is not");
}

static int list_fds(int tell)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int n = 0;

	MUST(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d)) {
			n++;
			if (tell && atoi(e->d_name) > 3)
				tap_line("# there is a descriptor %s",
					 e->d_name);
		}
	closedir(d);
	return n;
}

/* Every descriptor that the program did not open must look closed. */
static void check_hidden(void)
{
	struct stat st;
	int seen = 0, bad = 0;

	IS(list_fds(1), 4, "/proc/self/fd lists 0 to 3");
	for (int fd = 4; fd < 1100000; fd += fd < 70000 ? 1 : 61) {
		char c;

		if (syscall(SYS_fcntl, fd, F_GETFD) == -1 && errno == EBADF)
			continue;
		seen++;
		tap_line("# descriptor %d", fd);
		bad += read(fd, &c, 0) != -1;
	}
	IS(seen, 0, "none above is open");
	IS(bad, 0, "or can be used");
	for (int fd = 4; fd < 66000; fd += fd < 4096 ? 1 : 61) {
		if (close(fd) == 0)
			seen++;
		if (fstat(fd, &st) == 0 || dup(fd) >= 0)
			bad++;
	}
	IS(seen, 0, "none can be closed");
	IS(bad, 0, "or duplicated");
	OK(getpid() > 0 && write(1, "", 0) == 0, "all still works");
}

static void check_limit(void)
{
	struct rlimit old, lim;
	int n = 0, last = -1, fd, p[2];

	MUST(getrlimit(RLIMIT_NOFILE, &old) == 0);
	lim = old;
	lim.rlim_cur = 64;
	IS(setrlimit(RLIMIT_NOFILE, &lim), 0, "RLIMIT_NOFILE");
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		n++, last = fd;
	IS(errno, EMFILE, "open until EMFILE");
	IS(n, 60, "that many");
	IS(last, 63, "up to the limit");
	ERR(pipe(p), EMFILE, "pipe");
	ERR(socket(AF_UNIX, SOCK_STREAM, 0), EMFILE, "socket");
	ERR(dup(0), EMFILE, "dup");
	ERR(fcntl(0, F_DUPFD, 64), EINVAL, "F_DUPFD beyond");
	ERR(dup2(0, 64), EBADF, "dup2 beyond");
	close(last);
	ERR(pipe(p), EMFILE, "a pipe needs two");
	IS(open("/dev/null", O_RDONLY), 63, "one is free");
	for (fd = 4; fd < 64; fd++)
		close(fd);
	MUST(setrlimit(RLIMIT_NOFILE, &old) == 0);
	lim.rlim_cur = 65536;
	lim.rlim_max = old.rlim_max;
	if (lim.rlim_cur > old.rlim_max)
		lim.rlim_cur = old.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &lim) == 0);
	IS(getdtablesize(), lim.rlim_cur, "getdtablesize follows");
	for (n = 0; n < 3000 && open("/dev/null", O_RDONLY) >= 0;)
		n++;
	OK(n == 3000 || n == (int)lim.rlim_cur - 4, "thousands can be open");
	OK(list_fds(0) >= n, "and are listed");
	IS(syscall(SYS_close_range, 4, ~0U, 0), 0, "all closed");
}

static void check_close_all(void)
{
	int out = dup(1), n = 0;

	MUST(out >= 0);
	for (int fd = 0; fd < 5000; fd++)
		if (fd != out)
			n += close(fd) == 0;
	dup2(out, 1);
	OK(n >= 4, "everything closed");
	ERR(read(0, &n, 1), EBADF, "stdin is closed");
	ERR(write(2, "x", 1), EBADF, "stderr is closed");
	IS(open("/dev/null", O_RDONLY), 0, "open gives 0");
	sleep_ms(2);
	OK(malloc(1 << 20) != NULL, "memory still works");
	OK(open("/proc/self/exe", O_RDONLY) >= 0, "so do files");
}

int main(void)
{
	check_dup();
	check_ranges();
	check_hidden();
	check_limit();
	check_close_all();
	return tap_done();
}
