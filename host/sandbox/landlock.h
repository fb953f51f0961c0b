/* SPDX-License-Identifier: MIT */
/*
 * landlock.h - Linux's Landlock: what paths this process may use, for ever.
 * See landlock(7). Versions differ in what they can hold back; what a version
 * does not know is left out, and the caller asks landlock_version.
 */
#ifndef SANDBOX_LANDLOCK_H
#define SANDBOX_LANDLOCK_H

#include <stdbool.h>

#define LANDLOCK_WITH_TRUNCATE 3 /* the first version that ... */
#define LANDLOCK_WITH_SCOPES   6

/* landlock_version - of the running kernel; 0: it has none, or not enabled. */
int landlock_version(void);

/*
 * landlock_create - a ruleset: all use of paths is to need a rule, if `files';
 * signals to others, if `signals', are refused. Its descriptor, or -errno.
 */
int landlock_create(int version, bool files, bool signals);

/*
 * landlock_grant - a rule: POLICY_RO or POLICY_RW for what lies below path_fd;
 * listing alone (list_only) for directories below it. 0 or -errno.
 */
int landlock_grant(int ruleset, int version, int path_fd, int level,
		   bool list_only);

/* landlock_enter - this thread, and all that come of it. 0 or -errno. */
int landlock_enter(int ruleset);

#endif
