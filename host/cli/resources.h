/* SPDX-License-Identifier: MIT */
/*
 * resources.h - which CPUs and how much memory an instance gets.
 */
#ifndef CLI_RESOURCES_H
#define CLI_RESOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "instance/instance.h"

/* resources_memory_total - bytes of memory that the machine has (MemTotal) */
uint64_t resources_memory_total(void);

/* resources_memory_default - three quarters of it, in whole chunks. */
uint64_t resources_memory_default(void);

/*
 * resources_memory - size is the word on the command line, or NULL for the
 * default; overcommit allows more than the machine has. 0, or EXIT_AZALEA
 * after saying why not.
 */
int resources_memory(const char *size, bool overcommit,
		     struct instance_config *cfg);

/*
 * resources_cores - cpuset is a list of CPUs, cpus a number, each NULL for all
 * that can be had. Decides cfg->plat if that is 0: metal if these cores are
 * reserved for the caller, else pico. 0, or EXIT_AZALEA after saying why not.
 */
int resources_cores(const char *cpuset, const char *cpus,
		    struct instance_config *cfg);

/*
 * resources_linux_plat - the platform that is chosen on CPUs that Linux has: kvm
 * if that is the CPU's own virtualization, else pico. cfg->plat_auto: kvm was.
 */
uint32_t resources_linux_plat(struct instance_config *cfg);

#endif
