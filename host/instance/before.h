/* SPDX-License-Identifier: MIT */
/* before.h - being the next instance of a process that has had one. */
#ifndef INSTANCE_BEFORE_H
#define INSTANCE_BEFORE_H

#include "instance/instance.h"

/*
 * before_config - was this executable executed by an instance (abi/carry.h)?
 * Then fills in cfg, all of it but the bundle, and is true. argv: main's.
 */
bool before_config(struct instance_config *cfg, char **argv);

/*
 * before_valid - will before_config of a process that this one becomes take
 * word, and go on on this platform?
 */
bool before_valid(const char *word, uint32_t plat);

#endif
