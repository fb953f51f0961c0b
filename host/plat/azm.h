/* SPDX-License-Identifier: MIT */
/*
 * azm.h - what the module says of the machine's CPUs: /dev/azalea, AZM_INFO.
 */
#ifndef PLAT_AZM_H
#define PLAT_AZM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/cpulist.h"
#include "metal.h"

/*
 * azm_open - a descriptor of the device (close-on-exec), or -errno: then *why
 * says why and what to do about it.
 */
int azm_open(const char **why);

/* azm_info - *out := about one CPU. 0, or -errno: there is no such CPU. */
int azm_info(int fd, uint32_t cpu, struct azm_info *out);

/* azm_admin - may the caller take any CPU (CAP_SYS_ADMIN)? */
bool azm_admin(void);

/*
 * azm_mine - is the CPU reserved for the caller: for its user, one of its
 * groups, or for nobody if it is an administrator's?
 */
bool azm_mine(const struct azm_info *info);

/* The CPUs that are reserved for the caller. */
struct azm_cpus {
	struct cpulist free, busy;
};

/* azm_cpus - *out, by asking about every CPU that there may be. 0 or -errno. */
int azm_cpus(int fd, struct azm_cpus *out);

/* azm_list - a file of /sys/devices/system/cpu: "possible", "online", ... */
int azm_list(const char *file, struct cpulist *out);

#endif
