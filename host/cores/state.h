/* SPDX-License-Identifier: MIT */
/*
 * state.h - what each CPU and node is used for, at one moment.
 */
#ifndef CORES_STATE_H
#define CORES_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "cores/machine.h"
#include "lib/name.h"
#include "metal.h"

struct cores {
	struct machine machine;
	bool module;               /* it is there; else all CPUs are Linux's */
	struct azm_info *info;     /* of CPUs 0 to machine.ncpus - 1 */
	struct azm_memory *memory; /* of machine.node[i] */
	bool memory_known;         /* not everybody is told */
	/* Of running CPUs: the instance, or "" if it cannot be told. */
	char (*name)[NAME_MAX_BYTES];
};

/*
 * cores_read - fd is the device, or -1 without the module. Leaves the names
 * empty. 0, or -errno; to be freed by cores_free.
 */
int cores_read(int fd, struct cores *c);
void cores_free(struct cores *c);

/* cores_is - is this CPU there, and in that state (AZM_)? */
bool cores_is(const struct cores *c, unsigned int cpu, uint32_t state);

/* cores_reserved - the CPUs that an administrator reserved, running or not. */
void cores_reserved(const struct cores *c, struct cpulist *out);

#endif
