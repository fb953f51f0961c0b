/* SPDX-License-Identifier: MIT */
/*
 * supervise.h - instances that have a parent of ours.
 *
 * Detached, an instance is the child of a small process, the supervisor, that
 * keeps its entry in the run directory. With --stats it is the child of the
 * command itself. In both cases the parent asks for the counters before the
 * instance starts, so it can read them when it is gone.
 */
#ifndef INSTANCE_SUPERVISE_H
#define INSTANCE_SUPERVISE_H

#include <stdbool.h>

#include "instance/instance.h"
#include "stats.h"

/*
 * supervise_detached - start cfg in the background under its name. Returns in
 * the caller when the program has begun: 0; or the exit status after printing
 * why not. remove: leave no entry behind when it ends.
 */
int supervise_detached(struct instance_config *cfg, bool remove);

/*
 * supervise_attached - run cfg as a child in the foreground, passing signals
 * on. 0 with its wait status and the counters that it left (NULL if the
 * instance did not get that far; to be freed), or the exit status after
 * printing why it could not start.
 */
int supervise_attached(struct instance_config *cfg, int *wstatus,
		       struct az_stats **stats);

#endif
