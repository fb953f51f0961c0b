/* SPDX-License-Identifier: MIT */
/*
 * check_test.c - host/offload/check*.c on real program memory, with real calls.
 *
 * What passes the checks is made, so that the error numbers are Linux's own.
 */
/* cflags: -idirafter kernel */
/* (<sys/...> is libc's here, not the unikernel's kernel/sys) */
/* links: host/offload/check_named.c host/offload/check_nested.c */
/* links: host/offload/guestmem.c */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "metal.h"

/* The n-th allocation of the checker fails. */
static int malloc_fail_at;

static void *test_malloc(size_t n)
{
	return malloc_fail_at && !--malloc_fail_at ? NULL : malloc(n);
}

#define malloc test_malloc
#include "../../host/offload/check.c"
#undef malloc

#define HIDDEN_LO 900
#define HIDDEN_HI 908
#define HIDDEN_FD 905 /* open, and the owner's */
#define EXE_FD    906
#define MEM_FD    907
#define TRACE_FD  904
#define GUEST     0x101100000000ULL /* mapped for the program */
#define GUEST_LEN 0x100000ULL
#define OWNER     (AZ_OWNER_BASE + 0x1000)
#define LAST_PAGE (AZ_GUEST_END - AZ_PAGE_SIZE)

static int ntests, nfailed;
static struct checked_call call;

static void __attribute__((format(printf, 2, 3)))
ok(bool pass, const char *fmt, ...)
{
	va_list ap;

	ntests++;
	nfailed += !pass;
	printf("%sok %d - ", pass ? "" : "not ", ntests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	puts("");
}

static int check6(uint32_t flags, uint32_t nr, uint64_t a0, uint64_t a1,
		  uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	struct az_call in = { .nr = nr,
			      .flags = flags,
			      .arg = { a0, a1, a2, a3, a4, a5 } };

	return check_call(&in, &call);
}

static long finish(int err)
{
	long r;

	if (err)
		return err;
	r = syscall(call.nr, call.arg[0], call.arg[1], call.arg[2], call.arg[3],
		    call.arg[4], call.arg[5]);
	return check_done(&call, r < 0 ? -errno : r);
}

#define U(x) ((uint64_t)(x))
/* check() only checks; make() makes the call as a worker does. */
#define check(nr, ...) check6_(0, nr, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define internal(nr, ...) \
	check6_(AZ_CALL_INTERNAL, nr, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define check6_(f, nr, a, b, c, d, e, g, ...) \
	check6(f, nr, U(a), U(b), U(c), U(d), U(e), U(g))
#define make(nr, ...) finish(check(nr, __VA_ARGS__))

/* Drop a checked call that is not made. */
static void drop(void)
{
	call.undo = CHECK_UNDO_NONE;
	check_done(&call, 0);
}

static void test_class(void)
{
	ok(check(100000, 0) == -ENOSYS, "a number beyond the table: ENOSYS");
	ok(check(400, 0) == -ENOSYS, "a number in a gap: ENOSYS");
	ok(check(AZ_SYS_ptrace, 0) == -EPERM, "a denied call: EPERM");
	ok(check(AZ_SYS_io_uring_setup, 0) == -ENOSYS,
	   "a call not provided: ENOSYS");
	ok(check(AZ_SYS_munmap, GUEST, 4096) == -ENOSYS,
	   "a local call of the program's: ENOSYS");
	ok(check(AZ_SYS_execve, 0) == -ENOSYS, "execve: ENOSYS");
	ok(make(AZ_SYS_getpgid, 0) == getpgid(0), "local with host: made");
	ok(check(AZ_SYS_setuid, 0) == 0 && call.attrs & AZ_ATTR_CREDS,
	   "a call that changes credentials is marked");
}

/* What Linux says itself. */
static long connect_bare(int fd, int len)
{
	return syscall(SYS_connect, fd, GUEST, len) ? -errno : 0;
}

static void test_pointer(void)
{
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);

	ok(make(AZ_SYS_write, null, GUEST, 16) == 16, "a good pointer passes");
	ok(make(AZ_SYS_read, zero, OWNER, 16) == -EFAULT,
	   "the owner's memory: EFAULT");
	ok(make(AZ_SYS_read, -1, OWNER, 16) == -EBADF,
	   "a bad descriptor comes before a bad pointer, as on Linux");
	ok(make(AZ_SYS_read, zero, AZ_IMAGE_BASE, 16) == -EFAULT,
	   "the unikernel's memory: EFAULT");
	ok(make(AZ_SYS_read, zero, AZ_GUEST_END - 8, 16) == -EFAULT,
	   "across the end: EFAULT");
	ok(make(AZ_SYS_read, zero, LAST_PAGE, AZ_PAGE_SIZE) == AZ_PAGE_SIZE,
	   "up to the end: read");
	ok(make(AZ_SYS_read, zero, GUEST, UINT64_MAX) == -EFAULT,
	   "a length that wraps: EFAULT");
	ok(make(AZ_SYS_write, null, OWNER, 0) == 0,
	   "no bytes at any address: 0");
	ok(make(AZ_SYS_openat, AT_FDCWD, OWNER, 0) == -EFAULT,
	   "a path of the owner's: EFAULT");
	ok(make(AZ_SYS_fstat, zero, OWNER) == -EFAULT,
	   "a struct in the owner: EFAULT");
	ok(make(AZ_SYS_fstat, zero, AZ_GUEST_END - 100) == -EFAULT,
	   "a struct across the end: EFAULT");
	ok(make(AZ_SYS_getsockname, zero, OWNER, GUEST) == -ENOTSOCK,
	   "an address with its length apart: in Linux's order");
	ok(make(AZ_SYS_connect, zero, GUEST, -1) == connect_bare(zero, -1) &&
	       make(AZ_SYS_connect, -1, GUEST, -1) == connect_bare(-1, -1),
	   "a negative length is Linux's to refuse");
	close(null);
	close(zero);
}

static void test_hidden(void)
{
	ok(make(AZ_SYS_fstat, HIDDEN_FD, GUEST) == -EBADF,
	   "a descriptor of the owner: EBADF");
	ok(make(AZ_SYS_fstat, HIDDEN_FD | 1ULL << 32, GUEST) == -EBADF,
	   "whatever its upper half: EBADF");
	ok(make(AZ_SYS_dup, HIDDEN_FD) == -EBADF, "dup of it: EBADF");
	ok(make(AZ_SYS_dup2, 1, HIDDEN_FD) == -EBADF, "dup2 onto it: EBADF");
	ok(make(AZ_SYS_close, HIDDEN_FD) == -EBADF &&
	       fcntl(HIDDEN_FD, F_GETFD) >= 0,
	   "close of it: EBADF, and it is open");
	ok(make(AZ_SYS_fcntl, 1, F_DUPFD, HIDDEN_LO) == -EINVAL,
	   "F_DUPFD into the hidden range: EINVAL");
	ok(make(AZ_SYS_close_range, 3, 2000) == -EBADF,
	   "close_range over it: refused");
	ok(make(AZ_SYS_close_range, 800, 810, CLOSE_RANGE_UNSHARE) == -EINVAL,
	   "close_range with UNSHARE: refused");
	ok(make(AZ_SYS_close_range, 800, 810) == 0, "close_range beside it: 0");
	ok(make(AZ_SYS_openat, AT_FDCWD, "", 0) == -EFAULT,
	   "AT_FDCWD is no descriptor of the owner's");
}

static void test_exe(void)
{
	ok(finish(check(AZ_SYS_fstat, EXE_FD, GUEST)) == -EBADF,
	   "the program's file is hidden from the program");
	ok(finish(internal(AZ_SYS_fstat, EXE_FD, GUEST)) == 0,
	   "and open to the loader");
	ok(finish(internal(AZ_SYS_fstat, HIDDEN_FD, GUEST)) == -EBADF,
	   "which has no other descriptor of the owner's");
	ok(finish(internal(AZ_SYS_close, EXE_FD)) == 0,
	   "the loader may close it");
	dup2(HIDDEN_FD, EXE_FD);
	ok(finish(internal(AZ_SYS_fstat, EXE_FD, GUEST)) == -EBADF,
	   "then its number is the owner's");
	close(EXE_FD);
}

static void test_text(void)
{
	ok(finish(check(AZ_SYS_pwrite64, MEM_FD, GUEST, 8, GUEST)) == -EBADF,
	   "the owner's memory as a file is hidden from the program");
	ok(finish(internal(AZ_SYS_pwrite64, MEM_FD, GUEST, 8, GUEST)) == 8,
	   "the unikernel may write the program's part of it");
	ok(finish(internal(AZ_SYS_pwrite64, MEM_FD, GUEST, 8, OWNER)) == -EBADF,
	   "not the owner's");
	ok(finish(internal(AZ_SYS_pwrite64, MEM_FD, GUEST, 8,
			   AZ_GUEST_END - 4)) == -EBADF,
	   "not across the end");
	ok(finish(internal(AZ_SYS_pwrite64, MEM_FD, GUEST, -8, GUEST)) ==
	       -EBADF,
	   "not with a length that wraps");
	ok(finish(internal(AZ_SYS_pread64, MEM_FD, GUEST, 8, GUEST)) == -EBADF,
	   "and not read it");
}

static void test_trace(void)
{
	ok(finish(check(AZ_SYS_write, TRACE_FD, GUEST, 8)) == -EBADF,
	   "where the trace goes is hidden from the program");
	ok(finish(internal(AZ_SYS_write, TRACE_FD, GUEST, 8)) == 8,
	   "the unikernel may write there");
	ok(finish(internal(AZ_SYS_close, TRACE_FD)) == -EBADF,
	   "and do nothing else with it");
}

static void test_internal(void)
{
	uint64_t fixed = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;

	ok(finish(internal(AZ_SYS_mmap, GUEST + GUEST_LEN, 4096, PROT_READ,
			   fixed, -1)) == (long)(GUEST + GUEST_LEN),
	   "the unikernel may map for the program");
	ok(finish(internal(AZ_SYS_munmap, GUEST + GUEST_LEN, 4096)) == 0,
	   "and unmap");
	ok(internal(AZ_SYS_munmap, OWNER, 4096) == -EPERM,
	   "not what is the owner's");
	ok(internal(AZ_SYS_munmap, AZ_GUEST_END - 4096, 8192) == -EPERM,
	   "not across the end");
	ok(internal(AZ_SYS_munmap, GUEST, UINT64_MAX - 4095) == -EPERM,
	   "not by a length that wraps");
	ok(internal(AZ_SYS_munmap, AZ_BOOT_BASE, 4096) == -EPERM,
	   "not what both sides share");
	ok(internal(AZ_SYS_madvise, AZ_HEAP_BASE, 4096, MADV_DONTNEED) == 0,
	   "it may give back its heap");
	drop();
	ok(internal(AZ_SYS_madvise, GUEST, 4096, MADV_HWPOISON) == -EPERM,
	   "it may not poison memory");
	ok(internal(AZ_SYS_mmap, GUEST, 4096, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1) == -EPERM,
	   "a mapping without a fixed address: refused");
	ok(internal(AZ_SYS_mmap, 0, 4096, PROT_READ, fixed, -1) == -EPERM,
	   "the zero page: refused");
	ok(internal(AZ_SYS_mremap, GUEST, 4096, 8192, MREMAP_MAYMOVE) == -EPERM,
	   "mremap that may move anywhere: refused");
	ok(internal(AZ_SYS_mremap, GUEST, 4096, 8192,
		    MREMAP_MAYMOVE | MREMAP_FIXED, OWNER) == -EPERM,
	   "mremap into the owner: refused");
	ok(internal(AZ_SYS_write, 1, AZ_HEAP_BASE, 16) == 0 &&
	       call.arg[1] == AZ_HEAP_BASE,
	   "its own memory is good for its calls");
	drop();
	ok(finish(internal(AZ_SYS_read, open("/dev/zero", O_RDONLY), OWNER,
			   16)) == -EFAULT,
	   "the owner's is not");
	ok(internal(AZ_SYS_exit_group, 0) == -EPERM,
	   "a local call beside these: refused");
}

static void test_iov(void)
{
	struct iovec *v = (void *)GUEST, *copy;
	char *data = (char *)GUEST + 4096;
	int fd[2];
	long r;

	pipe(fd);
	strcpy(data, "hello");
	v[0] = (struct iovec){ data, 2 };
	v[1] = (struct iovec){ data + 2, 3 };
	ok(make(AZ_SYS_writev, fd[1], v, 2) == 5 &&
	       make(AZ_SYS_read, fd[0], data + 100, 100) == 5 &&
	       !memcmp(data + 100, "hello", 5),
	   "writev writes what it should");
	check(AZ_SYS_writev, fd[1], v, 2);
	v[1].iov_base = (void *)OWNER;
	copy = (void *)call.arg[1];
	ok(copy != v && copy[1].iov_base == data + 2,
	   "a change after the check has no effect");
	finish(0);
	ok(make(AZ_SYS_writev, fd[1], v, 2) == -EFAULT,
	   "a buffer in the owner: EFAULT");
	v[1].iov_len = 0;
	ok(make(AZ_SYS_writev, fd[1], v, 2) == 2, "unless it has no bytes");
	v[1] = (struct iovec){ data, UINT64_MAX };
	ok(make(AZ_SYS_writev, fd[1], v, 2) == -EINVAL,
	   "a negative length: EINVAL");
	ok(make(AZ_SYS_writev, fd[1], v, 1025) == -EINVAL,
	   "more than IOV_MAX: EINVAL");
	ok(make(AZ_SYS_writev, fd[1], GUEST + GUEST_LEN, 1) == -EFAULT &&
	       make(AZ_SYS_writev, -1, GUEST + GUEST_LEN, 1) == -EBADF,
	   "unmapped: EFAULT, after EBADF");
	ok(make(AZ_SYS_writev, fd[1], OWNER, 1) == -EFAULT,
	   "an array in the owner: EFAULT");
	for (int i = 0; i < 1024; i++)
		v[i] = (struct iovec){ (void *)(GUEST + 0x10000), 1 };
	ok(make(AZ_SYS_writev, fd[1], v, 1024) == 1024, "IOV_MAX buffers pass");
	malloc_fail_at = 1;
	r = make(AZ_SYS_writev, fd[1], v, 1024);
	ok(r == -ENOMEM && !malloc_fail_at, "no memory for them: ENOMEM");
	close(fd[0]);
	close(fd[1]);
}

/* A message at m with one buffer and room for one descriptor. */
struct message {
	struct msghdr h;
	struct iovec v;
	union {
		struct cmsghdr c;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char data[64];
	struct sockaddr_storage name;
};

static struct message *message_init(uint64_t at, const char *text, int fd)
{
	struct message *m = (void *)at;

	memset(m, 0, sizeof(*m));
	strcpy(m->data, text);
	m->v = (struct iovec){ m->data, strlen(text) };
	m->h.msg_iov = &m->v;
	m->h.msg_iovlen = 1;
	if (fd < 0)
		return m;
	m->h.msg_control = &m->control;
	m->h.msg_controllen = CMSG_LEN(sizeof(int));
	m->control.c =
	    (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&m->control.c), &fd, sizeof(fd));
	return m;
}

static void test_msg(void)
{
	struct message *m, *in;
	int s[2], fd;

	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	m = message_init(GUEST, "hello", 1);
	in = message_init(GUEST + 4096, "-----------", -1);
	in->h.msg_control = &in->control;
	in->h.msg_controllen = sizeof(in->control);
	in->h.msg_name = &in->name;
	in->h.msg_namelen = sizeof(in->name);
	ok(make(AZ_SYS_sendmsg, s[0], m, 0) == 5, "sendmsg sends");
	ok(make(AZ_SYS_recvmsg, s[1], in, 0) == 5 &&
	       !memcmp(in->data, "hello-", 6),
	   "recvmsg receives");
	memcpy(&fd, CMSG_DATA(&in->control.c), sizeof(fd));
	ok(in->h.msg_controllen == CMSG_SPACE(sizeof(int)) &&
	       in->control.c.cmsg_type == SCM_RIGHTS && !close(fd),
	   "a descriptor came with it, and its length");
	ok(in->h.msg_namelen == 0 && in->h.msg_iov == &in->v &&
	       in->h.msg_name == &in->name,
	   "the length of the name is written back, and no pointer");
	make(AZ_SYS_sendmsg, s[0], m, 0);
	in->v.iov_len = 2;
	in->h.msg_controllen = 0;
	ok(make(AZ_SYS_recvmsg, s[1], in, 0) == 2 &&
	       in->h.msg_flags == (MSG_TRUNC | MSG_CTRUNC),
	   "flags are written back");
	message_init(GUEST, "hello", HIDDEN_FD);
	ok(make(AZ_SYS_sendmsg, s[0], m, 0) == -EBADF,
	   "a descriptor of the owner cannot be sent");
	check(AZ_SYS_sendmsg, s[0], message_init(GUEST, "hello", 1), 0);
	message_init(GUEST, "hello", HIDDEN_FD);
	finish(0);
	in->h.msg_controllen = sizeof(in->control);
	make(AZ_SYS_recvmsg, s[1], in, 0);
	memcpy(&fd, CMSG_DATA(&in->control.c), sizeof(fd));
	ok(in->h.msg_controllen && !fcntl(fd, F_GETFD),
	   "nor put in after the check");
	close(fd);
	m = message_init(GUEST, "hello", 1);
	m->h.msg_control = (void *)OWNER;
	ok(make(AZ_SYS_sendmsg, s[0], m, 0) == -EFAULT,
	   "ancillary data of the owner's: EFAULT");
	m->h.msg_control = &m->control;
	m->control.c.cmsg_len = 3;
	ok(make(AZ_SYS_sendmsg, s[0], m, 0) == -EINVAL,
	   "a header that is too short: EINVAL");
	m->control.c.cmsg_len = UINT64_MAX;
	ok(make(AZ_SYS_sendmsg, s[0], m, 0) == -EINVAL,
	   "a header that is too long: EINVAL");
	m->h.msg_controllen = CHECK_CONTROL_MAX + 1;
	ok(make(AZ_SYS_sendmsg, s[0], m, 0) == -ENOBUFS,
	   "more ancillary data than Linux takes: ENOBUFS");
	m = message_init(GUEST, "hello", -1);
	m->h.msg_name = (void *)OWNER;
	m->h.msg_namelen = 16;
	ok(make(AZ_SYS_sendmsg, s[0], m, 0) == -EFAULT,
	   "a name in the owner: EFAULT");
	m = message_init(GUEST, "hello", -1);
	m->v.iov_base = (void *)OWNER;
	ok(make(AZ_SYS_sendmsg, s[0], m, 0) == -EFAULT,
	   "a buffer in the owner: EFAULT");
	ok(make(AZ_SYS_sendmsg, s[0], OWNER, 0) == -EFAULT &&
	       make(AZ_SYS_sendmsg, 1, OWNER, 0) == -ENOTSOCK,
	   "a message in the owner: EFAULT, after ENOTSOCK");
	make(AZ_SYS_sendmsg, s[0], message_init(GUEST, "x", -1), 0);
	check(AZ_SYS_recvmsg, s[1], in, 0);
	mprotect((void *)(GUEST + 4096), 4096, PROT_READ);
	ok(finish(0) == -EFAULT,
	   "a header that became read-only: EFAULT, no crash");
	mprotect((void *)(GUEST + 4096), 4096, PROT_READ | PROT_WRITE);
	close(s[0]);
	close(s[1]);
}

static void test_mmsg(void)
{
	struct mmsghdr *v = (void *)GUEST;
	struct iovec *big = (void *)(GUEST + 0x40000);
	uint64_t pad = GUEST + 0x20000;
	int s[2];

	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	for (int i = 0; i < 3; i++)
		v[i].msg_hdr =
		    message_init(pad + 512 * (uint64_t)i, "abc" + i, -1)->h;
	ok(make(AZ_SYS_sendmmsg, s[0], v, 3, 0) == 3 && v[0].msg_len == 3 &&
	       v[2].msg_len == 1,
	   "sendmmsg sends, and tells the lengths");
	v[0].msg_len = v[1].msg_len = v[2].msg_len = 77;
	ok(make(AZ_SYS_recvmmsg, s[1], v, 3, MSG_WAITFORONE, 0) == 3 &&
	       v[0].msg_len == 3 && v[1].msg_len == 2 && v[2].msg_len == 1,
	   "recvmmsg receives, and tells the lengths");
	v[1].msg_hdr.msg_iov[0].iov_base = (void *)OWNER;
	ok(make(AZ_SYS_sendmmsg, s[0], v, 3, 0) == 1,
	   "messages before a bad one are sent");
	v[0].msg_hdr.msg_iov = (void *)OWNER;
	ok(make(AZ_SYS_sendmmsg, s[0], v, 3, 0) == -EFAULT,
	   "the first is bad: EFAULT");
	ok(make(AZ_SYS_sendmmsg, s[0], GUEST + GUEST_LEN, 3, 0) == -EFAULT,
	   "none can be read: EFAULT");
	ok(make(AZ_SYS_sendmmsg, s[0], OWNER, 0, 0) == 0, "no messages: 0");
	for (int i = 0; i < 1024; i++) {
		big[i] = (struct iovec){ big, 0 };
		v[i].msg_hdr =
		    (struct msghdr){ .msg_iov = big, .msg_iovlen = 1024 };
	}
	ok(check(AZ_SYS_sendmmsg, s[0], v, 5000, 0) == 0 && call.arg[2] > 200 &&
	       call.arg[2] < 1024 && call.total <= CHECK_MAX,
	   "more than may be copied: as many as fit");
	drop();
	for (int n = 1; n < 5; n++) {
		malloc_fail_at = n;
		ok(check(AZ_SYS_sendmmsg, s[0], v, 5000, 0) ==
		       (n <= 2 ? -ENOMEM : 0),
		   "allocation %d fails: %s", n,
		   n <= 2 ? "ENOMEM" : "those before it are sent");
		drop();
	}
	malloc_fail_at = 0;
	close(s[0]);
	close(s[1]);
}

static void test_poll(void)
{
	struct pollfd *p = (void *)GUEST;
	fd_set *set = (void *)(GUEST + 4096);
	int fd[2];

	pipe(fd);
	p[0] = (struct pollfd){ fd[1], POLLOUT, -1 };
	p[1] = (struct pollfd){ HIDDEN_FD, POLLIN | POLLOUT, -1 };
	ok(check(AZ_SYS_poll, p, 1, 0) == 0 && call.arg[0] == GUEST,
	   "poll of the program's descriptors is not copied back");
	drop();
	ok(make(AZ_SYS_poll, p, 2, 0) == 2 && p[0].revents == POLLOUT &&
	       p[1].revents == POLLNVAL && p[1].fd == HIDDEN_FD,
	   "poll of one of the owner's: POLLNVAL");
	p[1].fd = -1;
	ok(make(AZ_SYS_poll, p, 2, 0) == 1 && p[1].revents == 0,
	   "poll of none: nothing");
	ok(make(AZ_SYS_poll, OWNER, 2, 0) == -EFAULT &&
	       make(AZ_SYS_poll, GUEST + GUEST_LEN, 2, 0) == -EFAULT,
	   "poll of what is not there: EFAULT");
	ok(make(AZ_SYS_poll, OWNER, 0, 0) == 0, "poll of nothing: 0");
	ok(make(AZ_SYS_poll, p, 0x7fffffff, 0) == -EINVAL,
	   "poll of more than can be open: EINVAL");
	memset(set, 0, sizeof(*set));
	FD_SET(fd[1], set);
	ok(make(AZ_SYS_select, 1024, 0, set, 0, GUEST + 8192) == 1,
	   "select tells what is ready");
	FD_SET(HIDDEN_FD, set);
	ok(make(AZ_SYS_select, 1024, 0, set, 0, GUEST + 8192) == -EBADF &&
	       make(AZ_SYS_select, HIDDEN_FD, 0, set, 0, GUEST + 8192) == 1,
	   "select on one of the owner's: EBADF, if it is below n");
	ok(make(AZ_SYS_select, -1, 0, set, 0, 0) == -EINVAL &&
	       make(AZ_SYS_select, 64, 0, OWNER, 0, 0) == -EFAULT,
	   "select with bad arguments: as Linux");
	((uint64_t *)GUEST)[0] = OWNER;
	((uint64_t *)GUEST)[1] = 8;
	ok(make(AZ_SYS_pselect6, 0, 0, 0, 0, GUEST + 8192, GUEST) == -EFAULT,
	   "pselect6 with a mask in the owner: EFAULT");
	close(fd[0]);
	close(fd[1]);
}

static void test_named(void)
{
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	struct sock_fprog *prog = (void *)GUEST;
	struct sock_filter *filter = (void *)(GUEST + 64);
	struct sigevent *ev = (void *)GUEST;
	uint64_t minus = UINT64_MAX;

	*filter = (struct sock_filter){ BPF_RET | BPF_K, 0, 0, 0xffff };
	*prog = (struct sock_fprog){ 1, filter };
	ok(make(AZ_SYS_setsockopt, udp, SOL_SOCKET, SO_ATTACH_FILTER, prog,
		sizeof(*prog)) == 0,
	   "a socket filter passes");
	prog->filter = (void *)OWNER;
	ok(make(AZ_SYS_setsockopt, udp, SOL_SOCKET, SO_ATTACH_FILTER, prog,
		sizeof(*prog)) == -EFAULT,
	   "one in the owner: EFAULT");
	ok(check(AZ_SYS_getsockopt, udp, IPPROTO_TCP, 35, GUEST, GUEST) ==
	       -ENOPROTOOPT,
	   "TCP_ZEROCOPY_RECEIVE: refused");
	ok(check(AZ_SYS_ioctl, 0, TIOCSTI, GUEST) == -EPERM &&
	       check(AZ_SYS_ioctl, 0, TIOCSTI | 1ULL << 32, GUEST) == -EPERM,
	   "TIOCSTI: EPERM");
	ok(check(AZ_SYS_ioctl, 0, AZM_CREATE, GUEST) == -EPERM &&
	       check(AZ_SYS_ioctl, 0, AZM_START | 1ULL << 32, GUEST) ==
		   -EPERM &&
	       check(AZ_SYS_ioctl, 0, AZM_RUN, GUEST) == -EPERM &&
	       check(AZ_SYS_ioctl, 0, AZM_INFO, GUEST) == 0,
	   "cores of one's own choice: EPERM; to ask about them: passed on");
	drop();
	ok(make(AZ_SYS_ioctl, udp, FIONREAD, OWNER) == -EFAULT,
	   "ioctl into the owner: EFAULT");
	check(AZ_SYS_ioctl, udp, 0x5421, minus);
	ok(call.arg[2] == minus, "an ioctl's number is passed on");
	drop();
	memset(ev, 0, sizeof(*ev));
	ev->sigev_notify = SIGEV_THREAD;
	ev->sigev_value.sival_ptr = (void *)OWNER;
	ok(check(AZ_SYS_mq_notify, 1, ev) == 0 &&
	       ((struct sigevent *)call.arg[1])->sigev_value.sival_ptr ==
		   (void *)CHECK_BAD_ADDR,
	   "mq_notify with a cookie in the owner: faults");
	drop();
	((uint64_t *)GUEST)[0] = OWNER;
	((uint64_t *)GUEST)[1] = 8;
	ok(check(AZ_SYS_setxattrat, AT_FDCWD, GUEST, 0, GUEST, GUEST, 16) ==
		   0 &&
	       *(uint64_t *)call.arg[4] == CHECK_BAD_ADDR,
	   "setxattrat with a value in the owner: faults");
	drop();
	check(AZ_SYS_futex, GUEST, FUTEX_CMP_REQUEUE, 1, OWNER, GUEST, 0);
	ok(call.arg[3] == OWNER, "a futex's count is no address");
	check(AZ_SYS_futex, GUEST, FUTEX_WAIT, 1, OWNER, GUEST, 0);
	ok(call.arg[3] == CHECK_BAD_ADDR, "its timeout is");
	check(AZ_SYS_semctl, 0, 0, SETVAL, OWNER);
	ok(call.arg[3] == OWNER, "a semaphore's value is no address");
	check(AZ_SYS_semctl, 0, 0, GETALL, OWNER);
	ok(call.arg[3] == CHECK_BAD_ADDR, "an array of them is");
	ok(check(AZ_SYS_prctl, PR_SET_SECCOMP, 1) == -EINVAL &&
	       check(AZ_SYS_prctl, PR_SET_MM, 1) == -EINVAL,
	   "prctl that changes the owner: EINVAL");
	ok(make(AZ_SYS_personality, 0xffffffff) >= 0 &&
	       check(AZ_SYS_personality, 0) == -EPERM,
	   "personality may be asked");
	ok(make(AZ_SYS_prctl, PR_GET_DUMPABLE) >= 0, "other prctl: made");
	ok(check(AZ_SYS_shmat, 0, 0) == -EINVAL &&
	       check(AZ_SYS_shmat, 0, OWNER) == -EINVAL,
	   "shmat where Linux likes, or in the owner: refused");
	close(udp);
}

static bool is_pointer(uint8_t kind)
{
	switch (kind) {
	case AZ_ARG_PATH:
	case AZ_ARG_STR:
	case AZ_ARG_IN:
	case AZ_ARG_OUT:
	case AZ_ARG_INOUT:
	case AZ_ARG_STRUCT_IN:
	case AZ_ARG_STRUCT_OUT:
	case AZ_ARG_STRUCT_INOUT:
	case AZ_ARG_IOV_IN:
	case AZ_ARG_IOV_OUT:
	case AZ_ARG_MSG_IN:
	case AZ_ARG_MSG_OUT:
	case AZ_ARG_MMSG_IN:
	case AZ_ARG_MMSG_OUT:
	case AZ_ARG_OUT_LENPTR:
	case AZ_ARG_STRVEC:
	case AZ_ARG_FDSET:
	case AZ_ARG_SPECIAL:
	case AZ_ARG_SIGMASK_PTR:
		return true;
	default:
		return false;
	}
}

/* Every argument of every call, from the table. */
static void test_table(void)
{
	int bad = 0, pointers = 0, fds = 0;

	for (uint32_t nr = 0; nr < AZ_NR_CALLS; nr++) {
		for (unsigned int i = 0; i < calls[nr].nargs; i++) {
			uint8_t kind = calls[nr].arg[i].kind;
			uint64_t a[6] = { 1, 1, 1, 1, 1, 1 };
			bool fd = kind == AZ_ARG_FD || kind == AZ_ARG_DIRFD;

			if (!fd && !is_pointer(kind))
				continue;
			a[i] = fd ? HIDDEN_FD : OWNER;
			if (check6(0, nr, a[0], a[1], a[2], a[3], a[4], a[5]))
				continue;
			fds += fd;
			pointers += !fd;
			if (call.arg[i] !=
			    (fd ? CHECK_BAD_FD : CHECK_BAD_ADDR)) {
				printf("# %s, argument %u\n", calls[nr].name,
				       i);
				bad++;
			}
			drop();
		}
	}
	ok(!bad && fds > 100 && pointers > 250,
	   "all %d descriptors and %d pointers of the table are checked", fds,
	   pointers);
}

static bool setup(void)
{
	static struct az_boot boot = { .fd_hidden_lo = HIDDEN_LO,
				       .fd_hidden_hi = HIDDEN_HI,
				       .exe_fd = EXE_FD,
				       .mem_fd = MEM_FD,
				       .trace_fd = TRACE_FD };
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	int prot = PROT_READ | PROT_WRITE;

	if (mmap((void *)GUEST, GUEST_LEN, prot, flags, -1, 0) == MAP_FAILED ||
	    mmap((void *)LAST_PAGE, AZ_PAGE_SIZE * 2, prot, flags, -1, 0) ==
		MAP_FAILED ||
	    mmap((void *)AZ_OWNER_BASE, 0x10000, prot, flags, -1, 0) ==
		MAP_FAILED)
		return false;
	dup2(0, HIDDEN_FD);
	dup2(0, EXE_FD);
	dup2(open("/proc/self/mem", O_RDWR), MEM_FD);
	dup2(open("/dev/null", O_WRONLY), TRACE_FD);
	return !check_init(&boot, NULL);
}

int main(void)
{
	if (!setup()) {
		perror("Bail out! setup");
		return 1;
	}
	test_class();
	test_pointer();
	test_hidden();
	test_exe();
	test_text();
	test_trace();
	test_internal();
	test_iov();
	test_msg();
	test_mmsg();
	test_poll();
	test_named();
	test_table();
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
