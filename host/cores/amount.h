/* SPDX-License-Identifier: MIT */
/*
 * amount.h - "8G@node0": how much memory of which node.
 */
#ifndef CORES_AMOUNT_H
#define CORES_AMOUNT_H

#include <stdbool.h>
#include <stdint.h>

struct amount {
	uint64_t bytes; /* whole chunks: rounded up to AZ_CHUNK_SIZE */
	bool all;       /* as much as there is */
	int node;       /* -1: not said */
};

/*
 * amount_parse - "8G@node0", "8G@0", "8G", "all@node0", "all". 0; -EINVAL:
 * not of this form, or no memory at all; -ERANGE: beyond all numbers.
 */
int amount_parse(const char *text, struct amount *out);

#endif
