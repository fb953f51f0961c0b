/* SPDX-License-Identifier: MIT */
/*
 * prctl.c - prctl(2): attributes of the process and of the calling thread.
 *
 * Three kinds: those of a thread, kept in struct thread; those of the process,
 * kept here (single words, no lock) or by the owner; and those of Linux's
 * credentials, which are changed on every thread of the owner. What would
 * change how the owner itself runs is refused as by a Linux without it.
 */
#include "sys/prctl.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>

#include "calls.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/user.h"
#include "sched/sched.h"
#include "sys/exec.h"
#include "sys/limits.h"
#include "sys/procfs.h"
#include "sys/sys.h"

/* Newer than Debian 12's <linux/prctl.h>. */
#define AZ_PR_GET_AUXV 0x41555856

#define SUID_DUMP_USER   1U
#define DEFAULT_SLACK_NS 50000 /* kernel/init_task.c */

static bool no_new_privs;
static uint32_t pdeathsig_pid; /* a child does not inherit pdeathsig */

bool process_no_new_privs(void)
{
	return __atomic_load_n(&no_new_privs, __ATOMIC_RELAXED);
}

/* ps and top look at the owner: the first thread's name is its name too. */
static void owner_set_name(const char *name)
{
	char path[40];
	long fd;

	fmt_format(path, sizeof(path), "/proc/self/task/%u/comm", BOOT->pid);
	fd = host_call(__NR_openat, (uint64_t)AT_FDCWD, (uint64_t)path,
		       O_WRONLY | O_CLOEXEC, 0, 0, 0);
	if (fd < 0)
		return;
	host_call(__NR_write, (uint64_t)fd, (uint64_t)name, strlen(name), 0, 0,
		  0);
	host_call(__NR_close, (uint64_t)fd, 0, 0, 0, 0, 0);
}

bool thread_set_name(int tid, const char *name)
{
	char full[sizeof(((struct thread *)0)->name)] = { 0 };
	struct thread *t;

	memcpy(full, name, strnlen(name, sizeof(full) - 1));
	spin_lock(&threads_lock);
	t = thread_find(tid);
	if (t)
		memcpy(t->name, full, sizeof(full));
	spin_unlock(&threads_lock);
	if (t && tid == (int)BOOT->pid)
		owner_set_name(full);
	return t;
}

static long set_name(uint64_t uname)
{
	char name[16] = { 0 };
	long r = user_string(name, uname, sizeof(name));

	if (r == -EFAULT)
		return r;
	name[sizeof(name) - 1] = '\0';
	procfs_comm_sync(1, 0);
	thread_set_name(thread_self()->tid, name);
	return 0;
}

static long get_name(uint64_t uname)
{
	procfs_comm_sync(1, 0);
	return copy_to_user(uname, thread_self()->name,
			    sizeof(thread_self()->name));
}

/* The owner's own attribute, the same for all its threads. */
static long host_prctl(const uint64_t a[6])
{
	return host_call(AZ_SYS_prctl, a[0], a[1], a[2], a[3], a[4], 0);
}

/* One that Linux keeps for each thread, of which the owner has several. */
static long host_prctl_all(const uint64_t a[6])
{
	return offload_everywhere(AZ_SYS_prctl, a);
}

/* A host attribute that Linux stores at arg2: an int. */
static long host_prctl_int(const uint64_t a[6])
{
	int val = 0;
	long r =
	    host_call(AZ_SYS_prctl, a[0], (uint64_t)&val, a[2], a[3], a[4], 0);

	return r < 0 ? r : user_store_32(a[1], (uint32_t)val);
}

static long set_pdeathsig(const uint64_t a[6])
{
	long r;

	if (a[1] > NSIG)
		return -EINVAL;
	r = host_prctl_all(a);
	if (!r) {
		thread_self()->pdeathsig = (uint32_t)a[1];
		pdeathsig_pid = BOOT->pid;
	}
	return r;
}

/* On kvm the owner stays undumpable: instance.c, guard. */
static bool guarded(void)
{
	return BOOT->plat == AZ_PLAT_KVM;
}

static long set_dumpable(const uint64_t a[6])
{
	long r;

	if (a[1] > SUID_DUMP_USER)
		return -EINVAL;
	r = guarded() ? 0 : host_prctl(a);
	if (!r)
		thread_self()->dumpable = (uint32_t)a[1];
	return r;
}

static long set_timerslack(uint64_t ns)
{
	thread_self()->timer_slack = (int64_t)ns > 0 ? ns : DEFAULT_SLACK_NS;
	return 0;
}

static long set_no_new_privs(const uint64_t a[6])
{
	if (a[1] != 1 || a[2] || a[3] || a[4])
		return -EINVAL;
	/* The owner has it already, for its seccomp filter. */
	__atomic_store_n(&no_new_privs, true, __ATOMIC_RELAXED);
	return 0;
}

static long set_mce_kill(const uint64_t a[6])
{
	if (a[3] || a[4] || (a[1] == PR_MCE_KILL_CLEAR && a[2]))
		return -EINVAL;
	if (a[1] == PR_MCE_KILL_CLEAR ||
	    (a[1] == PR_MCE_KILL_SET && a[2] == PR_MCE_KILL_DEFAULT))
		return 0;
	/* The policy belongs to Linux's threads, not to the program's. */
	return -EINVAL;
}

static long get_mce_kill(const uint64_t a[6])
{
	return a[1] || a[2] || a[3] || a[4] ? -EINVAL : PR_MCE_KILL_DEFAULT;
}

static long get_auxv(const uint64_t a[6])
{
	uint64_t size = exec_layout.auxv_words * sizeof(uint64_t);

	if (a[3] || a[4])
		return -EINVAL;
	if (copy_to_user(a[1], exec_layout.auxv, MIN(size, a[2])))
		return -EFAULT;
	return (long)size;
}

/* Says what the processor does; that no thread may choose; see the setter. */
static long get_speculation(const uint64_t a[6])
{
	long r = host_prctl(a);

	return r < 0 ? r : r & ~(long)PR_SPEC_PRCTL;
}

static long set_speculation(const uint64_t a[6])
{
	if (a[3] || a[4])
		return -EINVAL;
	return a[1] > PR_SPEC_L1D_FLUSH ? -ENODEV : -ENXIO;
}

static long prctl_thread(const uint64_t a[6])
{
	struct thread *t = thread_self();
	uint64_t val;

	switch ((int)a[0]) {
	case PR_SET_NAME:
		return set_name(a[1]);
	case PR_GET_NAME:
		return get_name(a[1]);
	case PR_SET_TIMERSLACK:
		return set_timerslack(a[1]);
	case PR_GET_TIMERSLACK:
		return (long)t->timer_slack;
	case PR_GET_TID_ADDRESS:
		val = t->clear_child_tid;
		return copy_to_user(a[1], &val, sizeof(val));
	case PR_SET_PDEATHSIG:
		return set_pdeathsig(a);
	case PR_GET_PDEATHSIG:
		return user_store_32(
		    a[1], pdeathsig_pid == BOOT->pid ? t->pdeathsig : 0);
	case PR_GET_TSC:
		return user_store_32(a[1], PR_TSC_ENABLE);
	case PR_SET_TSC: /* the unikernel reads it on the program's behalf */
		return a[1] == PR_TSC_ENABLE ? 0 : -EINVAL;
	case PR_MCE_KILL:
		return set_mce_kill(a);
	case PR_MCE_KILL_GET:
		return get_mce_kill(a);
	case PR_GET_SPECULATION_CTRL:
		return get_speculation(a);
	case PR_SET_SPECULATION_CTRL:
		return set_speculation(a);
	default:
		return -EINVAL;
	}
}

long sys_prctl(const uint64_t a[6])
{
	switch ((int)a[0]) {
	case PR_SET_DUMPABLE:
		return set_dumpable(a);
	case PR_GET_DUMPABLE:
		return guarded() ? thread_self()->dumpable : host_prctl(a);
	case PR_SET_CHILD_SUBREAPER:
	case PR_SET_THP_DISABLE:
	case PR_GET_THP_DISABLE:
	case PR_GET_KEEPCAPS:
	case PR_CAPBSET_READ:
	case PR_GET_SECUREBITS:
		return host_prctl(a);
	case PR_GET_CHILD_SUBREAPER:
		return host_prctl_int(a);
	case PR_SET_KEEPCAPS:
	case PR_CAPBSET_DROP:
	case PR_SET_SECUREBITS:
	case PR_CAP_AMBIENT:
		return host_prctl_all(a);
	case PR_SET_NO_NEW_PRIVS:
		return set_no_new_privs(a);
	case PR_GET_NO_NEW_PRIVS:
		return a[1] || a[2] || a[3] || a[4] ? -EINVAL
						    : process_no_new_privs();
	case PR_GET_TIMING:
		return PR_TIMING_STATISTICAL;
	case PR_SET_TIMING:
		return a[1] == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
	case PR_TASK_PERF_EVENTS_DISABLE: /* there are none: perf is denied */
	case PR_TASK_PERF_EVENTS_ENABLE:
		return 0;
	case PR_SET_MM:
	case PR_SET_IO_FLUSHER:
	case PR_GET_IO_FLUSHER:
		return -EPERM; /* as without CAP_SYS_RESOURCE */
	case AZ_PR_GET_AUXV:
		return get_auxv(a);
	default:
		return prctl_thread(a);
	}
}
