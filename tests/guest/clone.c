/* SPDX-License-Identifier: MIT */
/* clone.c - clone(2) by itself: what it refuses, and a thread made by hand. */
// variants: static pie
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include "tap.h"

#define THREAD                                                              \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | \
	 CLONE_SYSVSEM)

static volatile int ran, child_tid_seen;
static uint32_t ptid, ctid;

static int child(void *arg)
{
	ran = *(int *)arg;
	child_tid_seen = (int)syscall(SYS_gettid);
	return 0;
}

static void check_errors(void)
{
	ERR(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0), EINVAL,
	    "CLONE_THREAD without SIGHAND");
	ERR(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0), EINVAL,
	    "CLONE_SIGHAND without VM");
	ERR(syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0),
	    EINVAL, "CLONE_THREAD without VM");
	ERR(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0), EINVAL,
	    "CLONE_FS with a new namespace");
}

static void check_thread(void)
{
	const size_t size = 65536;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	int value = 77, tid;
	uint32_t v;

	MUST(stack != MAP_FAILED);
	ctid = 0xffffffff;
	tid = clone(child, stack + size,
		    THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |
			CLONE_CHILD_CLEARTID,
		    &value, &ptid, NULL, &ctid);
	OK(tid > 0, "a thread made by clone");
	IS(ptid, tid, "CLONE_PARENT_SETTID");
	while ((v = __atomic_load_n(&ctid, __ATOMIC_SEQ_CST)) != 0)
		syscall(SYS_futex, &ctid, FUTEX_WAIT, v, NULL, NULL, 0);
	OK(1, "CLONE_CHILD_CLEARTID");
	IS(ran, 77, "it ran with its argument");
	IS(child_tid_seen, tid, "gettid in it is what clone returned");
	ERR(syscall(SYS_tgkill, getpid(), tid, 0), ESRCH, "it is gone");
	munmap(stack, size);
}

int main(void)
{
	check_errors();
	check_thread();
	return tap_done();
}
