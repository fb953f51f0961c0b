/* SPDX-License-Identifier: MIT */
/* limits.h - resource limits of the program, and what privilege it has. */
#ifndef SYS_LIMITS_H
#define SYS_LIMITS_H

#include "boot.h"
#include "lib/types.h"

/* limits_get - limit number `resource` (RLIMIT_CPU is 0) as it stands. */
struct az_rlimit limits_get(uint32_t resource);

/*
 * is_privileged - may the program do what Linux wants a capability for? True
 * for effective user 0.
 */
bool is_privileged(void);

#endif
