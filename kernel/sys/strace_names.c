/* SPDX-License-Identifier: MIT */
/*
 * strace_names.c - the names of flags, signals and errors, as Linux has them.
 * Constant data. Numbers stand here only where Linux's headers for programs
 * do not have them.
 */
#include "sys/strace_names.h"

#include <asm/ioctls.h>
#include <asm/prctl.h>
#include <asm/resource.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/time.h>
#include <linux/wait.h>

#include "call.h"
#include "lib/errno.h"

/* Newer than the headers of Debian 12, or not in them. */
#define RUSAGE_SELF     0
#define RUSAGE_CHILDREN (-1)
#define RUSAGE_THREAD   1

#define N(prefix, name)                         \
	{                                       \
		(uint32_t)(prefix##name), #name \
	}
#define V(value, name)                   \
	{                                \
		(uint32_t)(value), #name \
	}

/* clang-format off */
static const struct flag_name names_open[] = {
	N(O_, RDONLY), N(O_, WRONLY), N(O_, RDWR), N(O_, CREAT), N(O_, EXCL),
	N(O_, NOCTTY), N(O_, TRUNC), N(O_, APPEND), N(O_, NONBLOCK), N(O_,
	SYNC), N(O_, DSYNC), V(FASYNC, ASYNC), N(O_, DIRECT), N(O_, LARGEFILE),
	N(O_, TMPFILE), N(O_, DIRECTORY), N(O_, NOFOLLOW), N(O_, NOATIME),
	N(O_, CLOEXEC), N(O_, PATH),
};
static const struct flag_name names_fd[] = {
	N(O_, CLOEXEC), N(O_, NONBLOCK), N(O_, DIRECT),
};
static const struct flag_name names_prot[] = {
	N(PROT_, NONE), N(PROT_, READ), N(PROT_, WRITE), N(PROT_, EXEC),
	N(PROT_, GROWSDOWN), N(PROT_, GROWSUP),
};
static const struct flag_name names_map[] = {
	N(MAP_, SHARED), N(MAP_, PRIVATE), N(MAP_, SHARED_VALIDATE), N(MAP_,
	FIXED), N(MAP_, ANONYMOUS), N(MAP_, 32BIT), N(MAP_, GROWSDOWN), N(MAP_,
	DENYWRITE), N(MAP_, EXECUTABLE), N(MAP_, LOCKED), N(MAP_, NORESERVE),
	N(MAP_, POPULATE), N(MAP_, NONBLOCK), N(MAP_, STACK), N(MAP_, HUGETLB),
	N(MAP_, SYNC), N(MAP_, FIXED_NOREPLACE),
};
static const struct flag_name names_at[] = {
	N(AT_, SYMLINK_NOFOLLOW), N(AT_, REMOVEDIR), V(AT_EACCESS, EACCESS),
	N(AT_, SYMLINK_FOLLOW), N(AT_, NO_AUTOMOUNT), N(AT_, EMPTY_PATH),
	N(AT_, STATX_FORCE_SYNC), N(AT_, STATX_DONT_SYNC),
};
static const struct flag_name names_clone[] = {
	N(CLONE_, VM), N(CLONE_, FS), N(CLONE_, FILES), N(CLONE_, SIGHAND),
	N(CLONE_, PIDFD), N(CLONE_, PTRACE), N(CLONE_, VFORK), N(CLONE_,
	PARENT), N(CLONE_, THREAD), N(CLONE_, NEWNS), N(CLONE_, SYSVSEM),
	N(CLONE_, SETTLS), N(CLONE_, PARENT_SETTID), N(CLONE_, CHILD_CLEARTID),
	N(CLONE_, DETACHED), N(CLONE_, UNTRACED), N(CLONE_, CHILD_SETTID),
	N(CLONE_, NEWCGROUP), N(CLONE_, NEWUTS), N(CLONE_, NEWIPC), N(CLONE_,
	NEWUSER), N(CLONE_, NEWPID), N(CLONE_, NEWNET), N(CLONE_, IO),
};
static const struct flag_name names_futex[] = {
	N(FUTEX_, WAIT), N(FUTEX_, WAKE), N(FUTEX_, FD), N(FUTEX_, REQUEUE),
	N(FUTEX_, CMP_REQUEUE), N(FUTEX_, WAKE_OP), N(FUTEX_, LOCK_PI),
	N(FUTEX_, UNLOCK_PI), N(FUTEX_, TRYLOCK_PI), N(FUTEX_, WAIT_BITSET),
	N(FUTEX_, WAKE_BITSET), N(FUTEX_, WAIT_REQUEUE_PI), N(FUTEX_,
	CMP_REQUEUE_PI), N(FUTEX_, LOCK_PI2), N(FUTEX_, PRIVATE_FLAG),
	N(FUTEX_, CLOCK_REALTIME),
};
static const struct flag_name names_fcntl[] = {
	N(F_, DUPFD), N(F_, GETFD), N(F_, SETFD), N(F_, GETFL), N(F_, SETFL),
	N(F_, GETLK), N(F_, SETLK), N(F_, SETLKW), N(F_, SETOWN), N(F_,
	GETOWN), N(F_, SETSIG), N(F_, GETSIG), N(F_, SETOWN_EX), N(F_,
	GETOWN_EX), N(F_, OFD_GETLK), N(F_, OFD_SETLK), N(F_, OFD_SETLKW),
	N(F_, SETLEASE), N(F_, GETLEASE), N(F_, NOTIFY), N(F_, DUPFD_CLOEXEC),
	N(F_, SETPIPE_SZ), N(F_, GETPIPE_SZ), N(F_, ADD_SEALS), N(F_,
	GET_SEALS),
};
static const struct flag_name names_seek[] = {
	N(SEEK_, SET), N(SEEK_, CUR), N(SEEK_, END), N(SEEK_, DATA), N(SEEK_,
	HOLE),
};
static const struct flag_name names_madv[] = {
	N(MADV_, NORMAL), N(MADV_, RANDOM), N(MADV_, SEQUENTIAL), N(MADV_,
	WILLNEED), N(MADV_, DONTNEED), N(MADV_, FREE), N(MADV_, REMOVE),
	N(MADV_, DONTFORK), N(MADV_, DOFORK), N(MADV_, MERGEABLE), N(MADV_,
	UNMERGEABLE), N(MADV_, HUGEPAGE), N(MADV_, NOHUGEPAGE), N(MADV_,
	DONTDUMP), N(MADV_, DODUMP), N(MADV_, WIPEONFORK), N(MADV_,
	KEEPONFORK), N(MADV_, COLD), N(MADV_, PAGEOUT), N(MADV_,
	POPULATE_READ), N(MADV_, POPULATE_WRITE), N(MADV_, DONTNEED_LOCKED),
	N(MADV_, COLLAPSE),
};
static const struct flag_name names_af[] = {
	V(0, UNSPEC), V(1, UNIX), V(2, INET), V(10, INET6), V(15, KEY), V(16,
	NETLINK), V(17, PACKET), V(29, CAN), V(31, BLUETOOTH), V(38, ALG),
	V(40, VSOCK), V(44, XDP),
};
static const struct flag_name names_sock[] = {
	V(1, STREAM), V(2, DGRAM), V(3, RAW), V(4, RDM), V(5, SEQPACKET), V(10,
	PACKET), V(O_NONBLOCK, NONBLOCK), V(O_CLOEXEC, CLOEXEC),
};
static const struct flag_name names_msg[] = {
	V(1, OOB), V(2, PEEK), V(4, DONTROUTE), V(8, CTRUNC), V(0x20, TRUNC),
	V(0x40, DONTWAIT), V(0x80, EOR), V(0x100, WAITALL), V(0x800, CONFIRM),
	V(0x2000, ERRQUEUE), V(0x4000, NOSIGNAL), V(0x8000, MORE), V(0x10000,
	WAITFORONE), V(0x4000000, ZEROCOPY), V(0x20000000, FASTOPEN),
	V(0x40000000, CMSG_CLOEXEC),
};
static const struct flag_name names_clock[] = {
	N(CLOCK_, REALTIME), N(CLOCK_, MONOTONIC), N(CLOCK_,
	PROCESS_CPUTIME_ID), N(CLOCK_, THREAD_CPUTIME_ID), N(CLOCK_,
	MONOTONIC_RAW), N(CLOCK_, REALTIME_COARSE), N(CLOCK_,
	MONOTONIC_COARSE), N(CLOCK_, BOOTTIME), N(CLOCK_, REALTIME_ALARM),
	N(CLOCK_, BOOTTIME_ALARM), N(CLOCK_, TAI),
};
static const struct flag_name names_sighow[] = {
	V(0, BLOCK), V(1, UNBLOCK), V(2, SETMASK),
};
static const struct flag_name names_rlimit[] = {
	N(RLIMIT_, CPU), N(RLIMIT_, FSIZE), N(RLIMIT_, DATA), N(RLIMIT_,
	STACK), N(RLIMIT_, CORE), N(RLIMIT_, RSS), N(RLIMIT_, NPROC),
	N(RLIMIT_, NOFILE), N(RLIMIT_, MEMLOCK), N(RLIMIT_, AS), N(RLIMIT_,
	LOCKS), N(RLIMIT_, SIGPENDING), N(RLIMIT_, MSGQUEUE), N(RLIMIT_, NICE),
	N(RLIMIT_, RTPRIO), N(RLIMIT_, RTTIME),
};
static const struct flag_name names_prctl[] = {
	N(PR_, SET_PDEATHSIG), N(PR_, GET_PDEATHSIG), N(PR_, GET_DUMPABLE),
	N(PR_, SET_DUMPABLE), N(PR_, GET_KEEPCAPS), N(PR_, SET_KEEPCAPS),
	N(PR_, SET_NAME), N(PR_, GET_NAME), N(PR_, GET_SECCOMP), N(PR_,
	SET_SECCOMP), N(PR_, CAPBSET_READ), N(PR_, CAPBSET_DROP), N(PR_,
	GET_TSC), N(PR_, SET_TSC), N(PR_, GET_SECUREBITS), N(PR_,
	SET_SECUREBITS), N(PR_, SET_TIMERSLACK), N(PR_, GET_TIMERSLACK), N(PR_,
	SET_MM), N(PR_, SET_CHILD_SUBREAPER), N(PR_, GET_CHILD_SUBREAPER),
	N(PR_, SET_NO_NEW_PRIVS), N(PR_, GET_NO_NEW_PRIVS), N(PR_,
	GET_TID_ADDRESS), N(PR_, SET_THP_DISABLE), N(PR_, GET_THP_DISABLE),
	N(PR_, CAP_AMBIENT), N(PR_, GET_SPECULATION_CTRL), N(PR_,
	SET_SPECULATION_CTRL), N(PR_, SET_VMA),
};
static const struct flag_name names_arch[] = {
	N(ARCH_, SET_GS), N(ARCH_, SET_FS), N(ARCH_, GET_FS), N(ARCH_, GET_GS),
	N(ARCH_, GET_CPUID), N(ARCH_, SET_CPUID), N(ARCH_, GET_XCOMP_SUPP),
	N(ARCH_, GET_XCOMP_PERM), N(ARCH_, REQ_XCOMP_PERM),
};
static const struct flag_name names_ioctl[] = {
	V(TCGETS, TCGETS), V(TCSETS, TCSETS), V(TCSETSW, TCSETSW), V(TCSETSF,
	TCSETSF), V(TCSBRK, TCSBRK), V(TCXONC, TCXONC), V(TCFLSH, TCFLSH),
	V(TIOCSCTTY, TIOCSCTTY), V(TIOCGPGRP, TIOCGPGRP), V(TIOCSPGRP,
	TIOCSPGRP), V(TIOCGWINSZ, TIOCGWINSZ), V(TIOCSWINSZ, TIOCSWINSZ),
	V(FIONREAD, FIONREAD), V(TIOCNOTTY, TIOCNOTTY), V(TIOCGSID, TIOCGSID),
	V(TIOCGPTN, TIOCGPTN), V(TIOCSPTLCK, TIOCSPTLCK), V(FIONBIO, FIONBIO),
	V(FIOCLEX, FIOCLEX), V(FIONCLEX, FIONCLEX), V(FIOASYNC, FIOASYNC),
	V(0x40049409, FICLONE),
};
static const struct flag_name names_access[] = {
	V(0, F_OK), V(4, R_OK), V(2, W_OK), V(1, X_OK),
};
static const struct flag_name names_epollctl[] = {
	N(EPOLL_CTL_, ADD), N(EPOLL_CTL_, DEL), N(EPOLL_CTL_, MOD),
};
static const struct flag_name names_wait[] = {
	N(W, NOHANG), N(W, UNTRACED), N(W, EXITED), N(W, CONTINUED), N(W,
	NOWAIT), V(__WNOTHREAD, __NOTHREAD), V(__WALL, __ALL), V(__WCLONE,
	__CLONE),
};
static const struct flag_name names_lock[] = {
	N(LOCK_, SH), N(LOCK_, EX), N(LOCK_, NB), N(LOCK_, UN),
};
static const struct flag_name names_mremap[] = {
	N(MREMAP_, MAYMOVE), N(MREMAP_, FIXED), N(MREMAP_, DONTUNMAP),
};
static const struct flag_name names_msync[] = {
	N(MS_, ASYNC), N(MS_, INVALIDATE), N(MS_, SYNC),
};
static const struct flag_name names_timerabs[] = {
	V(1, ABSTIME),
};
static const struct flag_name names_rusage[] = {
	N(RUSAGE_, SELF), N(RUSAGE_, CHILDREN), N(RUSAGE_, THREAD),
};
static const struct flag_name names_sol[] = {
	V(0, SOL_IP), V(1, SOL_SOCKET), V(6, SOL_TCP), V(17, SOL_UDP), V(41,
	SOL_IPV6), V(263, SOL_PACKET), V(270, SOL_NETLINK),
};
static const struct flag_name names_poll_events[] = {
	V(1, IN), V(2, PRI), V(4, OUT), V(8, ERR), V(0x10, HUP), V(0x20, NVAL),
	V(0x40, RDNORM), V(0x80, RDBAND), V(0x100, WRNORM), V(0x200, WRBAND),
	V(0x2000, RDHUP), V(1U<<28, EXCLUSIVE), V(1U<<29, WAKEUP), V(1U<<30,
	ONESHOT), V(1U<<31, ET),
};
static const struct flag_name names_file_types[] = {
	V(0010000, IFO), V(0020000, CHR), V(0040000, DIR), V(0060000, BLK),
	V(0100000, REG), V(0120000, LNK), V(0140000, SOCK),
};
static const struct flag_name names_sigaction_flags[] = {
	V(1, NOCLDSTOP), V(2, NOCLDWAIT), V(4, SIGINFO), V(0x4000000,
	RESTORER), V(0x8000000, ONSTACK), V(0x10000000, RESTART), V(0x40000000,
	NODEFER), V(0x80000000, RESETHAND),
};
/* clang-format on */

#define SET(prefix, names, choice)                       \
	{                                                \
		prefix, names, ARRAY_SIZE(names), choice \
	}

static const struct flag_set sets[] = {
	[AZ_FMT_OPEN] = SET("O_", names_open, 3),
	[AZ_FMT_FD] = SET("O_", names_fd, 0),
	[AZ_FMT_PROT] = SET("PROT_", names_prot, 0),
	[AZ_FMT_MAP] = SET("MAP_", names_map, 15),
	[AZ_FMT_AT] = SET("AT_", names_at, 0),
	[AZ_FMT_CLONE] = SET("CLONE_", names_clone, 0),
	[AZ_FMT_FUTEX] = SET("FUTEX_", names_futex, 127),
	[AZ_FMT_FCNTL] = SET("F_", names_fcntl, ~0U),
	[AZ_FMT_SEEK] = SET("SEEK_", names_seek, ~0U),
	[AZ_FMT_MADV] = SET("MADV_", names_madv, ~0U),
	[AZ_FMT_AF] = SET("AF_", names_af, ~0U),
	[AZ_FMT_SOCK] = SET("SOCK_", names_sock, 15),
	[AZ_FMT_MSG] = SET("MSG_", names_msg, 0),
	[AZ_FMT_CLOCK] = SET("CLOCK_", names_clock, ~0U),
	[AZ_FMT_SIGHOW] = SET("SIG_", names_sighow, ~0U),
	[AZ_FMT_RLIMIT] = SET("RLIMIT_", names_rlimit, ~0U),
	[AZ_FMT_PRCTL] = SET("PR_", names_prctl, ~0U),
	[AZ_FMT_ARCH] = SET("ARCH_", names_arch, ~0U),
	[AZ_FMT_IOCTL] = SET("", names_ioctl, ~0U),
	[AZ_FMT_ACCESS] = SET("", names_access, 0),
	[AZ_FMT_EPOLLCTL] = SET("EPOLL_CTL_", names_epollctl, ~0U),
	[AZ_FMT_WAIT] = SET("W", names_wait, 0),
	[AZ_FMT_LOCK] = SET("LOCK_", names_lock, 0),
	[AZ_FMT_MREMAP] = SET("MREMAP_", names_mremap, 0),
	[AZ_FMT_MSYNC] = SET("MS_", names_msync, 0),
	[AZ_FMT_TIMERABS] = SET("TIMER_", names_timerabs, 0),
	[AZ_FMT_RUSAGE] = SET("RUSAGE_", names_rusage, ~0U),
	[AZ_FMT_SOL] = SET("", names_sol, ~0U),
};

const struct flag_set poll_events = SET("POLL", names_poll_events, 0);
const struct flag_set file_types = SET("S_IF", names_file_types, ~0U);
const struct flag_set sigaction_flags = SET("SA_", names_sigaction_flags, 0);

/* clang-format off */
static const char *const signals[] = {
	NULL, "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE",
	"KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT",
	"CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
	"VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
};

#define E(name) [name] = #name
static const char *const errors[] = {
	E(EPERM), E(ENOENT), E(ESRCH), E(EINTR), E(EIO), E(ENXIO), E(E2BIG),
	E(ENOEXEC), E(EBADF), E(ECHILD), E(EAGAIN), E(ENOMEM), E(EACCES),
	E(EFAULT), E(ENOTBLK), E(EBUSY), E(EEXIST), E(EXDEV), E(ENODEV),
	E(ENOTDIR), E(EISDIR), E(EINVAL), E(ENFILE), E(EMFILE), E(ENOTTY),
	E(ETXTBSY), E(EFBIG), E(ENOSPC), E(ESPIPE), E(EROFS), E(EMLINK),
	E(EPIPE), E(EDOM), E(ERANGE), E(EDEADLK), E(ENAMETOOLONG), E(ENOLCK),
	E(ENOSYS), E(ENOTEMPTY), E(ELOOP), E(ENOMSG), E(EIDRM), E(ECHRNG),
	E(EL2NSYNC), E(EL3HLT), E(EL3RST), E(ELNRNG), E(EUNATCH), E(ENOCSI),
	E(EL2HLT), E(EBADE), E(EBADR), E(EXFULL), E(ENOANO), E(EBADRQC),
	E(EBADSLT), E(EBFONT), E(ENOSTR), E(ENODATA), E(ETIME), E(ENOSR),
	E(ENONET), E(ENOPKG), E(EREMOTE), E(ENOLINK), E(EADV), E(ESRMNT),
	E(ECOMM), E(EPROTO), E(EMULTIHOP), E(EDOTDOT), E(EBADMSG),
	E(EOVERFLOW), E(ENOTUNIQ), E(EBADFD), E(EREMCHG), E(ELIBACC),
	E(ELIBBAD), E(ELIBSCN), E(ELIBMAX), E(ELIBEXEC), E(EILSEQ),
	E(ERESTART), E(ESTRPIPE), E(EUSERS), E(ENOTSOCK), E(EDESTADDRREQ),
	E(EMSGSIZE), E(EPROTOTYPE), E(ENOPROTOOPT), E(EPROTONOSUPPORT),
	E(ESOCKTNOSUPPORT), E(EOPNOTSUPP), E(EPFNOSUPPORT), E(EAFNOSUPPORT),
	E(EADDRINUSE), E(EADDRNOTAVAIL), E(ENETDOWN), E(ENETUNREACH),
	E(ENETRESET), E(ECONNABORTED), E(ECONNRESET), E(ENOBUFS), E(EISCONN),
	E(ENOTCONN), E(ESHUTDOWN), E(ETOOMANYREFS), E(ETIMEDOUT),
	E(ECONNREFUSED), E(EHOSTDOWN), E(EHOSTUNREACH), E(EALREADY),
	E(EINPROGRESS), E(ESTALE), E(EUCLEAN), E(ENOTNAM), E(ENAVAIL),
	E(EISNAM), E(EREMOTEIO), E(EDQUOT), E(ENOMEDIUM), E(EMEDIUMTYPE),
	E(ECANCELED), E(ENOKEY), E(EKEYEXPIRED), E(EKEYREVOKED),
	E(EKEYREJECTED), E(EOWNERDEAD), E(ENOTRECOVERABLE), E(ERFKILL),
	E(EHWPOISON),
};
/* clang-format on */

const struct flag_set *flag_set_find(uint32_t fmt)
{
	if (fmt >= ARRAY_SIZE(sets) || !sets[fmt].names)
		return NULL;
	return &sets[fmt];
}

const char *flag_name_find(const struct flag_set *set, uint32_t value)
{
	for (uint32_t i = 0; i < set->count; i++) {
		if (set->names[i].value == value)
			return set->names[i].name;
	}
	return NULL;
}

const char *signal_name(uint32_t sig)
{
	return sig < ARRAY_SIZE(signals) ? signals[sig] : NULL;
}

const char *errno_name(uint32_t err)
{
	switch (err) {
	case ERESTARTSYS:
		return "ERESTARTSYS";
	case ERESTARTNOHAND:
		return "ERESTARTNOHAND";
	default:
		return err < ARRAY_SIZE(errors) ? errors[err] : NULL;
	}
}
