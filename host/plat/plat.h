/* SPDX-License-Identifier: MIT */
/*
 * plat.h - the host half of the platform contract.
 *
 * One implementation in each of host/plat/<name>.c, behind one struct, since
 * one binary holds them all and the platform is chosen at run time.
 */
#ifndef PLAT_PLAT_H
#define PLAT_PLAT_H

#include <sched.h>
#include <stdint.h>

#include "monitor.h"

struct plat {
	const char *name;
	/*
	 * probe - 0 if instances of this platform can run here, else -errno
	 * and *why says what is missing.
	 */
	int (*probe)(const char **why);
	/* create - prepare this process; az_boot is filled. 0 or -errno. */
	int (*create)(const struct az_image_header *image);
	/* start_core - run core i from the image's entry. 0 or -errno. */
	int (*start_core)(uint32_t i);
	/* kick_core - make core i look at az_core.pending, see mon_kick. */
	void (*kick_core)(uint32_t i);
};

extern const struct plat plat_pico;

#endif
