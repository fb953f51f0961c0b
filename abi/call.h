/* SPDX-License-Identifier: MIT */
/*
 * call.h - what abi/syscall.tbl says of each call, as C data.
 *
 * tools/gencalls.py turns the table into build/gen/calls.h, which defines
 *
 *	AZ_SYS_<name>		the call's number, for every call
 *	AZ_CALLS(X)		X(nr, name, class, attrs, nargs, a0, ..., a5)
 *				for every call, each a an initializer of
 *				struct az_arg (X must not hand it on to
 *				another macro: it has commas)
 *	AZ_LOCAL_CALLS(X)	X(nr, name) for those of class local
 *	AZ_NR_CALLS		one more than the highest number
 *	AZ_POLICIES(X)		X(AZ_POLICY_<name>, "name", "text") for the
 *				classes that a user can deny
 *	AZ_POLICY_CALLS(X)	X(nr, name, mask) for each call that is of one
 *				or, by its arguments, of several
 *
 * Dispatch (kernel/sys/dispatch.c), argument checks (host/offload/check.c),
 * tracing (kernel/sys/strace.c), the seccomp filter and docs/syscalls.md all
 * come from it.
 */
#ifndef AZ_CALL_H
#define AZ_CALL_H

#include <stdint.h>

/* Classes. */
#define AZ_CLASS_NONE    0 /* no such call: -ENOSYS */
#define AZ_CLASS_LOCAL   1 /* sys_<name>() in the unikernel, which may offload */
#define AZ_CLASS_OFFLOAD 2 /* Linux does it, with checked arguments */
#define AZ_CLASS_DENY    3 /* refused: -EPERM */
#define AZ_CLASS_NOSYS   4 /* known, not provided: -ENOSYS */

/* Attributes. */
#define AZ_ATTR_BLOCK     1 /* may block without bound */
#define AZ_ATTR_NORESTART 2 /* EINTR after a handler even with SA_RESTART */
#define AZ_ATTR_SIGPIPE   4 /* Linux may raise SIGPIPE or SIGXFSZ in it */
#define AZ_ATTR_HOST \
	8                 /* a local call whose handler may offload it, so
			       the seccomp filter and the checker let it pass */
#define AZ_ATTR_NESTED 32 /* arguments point to structures with pointers */
#define AZ_ATTR_CREDS  16 /* changes credentials: on every owner thread */

/* What an argument is. Sizes are in bytes. */
#define AZ_ARG_NONE         0
#define AZ_ARG_INT          1 /* int */
#define AZ_ARG_UINT         2 /* unsigned int */
#define AZ_ARG_LONG         3 /* long */
#define AZ_ARG_ULONG        4 /* unsigned long, size_t */
#define AZ_ARG_HEX          5 /* unsigned long that reads better in hex */
#define AZ_ARG_FD           6
#define AZ_ARG_DIRFD        7  /* or AT_FDCWD */
#define AZ_ARG_PATH         8  /* NUL-terminated string, read by Linux */
#define AZ_ARG_STR          9  /* likewise, not a path */
#define AZ_ARG_MODE         10 /* octal */
#define AZ_ARG_FLAGS        11 /* int, named bits: fmt says which set */
#define AZ_ARG_SIG          12
#define AZ_ARG_PID          13
#define AZ_ARG_ADDR         14 /* address that Linux does not dereference */
#define AZ_ARG_IN           15 /* buffer, length = arg[len] * size */
#define AZ_ARG_OUT          16 /* likewise, written by Linux */
#define AZ_ARG_INOUT        17 /* likewise, both */
#define AZ_ARG_STRUCT_IN    18 /* size bytes; fmt may name the struct */
#define AZ_ARG_STRUCT_OUT   19
#define AZ_ARG_STRUCT_INOUT 20
#define AZ_ARG_IOV_IN       21 /* struct iovec[arg[len]], data read by Linux */
#define AZ_ARG_IOV_OUT      22 /* likewise, data written by Linux */
#define AZ_ARG_MSG_IN       23 /* struct msghdr, data read: sendmsg */
#define AZ_ARG_MSG_OUT      24 /* struct msghdr, data written: recvmsg */
#define AZ_ARG_MMSG_IN      25 /* struct mmsghdr[arg[len]] */
#define AZ_ARG_MMSG_OUT     26
#define AZ_ARG_OUT_LENPTR   27 /* written; *(uint32_t *)arg[len] bytes at most */
#define AZ_ARG_STRVEC       28 /* argv, envp */
#define AZ_ARG_FDSET        29 /* fd_set for arg[len] descriptors, or NULL */
#define AZ_ARG_SPECIAL      30 /* depends on other arguments: checked by name */
#define AZ_ARG_SIGMASK_PTR  31 /* pselect6: {sigset *, size}, or NULL */

/* fmt: how strace prints it. Flag sets and structs share the number space. */
#define AZ_FMT_NONE       0
#define AZ_FMT_OPEN       1  /* O_ */
#define AZ_FMT_PROT       2  /* PROT_ */
#define AZ_FMT_MAP        3  /* MAP_ */
#define AZ_FMT_AT         4  /* AT_ */
#define AZ_FMT_CLONE      5  /* CLONE_ */
#define AZ_FMT_FUTEX      6  /* FUTEX_ operation */
#define AZ_FMT_FCNTL      7  /* F_ command */
#define AZ_FMT_SEEK       8  /* SEEK_ */
#define AZ_FMT_MADV       9  /* MADV_ */
#define AZ_FMT_AF         10 /* AF_ */
#define AZ_FMT_SOCK       11 /* SOCK_ */
#define AZ_FMT_MSG        12 /* MSG_ */
#define AZ_FMT_CLOCK      13 /* CLOCK_ */
#define AZ_FMT_SIGHOW     14
#define AZ_FMT_RLIMIT     15
#define AZ_FMT_PRCTL      16
#define AZ_FMT_ARCH       17 /* ARCH_ of arch_prctl */
#define AZ_FMT_IOCTL      18
#define AZ_FMT_ACCESS     19 /* R_OK ... */
#define AZ_FMT_EPOLLCTL   20
#define AZ_FMT_WAIT       21 /* options of wait4 and waitid */
#define AZ_FMT_LOCK       22 /* LOCK_ of flock */
#define AZ_FMT_MREMAP     23
#define AZ_FMT_MSYNC      24
#define AZ_FMT_TIMERABS   25 /* TIMER_ABSTIME */
#define AZ_FMT_RUSAGE     26
#define AZ_FMT_SOL        27
#define AZ_FMT_FD         28 /* O_CLOEXEC and O_NONBLOCK of new descriptors */
#define AZ_FMT_TIMESPEC   32 /* structs from here on */
#define AZ_FMT_TIMEVAL    33
#define AZ_FMT_STAT       34
#define AZ_FMT_SIGSET     35
#define AZ_FMT_SIGACTION  36
#define AZ_FMT_SOCKADDR   37
#define AZ_FMT_POLLFD     38
#define AZ_FMT_EPOLLEV    39
#define AZ_FMT_RLIMITS    40
#define AZ_FMT_INTS       41 /* int[], for pipe2, socketpair */
#define AZ_FMT_UTSNAME    42
#define AZ_FMT_ITIMER     43
#define AZ_FMT_ITIMERSPEC 44
#define AZ_FMT_STATX      45

struct az_arg {
	uint8_t kind;
	uint8_t len; /* index of the argument that holds the count */
	uint8_t fmt;
	uint8_t null_ok; /* a null pointer is allowed by Linux */
	uint16_t size;   /* of the struct or one element */
};

struct az_call_desc {
	const char *name;
	uint8_t class;
	uint8_t attrs;
	uint8_t nargs;
	uint8_t pad;
	struct az_arg arg[6];
};

#endif
