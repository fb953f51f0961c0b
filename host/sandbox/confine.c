/* SPDX-License-Identifier: MIT */
/*
 * confine.c - what a policy takes from the owner.
 *
 * Classes are refused by seccomp (filter.c), paths by Landlock (paths.c). As
 * soon as paths are named, reading and writing of files are Landlock's alone:
 * it can tell one path from another.
 */
#include "sandbox/confine.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calls.h"
#include "sandbox/denied.h"
#include "sandbox/filter.h"
#include "sandbox/isolate.h"
#include "sandbox/landlock.h"
#include "sandbox/paths.h"

#define OPENING (1U << AZ_POLICY_FILES_READ | 1U << AZ_POLICY_FILES_WRITE)

/* The log's answer is not interrupted by signals: Linux 5.19 and later. */
#define WAIT_KILLABLE (1U << 5)

int confine_log = -1;

int confine_check(const struct policy *p, const char **what)
{
	*what = "paths in a policy need Landlock, which this Linux lacks or "
		"has not enabled (5.13 and later, lsm=landlock)";
	return p->npaths && !landlock_version() ? -ENOSYS : 0;
}

/*
 * What programs and C libraries take for granted, and what the unikernel reads
 * to describe the machine. Nothing of another process is in it: to those
 * outside of its domain Landlock closes /proc/PID as it does ptrace.
 */
static int keep_common(struct policy *p)
{
	static const char *const devices[] = {
		"/dev/null",   "/dev/zero",    "/dev/full",
		"/dev/random", "/dev/urandom", "/dev/tty",
	};
	int err = paths_keep(p, "/proc", POLICY_RO);

	if (!err)
		err = paths_keep(p, "/sys/devices/system", POLICY_RO);
	for (size_t i = 0; !err && i < sizeof(devices) / sizeof(*devices); i++)
		err = paths_keep(p, devices[i], POLICY_RW);
	/* To become another program, the owner executes itself. */
	return err ? err : paths_keep(p, "/proc/self/exe", POLICY_RO);
}

int confine_prepare(struct policy *p, const char *const *keep,
		    const char *device, const char **what)
{
	int err = 0;

	*what = "cannot keep the paths of its policy";
	if (p->npaths)
		err = keep_common(p);
	for (; p->npaths && !err && *keep; keep++)
		err = paths_keep(p, *keep, POLICY_RO);
	if (p->npaths && !err && device)
		err = paths_keep(p, device, POLICY_RW);
	if (!err && p->log) {
		confine_log = denied_start(p, what);
		err = confine_log < 0 ? confine_log : 0;
	}
	if (!err && p->isolate)
		err = isolate_enter(what);
	return err;
}

/* Others would keep what this thread gives up. */
static bool is_alone(void)
{
	struct stat st;

	return stat("/proc/self/task", &st) || st.st_nlink == 3;
}

static int landlock_all(const struct policy *p)
{
	int version = landlock_version();
	bool signals = version >= LANDLOCK_WITH_SCOPES &&
		       (p->isolate || p->denied & 1U << AZ_POLICY_SIGNAL);
	int ruleset, err = 0;

	if (!p->npaths && !signals)
		return 0;
	ruleset = landlock_create(version, p->npaths, signals);
	if (ruleset < 0)
		return ruleset;
	if (p->npaths)
		err = paths_grant(p, ruleset, version);
	if (!err)
		err = landlock_enter(ruleset);
	close(ruleset);
	return err;
}

static int filter_enter(const struct policy *p)
{
	static struct sock_filter filter[FILTER_MAX];
	struct filter_config c = { .denied = policy_denied(p),
				   .notify = p->log };
	struct sock_fprog prog = { .filter = filter };
	unsigned int flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	long r;

	if (p->npaths) {
		c.asked = p->log ? OPENING : 0;
		c.truncate = landlock_version() < LANDLOCK_WITH_TRUNCATE;
	}
	if (p->log)
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER | WAIT_KILLABLE;
	prog.len = (unsigned short)filter_build(&c, filter);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (r < 0 && errno == EINVAL && p->log) {
		flags &= ~WAIT_KILLABLE;
		r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	}
	if (r < 0)
		return -errno;
	return p->log ? denied_hand(confine_log, (int)r) : 0;
}

int confine_enter(const struct policy *p, const char **what)
{
	int err = 0;

	*what = "cannot confine all of its threads";
	if (!is_alone())
		return -EBUSY;
	*what = "cannot give up its capabilities";
	if (p->isolate)
		err = isolate_drop();
	*what = "cannot enter its Landlock domain";
	if (!err)
		err = landlock_all(p);
	*what = "cannot install the policy's seccomp filter";
	if (!err && (p->denied || p->npaths))
		err = filter_enter(p);
	return err;
}
