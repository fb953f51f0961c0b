/* SPDX-License-Identifier: MIT */
/* policies.h - options of `azalea run` that say what a program may do. */
#ifndef CLI_POLICIES_H
#define CLI_POLICIES_H

#include "instance/instance.h"
#include "sandbox/policy.h"

/*
 * Each does as one option says, and later ones count: --allow and --deny,
 * --policy, --log-denied (file may be NULL). 0, or EXIT_AZALEA after a message.
 */
int policy_option(struct policy *p, bool allow, const char *word);
int policy_file(struct policy *p, const char *path);
int policy_log(struct policy *p, const char *path);

/*
 * policy_settle - when all options have been read, and before the directory
 * changes: look at the paths and the machine. cfg->policy is p, unless p asks
 * for nothing. As above.
 */
int policy_settle(struct policy *p, struct instance_config *cfg);

/*
 * policy_program - can a program with this loader ("": none) begin at all under
 * p? As above.
 */
int policy_program(const struct policy *p, const char *path,
		   const char *interp);

#endif
