/* SPDX-License-Identifier: MIT */
/*
 * cost.h - what an instance costs the machine: its owner as Linux sees it.
 */
#ifndef CLI_COST_H
#define CLI_COST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Each -1 if it cannot be told: the owner has ended, or is another user's. */
struct cost {
	int64_t private_bytes;  /* memory that nobody else has mapped */
	int64_t resident_bytes; /* all that is mapped and present */
	int64_t cpu_ns;         /* user and system time of all its threads */
	int64_t threads;
	int64_t parent; /* pid */
};

/* cost_read - of the process `pid`, from /proc. */
void cost_read(pid_t pid, struct cost *out);

#endif
