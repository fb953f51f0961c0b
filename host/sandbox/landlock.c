/* SPDX-License-Identifier: MIT */
/*
 * landlock.c - Linux's Landlock, by raw system calls: C libraries have no
 * wrappers, and Debian 12's headers know versions 1 and 2 only. The numbers are
 * those of <linux/landlock.h> of Linux 6.12.
 */
#include "sandbox/landlock.h"

#include <errno.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calls.h"
#include "sandbox/policy.h"

#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH      1
#define SCOPE_SIGNAL           (1ULL << 1)

/* LANDLOCK_ACCESS_FS_... */
#define EXECUTE    (1ULL << 0)
#define WRITE_FILE (1ULL << 1)
#define READ_FILE  (1ULL << 2)
#define READ_DIR   (1ULL << 3)
#define TRUNCATE   (1ULL << 14)
#define IOCTL_DEV  (1ULL << 15)

/* All rights of version 1, and the first bit beyond those of later ones. */
#define RIGHTS_1 ((1ULL << 13) - 1)
#define RIGHTS_2 ((1ULL << 14) - 1) /* and REFER */
#define RIGHTS_3 ((1ULL << 15) - 1) /* and TRUNCATE */
#define RIGHTS_5 ((1ULL << 16) - 1) /* and IOCTL_DEV */

#define OF_FILES   (EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV)
#define OF_READING (EXECUTE | READ_FILE | READ_DIR)

/* struct landlock_ruleset_attr, as of version 6. */
struct ruleset_attr {
	uint64_t handled_fs;
	uint64_t handled_net;
	uint64_t scoped;
};

/* struct landlock_path_beneath_attr */
struct path_beneath {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

static uint64_t rights(int version)
{
	if (version >= 5)
		return RIGHTS_5;
	if (version >= 3)
		return RIGHTS_3;
	return version == 2 ? RIGHTS_2 : RIGHTS_1;
}

int landlock_version(void)
{
	long v = syscall(AZ_SYS_landlock_create_ruleset, NULL, 0,
			 CREATE_RULESET_VERSION);

	return v > 0 ? (int)v : 0;
}

int landlock_create(int version, bool files, bool signals)
{
	struct ruleset_attr attr = {
		.handled_fs = files ? rights(version) : 0,
		.scoped = signals ? SCOPE_SIGNAL : 0,
	};
	/* What an older kernel does not know is zero, which it accepts. */
	long fd =
	    syscall(AZ_SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	return fd < 0 ? -errno : (int)fd;
}

int landlock_grant(int ruleset, int version, int path_fd, int level,
		   bool list_only)
{
	struct path_beneath rule = { .parent_fd = path_fd };
	struct stat st;

	if (list_only)
		rule.allowed = READ_DIR;
	else if (level == POLICY_RO)
		rule.allowed = OF_READING;
	else if (level == POLICY_RW)
		rule.allowed = rights(version);
	if (fstat(path_fd, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		rule.allowed &= OF_FILES;
	rule.allowed &= rights(version);
	if (!rule.allowed)
		return 0;
	if (syscall(AZ_SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule,
		    0))
		return -errno;
	return 0;
}

int landlock_enter(int ruleset)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(AZ_SYS_landlock_restrict_self, ruleset, 0))
		return -errno;
	return 0;
}
