/* SPDX-License-Identifier: MIT */
/*
 * subject.h - the instances that a verb is about.
 *
 * An instance may be in the registry (its owner lives), among the entries of
 * the run directory (it was detached), or in both.
 */
#ifndef CLI_SUBJECT_H
#define CLI_SUBJECT_H

#include <stdbool.h>
#include <sys/types.h>

#include "instance/entry.h"
#include "instance/registry.h"
#include "stats.h"

struct subject {
	char name[NAME_MAX_BYTES];
	uid_t uid;

	bool live;    /* its owner lives; then: */
	pid_t pid;    /* the owner, or -ESRCH if it cannot be told */
	int pidfd;    /* of the owner, or -1 */
	int stats_fd; /* its counters, or -1 if it did not answer */

	bool kept; /* it has an entry; then: */
	int state; /* ENTRY_ */
	struct entry entry;
	struct entry_end end; /* of ENTRY_EXITED */

	bool known; /* info is valid */
	struct registry_info info;
};

/*
 * subject_find - by name. 0, or 1 after saying that there is none. Root also
 * finds other users' instances.
 */
int subject_find(const char *name, struct subject *s);

/*
 * subject_list - the caller's instances (for root, everybody's) in order of
 * name; ended ones too if all is set. Their number, *out to be freed (after
 * subject_close of each), or -errno.
 */
int subject_list(bool all, struct subject **out);

void subject_close(struct subject *s);

/* subject_signal - to a live one. 0; -ESRCH if it has just ended; -errno. */
int subject_signal(const struct subject *s, int sig);

/*
 * subject_wait - until the owner is gone, at most timeout_ms (-1: no limit).
 * true if it is.
 */
bool subject_wait(const struct subject *s, int timeout_ms);

/*
 * subject_status - how it ended, after subject_wait or entry_wait: 0 and the
 * wait status, or -ENODATA if nobody knows.
 */
int subject_status(struct subject *s, int *wstatus);

/* subject_stats - the counters, now or as it left them. 0, -errno. */
int subject_stats(const struct subject *s, struct az_stats *out);

#endif
