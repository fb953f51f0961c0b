/* SPDX-License-Identifier: MIT */
/*
 * cmd_ps.c - azalea ps [-a] [-q] [-o FORM]
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/cost.h"
#include "cli/describe.h"
#include "cli/subject.h"
#include "cli/table.h"
#include "lib/cpulist.h"
#include "lib/error.h"
#include "lib/name.h"
#include "lib/size.h"

#define COMMAND_MAX 60
#define STATUS_MAX  64
#define COLUMNS     10

enum ps_option {
	OPT_ALL,
	OPT_QUIET,
	OPT_OUTPUT,
	OPT_COUNT,
};

static const struct option_spec ps_options[] = {
	[OPT_ALL] = { 'a', "all", NULL,
		      "also detached instances that have ended" },
	[OPT_QUIET] = { 'q', "quiet", NULL, "names only" },
	[OPT_OUTPUT] = { 'o', "output", "FORM", "text (default) or json" },
	[OPT_COUNT] = { 0, NULL, NULL, NULL },
};

static int64_t now_real(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec;
}

/* 90 becomes "90 seconds", 7200 "2 hours". */
static const char *duration_format(int64_t secs, char buf[32])
{
	static const struct {
		int64_t secs;
		const char *unit;
	} step[] = { { 172800, "day" }, { 7200, "hour" }, { 120, "minute" } };
	const char *unit = "second";
	int64_t n = secs > 0 ? secs : 0;
	size_t i;

	for (i = 0; i < sizeof(step) / sizeof(step[0]); i++)
		if (n >= step[i].secs) {
			n /= step[i].secs / 2;
			unit = step[i].unit;
			break;
		}
	if (snprintf(buf, 32, "%lld %s%s", (long long)n, unit,
		     n == 1 ? "" : "s") < 0)
		buf[0] = '\0';
	return buf;
}

static void status_format(const struct subject *s, char out[STATUS_MAX])
{
	char ago[32];
	int n;

	if (s->live && s->known && s->stats_fd >= 0)
		n = snprintf(out, STATUS_MAX, "Up %s",
			     duration_format(
				 now_real() - describe_started(&s->info), ago));
	else if (s->live)
		n = snprintf(out, STATUS_MAX, "Not answering");
	else if (s->state == ENTRY_EXITED)
		n = snprintf(
		    out, STATUS_MAX, "Exited (%d) %s ago",
		    status_exit(s->end.wstatus),
		    duration_format(now_real() -
					(int64_t)(s->end.real_ns / 1000000000),
				    ago));
	else
		n = snprintf(out, STATUS_MAX, "%s",
			     s->state == ENTRY_LOST ? "Lost (killed)"
						    : "Ending");
	if (n < 0)
		out[0] = '\0';
}

static const char *cpus_format(const struct registry_info *info, char *buf,
			       size_t size)
{
	struct cpulist list;
	uint32_t i;

	memset(&list, 0, sizeof(list));
	for (i = 0; i < info->ncores; i++)
		if (info->host_cpu[i] < CPULIST_MAX)
			cpulist_add(&list, info->host_cpu[i]);
	return cpulist_format(&list, buf, size);
}

/* What its owner costs the machine, in two cells. */
static void print_cost(struct table *t, const struct subject *s)
{
	struct cost cost = { .private_bytes = -1, .cpu_ns = -1 };
	char held[SIZE_TEXT_MAX];

	if (s->live && s->pid > 0)
		cost_read(s->pid, &cost);
	if (cost.private_bytes >= 0)
		table_cell(t, "%s",
			   size_format((uint64_t)cost.private_bytes, held));
	else
		table_cell(t, "-");
	if (cost.cpu_ns >= 0)
		table_cell(t, "%.2fs", (double)cost.cpu_ns / 1e9);
	else
		table_cell(t, "-");
}

static void print_row(struct table *t, const struct subject *s,
		      struct az_stats *stats)
{
	char used[SIZE_TEXT_MAX] = "-", limit[SIZE_TEXT_MAX];
	char status[STATUS_MAX], cpus[24], command[COMMAND_MAX];

	status_format(s, status);
	table_cell(t, "%s", s->name);
	if (s->pid > 0)
		table_cell(t, "%d", s->pid);
	else
		table_cell(t, "-");
	if (!s->known) {
		for (int i = 0; i < 4; i++)
			table_cell(t, "-");
		print_cost(t, s);
		table_cell(t, "%s", status);
		table_cell(t, "-");
		return;
	}
	if (s->live && subject_stats(s, stats) == 0)
		(void)size_format(stats->mem_committed, used);
	describe_command(&s->info, command, sizeof(command));
	table_cell(t, "%s", describe_plat(s->info.plat));
	table_cell(t, "%u", s->info.ncores);
	table_cell(t, "%s", cpus_format(&s->info, cpus, sizeof(cpus)));
	table_cell(t, "%s / %s", used, size_format(s->info.mem_bytes, limit));
	print_cost(t, s);
	table_cell(t, "%s", status);
	table_cell(t, "%s", command);
}

static int print_table(const struct subject *list, int n)
{
	static const char *const head[COLUMNS] = {
		"NAME",   "PID",     "PLATFORM", "CORES",  "CPUS",
		"MEMORY", "PRIVATE", "TIME",     "STATUS", "COMMAND",
	};
	struct table t = { .columns = COLUMNS };
	struct az_stats *stats = calloc(1, sizeof(*stats));
	int i;

	if (!stats)
		return error_fail(1, "no memory left");
	for (i = 0; i < COLUMNS; i++)
		table_cell(&t, "%s", head[i]);
	for (i = 0; i < n; i++)
		print_row(&t, &list[i], stats);
	table_print(&t);
	free(stats);
	return 0;
}

static int print_json(const struct subject *list, int n)
{
	json_t *all = json_array(), *one;
	int i;

	for (i = 0; i < n; i++) {
		one = describe_subject(&list[i]);
		if (list[i].live && list[i].pid > 0)
			(void)json_object_set_new(one, "owner",
						  describe_owner(&list[i]));
		(void)json_array_append_new(all, one);
	}
	return describe_print(all, stdout);
}

static int print_all(bool all, bool quiet, bool json)
{
	struct subject *list;
	int i, status = 0, n = subject_list(all, &list);

	if (n < 0)
		return error_fail(1, "cannot read the registry: %s",
				  error_text(n));
	if (quiet)
		for (i = 0; i < n; i++)
			(void)printf("%s\n", list[i].name);
	else
		status = json ? print_json(list, n) : print_table(list, n);
	for (i = 0; i < n; i++)
		subject_close(&list[i]);
	free(list);
	return status;
}

static int cmd_ps(struct option_parser *p)
{
	bool all = false, quiet = false;
	int o, status, json = 0;

	while ((o = option_next(p)) >= 0) {
		if (o == OPT_ALL)
			all = p->on;
		else if (o == OPT_QUIET)
			quiet = p->on;
		else
			json = output_json(p->value);
		if (json < 0)
			return EXIT_AZALEA;
	}
	status = options_end(p, o);
	if (status < 0)
		status = operands_need(p, 0, 0);
	return status < 0 ? print_all(all, quiet, json > 0) : status;
}

const struct verb verb_ps = {
	.name = "ps",
	.operands = "",
	.summary = "List instances",
	.options = ps_options,
	.mixed = true,
	.run = cmd_ps,
};
