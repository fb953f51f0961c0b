/* SPDX-License-Identifier: MIT */
/* from.h - instances that go on from a snapshot. */
#ifndef CLI_FROM_H
#define CLI_FROM_H

#include "instance/instance.h"
#include "snapshot/snapshot.h"

/*
 * from_open - read the snapshot, check it and that it can go on here: *s, and
 * what cfg says of the program. 0, or EXIT_AZALEA after a message.
 */
int from_open(const char *path, struct snapshot *s,
	      struct instance_config *cfg);

/*
 * from_cores - after resources_cores has found n CPUs: as many cores as the
 * instance had, on these by turns.
 */
void from_cores(const struct snapshot *s, struct instance_config *cfg);

/*
 * verified_known - was this file, as it is, found whole before? verified_note -
 * it has been: remember that, if a later change is certain to be seen.
 */
bool verified_known(int fd);
void verified_note(int fd);

#endif
