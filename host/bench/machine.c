/* SPDX-License-Identifier: MIT */
/*
 * machine.c - what must be equal for two results to be comparable.
 */
#include "bench/machine.h"

#include <cpuid.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>

#include "cli/describe.h"
#include "cli/resources.h"
#include "lib/cpulist.h"

#define SYS_CPU     "/sys/devices/system/cpu/"
#define SYS_CLOCK   "/sys/devices/system/clocksource/clocksource0/"
#define CPUID_GUEST 31         /* ECX of leaf 1: there is a hypervisor */
#define CPUID_HV    0x40000000 /* EBX, ECX, EDX: its name */
#define CPUID_NAME  0x80000002 /* and two more: the CPU's */

/* The first line, or otherwise what to say if there is none. */
static const char *line_read(const char *path, char *buf, int size,
			     const char *otherwise)
{
	FILE *f = fopen(path, "re");
	const char *got = f ? fgets(buf, size, f) : NULL;

	if (f)
		(void)fclose(f);
	if (!got)
		return otherwise;
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

static json_t *text_file(const char *path, const char *otherwise)
{
	char buf[128];

	return describe_text(line_read(path, buf, sizeof(buf), otherwise));
}

static json_t *cpu_model(void)
{
	unsigned int r[13] = { 0 }, *w = r, i;
	const char *s = (const char *)r;

	if ((unsigned int)__get_cpuid_max(0x80000000, NULL) < CPUID_NAME + 2)
		return json_string("unknown");
	for (i = 0; i < 3; i++, w += 4)
		__cpuid(CPUID_NAME + i, w[0], w[1], w[2], w[3]);
	return describe_text(s + strspn(s, " "));
}

static json_t *hypervisor(void)
{
	unsigned int a, b, c, d, name[4] = { 0 };

	__cpuid(1, a, b, c, d);
	if (!(c >> CPUID_GUEST & 1))
		return json_string("none");
	__cpuid(CPUID_HV, a, name[0], name[1], name[2]);
	return describe_text((const char *)name);
}

/* "always [madvise] never": what stands in brackets. */
static json_t *big_pages(void)
{
	char buf[128];
	const char *s = line_read("/sys/kernel/mm/transparent_hugepage/enabled",
				  buf, sizeof(buf), "[none]");
	const char *open = strchr(s, '[');
	size_t len = open ? strcspn(open + 1, "]") : 0;

	return json_stringn(open ? open + 1 : "unknown", open ? len : 7);
}

static json_t *cpus(void)
{
	struct cpulist list;
	char buf[256] = "";

	if (cpulist_affinity(&list) == 0)
		(void)cpulist_format(&list, buf, sizeof(buf));
	return json_string(buf);
}

static json_t *time_text(time_t t)
{
	char buf[32] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm))
		(void)strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(buf);
}

json_t *machine_describe(void)
{
	struct utsname u = { 0 };
	struct stat exe;
	double load = 0;

	(void)uname(&u);
	(void)getloadavg(&load, 1);
	return json_pack(
	    "{s:o, s:o, s:o, s:I, s:s, s:o, s:o, s:o, s:o, s:f, s:s, s:s, s:s, "
	    "s:o, s:o}",
	    "cpu", cpu_model(), "cpus", cpus(), "hypervisor", hypervisor(),
	    "memory_mib", (json_int_t)(resources_memory_total() >> 20), "linux",
	    u.release, "governor",
	    text_file(SYS_CPU "cpu0/cpufreq/scaling_governor", "none"), "smt",
	    text_file(SYS_CPU "smt/control", "unknown"), "big_pages",
	    big_pages(), "clock",
	    text_file(SYS_CLOCK "current_clocksource", "unknown"), "load", load,
	    "azalea", AZ_VERSION, "libc", gnu_get_libc_version(), "compiler",
	    __VERSION__, "built",
	    time_text(stat("/proc/self/exe", &exe) == 0 ? exe.st_mtime : 0),
	    "time", time_text(time(NULL)));
}
