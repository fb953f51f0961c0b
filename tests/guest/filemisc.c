/* SPDX-License-Identifier: MIT */
/*
 * filemisc.c - the rest of files: locks, inotify, sealed memory files, files
 * without a name, extended attributes, copying inside the kernel, leases.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "tap.h"

static void check_locks(void)
{
	int a = open("lock.tmp", O_RDWR | O_CREAT, 0600);
	int b = open("lock.tmp", O_RDWR);
	struct flock fl = { .l_type = F_WRLCK, .l_start = 10, .l_len = 10 };

	MUST(a >= 0 && b >= 0);
	IS(fcntl(a, 37 /* F_OFD_SETLK */, &fl), 0, "a lock of a description");
	fl.l_pid = 0;
	ERR(fcntl(b, 37, &fl), EAGAIN, "keeps another out");
	fl.l_start = 30;
	IS(fcntl(b, 37, &fl), 0, "elsewhere it does not");
	fl = (struct flock){ .l_type = F_RDLCK, .l_start = 0, .l_len = 15 };
	IS(fcntl(b, 36 /* F_OFD_GETLK */, &fl), 0, "F_OFD_GETLK");
	OK(fl.l_type == F_WRLCK && fl.l_start == 10 && fl.l_pid == -1,
	   "tells whose");
	close(a);
	fl = (struct flock){ .l_type = F_RDLCK, .l_start = 0, .l_len = 15 };
	IS(fcntl(b, 36, &fl), 0, "after the owner's close");
	IS(fl.l_type, F_UNLCK, "it is free");
	a = open("lock.tmp", O_RDWR);
	fl = (struct flock){ .l_type = F_WRLCK, .l_start = 500, .l_len = 9 };
	IS(fcntl(a, F_SETLK, &fl), 0, "a lock of the process");
	IS(fcntl(b, F_GETLK, &fl), 0, "F_GETLK");
	IS(flock(a, LOCK_SH), 0, "flock shared");
	IS(flock(b, LOCK_SH | LOCK_NB), 0, "twice");
	ERR(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK, "not exclusive");
	IS(flock(a, LOCK_UN), 0, "unlocked");
	IS(flock(b, LOCK_EX | LOCK_NB), 0, "now it is");
	close(a);
	close(b);
	unlink("lock.tmp");
}

static void check_inotify(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), wd, f;
	char buf[4096] __attribute__((aligned(8)));
	struct inotify_event *e = (struct inotify_event *)buf;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint32_t mask = 0;
	ssize_t n;

	OK(fd >= 0, "inotify_init1");
	MUST(mkdir("watched", 0755) == 0);
	wd = inotify_add_watch(fd, "watched", IN_ALL_EVENTS);
	OK(wd > 0, "inotify_add_watch");
	ERR(read(fd, buf, sizeof(buf)), EAGAIN, "nothing happened");
	f = open("watched/file", O_CREAT | O_WRONLY, 0600);
	MUST(f >= 0 && write(f, "x", 1) == 1);
	close(f);
	IS(poll(&p, 1, 1000), 1, "poll");
	n = read(fd, buf, sizeof(buf));
	OK(n > 0 && e->mask == IN_CREATE && !strcmp(e->name, "file"),
	   "the first event is the creation");
	for (char *q = buf; q < buf + n;) {
		e = (struct inotify_event *)q;
		mask |= e->mask;
		q += sizeof(*e) + e->len;
	}
	IS(mask, IN_CREATE | IN_OPEN | IN_MODIFY | IN_CLOSE_WRITE, "then more");
	IS(inotify_rm_watch(fd, wd), 0, "inotify_rm_watch");
	close(fd);
	unlink("watched/file");
	rmdir("watched");
}

static void check_seals(void)
{
	int fd = (int)syscall(SYS_memfd_create, "sealed", 2U);
	char *p;

	MUST(fd >= 0 && ftruncate(fd, 4096) == 0);
	IS(fcntl(fd, 1033, 2 | 4 | 8), 0, "shrink, grow and write sealed");
	IS(fcntl(fd, 1034), 2 | 4 | 8, "F_GET_SEALS");
	ERR(ftruncate(fd, 8192), EPERM, "cannot grow");
	ERR(write(fd, "x", 1), EPERM, "cannot be written");
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	OK(p == MAP_FAILED && errno == EPERM, "or mapped for writing");
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	OK(p != MAP_FAILED, "but for reading");
	ERR(mprotect(p, 4096, PROT_READ | PROT_WRITE), EACCES,
	    "nor made writable");
	munmap(p, 4096);
	close(fd);
}

static void check_tmpfile(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);
	char path[64];
	struct stat st;

	if (fd < 0 && errno == EOPNOTSUPP) {
		tap_skip("O_TMPFILE", "not on this file system");
		return;
	}
	OK(fd >= 0, "O_TMPFILE");
	MUST(fstat(fd, &st) == 0);
	IS(st.st_nlink, 0, "has no name");
	MUST(write(fd, "data", 4) == 4);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	IS(linkat(AT_FDCWD, path, AT_FDCWD, "named.tmp", AT_SYMLINK_FOLLOW), 0,
	   "is given one through /proc/self/fd");
	IS(stat("named.tmp", &st), 0, "and is there");
	IS(st.st_size, 4, "whole");
	close(fd);
	unlink("named.tmp");
}

static void check_xattr(void)
{
	int fd = open("attr.tmp", O_RDWR | O_CREAT, 0600);
	char buf[64];

	MUST(fd >= 0);
	if (fsetxattr(fd, "user.guest", "value", 5, 0) < 0 &&
	    errno == EOPNOTSUPP) {
		tap_skip("extended attributes", "not on this file system");
		close(fd);
		unlink("attr.tmp");
		return;
	}
	IS(getxattr("attr.tmp", "user.guest", buf, 64), 5, "getxattr");
	OK(!memcmp(buf, "value", 5), "the value");
	IS(fgetxattr(fd, "user.guest", NULL, 0), 5, "its size");
	ERR(fgetxattr(fd, "user.guest", buf, 2), ERANGE, "too little room");
	IS(listxattr("attr.tmp", buf, 64), 11, "listxattr");
	ERR(setxattr("attr.tmp", "user.guest", "x", 1, XATTR_CREATE), EEXIST,
	    "XATTR_CREATE");
	IS(removexattr("attr.tmp", "user.guest"), 0, "removexattr");
	ERR(getxattr("attr.tmp", "user.guest", buf, 64), ENODATA, "gone");
	close(fd);
	unlink("attr.tmp");
}

static void check_copy(void)
{
	int a = open("copy1.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
	int b = open("copy2.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char buf[32] = { 0 };
	off_t off = 3, to = 1;

	MUST(a >= 0 && b >= 0 && write(a, "0123456789", 10) == 10);
	IS(syscall(SYS_copy_file_range, a, &off, b, &to, 5L, 0), 5,
	   "copy_file_range");
	OK(off == 8 && to == 6, "moves both offsets");
	MUST(pread(b, buf, 32, 0) == 6);
	OK(!memcmp(buf, "\00034567", 6), "copies");
	MUST(lseek(a, 0, SEEK_SET) == 0 && lseek(b, 0, SEEK_SET) == 0);
	IS(syscall(SYS_sendfile, b, a, NULL, 4L), 4, "sendfile to a file");
	IS(lseek(a, 0, SEEK_CUR), 4, "moves the position");
	IS(fallocate(a, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4) <= 0,
	   1, "a hole is punched or refused");
	close(a);
	close(b);
	unlink("copy1.tmp");
	unlink("copy2.tmp");
}

static void check_sysv(void)
{
	int q = msgget(IPC_PRIVATE, 0600), s = semget(IPC_PRIVATE, 2, 0600);
	struct {
		long type;
		char text[16];
	} m = { 7, "message" };
	struct sembuf up = { 0, 3, 0 }, down = { 0, -4, IPC_NOWAIT };

	OK(q >= 0 && s >= 0, "msgget, semget");
	IS(msgsnd(q, &m, 8, 0), 0, "msgsnd");
	IS(msgrcv(q, &m, 16, 7, 0), 8, "msgrcv");
	ERR(msgrcv(q, &m, 16, 0, IPC_NOWAIT), ENOMSG, "an empty queue");
	IS(semop(s, &up, 1), 0, "semop up");
	ERR(semop(s, &down, 1), EAGAIN, "down too far");
	down.sem_op = -3;
	IS(semop(s, &down, 1), 0, "down");
	IS(semctl(s, 0, GETVAL), 0, "is zero");
	IS(msgctl(q, IPC_RMID, NULL) + semctl(s, 0, IPC_RMID), 0, "removed");
}

static void check_shm(void)
{
	int id = shmget(IPC_PRIVATE, 8192, 0600), fd;
	char *p, *q;

	OK(id >= 0, "shmget");
	p = shmat(id, NULL, 0);
	OK(p != (void *)-1, "shmat");
	if (p != (void *)-1) {
		q = shmat(id, NULL, SHM_RDONLY);
		p[5000] = 'y';
		OK(q != (void *)-1 && q[5000] == 'y', "twice");
		IS(shmdt(p) + shmdt(q), 0, "shmdt");
		ERR(shmdt(p), EINVAL, "twice");
	}
	IS(shmctl(id, IPC_RMID, NULL), 0, "removed");
	fd = shm_open("/azalea-guest-test", O_RDWR | O_CREAT | O_EXCL, 0600);
	OK(fd >= 0, "shm_open");
	IS(shm_unlink("/azalea-guest-test"), 0, "shm_unlink");
	close(fd);
}

int main(void)
{
	check_locks();
	check_inotify();
	check_seals();
	check_tmpfile();
	check_xattr();
	check_copy();
	check_sysv();
	check_shm();
	return tap_done();
}
