/* SPDX-License-Identifier: MIT */
/*
 * azm.c - what the module says of the machine's CPUs.
 *
 * Answers are as of the moment: others take and give CPUs all the time, so
 * only AZM_START decides.
 */
#include "plat/azm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIST_MAX   4096
#define GROUPS_MAX 256

int azm_open(const char **why)
{
	int fd = open(AZM_DEVICE, O_RDWR | O_CLOEXEC);
	int err = errno;

	if (fd >= 0)
		return fd;
	switch (err) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		*why = "azalea.ko is not loaded: `azalea cores reserve` loads "
		       "it";
		break;
	case EACCES:
	case EPERM:
		*why = AZM_DEVICE " may not be opened: its mode should be 0666";
		break;
	default:
		*why = AZM_DEVICE " cannot be opened";
	}
	return -err;
}

int azm_info(int fd, uint32_t cpu, struct azm_info *out)
{
	*out = (struct azm_info){ .cpu = cpu };
	return ioctl(fd, AZM_INFO, out) ? -errno : 0;
}

/* The raw call: libc has none. */
bool azm_admin(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &head, data) == 0 &&
	       (data[0].effective & 1U << CAP_SYS_ADMIN);
}

static bool in_group(gid_t gid)
{
	gid_t group[GROUPS_MAX];
	int n;

	if (gid == getegid())
		return true;
	n = getgroups(GROUPS_MAX, group);
	while (n > 0)
		if (group[--n] == gid)
			return true;
	return false;
}

bool azm_mine(const struct azm_info *info)
{
	if (info->uid == AZM_NOBODY && info->gid == AZM_NOBODY)
		return azm_admin();
	return (info->uid != AZM_NOBODY && info->uid == geteuid()) ||
	       (info->gid != AZM_NOBODY && in_group(info->gid));
}

int azm_cpus(int fd, struct azm_cpus *out)
{
	struct cpulist possible;
	struct azm_info info;
	unsigned int cpu;
	int err = azm_list("possible", &possible);

	*out = (struct azm_cpus){ .free = { { 0 } } };
	for (cpu = 0; !err; cpu++) {
		cpu = cpulist_next(&possible, cpu);
		if (cpu == CPULIST_MAX)
			break;
		if (azm_info(fd, cpu, &info) || info.state == AZM_LINUX ||
		    info.forced || !azm_mine(&info))
			continue;
		cpulist_add(
		    info.state == AZM_RESERVED ? &out->free : &out->busy, cpu);
	}
	return err;
}

int azm_list(const char *file, struct cpulist *out)
{
	char path[64], text[LIST_MAX];
	ssize_t n;
	int fd;

	if (snprintf(path, sizeof(path), "/sys/devices/system/cpu/%s", file) <
	    0)
		return -EINVAL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	text[n] = '\0';
	return cpulist_parse(text, out);
}
