/* SPDX-License-Identifier: MIT */
/*
 * device.h - what only the manager asks of /dev/azalea: one function an
 * ioctl. The rest is in plat/azm.h.
 *
 * All return 0 or -errno as the module does: see abi/metal.h.
 */
#ifndef CORES_DEVICE_H
#define CORES_DEVICE_H

#include <stdint.h>

#include "metal.h"

int device_reserve(int fd, unsigned int cpu, uint32_t uid, uint32_t gid);
int device_release(int fd, unsigned int cpu);

/* device_memory_get - what of a node's memory is held back, and of it lent. */
int device_memory_get(int fd, unsigned int node, struct azm_memory *out);

/* device_memory_set - hold bytes in all: a multiple of AZ_CHUNK_SIZE. */
int device_memory_set(int fd, unsigned int node, uint64_t bytes);

#endif
