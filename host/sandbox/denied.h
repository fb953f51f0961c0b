/* SPDX-License-Identifier: MIT */
/*
 * denied.h - a line for each call that the policy refuses.
 *
 * Linux asks a process of its own, the log, what to answer for such a call. It
 * is nobody's child, stands outside of what it watches, and ends with the last
 * process under the filter. If it is killed, refused calls get ENOSYS.
 */
#ifndef SANDBOX_DENIED_H
#define SANDBOX_DENIED_H

#include "sandbox/policy.h"

/*
 * denied_start - begin the log of policy p, before any filter. A descriptor for
 * denied_hand, or -errno with *what: what could not be had.
 */
int denied_start(const struct policy *p, const char **what);

/* denied_hand - give it the filter's listener, fd; closes both. 0 or -errno. */
int denied_hand(int log, int fd);

#endif
