/* SPDX-License-Identifier: MIT */
/*
 * reserved.c - which CPUs an instance on metal gets.
 *
 * What is said here is what the user can do something about before anything
 * has been changed. The module has the last word (host/plat/metal.c).
 */
#include "cli/reserved.h"

#include <unistd.h>

#include "lib/error.h"
#include "plat/azm.h"

#define LIST_TEXT 256

bool reserved_any(const struct cpulist *cpuset, uint64_t cpus,
		  struct cpulist *set)
{
	struct azm_cpus mine;
	const char *why;
	unsigned int cpu;
	int fd = azm_open(&why), err;

	if (fd < 0)
		return false;
	err = azm_cpus(fd, &mine);
	close(fd);
	if (err)
		return false;
	*set = mine.free;
	if (cpuset) {
		for (cpu = cpulist_next(cpuset, 0); cpu < CPULIST_MAX;
		     cpu = cpulist_next(cpuset, cpu + 1))
			if (!cpulist_has(&mine.free, cpu))
				return false;
		*set = *cpuset;
	}
	return cpulist_count(set) && cpulist_count(set) >= cpus;
}

/* --- CPUs that the user named --- */

static int cpu_fail(unsigned int cpu, const char *why)
{
	return error_fail(EXIT_AZALEA, "--cpuset-cpus: CPU %u %s", cpu, why);
}

static int linux_cpu_check(unsigned int cpu)
{
	struct cpulist online;

	if (cpu == 0)
		return cpu_fail(cpu,
				"cannot be taken from Linux, which needs it: "
				"choose others");
	if (azm_list("online", &online) == 0 && !cpulist_has(&online, cpu))
		return cpu_fail(cpu, "is off-line, and not by azalea: put it "
				     "on-line, or choose others");
	if (!azm_admin())
		return cpu_fail(cpu,
				"is not reserved for you: have root reserve it "
				"(azalea cores reserve), or choose others");
	return 0;
}

static int cpu_check(int fd, unsigned int cpu)
{
	struct azm_info info;

	if (azm_info(fd, cpu, &info))
		return cpu_fail(cpu, "is not there: this machine has no such "
				     "CPU");
	switch (info.state) {
	case AZM_LINUX:
		return linux_cpu_check(cpu);
	case AZM_RESERVED:
		if (azm_mine(&info) || azm_admin())
			return 0;
		return cpu_fail(cpu, "is reserved for somebody else: choose "
				     "others, see `azalea cores`");
	case AZM_RUNNING:
		return error_fail(EXIT_AZALEA,
				  "--cpuset-cpus: CPU %u is in use by process "
				  "%d: choose others, see `azalea cores`",
				  cpu, info.pid);
	case AZM_STUCK:
		return cpu_fail(cpu, "has not come back to Linux: `azalea "
				     "cores release` tries again");
	default:
		return cpu_fail(cpu, "is being moved at this moment: try "
				     "again");
	}
}

/* Owner and workers need a CPU, too. */
static int linux_keeps_one(const struct cpulist *set)
{
	struct cpulist online;
	unsigned int cpu;

	if (azm_list("online", &online))
		return 0;
	for (cpu = cpulist_next(&online, 0); cpu < CPULIST_MAX;
	     cpu = cpulist_next(&online, cpu + 1))
		if (!cpulist_has(set, cpu))
			return 0;
	return error_fail(EXIT_AZALEA, "--cpuset-cpus: these are all CPUs that "
				       "Linux has, and it needs one: leave one "
				       "out");
}

static int named_check(int fd, const struct cpulist *cpuset)
{
	unsigned int cpu;
	int status = 0;

	for (cpu = cpulist_next(cpuset, 0); cpu < CPULIST_MAX && !status;
	     cpu = cpulist_next(cpuset, cpu + 1))
		status = cpu_check(fd, cpu);
	return status ? status : linux_keeps_one(cpuset);
}

/* --- those that are reserved --- */

static int none_free(const struct azm_cpus *mine)
{
	char list[LIST_TEXT];

	if (cpulist_count(&mine->busy))
		return error_fail(EXIT_AZALEA,
				  "--plat metal: all CPUs reserved for you "
				  "(%s) are in use: see `azalea cores`",
				  cpulist_format(&mine->busy, list,
						 sizeof(list)));
	if (azm_admin())
		return error_fail(EXIT_AZALEA,
				  "--plat metal: no CPUs are reserved for you: "
				  "`azalea cores reserve LIST`, or name CPUs "
				  "with --cpuset-cpus");
	return error_fail(EXIT_AZALEA,
			  "--plat metal: no CPUs are reserved for you: `azalea "
			  "cores reserve LIST --user NAME`, as root");
}

int reserved_choose(const struct cpulist *cpuset, struct cpulist *set)
{
	struct azm_cpus mine;
	const char *why = "";
	int fd = azm_open(&why), status = 0;

	if (fd < 0)
		return error_fail(EXIT_AZALEA, "--plat metal: %s", why);
	if (cpuset) {
		status = named_check(fd, cpuset);
		*set = *cpuset;
	} else if (azm_cpus(fd, &mine)) {
		status = error_fail(EXIT_AZALEA,
				    "--plat metal: cannot tell which CPUs are "
				    "reserved: see `azalea info`");
	} else {
		*set = mine.free;
		if (!cpulist_count(set))
			status = none_free(&mine);
	}
	close(fd);
	return status;
}
