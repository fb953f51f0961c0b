/* SPDX-License-Identifier: MIT */
/*
 * paths.h - a policy's paths as rules of Landlock.
 *
 * Landlock only ever gives: a rule holds for all that lies below its directory,
 * and nothing takes it back further down. So if a path is to have less than the
 * directory it is in (a hole), that directory gets no more than the least below
 * it has, and each of its other entries, as they are now, gets what is its own.
 */
#ifndef SANDBOX_PATHS_H
#define SANDBOX_PATHS_H

#include "sandbox/policy.h"

/*
 * paths_resolve - every path as the kernel sees it: absolute, no links. Later
 * words count where two mean the same. 0, or -errno and *which: the path that
 * cannot be had.
 */
int paths_resolve(struct policy *p, const char **which);

/*
 * paths_keep - what lies at `path', if there is something, gets at least
 * `level', unless the policy names it. 0 or -ENOMEM.
 */
int paths_keep(struct policy *p, const char *path, int level);

/*
 * paths_grant - the rules, into a ruleset of Landlock. What cannot be opened
 * or read by this user is left out: it stays closed. 0 or -errno.
 */
int paths_grant(const struct policy *p, int ruleset, int version);

#endif
