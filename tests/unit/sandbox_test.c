/* SPDX-License-Identifier: MIT */
/*
 * sandbox_test.c - host/sandbox/sandbox.c: what the owner's filter lets pass.
 *
 * The filter stays for ever, so a child enters it and reports by a pipe. The
 * child keeps to raw system calls: the sanitizers' own calls are not allowed.
 */
/* cflags: -idirafter kernel */
/* (<sys/...> is libc's here, not the unikernel's kernel/sys) */
/* links: host/sandbox/sandbox.c */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "sandbox/sandbox.h"

#define PASSED 12345 /* any result that is not EPERM or ENOSYS */

struct probe {
	const char *name;
	long nr;
	long arg[4];
	int want; /* PASSED, or the errno of the filter */
};

static const struct probe probes[] = {
	{ "getpid", SYS_getpid, { 0 }, PASSED },
	{ "read, offloaded", SYS_read, { -1, 0, 0 }, PASSED },
	{ "socket", SYS_socket, { 1, 1, 0 }, PASSED },
	{ "fchmodat2, newer than libseccomp",
	  AZ_SYS_fchmodat2,
	  { -1, 0, 0, 0 },
	  PASSED },
	{ "mmap", SYS_mmap, { 0, 0, 0, 0 }, PASSED },
	{ "kill", SYS_kill, { 0, 0 }, PASSED },
	{ "ioctl TCGETS", SYS_ioctl, { -1, TCGETS, 0 }, PASSED },
	{ "ioctl FIONREAD", SYS_ioctl, { -1, FIONREAD, 0 }, PASSED },
	{ "ioctl TIOCSTI - 1", SYS_ioctl, { -1, TIOCSTI - 1, 0 }, PASSED },
	{ "ioctl TIOCSTI + 1", SYS_ioctl, { -1, TIOCSTI + 1, 0 }, PASSED },
	{ "ioctl TIOCLINUX + 1", SYS_ioctl, { -1, TIOCLINUX + 1, 0 }, PASSED },
	{ "ioctl 0", SYS_ioctl, { -1, 0, 0 }, PASSED },
	{ "ioctl 0xffffffff", SYS_ioctl, { -1, 0xffffffff, 0 }, PASSED },
	{ "ioctl -1", SYS_ioctl, { -1, -1, 0 }, PASSED },
	{ "ioctl TIOCSTI", SYS_ioctl, { -1, TIOCSTI, 0 }, EPERM },
	{ "ioctl TIOCSTI with its upper half set",
	  SYS_ioctl,
	  { -1, TIOCSTI | 1L << 32, 0 },
	  EPERM },
	{ "ioctl TIOCLINUX", SYS_ioctl, { -1, TIOCLINUX, 0 }, EPERM },
	{ "prctl PR_GET_DUMPABLE",
	  SYS_prctl,
	  { PR_GET_DUMPABLE, 0, 0, 0 },
	  PASSED },
	{ "prctl PR_SET_SECCOMP", SYS_prctl, { PR_SET_SECCOMP, 2, 0 }, EPERM },
	{ "prctl PR_SET_MM", SYS_prctl, { PR_SET_MM, 1, 0 }, EPERM },
	{ "personality, asked",
	  SYS_personality,
	  { 0xffffffff, 0, 0, 0 },
	  PASSED },
	{ "personality, changed", SYS_personality, { 0x0400000 }, EPERM },
	{ "seccomp", SYS_seccomp, { 1, 0, 0 }, EPERM },
	{ "ptrace", SYS_ptrace, { 0, 0, 0 }, EPERM },
	{ "process_vm_readv", SYS_process_vm_readv, { 1, 0, 0, 0 }, EPERM },
	{ "bpf", SYS_bpf, { 0, 0, 0 }, EPERM },
	{ "mount", SYS_mount, { 0, 0, 0, 0 }, EPERM },
	{ "io_uring_setup", SYS_io_uring_setup, { 0, 0 }, EPERM },
	{ "execve", SYS_execve, { 0, 0, 0 }, EPERM },
	/* The child finds the same as its parent, and ends as it does. */
	{ "fork", SYS_fork, { 0 }, PASSED },
	{ "vfork", SYS_vfork, { 0 }, EPERM },
	/* Linux refuses these flags with EINVAL. */
	{ "clone of a process",
	  SYS_clone,
	  { CLONE_SIGHAND | SIGCHLD, 0, 0, 0 },
	  PASSED },
	{ "clone of a thread", SYS_clone, { CLONE_THREAD, 0, 0, 0 }, PASSED },
	{ "clone into new namespaces",
	  SYS_clone,
	  { CLONE_NEWUSER | SIGCHLD, 0, 0, 0 },
	  EPERM },
	{ "clone into new namespaces, with the upper half set",
	  SYS_clone,
	  { CLONE_NEWUSER | SIGCHLD | 1L << 32, 0, 0, 0 },
	  EPERM },
	{ "clone3", SYS_clone3, { 0, 0 }, ENOSYS },
	{ "a number that does not exist", 999, { 0 }, EPERM },
	{ "an x32 call", SYS_getpid | 1L << 30, { 0 }, ENOSYS },
};
#define NPROBES (sizeof(probes) / sizeof(probes[0]))

static int ntests, nfailed;

static void ok(bool pass, const char *what, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s%s\n", pass ? "" : "not ", ntests, name, what);
}

/* errno of each probe, into results. Returns what sandbox_enter did. */
static int run(int *results)
{
	int err = sandbox_enter();

	for (size_t i = 0; !err && i < NPROBES; i++) {
		const struct probe *p = &probes[i];

		errno = 0;
		if (syscall(p->nr, p->arg[0], p->arg[1], p->arg[2], p->arg[3],
			    0, 0) >= 0)
			errno = 0;
		results[i] = errno;
	}
	return err;
}

int main(void)
{
	int *results = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;
	int status;

	if (results == MAP_FAILED)
		return 1;
	child = fork();
	if (child == 0) {
		int err = run(results + 1);

		syscall(SYS_exit_group, err ? 1 : 0);
	}
	waitpid(child, &status, 0);
	ok(status == 0, "", "the sandbox is entered, and left by exit_group");
	for (size_t i = 0; i < NPROBES; i++) {
		int got = results[i + 1], want = probes[i].want;
		bool passed = got != EPERM && got != ENOSYS;

		ok(want == PASSED ? passed : got == want,
		   want == PASSED  ? ": passes"
		   : want == EPERM ? ": EPERM"
				   : ": ENOSYS",
		   probes[i].name);
		if (want == PASSED ? !passed : got != want)
			printf("# got %d\n", got);
	}
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
