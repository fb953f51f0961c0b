/* SPDX-License-Identifier: MIT */
/*
 * counter.h - counts of executed instructions, as tools/qemu_count.c keeps
 * them for each CPU of a QEMU machine.
 */
#ifndef COUNTER_H
#define COUNTER_H

#include <stdint.h>

/* Where the code stood. */
#define COUNTER_USER      0 /* program, libraries, owner */
#define COUNTER_UNIKERNEL 1
#define COUNTER_LINUX     2
#define COUNTER_STUB      3
#define COUNTER_PARTS     4

struct counter {
	_Alignas(64) uint64_t all;
	uint64_t part[COUNTER_PARTS];
};

#define COUNTER_CPUS 1024
#define COUNTER_SIZE 65536

_Static_assert(sizeof(struct counter) * COUNTER_CPUS == COUNTER_SIZE, "size");

#endif
