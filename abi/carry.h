/* SPDX-License-Identifier: MIT */
/*
 * carry.h - what one instance leaves to the next of the same process.
 *
 * exec replaces the owner, and the unikernel in it, by a new owner of its own
 * executable, with the new program's arguments and environment. In front of the
 * environment stands one word more, which nobody else sees:
 *
 *	AZ_EXEC_ENV, struct az_exec and npending siginfo_t in hexadecimal
 *	digits (low half of a byte first, from 'a'), ':', the path as given
 */
#ifndef AZ_CARRY_H
#define AZ_CARRY_H

#include <stddef.h>
#include <stdint.h>

#include "boot.h"

#define AZ_EXEC_MAGIC   0x4345584541455a41ULL /* "AZEAEXEC" */
#define AZ_EXEC_ENV     "AZALEA_EXEC="
#define AZ_EXEC_PENDING 64U /* signals that are kept at most */
#define AZ_EXEC_NAME    64U
#define AZ_EXEC_PATH    4096U /* with the 0 at its end */

struct az_exec {
	uint64_t magic;
	uint32_t size; /* of this struct */
	uint32_t npending;
	uint32_t pid;                          /* whose it is */
	uint32_t plat, ncores, offload, flags; /* as in az_boot */
	int32_t exe_fd;                        /* the program */
	int32_t trace_fd;                      /* or -1 */
	uint32_t pad;
	uint64_t mem_bytes;
	uint64_t sig_ignored, sig_blocked;
	struct az_rlimit rlimit[AZ_NRLIMITS];
	struct az_carry carry;
	char name[AZ_EXEC_NAME]; /* of the instance */
	uint16_t host_cpu[AZ_MAX_CORES];
};

/* What the word needs at most. */
#define AZ_EXEC_WORD                                        \
	(sizeof(AZ_EXEC_ENV) + 2 * sizeof(struct az_exec) + \
	 2UL * AZ_EXEC_PENDING * 128 + AZ_EXEC_PATH)

#endif
