/* SPDX-License-Identifier: MIT */
/*
 * filter.h - a seccomp filter for classes of calls, made when an instance
 * starts, and laid over the one that all instances have (sandbox.h).
 */
#ifndef SANDBOX_FILTER_H
#define SANDBOX_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_MAX 1024 /* instructions, more than all calls need */

struct filter_config {
	uint32_t denied; /* bit AZ_POLICY_...: EPERM */
	uint32_t asked;  /* likewise: go on, but tell the listener before */
	bool notify;     /* the listener answers for what is denied */
	/* Landlock does not hold back truncation (before its version 3). */
	bool truncate;
};

/* filter_build - into out[FILTER_MAX]; the number of instructions. */
size_t filter_build(const struct filter_config *c, struct sock_filter *out);

/*
 * filter_classes - the classes that a call is of: of the several that the table
 * names, those that its arguments make it. 0: none.
 */
uint32_t filter_classes(uint32_t nr, const uint64_t arg[6]);

#endif
