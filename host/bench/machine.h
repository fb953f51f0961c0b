/* SPDX-License-Identifier: MIT */
/*
 * machine.h - what must be equal for two results to be comparable.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <jansson.h>

/*
 * machine_describe - a new object: CPU model and count, memory, Linux,
 * hypervisor, governor, turbo, big pages, clock source, load, versions, time.
 */
json_t *machine_describe(void);

#endif
