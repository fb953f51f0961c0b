/* SPDX-License-Identifier: MIT */
/* worker.h - threads of the owner that run offloaded system calls. */
#ifndef OFFLOAD_WORKER_H
#define OFFLOAD_WORKER_H

#include <sched.h>
#include <signal.h>
#include <stdbool.h>

#include "plat/plat.h"

/*
 * worker_init - before the first core, and in the child of a fork. ncores: how
 * many rings there are; cpus: where workers may run.
 */
void worker_init(const struct plat *plat, uint32_t ncores,
		 const cpu_set_t *cpus);

/* worker_forked - in the child of a fork, which has no workers. */
void worker_forked(void);

/* worker_start - one more worker. 0 or -errno. */
int worker_start(void);

/*
 * worker_cancel - interrupt the calls whose slots have call.cancel set. True:
 * some are not answered yet; try again in a moment.
 */
bool worker_cancel(void);

/*
 * worker_signal - a signal on a thread of the owner: true if that thread is a
 * worker and has dealt with it.
 */
bool worker_signal(int sig);

#endif
