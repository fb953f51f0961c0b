/* SPDX-License-Identifier: MIT */
/*
 * work.h - reserving and giving back: first looked at, then done.
 *
 * work_plan_ functions change nothing and say everything that stands against
 * what was asked. work_do goes through with it, or undoes what it did: the
 * module has the last word, and things change between look and leap.
 */
#ifndef CORES_WORK_H
#define CORES_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "cores/amount.h"
#include "cores/state.h"
#include "lib/cpulist.h"

#define WORK_NODES 64

struct work_memory {
	unsigned int node;
	uint64_t before, after; /* held back */
};

struct work {
	bool release;
	bool partial;        /* do what can be done */
	struct cpulist cpus; /* after work_do: those that it was done to */
	uint32_t uid, gid;   /* for whom; AZM_NOBODY */
	unsigned int nmemory;
	struct work_memory memory[WORK_NODES]; /* likewise nmemory */

	/* Called before each CPU, the done-th (from 0) of all; or NULL. */
	void (*progress)(const struct work *w, unsigned int cpu,
			 unsigned int done, unsigned int all);
	const volatile int *stop; /* not 0: asked to stop; or NULL */
};

/*
 * work_plan_cpus - is there anything against w->cpus? How many things, said
 * on stderr; the CPUs concerned are taken out of w->cpus.
 */
unsigned int work_plan_cpus(const struct cores *c, struct work *w);

/*
 * work_plan_memory - n amounts into w->memory. How many problems, likewise.
 * An amount without a node is meant for that of w->cpus.
 */
unsigned int work_plan_memory(const struct cores *c, struct work *w,
			      const struct amount *amount, unsigned int n);

/* work_notes - what to know about w, which is not against it; on stderr. */
void work_notes(const struct cores *c, const struct work *w);

/*
 * work_do - by way of fd, the device. 0, or 1 after saying what went wrong:
 * then nothing has changed, or with w->partial or w->release what w says.
 */
int work_do(int fd, struct work *w);

#endif
