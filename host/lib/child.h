/* SPDX-License-Identifier: MIT */
/* child.h - a child that the program is never to hear of. */
#ifndef LIB_CHILD_H
#define LIB_CHILD_H

#include <sys/types.h>

/*
 * child_finish - wait for a child's end, and take back the SIGCHLD that came
 * with it, which the caller blocks. Its wait status; 0 if SIGCHLD is ignored,
 * as then there is none; or -errno.
 */
int child_finish(pid_t pid);

#endif
