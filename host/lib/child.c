/* SPDX-License-Identifier: MIT */
/* child.c - a child that the program is never to hear of. */
#include "lib/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

int child_finish(pid_t pid)
{
	static const struct timespec now = { 0, 0 };
	int status = 0;
	sigset_t set;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno == ECHILD ? 0 : -errno;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	(void)sigtimedwait(&set, NULL, &now);
	return status;
}
