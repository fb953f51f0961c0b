/* SPDX-License-Identifier: MIT */
/*
 * confine.h - what a policy takes from the owner, and all that comes of it.
 *
 * Everything here binds the owner: its threads make the calls of a unikernel
 * on every platform, so it does not matter what the unikernel thinks.
 */
#ifndef SANDBOX_CONFINE_H
#define SANDBOX_CONFINE_H

#include "sandbox/policy.h"

/*
 * confine_check - can this machine do what p asks for? 0, or -errno and *what
 * says what is missing.
 */
int confine_check(const struct policy *p, const char **what);

/*
 * confine_prepare - the log, and namespaces. The files of keep, up to NULL, stay
 * readable, device (or NULL) usable, and what the owner needs itself. While this
 * is the process's only thread. 0, or -errno and *what.
 */
int confine_prepare(struct policy *p, const char *const *keep,
		    const char *device, const char **what);

/* Between the two, the log's descriptor, or -1: to be kept open. */
extern int confine_log;

/*
 * confine_enter - Landlock, and the filter of classes, for ever: after all set-up
 * that needs more, before sandbox_enter and the first further thread. 0, or
 * -errno and *what.
 */
int confine_enter(const struct policy *p, const char **what);

#endif
