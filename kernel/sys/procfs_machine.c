/* SPDX-License-Identifier: MIT */
/*
 * procfs_machine.c - the machine that the program sees: its cores, numbered
 * from 0, and its memory. Made from what Linux says of the host's.
 */
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sched/thread.h"
#include "sched/timer.h"
#include "sys/procfs.h"

#define KIB 1024UL
#define STAT_FIELDS \
	10 /* of a cpu line, proc(5): user, nice, system, idle, ... */
#define TICK_NS 10000000ULL /* USER_HZ is 100 */

/* The set of all cores of the instance. */
static void all_cores(uint64_t set[AZ_MAX_CORES / 64])
{
	memset(set, 0, AZ_MAX_CORES / 8);
	for (uint32_t i = 0; i < BOOT->ncores; i++)
		set[i / 64] |= 1ULL << (i % 64);
}

int make_cpus(struct text *t, const struct vpath *v)
{
	uint64_t set[AZ_MAX_CORES / 64];

	(void)v;
	all_cores(set);
	text_cpus_list(t, set, BOOT->ncores);
	text_puts(t, "\n");
	return 0;
}

int make_no_cpus(struct text *t, const struct vpath *v)
{
	(void)v;
	text_puts(t, "\n");
	return 0;
}

/* A set of host CPUs becomes the set of cores that are on them. */
int make_cpu_set(struct text *t, const struct vpath *v)
{
	uint64_t set[AZ_MAX_CORES / 64] = { 0 };
	struct text host = TEXT_EMPTY;
	int err = text_read_host(&host, v->host);
	bool list = strstr(v->host, "list") || strstr(v->host, "affected");

	for (uint32_t i = 0; !err && i < BOOT->ncores; i++)
		if (list ? text_in_cpus_list(host.buf, BOOT->host_cpu[i])
			 : text_in_cpus_mask(host.buf, BOOT->host_cpu[i]))
			set[i / 64] |= 1ULL << (i % 64);
	text_free(&host);
	if (err)
		return err;
	if (list)
		text_cpus_list(t, set, BOOT->ncores);
	else
		text_cpus_mask(t, set, BOOT->ncores);
	text_puts(t, "\n");
	return 0;
}

/* --- /proc/cpuinfo --- */

/* The text of host CPU `cpu`, behind its first line; NULL: not there. */
static const char *cpuinfo_block(const char *s, uint32_t cpu, size_t *len)
{
	while (s && *s) {
		const char *end = strstr(s, "\n\n");
		const char *colon = strchr(s, ':');
		const char *line = strchr(s, '\n');

		end = end ? end + 2 : s + strlen(s);
		if (strncmp(s, "processor", 9) == 0 && colon && line &&
		    colon < line) {
			colon += 2;
			if (text_number(&colon) == cpu) {
				*len = (size_t)(end - (line + 1));
				return line + 1;
			}
		}
		s = end;
	}
	return NULL;
}

/* Is this the line that begins with `key` and blanks? */
static bool cpuinfo_is(const char *line, const char *key)
{
	size_t n = strlen(key);

	return strncmp(line, key, n) == 0 && (line[n] == '\t');
}

/*
 * A core whose CPU Linux has put off-line, and so does not describe: like the
 * first one that is there, but for its number.
 */
static void cpuinfo_alike(struct text *t, const char *host, uint32_t core)
{
	const char *s = strchr(host, '\n'), *line;
	size_t len;

	s = s ? s + 1 : NULL;
	while ((line = text_line(&s, &len)) && len) {
		if (cpuinfo_is(line, "core id"))
			text_printf(t, "core id\t\t: %u\n", core);
		else if (cpuinfo_is(line, "apicid"))
			text_printf(t, "apicid\t\t: %u\n", core);
		else if (cpuinfo_is(line, "initial apicid"))
			text_printf(t, "initial apicid\t: %u\n", core);
		else
			text_append(t, line, len + 1);
	}
	text_puts(t, "\n");
}

int make_cpuinfo(struct text *t, const struct vpath *v)
{
	struct text host = TEXT_EMPTY;
	int err = text_read_host(&host, v->host);

	for (uint32_t i = 0; !err && i < BOOT->ncores; i++) {
		size_t len;
		const char *block =
		    cpuinfo_block(host.buf, BOOT->host_cpu[i], &len);

		text_printf(t, "processor\t: %u\n", i);
		if (block)
			text_append(t, block, len);
		else
			cpuinfo_alike(t, host.buf, i);
	}
	text_free(&host);
	return err;
}

/* --- /proc/stat --- */

/* The line "cpu<n> ..." of a host CPU: its numbers. */
static bool stat_cpu_line(const char *s, uint32_t cpu,
			  uint64_t field[STAT_FIELDS])
{
	const char *line;
	size_t len;

	while ((line = text_line(&s, &len))) {
		if (strncmp(line, "cpu", 3) != 0)
			break;
		line += 3;
		if (*line < '0' || *line > '9' || text_number(&line) != cpu)
			continue;
		for (int i = 0; i < STAT_FIELDS; i++) {
			while (*line == ' ')
				line++;
			field[i] = text_number(&line);
		}
		return true;
	}
	return false;
}

/* Of a core: as Linux counts its CPU, or else as the unikernel does. */
static void stat_core(const char *host, uint32_t core,
		      uint64_t field[STAT_FIELDS])
{
	uint64_t all, busy;

	if (stat_cpu_line(host, BOOT->host_cpu[core], field))
		return;
	memset(field, 0, STAT_FIELDS * sizeof(field[0]));
	all = clock_mono() - STATS->start_mono_ns;
	busy = MIN(STATS->core[core].busy_ns, all);
	field[0] = busy / TICK_NS;
	field[3] = (all - busy) / TICK_NS;
}

static void stat_print(struct text *t, const uint64_t field[STAT_FIELDS])
{
	for (int i = 0; i < STAT_FIELDS; i++)
		text_printf(t, " %lu", field[i]);
	text_puts(t, "\n");
}

static void stat_cpus(struct text *t, const char *host)
{
	uint64_t sum[STAT_FIELDS] = { 0 };
	uint64_t field[STAT_FIELDS];

	for (uint32_t i = 0; i < BOOT->ncores; i++) {
		stat_core(host, i, field);
		for (int k = 0; k < STAT_FIELDS; k++)
			sum[k] += field[k];
	}
	text_puts(t, "cpu ");
	stat_print(t, sum);
	for (uint32_t i = 0; i < BOOT->ncores; i++) {
		stat_core(host, i, field);
		text_printf(t, "cpu%u", i);
		stat_print(t, field);
	}
}

int make_machine_stat(struct text *t, const struct vpath *v)
{
	struct text host = TEXT_EMPTY;
	int err = text_read_host(&host, v->host);

	if (!err) {
		const char *s = host.buf;
		const char *line;
		size_t len;

		stat_cpus(t, s);
		while ((line = text_line(&s, &len)))
			if (strncmp(line, "cpu", 3) != 0)
				text_append(t, line, len + 1);
	}
	text_free(&host);
	return err;
}

/* --- /proc/meminfo --- */

static bool key_is(const char *line, const char *key)
{
	size_t n = strlen(key);

	return strncmp(line, key, n) == 0 && line[n] == ':';
}

/* Lines of the host that hold for the instance as they are. */
static bool meminfo_keeps(const char *line)
{
	return key_is(line, "Hugepagesize") || key_is(line, "VmallocTotal") ||
	       strncmp(line, "HugePages_", 10) == 0;
}

static uint64_t meminfo_value(const char *line, const struct mm_usage *u)
{
	if (key_is(line, "MemTotal") || key_is(line, "CommitLimit"))
		return u->limit;
	if (key_is(line, "MemFree") || key_is(line, "MemAvailable"))
		return u->limit - MIN(u->committed, u->limit);
	if (key_is(line, "Active") || key_is(line, "Active(anon)") ||
	    key_is(line, "AnonPages") || key_is(line, "Committed_AS"))
		return u->committed;
	if (key_is(line, "Mlocked") || key_is(line, "Unevictable"))
		return u->locked;
	return 0;
}

int make_meminfo(struct text *t, const struct vpath *v)
{
	struct text host = TEXT_EMPTY;
	struct mm_usage u;
	const char *s, *line;
	size_t len;
	int err = text_read_host(&host, v->host);

	mm_usage(&u);
	s = err ? NULL : host.buf;
	while ((line = text_line(&s, &len))) {
		const char *colon = strchr(line, ':');

		if (!colon || colon > line + len || meminfo_keeps(line)) {
			text_append(t, line, len + 1);
			continue;
		}
		text_append(t, line, (size_t)(colon + 1 - line));
		text_printf(t, "%*lu kB\n", 23 - (int)(colon - line),
			    meminfo_value(line, &u) / KIB);
	}
	text_free(&host);
	return err;
}
