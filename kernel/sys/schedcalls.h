/* SPDX-License-Identifier: MIT */
/* schedcalls.h - what others need of the threads' priorities. */
#ifndef SYS_SCHEDCALLS_H
#define SYS_SCHEDCALLS_H

#include "lib/types.h"

/*
 * nice_base - the nice value that the program was started with; thread.nice
 * counts from it. May make a host call.
 */
int32_t nice_base(void);

/* core_node - NUMA node of a core's CPU, as Linux numbers it. */
uint32_t core_node(uint32_t core);

#endif
