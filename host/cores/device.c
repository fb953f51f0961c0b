/* SPDX-License-Identifier: MIT */
/* device.c - what only the manager asks of /dev/azalea. */
#include "cores/device.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

static int device_call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

int device_reserve(int fd, unsigned int cpu, uint32_t uid, uint32_t gid)
{
	struct azm_reserve r = { .cpu = cpu, .uid = uid, .gid = gid };

	return device_call(fd, AZM_RESERVE, &r);
}

int device_release(int fd, unsigned int cpu)
{
	struct azm_reserve r = { .cpu = cpu };

	return device_call(fd, AZM_RELEASE, &r);
}

int device_memory_get(int fd, unsigned int node, struct azm_memory *out)
{
	memset(out, 0, sizeof(*out));
	out->node = node;
	return device_call(fd, AZM_MEMORY, out);
}

int device_memory_set(int fd, unsigned int node, uint64_t bytes)
{
	struct azm_memory m = { .node = node, .set = 1, .bytes = bytes };

	return device_call(fd, AZM_MEMORY, &m);
}
