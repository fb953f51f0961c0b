/* SPDX-License-Identifier: MIT */
/*
 * request.h - options that say how an instance is to be, whoever reads them.
 *
 * Words are as on the command line, NULL for the default. 0, or EXIT_AZALEA
 * after saying what is wrong with them.
 */
#ifndef CLI_REQUEST_H
#define CLI_REQUEST_H

#include <stdbool.h>

#include "instance/instance.h"

/*
 * request_plat - "auto", "pico", "kvm", "metal", or what AZALEA_PLAT says:
 * cfg->plat, 0 for auto, which resources_cores then decides.
 */
int request_plat(const char *name, struct instance_config *cfg);

/* request_offload - "auto", "ring", "direct": cfg->offload. */
int request_offload(const char *how, struct instance_config *cfg);

/* request_patch - off, or AZALEA_PATCH=0: leave call sites as they are. */
void request_patch(bool off, struct instance_config *cfg);

/*
 * request_name - claim the name, or make one up; enters the instance in the
 * registry: cfg->name, cfg->control_fd.
 */
int request_name(const char *name, struct instance_config *cfg);

#endif
