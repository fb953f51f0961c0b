/* SPDX-License-Identifier: MIT */
/*
 * turn.c - one manager at a time: a lock on a file in the run directory.
 *
 * The file holds the pid of who has it, for the message; the lock (flock) is
 * what counts, and Linux drops it however the manager ends.
 */
#include "cores/turn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "instance/entry.h"
#include "lib/error.h"

/* No name of an instance begins so. */
#define TURN_FILE ".cores"

static int turn_refuse(int fd)
{
	char pid[16] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
	return error_fail(1,
			  "another `azalea cores` is at work (pid %s): wait "
			  "until it is done",
			  *pid ? pid : "unknown");
}

static void turn_sign(int fd)
{
	char pid[16];
	int n = snprintf(pid, sizeof(pid), "%d\n", getpid());

	/* Without it nothing is lost but a number in a message. */
	if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)n, 0) != n)
		(void)ftruncate(fd, 0);
}

int turn_take(void)
{
	char path[PATH_MAX];
	int dir = entry_root(true, path), fd, err;

	if (dir < 0)
		return error_fail(1, "%s: %s", path,
				  dir == -EPERM ? "not only yours to write"
						: error_text(dir));
	/* Closed by the end of the process: so the lock is. */
	fd = openat(dir, TURN_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	err = errno;
	close(dir);
	if (fd < 0)
		return error_fail(1, "%s/" TURN_FILE ": %s", path,
				  error_text(err));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return turn_refuse(fd);
	turn_sign(fd);
	return 0;
}
