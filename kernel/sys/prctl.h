/* SPDX-License-Identifier: MIT */
/* prctl.h - attributes of process and threads that others must know. */
#ifndef SYS_PRCTL_H
#define SYS_PRCTL_H

#include "lib/types.h"

/*
 * thread_set_name - what ps and debuggers call thread tid; the name is cut at
 * 15 bytes. False: no such thread.
 */
bool thread_set_name(int tid, const char *name);

/* process_no_new_privs - did the program ask for PR_SET_NO_NEW_PRIVS? */
bool process_no_new_privs(void);

#endif
