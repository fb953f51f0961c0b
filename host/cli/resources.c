/* SPDX-License-Identifier: MIT */
/*
 * resources.c - which CPUs and how much memory an instance gets.
 */
#include "cli/resources.h"

#include <errno.h>
#include <sched.h>
#include <sys/sysinfo.h>

#include "boot.h"
#include "cli/reserved.h"
#include "lib/cpulist.h"
#include "lib/error.h"
#include "lib/size.h"
#include "plat/plat.h"

#define MEMORY_MIN (4ULL << 20) /* a pool's first chunks, and the program */
#define LIST_TEXT  256

uint64_t resources_memory_total(void)
{
	struct sysinfo si;

	return sysinfo(&si) == 0 ? (uint64_t)si.totalram * si.mem_unit : 0;
}

uint64_t resources_memory_default(void)
{
	uint64_t bytes = resources_memory_total() / 4 * 3;

	bytes &= ~(AZ_CHUNK_SIZE - 1);
	return bytes > MEMORY_MIN ? bytes : MEMORY_MIN;
}

int resources_memory(const char *size, bool overcommit,
		     struct instance_config *cfg)
{
	char has[SIZE_TEXT_MAX];
	uint64_t bytes, total;
	int err;

	if (!size) {
		cfg->mem_bytes = resources_memory_default();
		return 0;
	}
	err = size_parse(size, &bytes);
	if (err == -EINVAL)
		return error_fail(EXIT_AZALEA,
				  "--memory %s: not a size: give a number and "
				  "K, M, G or T, as in 512M",
				  size);
	if (!err && bytes < MEMORY_MIN)
		return error_fail(EXIT_AZALEA,
				  "--memory %s: too little: no program starts "
				  "with less than 4M",
				  size);
	total = resources_memory_total();
	if (err || bytes > AZ_WINDOW_END - AZ_WINDOW_BASE ||
	    (!overcommit && bytes > total))
		return error_fail(EXIT_AZALEA,
				  "--memory %s: more than this machine has, "
				  "which is %s: ask for less",
				  size, size_format(total, has));
	cfg->mem_bytes = bytes & ~(AZ_PAGE_SIZE - 1);
	return 0;
}

static int cpuset_refuse(const char *cpuset, const struct cpulist *allowed)
{
	char has[LIST_TEXT];

	return error_fail(EXIT_AZALEA,
			  "--cpuset-cpus %s: not all of these CPUs may be used "
			  "here: choose from %s",
			  cpuset, cpulist_format(allowed, has, sizeof(has)));
}

static int cpuset_parse(const char *cpuset, struct cpulist *set)
{
	int err = cpulist_parse(cpuset, set);

	if (err == -EINVAL)
		return error_fail(EXIT_AZALEA,
				  "--cpuset-cpus %s: not a list of CPUs: "
				  "write it as 0-3,8",
				  cpuset);
	if (err)
		return error_fail(EXIT_AZALEA,
				  "--cpuset-cpus %s: Linux has no CPUs from %u "
				  "up: choose from those below",
				  cpuset, CPULIST_MAX);
	return 0;
}

/* What an instance on pico gets: set := the CPUs to take the cores from. */
static int linux_choose(const struct cpulist *wanted, const char *cpuset,
			struct cpulist *set)
{
	unsigned int cpu;
	int err = cpulist_affinity(set);

	if (err)
		return error_fail(EXIT_AZALEA,
				  "cannot tell which CPUs may be used: %s",
				  error_text(err));
	if (!wanted)
		return 0;
	for (cpu = cpulist_next(wanted, 0); cpu < CPULIST_MAX;
	     cpu = cpulist_next(wanted, cpu + 1))
		if (!cpulist_has(set, cpu))
			return cpuset_refuse(cpuset, set);
	*set = *wanted;
	return 0;
}

/* *n := the number of cores that the word asks for, 0 without one. */
static int cpus_parse(const char *cpus, uint64_t *n)
{
	int err;

	*n = 0;
	if (!cpus)
		return 0;
	err = number_parse(cpus, UINT64_MAX, n);
	if (err == -EINVAL || (!err && *n == 0))
		return error_fail(EXIT_AZALEA,
				  "--cpus %s: not a number of cores: cores are "
				  "whole, give 1 or more",
				  cpus);
	if (err)
		*n = UINT64_MAX;
	return 0;
}

/* *n: in, how many are wanted, or 0; out, how many there are to be. */
static int cpus_choose(const char *cpus, const struct cpulist *set, uint64_t *n)
{
	unsigned int has = cpulist_count(set);
	char list[LIST_TEXT];

	if (has > AZ_MAX_CORES)
		has = AZ_MAX_CORES;
	if (*n > has)
		return error_fail(EXIT_AZALEA,
				  "--cpus %s: only %u can be had here, of CPUs "
				  "%s: ask for fewer",
				  cpus, has,
				  cpulist_format(set, list, sizeof(list)));
	if (!*n)
		*n = has;
	return 0;
}

/* Who has the CPU's own virtualization and cannot use it may want to know. */
uint32_t resources_linux_plat(struct instance_config *cfg)
{
	const char *why = "";

	if (!kvm_hardware())
		return AZ_PLAT_PICO;
	if (plat_kvm.probe(&why)) {
		error_say("platform pico, since kvm is not available: %s", why);
		return AZ_PLAT_PICO;
	}
	cfg->plat_auto = true;
	return AZ_PLAT_KVM;
}

static int set_choose(const struct cpulist *wanted, const char *cpuset,
		      uint64_t n, struct instance_config *cfg,
		      struct cpulist *set)
{
	const char *why = "";

	if (!cfg->plat && reserved_any(wanted, n, set))
		cfg->plat = AZ_PLAT_METAL;
	else if (!cfg->plat)
		cfg->plat = resources_linux_plat(cfg);
	else if (cfg->plat == AZ_PLAT_METAL)
		return reserved_choose(wanted, set);
	if (cfg->plat == AZ_PLAT_METAL)
		return 0;
	if (cfg->plat == AZ_PLAT_PICO && plat_pico.probe(&why))
		return error_fail(EXIT_AZALEA,
				  "platform pico is not available: %s: see "
				  "`azalea info`",
				  why);
	return linux_choose(wanted, cpuset, set);
}

int resources_cores(const char *cpuset, const char *cpus,
		    struct instance_config *cfg)
{
	struct cpulist wanted, set;
	unsigned int i, cpu;
	uint64_t n;
	int here = sched_getcpu();
	int status = cpuset ? cpuset_parse(cpuset, &wanted) : 0;

	if (!status)
		status = cpus_parse(cpus, &n);
	if (!status)
		status =
		    set_choose(cpuset ? &wanted : NULL, cpuset, n, cfg, &set);
	if (!status)
		status = cpus_choose(cpus, &set, &n);
	if (status)
		return status;
	cfg->cpus_given = cpuset;
	/*
	 * From where Linux has put this process: that CPU is likely idle, and
	 * instances started one after the other do not all get the first one.
	 */
	cpu = here < 0 ? 0 : (unsigned int)here;
	for (i = 0; i < n; i++) {
		cpu = cpulist_next(&set, cpu);
		if (cpu == CPULIST_MAX)
			cpu = cpulist_next(&set, 0);
		cfg->host_cpu[i] = (uint16_t)cpu++;
	}
	cfg->ncores = n;
	return 0;
}
