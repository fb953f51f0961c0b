/* SPDX-License-Identifier: MIT */
/*
 * describe.c - an instance as JSON.
 *
 * What an instance says of itself is its user's, not ours: strings may hold
 * any bytes and counters any value.
 */
#include "cli/describe.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "boot.h"
#include "call.h"
#include "calls.h"
#include "cli/cost.h"
#include "cli/sites.h"
#include "lib/error.h"
#include "lib/name.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD in UTF-8 */

static const struct {
	const char *name;
	size_t offset;
} core_counters[] = {
	{ "traps", offsetof(struct az_core_stats, traps) },
	{ "faults", offsetof(struct az_core_stats, faults) },
	{ "upcalls", offsetof(struct az_core_stats, upcalls) },
	{ "halts", offsetof(struct az_core_stats, halts) },
	{ "switches", offsetof(struct az_core_stats, switches) },
	{ "direct", offsetof(struct az_core_stats, direct) },
	{ "ring", offsetof(struct az_core_stats, ring) },
	{ "denied", offsetof(struct az_core_stats, denied) },
	{ "steals", offsetof(struct az_core_stats, steals) },
	{ "busy_ns", offsetof(struct az_core_stats, busy_ns) },
};

#define NCOUNTERS (sizeof(core_counters) / sizeof(core_counters[0]))

#define CALL_NAME(nr, name, ...)         [nr] = #name,
#define CALL_CLASS(nr, name, class, ...) [nr] = class,
static const char *const call_names[AZ_STATS_NCALLS] = { AZ_CALLS(CALL_NAME) };
static const uint8_t call_classes[AZ_STATS_NCALLS] = { AZ_CALLS(CALL_CLASS) };

/* Counts are at most INT64_MAX in JSON. */
static json_t *json_count(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

/* The length of a well-formed UTF-8 sequence at s, or 0 (RFC 3629). */
static size_t utf8_length(const unsigned char *s)
{
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Too long a form, a surrogate, beyond U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

json_t *describe_text(const char *bytes)
{
	char *clean = malloc(3 * strlen(bytes) + 1), *out = clean;
	size_t n;
	json_t *j;

	if (!clean)
		return NULL;
	while (*bytes) {
		n = utf8_length((const unsigned char *)bytes);
		if (n) {
			memcpy(out, bytes, n);
			out += n;
			bytes += n;
		} else {
			memcpy(out, REPLACEMENT, 3);
			out += 3;
			bytes++;
		}
	}
	*out = '\0';
	j = json_string(clean);
	free(clean);
	return j;
}

const char *describe_plat(uint32_t plat)
{
	static const char *const names[] = { "?", "pico", "kvm", "metal" };

	return names[plat <= AZ_PLAT_METAL ? plat : 0];
}

const char *describe_offload(uint32_t offload)
{
	static const char *const names[] = { "auto", "ring", "direct", "?" };

	return names[offload <= AZ_OFFLOAD_DIRECT ? offload : 3];
}

int64_t describe_started(const struct registry_info *info)
{
	struct timespec mono, real;

	(void)clock_gettime(CLOCK_MONOTONIC, &mono);
	(void)clock_gettime(CLOCK_REALTIME, &real);
	return real.tv_sec -
	       (mono.tv_sec - (int64_t)(info->start_mono_ns / 1000000000));
}

static json_t *describe_argv(const struct registry_info *info)
{
	const char *s = info->cmd, *end = info->cmd + info->cmd_size;
	json_t *list = json_array();

	while (s < end && memchr(s, '\0', (size_t)(end - s))) {
		(void)json_array_append_new(list, describe_text(s));
		s += strlen(s) + 1;
	}
	return list;
}

void describe_command(const struct registry_info *info, char *out, size_t size)
{
	size_t i, n = info->cmd_size;

	if (n > size)
		n = size;
	for (i = 0; i + 1 < n; i++) {
		out[i] = info->cmd[i];
		if (out[i] == '\0')
			out[i] = ' ';
		else if ((unsigned char)out[i] < ' ' || out[i] == '\x7f')
			out[i] = '?'; /* a terminal is not to obey it */
	}
	out[i] = '\0';
	if (info->cmd_size > size && size > 4)
		memcpy(out + size - 4, "...", 4);
}

json_t *describe_config(const struct registry_info *info)
{
	json_t *cpus = json_array();
	uint32_t i;

	for (i = 0; i < info->ncores; i++)
		(void)json_array_append_new(cpus,
					    json_integer(info->host_cpu[i]));
	return json_pack("{s:o, s:i, s:I, s:s, s:s, s:b, s:i, s:o, s:o, s:o}",
			 "name", describe_text(info->name), "pid",
			 (int)info->pid, "started",
			 (json_int_t)describe_started(info), "platform",
			 describe_plat(info->plat), "offload",
			 describe_offload(info->offload), "strace",
			 (info->flags & AZ_BOOT_STRACE) != 0, "cores",
			 (int)info->ncores, "cpus", cpus, "memory_limit",
			 json_count(info->mem_bytes), "command",
			 describe_argv(info));
}

static json_t *describe_counters(const uint64_t v[NCOUNTERS], uint64_t local)
{
	json_t *o = json_object();
	size_t i;

	(void)json_object_set_new(o, "local", json_count(local));
	for (i = 0; i < NCOUNTERS; i++)
		(void)json_object_set_new(o, core_counters[i].name,
					  json_count(v[i]));
	return o;
}

/* Calls that the unikernel served itself. */
static uint64_t local_calls(const struct az_core_stats *c)
{
	uint64_t n = 0;
	int nr;

	for (nr = 0; nr < AZ_STATS_NCALLS; nr++)
		if (call_classes[nr] == AZ_CLASS_LOCAL)
			n += c->calls[nr];
	return n;
}

/* One core's counters, which are also added to total. */
static json_t *describe_core(const struct az_core_stats *c,
			     uint64_t total[NCOUNTERS], uint64_t *local)
{
	uint64_t v[NCOUNTERS];
	size_t i;

	for (i = 0; i < NCOUNTERS; i++) {
		memcpy(&v[i], (const char *)c + core_counters[i].offset,
		       sizeof(v[i]));
		total[i] += v[i];
	}
	*local += local_calls(c);
	return describe_counters(v, local_calls(c));
}

static uint64_t calls_made(const struct az_stats *stats, int nr)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < stats->ncores && i < AZ_MAX_CORES; i++)
		n += stats->core[i].calls[nr];
	return n;
}

/* Calls that a stub answered were not counted as such. */
static uint64_t calls_all(const struct az_stats *stats, int nr)
{
	uint64_t n = calls_made(stats, nr);

	if (nr == AZ_SYS_getpid)
		n += sites_kind_hits(stats, AZ_SITE_GETPID);
	else if (nr == AZ_SYS_gettid)
		n += sites_kind_hits(stats, AZ_SITE_GETTID);
	return n;
}

static uint64_t calls_total(const struct az_stats *stats)
{
	uint64_t n = 0;
	int nr;

	for (nr = 0; nr < AZ_STATS_NCALLS; nr++)
		n += calls_all(stats, nr);
	return n;
}

static json_t *describe_calls(const struct az_stats *stats)
{
	json_t *o = json_object();
	char number[16];
	uint64_t n;
	int nr;

	for (nr = 0; nr < AZ_STATS_NCALLS; nr++) {
		n = calls_all(stats, nr);
		if (!n || snprintf(number, sizeof(number), "%d", nr) < 0)
			continue;
		(void)json_object_set_new(
		    o, call_names[nr] ? call_names[nr] : number, json_count(n));
	}
	return o;
}

/* What it took to have core 0's CPU: metal only. */
static void describe_taking(json_t *o, const struct az_stats *stats)
{
	if (!stats->cpu_enter_ns)
		return;
	(void)json_object_set_new(o, "cpu_offline_ns",
				  json_count(stats->cpu_offline_ns));
	(void)json_object_set_new(o, "cpu_enter_ns",
				  json_count(stats->cpu_enter_ns));
}

json_t *describe_stats(const struct az_stats *stats, uint32_t ncores)
{
	uint64_t total[NCOUNTERS] = { 0 }, local = 0, start = 0;
	json_t *cores = json_array(), *o;
	uint32_t i;

	for (i = 0; i < ncores && i < AZ_MAX_CORES; i++)
		(void)json_array_append_new(
		    cores, describe_core(&stats->core[i], total, &local));
	if (stats->enter_mono_ns > stats->start_mono_ns)
		start = stats->enter_mono_ns - stats->start_mono_ns;
	local += sites_kind_hits(stats, AZ_SITE_GETPID) +
		 sites_kind_hits(stats, AZ_SITE_GETTID);
	o = json_pack("{s:o, s:o, s:o, s:o, s:i, s:i, s:o, s:o, s:o, s:o}",
		      "memory_committed", json_count(stats->mem_committed),
		      "memory_peak", json_count(stats->mem_peak),
		      "memory_limit", json_count(stats->mem_limit), "start_ns",
		      json_count(start), "threads", (int)stats->nthreads,
		      "cores_started", (int)stats->cores_started, "total",
		      describe_counters(total, local), "cores", cores, "calls",
		      describe_calls(stats), "sites",
		      sites_describe(stats, calls_total(stats)));
	describe_taking(o, stats);
	return o;
}

const char *describe_state(const struct subject *s)
{
	if (s->live)
		return "running";
	if (s->state == ENTRY_RUNNING)
		return "ending";
	return s->state == ENTRY_EXITED ? "exited" : "lost";
}

json_t *describe_subject(const struct subject *s)
{
	json_t *o = s->known ? describe_config(&s->info) : json_object();
	bool ended = !s->live && s->state == ENTRY_EXITED;

	(void)json_object_set_new(o, "name", describe_text(s->name));
	(void)json_object_set_new(o, "pid",
				  s->live && s->pid > 0 ? json_integer(s->pid)
							: json_null());
	(void)json_object_set_new(o, "state", json_string(describe_state(s)));
	(void)json_object_set_new(
	    o, "exit_status",
	    ended ? json_integer(status_exit(s->end.wstatus)) : json_null());
	return o;
}

static void set_known(json_t *o, const char *key, int64_t value)
{
	if (value >= 0)
		(void)json_object_set_new(o, key, json_integer(value));
}

json_t *describe_owner(const struct subject *s)
{
	json_t *o = json_object();
	struct cost cost;

	cost_read(s->pid, &cost);
	if (s->kept)
		set_known(o, "supervisor", cost.parent);
	set_known(o, "host_threads", cost.threads);
	set_known(o, "private_bytes", cost.private_bytes);
	set_known(o, "resident_bytes", cost.resident_bytes);
	set_known(o, "cpu_ns", cost.cpu_ns);
	return o;
}

int describe_print(json_t *value, FILE *f)
{
	int err = value ? json_dumpf(value, f, JSON_INDENT(2)) : -1;

	json_decref(value);
	if (err || fputc('\n', f) == EOF)
		return error_fail(1, "cannot print the JSON");
	return 0;
}

int describe_write(const char *path, const struct registry_info *info,
		   const struct az_stats *stats, int wstatus)
{
	FILE *f = fopen(path, "we");
	json_t *o;
	int err = -1;

	if (!f)
		return error_fail(EXIT_AZALEA,
				  "--stats %s: cannot write it: %s", path,
				  error_text(errno));
	o = describe_config(info);
	(void)json_object_set_new(o, "exit_status",
				  json_integer(status_exit(wstatus)));
	(void)json_object_set_new(o, "counters",
				  describe_stats(stats, info->ncores));
	if (o)
		err = json_dumpf(o, f, JSON_INDENT(2));
	json_decref(o);
	if (fputc('\n', f) == EOF)
		err = -1;
	if (fclose(f) != 0 || err)
		return error_fail(EXIT_AZALEA, "--stats %s: cannot write it",
				  path);
	return 0;
}
