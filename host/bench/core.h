/* SPDX-License-Identifier: MIT */
/*
 * core.h - CPUs as benches use them: taken from Linux beforehand, and asked
 * what they did.
 */
#ifndef BENCH_CORE_H
#define BENCH_CORE_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/cpulist.h"

/*
 * core_reserve, core_release - take CPUs from Linux, for metal; give them back.
 * 0, or -1 with words in why. What could not be taken whole is given back.
 */
int core_reserve(const struct cpulist *cpus, char *why, size_t size);
void core_release(const struct cpulist *cpus);

/*
 * core_interrupts - those that a CPU has taken, by now; core_events - page
 * faults, and, where they are counted, calls and halts, of pid's program.
 * metal: the CPU is a core of the program; else Linux's. Or -1.
 */
double core_interrupts(unsigned int cpu, bool metal);
double core_events(unsigned int cpu, bool metal, pid_t pid);

/* What the CPUs of a QEMU machine have executed: bench/counter.h. */
struct counted {
	double all;  /* instructions, on all CPUs */
	double most; /* on the CPU that executed most */
	double part[4];
};
struct counter;

/* counter_open - the counters in a file, or NULL with errno. */
const struct counter *counter_open(const char *path);

/* counter_save - as they are now, into to[COUNTER_CPUS]. */
void counter_save(const struct counter *c, struct counter *to);

/* counter_since - *out := what has been executed since then. */
void counter_since(const struct counter *c, const struct counter *then,
		   struct counted *out);

#endif
