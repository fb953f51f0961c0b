/* SPDX-License-Identifier: MIT */
/* files.c - regular files: open, read, write, seek, truncate, and stat. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#ifndef STATX_BASIC_STATS /* musl of Debian 12 */
#include <linux/stat.h>
#endif

#include "tap.h"

static void check_open(void)
{
	struct stat st;
	int fd;

	umask(022);
	fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0666);
	OK(fd >= 0, "create");
	MUST(fstat(fd, &st) == 0);
	IS(st.st_mode & 07777, 0644, "umask applies");
	ERR(open("a", O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST, "O_EXCL");
	ERR(open("nothing", O_RDONLY), ENOENT, "a file that is not there");
	ERR(open("a/b", O_RDONLY), ENOTDIR, "a file as directory");
	ERR(open(".", O_WRONLY), EISDIR, "writing a directory");
	ERR(open("a", O_RDONLY | O_DIRECTORY), ENOTDIR, "O_DIRECTORY");
	ERR(open("", O_RDONLY), ENOENT, "an empty path");
	ERR(open((char *)8, O_RDONLY), EFAULT, "a bad path");
	char longname[5000];
	memset(longname, 'x', sizeof(longname));
	longname[4999] = 0;
	ERR(open(longname, O_RDONLY), ENAMETOOLONG, "a path of 4999");
	longname[300] = 0;
	ERR(open(longname, O_RDONLY), ENAMETOOLONG, "a name of 300");
	IS(write(fd, "hello world", 11), 11, "write");
	IS(lseek(fd, 0, SEEK_CUR), 11, "the position moved");
	close(fd);
	fd = open("a", O_WRONLY | O_TRUNC);
	MUST(fstat(fd, &st) == 0);
	IS(st.st_size, 0, "O_TRUNC");
	ERR(read(fd, longname, 1), EBADF, "reading what is write-only");
	close(fd);
	fd = open("a", O_RDONLY);
	ERR(write(fd, "x", 1), EBADF, "writing what is read-only");
	IS(read(fd, longname, 10), 0, "reading at the end");
	close(fd);
}

static void check_io(void)
{
	int fd = open("io", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char buf[100] = { 0 }, b2[8] = { 0 };
	struct iovec out[3] = { { (char *)"abc", 3 },
				{ (char *)"", 0 },
				{ (char *)"defgh", 5 } };
	struct iovec in[2] = { { buf, 4 }, { b2, 4 } };

	MUST(fd >= 0);
	IS(writev(fd, out, 3), 8, "writev");
	IS(preadv(fd, in, 2, 0), 8, "preadv");
	OK(!memcmp(buf, "abcd", 4) && !memcmp(b2, "efgh", 4), "scattered");
	IS(pwrite(fd, "XY", 2, 100), 2, "pwrite past the end");
	IS(lseek(fd, 0, SEEK_END), 102, "makes a hole");
	IS(pread(fd, buf, 10, 50), 10, "pread in the hole");
	OK(!memcmp(buf, "\0\0\0\0\0\0\0\0\0\0", 10), "is zero");
	IS(pwritev(fd, out, 3, 200), 8, "pwritev");
	IS(lseek(fd, 0, SEEK_CUR), 102, "does not move the position");
	IS(lseek(fd, -2, SEEK_CUR), 100, "SEEK_CUR");
	IS(read(fd, buf, 2), 2, "read");
	OK(!memcmp(buf, "XY", 2), "what was written");
	ERR(lseek(fd, -1, SEEK_SET), EINVAL, "a negative position");
	ERR(lseek(fd, 0, 77), EINVAL, "no such whence");
	ERR(pread(fd, buf, 1, -1), EINVAL, "pread at -1");
	ERR(syscall(SYS_readv, fd, in, -1L), EINVAL, "readv of -1");
	ERR(syscall(SYS_readv, fd, in, 2000L), EINVAL, "readv of 2000");
	in[0].iov_len = (size_t)-1;
	ERR(readv(fd, in, 2), EINVAL, "a length that overflows");
	IS(readv(fd, in, 0), 0, "readv of nothing");
	IS(read(fd, NULL, 0), 0, "read of nothing to nowhere");
	IS(ftruncate(fd, 5), 0, "ftruncate");
	IS(pread(fd, buf, 100, 0), 5, "shorter");
	IS(ftruncate(fd, 50), 0, "longer");
	IS(pread(fd, buf, 100, 0), 50, "again");
	OK(buf[4] == 'e' && buf[5] == 0, "with zeroes");
	ERR(ftruncate(fd, -1), EINVAL, "to -1");
	ERR(truncate("nothing", 1), ENOENT, "truncate of nothing");
	IS(fallocate(fd, 0, 0, 10000), 0, "fallocate");
	IS(lseek(fd, 0, SEEK_END), 10000, "extends");
	IS(fsync(fd) + fdatasync(fd), 0, "fsync, fdatasync");
	IS(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0, "fadvise");
	IS(readahead(fd, 0, 4096), 0, "readahead");
	close(fd);
}

static void check_append(void)
{
	int a = open("ap", O_WRONLY | O_CREAT | O_APPEND, 0600);
	int b = open("ap", O_RDWR);
	char buf[10] = { 0 };

	MUST(a >= 0 && b >= 0);
	MUST(write(a, "one", 3) == 3 && write(b, "ONE+", 4) == 4);
	IS(write(a, "two", 3), 3, "O_APPEND");
	IS(pread(b, buf, 10, 0), 7, "writes at the end");
	OK(!memcmp(buf, "ONE+two", 7), "wherever it was");
	IS(fcntl(a, F_GETFL) & (O_APPEND | O_ACCMODE), O_APPEND | O_WRONLY,
	   "F_GETFL");
	IS(fcntl(b, F_SETFL, O_APPEND), 0, "F_SETFL");
	MUST(lseek(b, 0, SEEK_SET) == 0);
	MUST(write(b, "!", 1) == 1);
	IS(lseek(b, 0, SEEK_END), 8, "takes effect");
	close(a);
	close(b);
}

static void check_big(void)
{
	static char buf[3 << 20], back[3 << 20];
	int fd = open("big", O_RDWR | O_CREAT | O_TRUNC, 0600);
	uint32_t x = 1;

	MUST(fd >= 0);
	for (size_t i = 0; i < sizeof(buf); i++) {
		x = x * 1664525 + 1013904223;
		buf[i] = (char)(x >> 24);
	}
	IS(write(fd, buf, sizeof(buf)), sizeof(buf), "three megabytes");
	IS(pread(fd, back, sizeof(back), 0), sizeof(back), "read back");
	OK(!memcmp(buf, back, sizeof(buf)), "are the same");
	IS(pwrite(fd, "end", 3, 5LL << 30), 3, "at five gigabytes");
	IS(lseek(fd, 0, SEEK_END), (5LL << 30) + 3, "64-bit positions");
	close(fd);
	unlink("big");
}

static void check_full(void)
{
	int fd = open("/dev/full", O_RDWR);
	char c = 1;

	MUST(fd >= 0);
	ERR(write(fd, "x", 1), ENOSPC, "a device that is full");
	IS(read(fd, &c, 1), 1, "can be read");
	IS(c, 0, "as zeroes");
	close(fd);
}

static void check_stat(void)
{
	struct stat st, st2;
	struct statx sx;
	struct statfs fs;
	struct timespec times[2] = { { 1000000000, 123456789 },
				     { 1111111111, 987654321 } };

	MUST(stat("io", &st) == 0);
	OK(S_ISREG(st.st_mode) && st.st_size == 10000 && st.st_nlink == 1 &&
	       st.st_uid == geteuid(),
	   "stat");
	MUST(lstat("io", &st2) == 0);
	OK(st.st_ino == st2.st_ino && st.st_dev == st2.st_dev, "lstat");
	IS(chmod("io", 04751), 0, "chmod");
	MUST(stat("io", &st) == 0);
	IS(st.st_mode & 07777, 04751, "takes effect");
	IS(utimensat(AT_FDCWD, "io", times, 0), 0, "utimensat");
	MUST(stat("io", &st) == 0);
	OK(st.st_atim.tv_nsec == 123456789 && st.st_mtim.tv_sec == 1111111111,
	   "sets both times");
	IS(syscall(SYS_statx, AT_FDCWD, "io", 0, STATX_BASIC_STATS, &sx), 0,
	   "statx");
	OK(sx.stx_size == 10000 && sx.stx_ino == st.st_ino &&
	       sx.stx_mtime.tv_nsec == 987654321,
	   "tells the same");
	ERR(syscall(SYS_statx, AT_FDCWD, "nothing", 0, STATX_BASIC_STATS, &sx),
	    ENOENT, "statx of nothing");
	ERR(syscall(SYS_stat, "io", 8L), EFAULT, "stat to a bad place");
	ERR(stat("io/x", &st), ENOTDIR, "stat through a file");
	IS(access("io", F_OK), 0, "access");
	ERR(access("nothing", F_OK), ENOENT, "of nothing");
	ERR(access("io", 0x100), EINVAL, "with a bad mode");
	IS(faccessat(AT_FDCWD, "io", R_OK, AT_EACCESS), 0, "faccessat");
	IS(statfs(".", &fs), 0, "statfs");
	OK(fs.f_bsize > 0 && fs.f_blocks > 0, "has sizes");
	IS(fstatat(AT_FDCWD, "io", &st2, AT_SYMLINK_NOFOLLOW), 0, "fstatat");
	IS(fstatat(open(".", O_PATH), "", &st2, AT_EMPTY_PATH), 0,
	   "AT_EMPTY_PATH");
	OK(S_ISDIR(st2.st_mode), "of a directory");
}

static void check_owner(void)
{
	struct stat st;

	MUST(stat("io", &st) == 0);
	IS(chown("io", st.st_uid, st.st_gid), 0, "chown to the same");
	MUST(stat("io", &st) == 0);
	IS(lchown("io", (uid_t)-1, (gid_t)-1), 0, "chown of nothing");
	IS(umask(077), 022, "umask tells the old one");
	int fd = open("masked", O_CREAT | O_WRONLY, 0777);
	MUST(fd >= 0 && fstat(fd, &st) == 0);
	IS(st.st_mode & 0777, 0700, "and applies");
	umask(022);
	close(fd);
}

int main(void)
{
	check_open();
	check_io();
	check_append();
	check_big();
	check_full();
	check_stat();
	check_owner();
	return tap_done();
}
