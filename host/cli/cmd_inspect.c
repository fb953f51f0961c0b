/* SPDX-License-Identifier: MIT */
/*
 * cmd_inspect.c - azalea inspect [-o FORM] NAME...
 *
 * Both forms are made from the same JSON.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/describe.h"
#include "cli/sites.h"
#include "cli/subject.h"
#include "cli/table.h"
#include "lib/error.h"
#include "lib/size.h"

enum inspect_option {
	OPT_OUTPUT,
	OPT_COUNT,
};

static const struct option_spec inspect_options[] = {
	[OPT_OUTPUT] = { 'o', "output", "FORM", "text (default) or json" },
	[OPT_COUNT] = { 0, NULL, NULL, NULL },
};

static json_t *inspect_json(const struct subject *s)
{
	struct az_stats *stats = calloc(1, sizeof(*stats));
	json_t *o = describe_subject(s);

	if (s->live && s->pid > 0)
		(void)json_object_set_new(o, "owner", describe_owner(s));
	if (stats && subject_stats(s, stats) == 0) {
		json_t *counters = describe_stats(stats, s->info.ncores);

		if (s->live && s->pid > 0)
			sites_name_files(json_object_get(counters, "sites"),
					 s->pid);
		(void)json_object_set_new(o, "counters", counters);
	}
	free(stats);
	return o;
}

/* --- text --- */

static long long number_at(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *text_at(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "-";
}

static void print_size(const char *label, const json_t *value)
{
	char buf[SIZE_TEXT_MAX];

	if (json_is_integer(value))
		(void)printf("%-17s%s\n", label,
			     size_format((uint64_t)json_integer_value(value),
					 buf));
}

/* An array of numbers or strings in one line. */
static void print_list(const char *label, const json_t *list)
{
	const json_t *item;
	size_t i;

	(void)printf("%-17s", label);
	json_array_foreach(list, i, item)
	{
		if (json_is_string(item))
			(void)printf("%s%s", i ? " " : "",
				     json_string_value(item));
		else
			(void)printf("%s%lld", i ? "," : "",
				     (long long)json_integer_value(item));
	}
	(void)printf("\n");
}

static void print_config(const json_t *o)
{
	const json_t *owner = json_object_get(o, "owner");

	(void)printf("%-17s%s\n", "Name:", text_at(o, "name"));
	(void)printf("%-17s%s\n", "State:", text_at(o, "state"));
	if (json_is_integer(json_object_get(o, "exit_status")))
		(void)printf("%-17s%lld\n",
			     "Exit status:", number_at(o, "exit_status"));
	if (json_is_integer(json_object_get(o, "pid")))
		(void)printf("%-17s%lld\n", "Pid:", number_at(o, "pid"));
	if (json_object_get(owner, "supervisor"))
		(void)printf("%-17s%lld\n",
			     "Supervisor:", number_at(owner, "supervisor"));
	if (!json_object_get(o, "platform"))
		return;
	print_list("Command:", json_object_get(o, "command"));
	(void)printf("%-17s%s, offload %s%s\n",
		     "Platform:", text_at(o, "platform"), text_at(o, "offload"),
		     json_is_true(json_object_get(o, "strace")) ? ", strace"
								: "");
	(void)printf("%-17s%lld\n", "Cores:", number_at(o, "cores"));
	print_list("CPUs:", json_object_get(o, "cpus"));
	print_size("Memory limit:", json_object_get(o, "memory_limit"));
	print_size("Private memory:", json_object_get(owner, "private_bytes"));
	if (json_object_get(owner, "cpu_ns"))
		(void)printf("%-17s%.2f s\n", "Processor time:",
			     (double)number_at(owner, "cpu_ns") / 1e9);
}

static void print_cores(const json_t *counters)
{
	json_t *total = json_object_get(counters, "total");
	json_t *cores = json_object_get(counters, "cores"), *core, *value;
	struct table t = { .columns = (int)json_array_size(cores) + 2 };
	const char *key;
	size_t i;

	if (t.columns > TABLE_COLUMNS)
		t.columns = TABLE_COLUMNS;
	table_cell(&t, "COUNTER");
	table_cell(&t, "TOTAL");
	for (i = 0; (int)i < t.columns - 2; i++)
		table_cell(&t, "CORE %zu", i);
	json_object_foreach(total, key, value)
	{
		table_cell(&t, "%s", key);
		table_cell(&t, "%lld", (long long)json_integer_value(value));
		for (i = 0; (int)i < t.columns - 2; i++) {
			core = json_array_get(cores, i);
			table_cell(&t, "%lld", number_at(core, key));
		}
	}
	(void)printf("\n");
	table_print(&t);
	if (json_array_size(cores) > TABLE_COLUMNS - 2)
		(void)printf("(and more cores: -o json has all of them)\n");
}

struct call_count {
	const char *name;
	long long n;
};

static int compare_calls(const void *a, const void *b)
{
	const struct call_count *x = a, *y = b;

	return (x->n < y->n) - (x->n > y->n);
}

/* The calls made most often come first. */
static void print_calls(const json_t *counters)
{
	static struct call_count list[AZ_STATS_NCALLS];
	json_t *calls = json_object_get(counters, "calls"), *value;
	struct table t = { .columns = 2 };
	const char *key;
	size_t i, n = 0;

	json_object_foreach(calls, key, value)
	{
		if (n == AZ_STATS_NCALLS)
			break;
		list[n].name = key;
		list[n++].n = json_integer_value(value);
	}
	if (!n)
		return;
	qsort(list, n, sizeof(list[0]), compare_calls);
	table_cell(&t, "CALL");
	table_cell(&t, "COUNT");
	for (i = 0; i < n; i++) {
		table_cell(&t, "%s", list[i].name);
		table_cell(&t, "%lld", list[i].n);
	}
	(void)printf("\n");
	table_print(&t);
}

static void print_text(const json_t *o)
{
	const json_t *counters = json_object_get(o, "counters");

	print_config(o);
	if (!counters) {
		(void)printf("%-17s%s\n", "Counters:", "not available");
		return;
	}
	print_size("Memory in use:",
		   json_object_get(counters, "memory_committed"));
	print_size("Memory at most:", json_object_get(counters, "memory_peak"));
	(void)printf("%-17s%lld\n", "Threads:", number_at(counters, "threads"));
	(void)printf("%-17s%lld\n",
		     "Cores started:", number_at(counters, "cores_started"));
	(void)printf("%-17s%.3f ms\n", "Start-up:",
		     (double)number_at(counters, "start_ns") / 1e6);
	if (json_object_get(counters, "cpu_enter_ns"))
		(void)printf("%-17s%.3f ms off-line, %.3f ms to the core\n",
			     "CPU of core 0:",
			     (double)number_at(counters, "cpu_offline_ns") /
				 1e6,
			     (double)number_at(counters, "cpu_enter_ns") / 1e6);
	print_cores(counters);
	print_calls(counters);
	(void)printf("\n");
	sites_print(json_object_get(counters, "sites"));
}

static int inspect_all(const struct option_parser *p, bool json)
{
	json_t *all = json_array();
	struct subject s;
	int i, failed = 0;
	size_t k;

	for (i = 0; i < p->noperands; i++) {
		if (subject_find(p->operands[i], &s) != 0) {
			failed = 1;
			continue;
		}
		(void)json_array_append_new(all, inspect_json(&s));
		subject_close(&s);
	}
	if (json)
		return failed | describe_print(all, stdout);
	for (k = 0; k < json_array_size(all); k++) {
		if (k)
			(void)printf("\n");
		print_text(json_array_get(all, k));
	}
	json_decref(all);
	return failed;
}

static int cmd_inspect(struct option_parser *p)
{
	int o, status, json = 0;

	while ((o = option_next(p)) >= 0) {
		json = output_json(p->value);
		if (json < 0)
			return EXIT_AZALEA;
	}
	status = options_end(p, o);
	if (status < 0)
		status = operands_need(p, 1, -1);
	return status < 0 ? inspect_all(p, json > 0) : status;
}

const struct verb verb_inspect = {
	.name = "inspect",
	.operands = "NAME...",
	.summary = "Show what instances were given and what they did",
	.options = inspect_options,
	.mixed = true,
	.run = cmd_inspect,
};
