/* SPDX-License-Identifier: MIT */
/*
 * machine.h - the CPUs and NUMA nodes of this machine, as Linux has them.
 */
#ifndef CORES_MACHINE_H
#define CORES_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/cpulist.h"

/* Numbers are Linux's; -1 where they cannot be told. */
struct machine_cpu {
	int node, package, core; /* the core: within its package */
	bool fixed;              /* Linux cannot take it off-line */
};

struct machine_node {
	unsigned int id;
	uint64_t total, free; /* bytes */
	uint64_t cache;       /* bytes that Linux could give up: page cache */
};

struct machine {
	struct cpulist present, online;
	unsigned int ncpus; /* all numbers in present are below */
	struct machine_cpu *cpu;
	unsigned int nnodes;
	struct machine_node *node; /* in order of id */
};

/*
 * machine_read - what there is now. 0, or -errno if not even the CPUs can be
 * told; to be freed by machine_free.
 */
int machine_read(struct machine *m);
void machine_free(struct machine *m);

/* machine_node - by number, or NULL. */
struct machine_node *machine_node(const struct machine *m, unsigned int id);

/* machine_meminfo - a meminfo of one node, or of the machine: bytes. */
void machine_meminfo(FILE *f, struct machine_node *n);

#endif
