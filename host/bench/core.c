/* SPDX-License-Identifier: MIT */
/*
 * core.c - CPUs as benches use them.
 */
#include "bench/core.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../bench/counter.h"
#include "lib/error.h"
#include "metal.h"

/* --- /dev/azalea --- */

static int device_ask(unsigned long request, void *what)
{
	int fd = open(AZM_DEVICE, O_RDWR | O_CLOEXEC);
	int err = fd < 0 || ioctl(fd, request, what) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

void core_release(const struct cpulist *cpus)
{
	struct azm_reserve r = { 0 };

	for (r.cpu = cpulist_next(cpus, 0); r.cpu < CPULIST_MAX;
	     r.cpu = cpulist_next(cpus, r.cpu + 1))
		(void)device_ask(AZM_RELEASE, &r);
}

int core_reserve(const struct cpulist *cpus, char *why, size_t size)
{
	struct azm_reserve r = { .uid = AZM_NOBODY, .gid = AZM_NOBODY };
	int err;

	for (r.cpu = cpulist_next(cpus, 0); r.cpu < CPULIST_MAX;
	     r.cpu = cpulist_next(cpus, r.cpu + 1)) {
		err = device_ask(AZM_RESERVE, &r);
		if (!err)
			continue;
		(void)snprintf(why, size, "cannot reserve CPU %u: %s", r.cpu,
			       error_text(err));
		core_release(cpus);
		return -1;
	}
	return 0;
}

/* The column of a CPU in a line of /proc/interrupts; 0 if it is shorter. */
static double column_sum(char *line, unsigned int column)
{
	char *at = strchr(line, ':'), *end;
	double n = 0;

	for (at = at ? at + 1 : NULL; at; at = end) {
		n = strtod(at, &end);
		if (end == at)
			return 0;
		if (!column--)
			return n;
	}
	return 0;
}

/* Which column is CPU's: off-line ones have none. Or -1. */
static int column_find(char *head, unsigned int cpu)
{
	char *word, *save;
	int column = 0;

	for (word = strtok_r(head, " \n", &save); word;
	     word = strtok_r(NULL, " \n", &save), column++)
		if (strncmp(word, "CPU", 3) == 0 &&
		    strtoul(word + 3, NULL, 10) == cpu)
			return column;
	return -1;
}

static double linux_interrupts(unsigned int cpu)
{
	FILE *f = fopen("/proc/interrupts", "re");
	char *line = NULL;
	size_t size = 0;
	double sum = 0;
	int column;

	if (!f)
		return -1;
	column = getline(&line, &size, f) > 0 ? column_find(line, cpu) : -1;
	while (column >= 0 && getline(&line, &size, f) > 0)
		sum += column_sum(line, (unsigned int)column);
	free(line);
	(void)fclose(f);
	return column < 0 ? -1 : sum;
}

double core_interrupts(unsigned int cpu, bool metal)
{
	struct azm_info info = { .cpu = cpu };

	if (!metal)
		return linux_interrupts(cpu);
	return device_ask(AZM_INFO, &info) ? -1 : (double)info.interrupts;
}

/* Minor and major ones: fields 10 and 12 of proc(5)'s stat. */
static double linux_faults(pid_t pid)
{
	unsigned long minor, major;
	char path[64], text[1024];
	const char *after;
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	text[n] = '\0';
	after = strrchr(text, ')');
	// NOLINTNEXTLINE(cert-err34-c): Linux wrote it
	if (!after || sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu",
			     &minor, &major) != 2)
		return -1;
	return (double)minor + (double)major;
}

double core_events(unsigned int cpu, bool metal, pid_t pid)
{
	struct azm_info info = { .cpu = cpu };

	if (!metal)
		return linux_faults(pid);
	if (device_ask(AZM_INFO, &info))
		return -1;
	return (double)(info.faults + info.calls + info.halts + info.traps);
}

/* --- counters --- */

const struct counter *counter_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *p = fd < 0
		      ? MAP_FAILED
		      : mmap(NULL, COUNTER_SIZE, PROT_READ, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	return p == MAP_FAILED ? NULL : p;
}

void counter_save(const struct counter *c, struct counter *to)
{
	memcpy(to, c, COUNTER_SIZE);
}

void counter_since(const struct counter *c, const struct counter *then,
		   struct counted *out)
{
	struct counter now[COUNTER_CPUS];
	double n;
	int i, k;

	counter_save(c, now);
	memset(out, 0, sizeof(*out));
	for (i = 0; i < COUNTER_CPUS; i++) {
		n = (double)(now[i].all - then[i].all);
		out->all += n;
		if (n > out->most)
			out->most = n;
		for (k = 0; k < COUNTER_PARTS; k++)
			out->part[k] +=
			    (double)(now[i].part[k] - then[i].part[k]);
	}
}
