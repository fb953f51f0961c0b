/* SPDX-License-Identifier: MIT */
/*
 * verified.c - which snapshots have been read to the end and found whole.
 *
 * That takes a second for each few GiB, so it is done once for each file: its
 * size, and its times of modification and of change, are kept in the run
 * directory, under .snapshots. A later write changes the last of these, which
 * nobody can set; and one in the same tick of the clock as the last change
 * would not show, so until that is over nothing is kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/from.h"
#include "instance/entry.h"

#define FOLDER         ".snapshots"
#define LINE_MAX_BYTES 160

static int64_t ns_of(const struct timespec *t)
{
	return t->tv_sec * 1000000000LL + t->tv_nsec;
}

/* The name of what is kept of a file, and what it says if that is unchanged. */
static bool describe(int fd, char name[64], char line[LINE_MAX_BYTES],
		     int64_t *changed)
{
	struct stat st;

	if (fstat(fd, &st))
		return false;
	*changed = ns_of(&st.st_ctim);
	(void)snprintf(name, 64, "%" PRIx64 "-%" PRIu64, (uint64_t)st.st_dev,
		       (uint64_t)st.st_ino);
	(void)snprintf(line, LINE_MAX_BYTES,
		       "%d %" PRId64 " %" PRId64 " %" PRId64 "\n", SNAP_VERSION,
		       (int64_t)st.st_size, ns_of(&st.st_mtim), *changed);
	return true;
}

static int folder_open(bool create)
{
	char path[PATH_MAX];
	int root = entry_root(create, path), dir;

	if (root < 0)
		return root;
	if (create)
		(void)mkdirat(root, FOLDER, 0700);
	dir = openat(root, FOLDER,
		     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	close(root);
	return dir;
}

bool verified_known(int fd)
{
	char name[64], want[LINE_MAX_BYTES], is[LINE_MAX_BYTES] = "";
	int dir = folder_open(false), note;
	int64_t changed;
	ssize_t n = 0;

	if (dir < 0)
		return false;
	if (!describe(fd, name, want, &changed)) {
		close(dir);
		return false;
	}
	note = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (note >= 0) {
		n = read(note, is, sizeof(is));
		close(note);
	}
	close(dir);
	return n == (ssize_t)strlen(want) && memcmp(is, want, (size_t)n) == 0;
}

void verified_note(int fd)
{
	char name[64], line[LINE_MAX_BYTES];
	struct timespec now;
	int64_t changed;
	int dir, note;

	/* What Linux stamps files with. */
	if (!describe(fd, name, line, &changed) ||
	    clock_gettime(CLOCK_REALTIME_COARSE, &now) ||
	    ns_of(&now) <= changed)
		return;
	dir = folder_open(true);
	if (dir < 0)
		return;
	note =
	    openat(dir, name,
		   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (note >= 0) {
		/* Cut short, it says nothing. */
		(void)!write(note, line, strlen(line));
		close(note);
	}
	close(dir);
}
