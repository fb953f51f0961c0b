/* SPDX-License-Identifier: MIT */
/*
 * creds.c - credentials of the owner, which Linux keeps per thread.
 *
 * setuid and its like change one thread only. The main thread makes the call
 * first, so a refusal changes nothing; then it has all others repeat it, by
 * the kick signal (kernel/plat/pico.c and worker.c: follow_creds).
 */
#include "offload/creds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "boot.h"
#include "call.h"
#include "monitor.h"
#include "offload/check.h"

#define BOOT ((struct az_boot *)AZ_BOOT_BASE)

#define PF_USER_WORKER 0x4000UL /* include/linux/sched.h */

/* Written by the main thread while no other is asked to repeat it. */
static struct {
	uint32_t seq;
	uint32_t nr;
	uint64_t arg[6];
} last;

/* Wait for thread tid's answer, unless it ends first. */
static void repeat_on(int tid)
{
	__atomic_store_n(&BOOT->creds_tid, (uint32_t)tid, __ATOMIC_SEQ_CST);
	if (syscall(SYS_tgkill, BOOT->pid, tid, AZ_SIG_KICK))
		return;
	while (__atomic_load_n(&BOOT->creds_tid, __ATOMIC_ACQUIRE)) {
		if (syscall(SYS_tgkill, BOOT->pid, tid, 0))
			return;
		sched_yield();
	}
}

/* Is it a thread that Linux has added to this process, as KVM does? */
static bool is_linux(int tid)
{
	char path[48], text[512], *p;
	ssize_t n = -1;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* After the name: state, ppid, pgrp, session, tty, tpgid, flags. */
	p = strrchr(text, ')');
	for (int i = 0; p && i < 7; i++)
		p = strchr(p + 1, ' ');
	return p && strtoul(p, NULL, 10) & PF_USER_WORKER;
}

static void repeat_everywhere(DIR *dir)
{
	struct dirent *e;

	/* A stream of its own. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while ((e = readdir(dir))) {
		int tid = (int)strtol(e->d_name, NULL, 10);

		if (tid > 0 && tid != (int)BOOT->owner_tid && !is_linux(tid))
			repeat_on(tid);
	}
}

void creds_change(void)
{
	static struct checked_call c;
	struct az_call call = { .nr = BOOT->creds_nr };
	DIR *dir;
	long r;

	if (!__atomic_load_n(&BOOT->creds_want, __ATOMIC_ACQUIRE))
		return;
	memcpy(call.arg, BOOT->creds_arg, sizeof(call.arg));
	r = check_call(&call, &c);
	/* Some of prctl's options are a thread's too: kernel/sys/prctl.c. */
	if (!r && !(c.attrs & AZ_ATTR_CREDS) && c.nr != SYS_prctl)
		r = -EPERM;
	/* Before it is too late: threads may not differ in their rights. */
	dir = opendir("/proc/self/task");
	if (!r)
		r = check_done(&c, dir ? checked_make(&c) : -errno);
	BOOT->creds_result = r;
	if (r >= 0 && dir) {
		last.nr = c.nr;
		memcpy(last.arg, c.arg, sizeof(last.arg));
		__atomic_store_n(&last.seq, last.seq + 1, __ATOMIC_RELEASE);
		__atomic_store_n(&BOOT->creds_seq, last.seq, __ATOMIC_RELEASE);
		repeat_everywhere(dir);
	}
	if (dir)
		closedir(dir);
	__atomic_store_n(&BOOT->creds_want, 0, __ATOMIC_RELEASE);
}

uint32_t creds_seq(void)
{
	return __atomic_load_n(&last.seq, __ATOMIC_ACQUIRE);
}

void creds_follow(uint32_t *seq)
{
	uint32_t now = creds_seq();
	uint32_t tid = __atomic_load_n(&BOOT->creds_tid, __ATOMIC_RELAXED);
	const uint64_t *a = last.arg;

	if (*seq != now) {
		*seq = now;
		syscall(last.nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	if (tid && tid == (uint32_t)syscall(SYS_gettid))
		__atomic_store_n(&BOOT->creds_tid, 0, __ATOMIC_RELEASE);
}
