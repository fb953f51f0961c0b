/* SPDX-License-Identifier: MIT */
/*
 * refused.c - what an instance does not do: calls that would reach beyond it.
 * Refused with an errno, never half done.
 */
// azalea-only: yes
// stderr: ignore
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "tap.h"

static void check_denied(void)
{
	char buf[64];

	ERR(ptrace(PTRACE_TRACEME, 0, 0, 0), EPERM, "ptrace");
	ERR(mount("none", "/mnt", "tmpfs", 0, ""), EPERM, "mount");
	ERR(umount2("/mnt", 0), EPERM, "umount2");
	ERR(unshare(CLONE_NEWNS), EPERM, "unshare");
	ERR(syscall(SYS_setns, 0, 0), EPERM, "setns");
	ERR(syscall(SYS_reboot, 0, 0, 0, 0), EPERM, "reboot");
	ERR(syscall(SYS_init_module, buf, 0L, ""), EPERM, "init_module");
	ERR(syscall(SYS_kexec_load, 0, 0, 0, 0), EPERM, "kexec_load");
	ERR(syscall(SYS_bpf, 0, buf, 8L), EPERM, "bpf");
	ERR(syscall(SYS_perf_event_open, buf, 0, -1, -1, 0), EPERM,
	    "perf_event_open");
	ERR(syscall(SYS_userfaultfd, 0), EPERM, "userfaultfd");
	ERR(syscall(SYS_process_vm_readv, getpid(), buf, 0L, buf, 0L, 0), EPERM,
	    "process_vm_readv");
	ERR(syscall(SYS_pivot_root, "/", "/"), EPERM, "pivot_root");
	ERR(syscall(SYS_swapon, "/nothing", 0), EPERM, "swapon");
	ERR(syscall(SYS_iopl, 3), EPERM, "iopl");
	ERR(syscall(SYS_ioperm, 0, 1, 1), EPERM, "ioperm");
	ERR(syscall(SYS_sethostname, "x", 1L), EPERM, "sethostname");
	ERR(syscall(SYS_acct, NULL), EPERM, "acct");
	ERR(syscall(SYS_clock_settime, 0, &(struct timespec){ 1, 1 }), EPERM,
	    "clock_settime");
	ERR(syscall(SYS_settimeofday, NULL, NULL), EPERM, "settimeofday");
}

static void check_missing(void)
{
	char buf[128] = { 0 };

	ERR(syscall(425 /* io_uring_setup */, 8, buf), ENOSYS,
	    "io_uring_setup");
	ERR(syscall(334 /* rseq */, buf, 32, 0, 0), ENOSYS, "rseq");
	OK(prctl(PR_SET_SECCOMP, 2, buf) == -1, "PR_SET_SECCOMP");
	OK(syscall(SYS_seccomp, 1, 0, buf) == -1, "seccomp");
	ERR(syscall(59999), ENOSYS, "no such call");
}

/* Memory that is not the program's stays out of reach of its calls. */
static void check_own_memory(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", getpid());
	OK(access("/proc/self/mem", R_OK) == -1 ||
	       syscall(SYS_open, "/proc/self/mem", 2) == -1,
	   "/proc/self/mem");
	OK(syscall(SYS_open, path, 2) == -1, "by pid");
}

int main(void)
{
	check_denied();
	check_missing();
	check_own_memory();
	return tap_done();
}
