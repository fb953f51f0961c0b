/* SPDX-License-Identifier: MIT */
/* cpus.h - the CPUs that a thread may run on, by number. */
#ifndef BENCH_CPUS_H
#define BENCH_CPUS_H

#include <sched.h>

/* cpu_nth - the nth CPU in set, from 0; CPU_SETSIZE: it has fewer. */
static inline int cpu_nth(const cpu_set_t *set, int nth)
{
	int cpu = 0;

	for (; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, set) && nth-- == 0)
			break;
	return cpu;
}

#endif
