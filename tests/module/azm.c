/* SPDX-License-Identifier: MIT */
/*
 * azm.c - the ioctls about CPUs, for the scripts here: what `azalea cores`
 * does, without it.
 *
 *	azm info			every CPU, a line each: key=value ...
 *	azm reserve CPU [UID [GID]]	azm release CPU
 *	azm memory NODE [BYTES]
 *
 * Exit status 0, or 1 with the errno's name on standard error.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "metal.h"

static void failed(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerrorname_np(errno));
	exit(1);
}

static void info(int fd)
{
	static const char *const states[] = { "linux", "moving", "reserved",
					      "running", "stuck" };
	long n = sysconf(_SC_NPROCESSORS_CONF);

	for (uint32_t cpu = 0; cpu < n; cpu++) {
		struct azm_info i = { .cpu = cpu };

		if (ioctl(fd, AZM_INFO, &i))
			failed("AZM_INFO");
		printf("cpu=%u state=%s uid=%d gid=%d pid=%d core=%u forced=%u "
		       "busy_ns=%llu instances=%llu interrupts=%llu kicks=%llu "
		       "flushes=%llu timers=%llu nmis=%llu faults=%llu "
		       "calls=%llu halts=%llu traps=%llu\n",
		       cpu, i.state < 5 ? states[i.state] : "?", (int)i.uid,
		       (int)i.gid, i.pid, i.core, i.forced,
		       (unsigned long long)i.busy_ns,
		       (unsigned long long)i.instances,
		       (unsigned long long)i.interrupts,
		       (unsigned long long)i.kicks,
		       (unsigned long long)i.flushes,
		       (unsigned long long)i.timers, (unsigned long long)i.nmis,
		       (unsigned long long)i.faults,
		       (unsigned long long)i.calls, (unsigned long long)i.halts,
		       (unsigned long long)i.traps);
	}
}

static uint32_t number(char **argv, int i, int argc, uint32_t otherwise)
{
	return i < argc ? (uint32_t)strtoul(argv[i], NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
	struct azm_reserve r = { .cpu = number(argv, 2, argc, 0),
				 .uid = number(argv, 3, argc, AZM_NOBODY),
				 .gid = number(argv, 4, argc, AZM_NOBODY) };
	struct azm_memory m = { .node = r.cpu, .set = argc > 3 };
	int fd = open(AZM_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		failed(AZM_DEVICE);
	if (argc == 2 && !strcmp(argv[1], "info")) {
		info(fd);
	} else if (argc >= 3 && !strcmp(argv[1], "reserve")) {
		if (ioctl(fd, AZM_RESERVE, &r))
			failed("AZM_RESERVE");
		printf("took_ns=%llu\n", (unsigned long long)r.took_ns);
	} else if (argc == 3 && !strcmp(argv[1], "release")) {
		if (ioctl(fd, AZM_RELEASE, &r))
			failed("AZM_RELEASE");
		printf("took_ns=%llu\n", (unsigned long long)r.took_ns);
	} else if (argc >= 3 && !strcmp(argv[1], "memory")) {
		if (m.set)
			m.bytes = strtoull(argv[3], NULL, 0);
		if (ioctl(fd, AZM_MEMORY, &m))
			failed("AZM_MEMORY");
		printf("bytes=%llu lent=%llu\n", (unsigned long long)m.bytes,
		       (unsigned long long)m.lent);
	} else {
		errx(2, "usage: see the head of azm.c");
	}
	return 0;
}
