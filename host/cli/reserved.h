/* SPDX-License-Identifier: MIT */
/*
 * reserved.h - which CPUs an instance on metal gets.
 *
 * cpuset and cpus as for resources_cores, both checked to be well-formed: cpus
 * is a number, 0 for as many as there are; cpuset a list, NULL for none.
 */
#ifndef CLI_RESERVED_H
#define CLI_RESERVED_H

#include <stdbool.h>
#include <stdint.h>

#include "instance/instance.h"
#include "lib/cpulist.h"

/*
 * reserved_any - for --plat auto: true if these CPUs, or this number, are
 * reserved for the caller and free: *set.
 */
bool reserved_any(const struct cpulist *cpuset, uint64_t cpus,
		  struct cpulist *set);

/*
 * reserved_choose - for --plat metal: *set := what cores may be taken from. 0,
 * or EXIT_AZALEA after saying why not.
 */
int reserved_choose(const struct cpulist *cpuset, struct cpulist *set);

#endif
