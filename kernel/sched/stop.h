/* SPDX-License-Identifier: MIT */
/* stop.h - hold all other cores where they have no lock and no call. */
#ifndef SCHED_STOP_H
#define SCHED_STOP_H

#include "lib/types.h"

/*
 * stop_cores - returns when every other core that is up waits in stop_park.
 * False: another core stops the world already; let it (stop_park), try again.
 */
bool stop_cores(void);
void stop_release(void);

/* stop_park - wait here while another core has stopped the world. */
void stop_park(void);

/* stop_reset - in the child of a fork: nobody is stopped any more. */
void stop_reset(void);

#endif
