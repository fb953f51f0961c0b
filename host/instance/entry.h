/* SPDX-License-Identifier: MIT */
/*
 * entry.h - what is kept of a detached instance, in files.
 *
 * The run directory is $AZALEA_RUN_DIR, else /run/azalea for root, else
 * $XDG_RUNTIME_DIR/azalea, else /tmp/azalea-<uid>. It has one directory for
 * each instance that was started with -d:
 *
 *	info	struct registry_info, as it was at the start
 *	log	what the program wrote to its stdout and stderr
 *	exit	locked by the supervisor as long as it lives; then the wait
 *		status and the time (CLOCK_REALTIME, ns) in decimal
 *	stats	struct az_stats as the instance left it
 */
#ifndef INSTANCE_ENTRY_H
#define INSTANCE_ENTRY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/name.h"

struct entry {
	int dir;  /* the entry's directory */
	int exit; /* its file "exit" */
};

#define ENTRY_RUNNING 1
#define ENTRY_EXITED  2
#define ENTRY_LOST    3 /* the supervisor was killed */

struct entry_end {
	int wstatus;
	uint64_t real_ns;
};

/*
 * entry_root - the run directory, made if create is set. A descriptor, or
 * -errno; -EPERM if it is another user's or open for others to write. Its
 * name, also on failure, in path.
 */
int entry_root(bool create, char path[PATH_MAX]);

/*
 * entry_create - claim a name: an entry whose "exit" is locked by the caller
 * and those that it forks. -EEXIST if the name is taken; else as entry_root.
 */
int entry_create(const char *name, struct entry *e);

/* entry_open - -ENOENT if there is none. */
int entry_open(const char *name, struct entry *e);
void entry_close(struct entry *e);

/* entry_list - names in order: their number, *out to be freed, or -errno. */
int entry_list(char (**out)[NAME_MAX_BYTES]);

/* entry_state - one of the three; end is filled in for ENTRY_EXITED. */
int entry_state(const struct entry *e, struct entry_end *end);

/* entry_wait - until the supervisor is gone. 0, -EINTR. */
int entry_wait(const struct entry *e);

/* entry_finish - record how the program ended, at this moment. */
void entry_finish(const struct entry *e, int wstatus);

/* entry_save, entry_load - a whole file of exactly size bytes. 0, -errno. */
int entry_save(const struct entry *e, const char *file, const void *data,
	       size_t size);
int entry_load(const struct entry *e, const char *file, void *data,
	       size_t size);

/* entry_remove - name and files. Open descriptors stay good. 0, -errno. */
int entry_remove(const char *name);

#endif
