/* SPDX-License-Identifier: MIT */
/*
 * device.h - /dev/azalea, as the manager uses it: one function an ioctl.
 *
 * All return 0 or -errno as the module does: see abi/metal.h.
 */
#ifndef CORES_DEVICE_H
#define CORES_DEVICE_H

#include <stdint.h>

#include "metal.h"

/* device_open - a descriptor; -ENOENT or -ENODEV without the module. */
int device_open(void);

int device_info(int fd, unsigned int cpu, struct azm_info *out);
int device_reserve(int fd, unsigned int cpu, uint32_t uid, uint32_t gid);
int device_release(int fd, unsigned int cpu);

/* device_memory_get - what of a node's memory is held back, and of it lent. */
int device_memory_get(int fd, unsigned int node, struct azm_memory *out);

/* device_memory_set - hold bytes in all: a multiple of AZ_CHUNK_SIZE. */
int device_memory_set(int fd, unsigned int node, uint64_t bytes);

#endif
