/* SPDX-License-Identifier: MIT */
/*
 * cpulist.h - sets of CPUs, and their text form "0-3,8".
 */
#ifndef LIB_CPULIST_H
#define LIB_CPULIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPULIST_MAX 8192U /* Linux's largest NR_CPUS on x86-64 */

struct cpulist {
	uint64_t word[CPULIST_MAX / 64];
};

static inline bool cpulist_has(const struct cpulist *l, unsigned int cpu)
{
	return cpu < CPULIST_MAX && (l->word[cpu / 64] >> (cpu % 64) & 1);
}

static inline void cpulist_add(struct cpulist *l, unsigned int cpu)
{
	l->word[cpu / 64] |= (uint64_t)1 << (cpu % 64);
}

static inline void cpulist_remove(struct cpulist *l, unsigned int cpu)
{
	l->word[cpu / 64] &= ~((uint64_t)1 << (cpu % 64));
}

/* cpulist_count - how many CPUs are in the set. */
unsigned int cpulist_count(const struct cpulist *l);

/* cpulist_next - the lowest CPU >= from, or CPULIST_MAX. */
unsigned int cpulist_next(const struct cpulist *l, unsigned int from);

/*
 * cpulist_parse - "0-3,8"; one newline at the end is allowed, as /sys has it.
 * -EINVAL for anything else, -ERANGE for a number from CPULIST_MAX up.
 */
int cpulist_parse(const char *text, struct cpulist *out);

/*
 * cpulist_format - the text form, cut with "..." if it does not fit size
 * (at least 8). Returns buf.
 */
const char *cpulist_format(const struct cpulist *l, char *buf, size_t size);

/* cpulist_affinity - the CPUs that the caller may run on (what nproc counts) */
int cpulist_affinity(struct cpulist *out);

#endif
