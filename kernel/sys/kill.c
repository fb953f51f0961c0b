/* SPDX-License-Identifier: MIT */
/*
 * kill.c - the calls that send signals.
 *
 * What goes to this process or its threads is queued here, so that it is
 * taken before the call returns, as on Linux. What goes to others is Linux's.
 * A group that holds this process gets both, and what Linux then brings back
 * from ourselves is dropped (signal_post).
 *
 * The owner's own threads are no threads of the program: they do not exist
 * for these calls.
 */
#include <linux/fcntl.h>

#include "calls.h"
#include "core.h"
#include "lib/errno.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/user.h"
#include "sched/thread.h"
#include "sys/sys.h"

/* The part of siginfo_t that Linux keeps. */
#define SIGINFO_USED 48

static bool signal_valid(int sig)
{
	return sig >= 0 && sig <= NSIG;
}

static struct siginfo info_of(int sig, int code)
{
	static const uint64_t none[6];

	return (struct siginfo){
		.signo = sig,
		.code = code,
		.rt = { .pid = (int32_t)core_self()->up,
			.uid = (uint32_t)sys_getuid(none) },
	};
}

/* A child of vfork has one thread, and shares the others' memory only. */
static bool lone(void)
{
	return core_self()->vfork;
}

static bool is_self(int pid)
{
	if (lone())
		return pid == (int)core_self()->up;
	return pid == (int)BOOT->pid || (pid > 0 && signal_thread_exists(pid));
}

/* tid is a thread of the owner that the program does not know of. */
static bool is_owners(int tid)
{
	return tid > 0 && !lone() &&
	       host_call(AZ_SYS_tgkill, BOOT->pid, (uint64_t)tid, 0, 0, 0, 0) ==
		   0;
}

static long send_self(const struct siginfo *si)
{
	if (!signal_valid(si->signo))
		return -EINVAL;
	if (!si->signo)
		return 0;
	return lone() ? signal_post(thread_self(), si)
		      : signal_send_process(si);
}

static long send_thread(int tid, const struct siginfo *si)
{
	if (lone() && is_self(tid))
		return send_self(si);
	if (lone() || !signal_thread_exists(tid))
		return -ESRCH;
	if (!signal_valid(si->signo))
		return -EINVAL;
	return signal_send_tid(tid, si);
}

static bool is_own_group(int pid)
{
	if (pid >= 0 || pid == -1 || pid == INT32_MIN)
		return pid == 0;
	return -pid == host_call(AZ_SYS_getpgid, 0, 0, 0, 0, 0, 0);
}

/* The others first: the signal may end this process. */
static long kill_group(int pid, int sig)
{
	struct siginfo si = info_of(sig, SI_USER);
	bool ours =
	    sig >= 1 && sig < AZ_SIG_KICK && !(SIGBIT(sig) & SIG_UNMASKABLE);
	long r;

	r = host_call(AZ_SYS_kill, (uint64_t)pid, (uint64_t)sig, 0, 0, 0, 0);
	if (r == 0 && ours)
		signal_send_process(&si);
	return r;
}

long sys_kill(const uint64_t a[6])
{
	int pid = (int)a[0];
	int sig = (int)a[1];
	struct siginfo si;

	if (is_self(pid)) {
		si = info_of(sig, SI_USER);
		return send_self(&si);
	}
	if (is_own_group(pid))
		return kill_group(pid, sig);
	if (is_owners(pid))
		return -ESRCH;
	return host_call(AZ_SYS_kill, (uint64_t)pid, (uint64_t)sig, 0, 0, 0, 0);
}

long sys_tgkill(const uint64_t a[6])
{
	int tgid = (int)a[0];
	int tid = (int)a[1];
	struct siginfo si = info_of((int)a[2], SI_TKILL);

	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	if (tgid == (int)core_self()->up)
		return send_thread(tid, &si);
	return host_call(AZ_SYS_tgkill, (uint64_t)tgid, (uint64_t)tid, a[2], 0,
			 0, 0);
}

long sys_tkill(const uint64_t a[6])
{
	int tid = (int)a[0];
	struct siginfo si = info_of((int)a[1], SI_TKILL);

	if (tid <= 0)
		return -EINVAL;
	if (lone() ? is_self(tid) : signal_thread_exists(tid))
		return send_thread(tid, &si);
	if (is_owners(tid))
		return -ESRCH;
	return host_call(AZ_SYS_tkill, (uint64_t)tid, a[1], 0, 0, 0, 0);
}

/*
 * sigqueue(3)'s siginfo. Only the sender itself may pass for the kernel or
 * for kill(2).
 */
static int info_load(struct siginfo *si, uint64_t uaddr, int sig, int to)
{
	if (copy_from_user(si, uaddr, sizeof(*si)))
		return -EFAULT;
	si->signo = sig;
	memset((char *)si + SIGINFO_USED, 0, sizeof(*si) - SIGINFO_USED);
	if ((si->code >= 0 || si->code == SI_TKILL) && thread_self()->tid != to)
		return -EPERM;
	return 0;
}

long sys_rt_sigqueueinfo(const uint64_t a[6])
{
	int pid = (int)a[0];
	struct siginfo si;
	int err = info_load(&si, a[2], (int)a[1], pid);

	if (err)
		return err;
	if (is_self(pid))
		return send_self(&si);
	if (is_owners(pid))
		return -ESRCH;
	return host_call(AZ_SYS_rt_sigqueueinfo, (uint64_t)pid, a[1],
			 (uint64_t)&si, 0, 0, 0);
}

long sys_rt_tgsigqueueinfo(const uint64_t a[6])
{
	int tgid = (int)a[0];
	int tid = (int)a[1];
	struct siginfo si;
	int err;

	if (copy_from_user(&si, a[3], sizeof(si)))
		return -EFAULT;
	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	err = info_load(&si, a[3], (int)a[2], tid);
	if (err)
		return err;
	if (tgid == (int)core_self()->up)
		return send_thread(tid, &si);
	return host_call(AZ_SYS_rt_tgsigqueueinfo, (uint64_t)tgid,
			 (uint64_t)tid, a[2], (uint64_t)&si, 0, 0);
}

/* --- pidfd_send_signal --- */

#define PIDFD_SELF_THREAD       (-10000)
#define PIDFD_SELF_THREAD_GROUP (-10001)
#define PIDFD_SIGNAL_THREAD     1U
#define PIDFD_SIGNAL_GROUP      2U
#define FDINFO_MAX              512

/* A descriptor of /proc/PID itself is as good as a pidfd. */
static bool is_own_proc(int fd)
{
	char path[48], own[48], target[48];
	long n;

	fmt_format(path, sizeof(path), "/proc/self/fd/%d", fd);
	fmt_format(own, sizeof(own), "/proc/%d", (int)BOOT->pid);
	n = host_call(AZ_SYS_readlinkat, (uint64_t)AT_FDCWD, (uint64_t)path,
		      (uint64_t)target, sizeof(target) - 1, 0, 0);
	target[n > 0 ? n : 0] = '\0';
	return strcmp(target, own) == 0;
}

/* From /proc/self/fdinfo/FD, proc(5): the line "Pid:\t123"; or -1. */
static int pidfd_pid(int fd)
{
	static const char key[] = "\nPid:\t";
	char path[48], text[FDINFO_MAX + 1];
	const char *s;
	int pid = 0;
	long f, n;

	fmt_format(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = host_call(AZ_SYS_openat, (uint64_t)AT_FDCWD, (uint64_t)path,
		      O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (f < 0)
		return -1;
	n = host_call(AZ_SYS_read, (uint64_t)f, (uint64_t)text, FDINFO_MAX, 0,
		      0, 0);
	host_call(AZ_SYS_close, (uint64_t)f, 0, 0, 0, 0, 0);
	text[n > 0 ? n : 0] = '\0';
	s = strstr(text, key);
	if (!s)
		return is_own_proc(fd) ? (int)BOOT->pid : -1;
	for (s += sizeof(key) - 1; *s >= '0' && *s <= '9'; s++)
		pid = pid * 10 + *s - '0';
	return pid;
}

long sys_pidfd_send_signal(const uint64_t a[6])
{
	int fd = (int)a[0];
	uint32_t flags = (uint32_t)a[3];
	bool to_thread =
	    fd == PIDFD_SELF_THREAD || flags == PIDFD_SIGNAL_THREAD;
	struct siginfo si;
	int err;

	if (flags & ~(PIDFD_SIGNAL_THREAD | PIDFD_SIGNAL_GROUP) ||
	    (fd != PIDFD_SELF_THREAD && fd != PIDFD_SELF_THREAD_GROUP &&
	     pidfd_pid(fd) != (int)BOOT->pid))
		return offload(AZ_SYS_pidfd_send_signal, a);
	if (flags == (PIDFD_SIGNAL_THREAD | PIDFD_SIGNAL_GROUP))
		return -EINVAL;
	si = info_of((int)a[1], to_thread ? SI_TKILL : SI_USER);
	if (a[2]) {
		int32_t signo;

		if (copy_from_user(&signo, a[2], sizeof(signo)))
			return -EFAULT;
		if (signo != (int)a[1])
			return -EINVAL;
		err = info_load(&si, a[2], signo, (int)BOOT->pid);
		if (err)
			return err;
	}
	if (!to_thread)
		return send_self(&si);
	return send_thread(
	    fd == PIDFD_SELF_THREAD ? thread_self()->tid : (int)BOOT->pid, &si);
}
