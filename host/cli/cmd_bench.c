/* SPDX-License-Identifier: MIT */
/*
 * cmd_bench.c - azalea bench [options] [NAME[/CASE]...]
 *
 * Without names: what there is. What a bench measures, its own program says;
 * see bench/bench.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/catalog.h"
#include "bench/child.h"
#include "bench/core.h"
#include "bench/machine.h"
#include "bench/measure.h"
#include "bench/plot.h"
#include "bench/report.h"
#include "cli/cli.h"
#include "cli/describe.h"
#include "cli/table.h"
#include "lib/error.h"
#include "lib/name.h"
#include "lib/size.h"

#define ROUNDS_MAX   100000
#define DURATION_MAX 3600

enum bench_option {
	OPT_ROUNDS,
	OPT_OUTPUT,
	OPT_PLOT,
	OPT_CPUSET,
	OPT_DURATION,
	OPT_CHECK,
	OPT_PLAT,
	OPT_COUNT_FILE,
	OPT_COUNT,
};

static const struct option_spec bench_options[] = {
	[OPT_ROUNDS] = { 'n', "rounds", "N",
			 "how often each side runs; default: as each\n"
			 "bench says" },
	[OPT_OUTPUT] = { 'o', "output", "FORM",
			 "text (default) or json, with all raw samples" },
	[OPT_PLOT] = { 0, "plot", "FILE", "draw the results: FILE.svg" },
	[OPT_CPUSET] = { 0, "cpuset-cpus", "LIST",
			 "measure on the last of these CPUs, as 0-3,8;\n"
			 "default: all that may be used" },
	[OPT_DURATION] = { 0, "duration", "SECONDS",
			   "of each run that takes samples; default: 0.2,\n"
			   "for noise 5" },
	[OPT_CHECK] = { 0, "check", NULL,
			"print how the targets are met; exit with 1 if\n"
			"one is not. Without names: all that have one" },
	[OPT_PLAT] = { 0, "plat", "PLATFORM",
		       "of Azalea's side, see `azalea run`; metal takes the\n"
		       "CPUs from Linux for each run, and gives them back" },
	[OPT_COUNT_FILE] = { 0, "count", "FILE",
			     "count instructions, not time: FILE has the\n"
			     "counters of a QEMU machine" },
	[OPT_COUNT] = { 0, NULL, NULL, NULL },
};

struct request {
	struct plan plan;
	struct catalog catalog;
	const char *plot;
	bool json, check;
	size_t n, room;
	struct result *results;
	json_t *machine; /* as it was before */
};

static int duration_parse(const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (end == text || *end || !(*out > 0) || *out > DURATION_MAX)
		return error_fail(EXIT_AZALEA,
				  "--duration %s: is not a number of seconds "
				  "from above 0 to %d",
				  text, DURATION_MAX);
	return 0;
}

static int rounds_parse(const char *text, int *out)
{
	uint64_t n;

	if (number_parse(text, ROUNDS_MAX, &n) != 0 || n == 0)
		return error_fail(EXIT_AZALEA,
				  "--rounds %s: is not a number from 1 to %d",
				  text, ROUNDS_MAX);
	*out = (int)n;
	return 0;
}

static int cpus_parse(const char *text, struct cpulist *out)
{
	struct cpulist own;
	unsigned int cpu;

	if (cpulist_parse(text, out) != 0)
		return error_fail(EXIT_AZALEA,
				  "--cpuset-cpus %s: is not a list of CPUs as "
				  "0-3,8",
				  text);
	if (cpulist_affinity(&own) != 0)
		return 0;
	for (cpu = cpulist_next(out, 0); cpu < CPULIST_MAX;
	     cpu = cpulist_next(out, cpu + 1))
		if (!cpulist_has(&own, cpu))
			return error_fail(EXIT_AZALEA,
					  "--cpuset-cpus %s: CPU %u may not be "
					  "used here, or is not there",
					  text, cpu);
	return 0;
}

static int option_take(struct request *q, int o, const struct option_parser *p)
{
	switch (o) {
	case OPT_ROUNDS:
		return rounds_parse(p->value, &q->plan.rounds);
	case OPT_OUTPUT:
		o = output_json(p->value);
		q->json = o > 0;
		return o < 0 ? EXIT_AZALEA : 0;
	case OPT_PLOT:
		q->plot = p->value;
		return 0;
	case OPT_CPUSET:
		return cpus_parse(p->value, &q->plan.cpus);
	case OPT_DURATION:
		return duration_parse(p->value, &q->plan.seconds);
	case OPT_PLAT:
		q->plan.plat = p->value;
		q->plan.metal = strcmp(p->value, "metal") == 0;
		return 0;
	case OPT_COUNT_FILE:
		q->plan.counter_path = p->value;
		q->plan.counter = counter_open(p->value);
		return q->plan.counter
			   ? 0
			   : error_fail(EXIT_AZALEA,
					"--count %s: cannot read counters: %s",
					p->value, error_text(errno));
	default:
		q->check = p->on;
		return 0;
	}
}

/* --- what there is --- */

static json_t *case_names(const struct bench *b)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < b->ncases; i++)
		(void)json_array_append_new(list,
					    json_string(b->cases[i].name));
	return list;
}

static int list_print(const struct request *q)
{
	const struct bench *b = q->catalog.bench;
	struct table t = { .columns = 2 };
	json_t *list;
	size_t i;

	if (q->json) {
		list = json_array();
		for (i = 0; i < q->catalog.n; i++)
			(void)json_array_append_new(
			    list,
			    json_pack("{s:s, s:s, s:o}", "name", b[i].name,
				      "question", b[i].question, "cases",
				      case_names(&b[i])));
		return describe_print(list, stdout);
	}
	table_cell(&t, "BENCH");
	table_cell(&t, "QUESTION");
	for (i = 0; i < q->catalog.n; i++) {
		table_cell(&t, "%s", b[i].name);
		table_cell(&t, "%s", b[i].question);
	}
	table_print(&t);
	return 0;
}

/* --- what was asked for --- */

static bool case_wanted(const struct bench_case *c, const char *begin)
{
	return strncmp(c->name, begin, strlen(begin)) == 0;
}

/* All operands are looked at before the first is measured. */
static int name_check(const struct catalog *c, const char *name)
{
	const size_t len = strcspn(name, "/");
	const struct bench *b = catalog_find(c, name, len);
	const char *nearest = NULL;
	size_t i;

	if (strcmp(name, "all") == 0)
		return 0;
	for (i = 0; b && name[len] && i < b->ncases; i++)
		if (case_wanted(&b->cases[i], name + len + 1))
			return 0;
	if (b && name[len])
		return error_fail(EXIT_AZALEA,
				  "%s: no case of %s begins so: see `azalea "
				  "bench -o json`",
				  name, b->name);
	if (b)
		return 0;
	for (i = 0; i < c->n; i++)
		if (name_distance(name, c->bench[i].name) < 3)
			nearest = c->bench[i].name;
	if (nearest)
		return error_fail(EXIT_AZALEA,
				  "%s: no such bench: did you mean %s?", name,
				  nearest);
	return error_fail(EXIT_AZALEA,
			  "%s: no such bench: see `azalea bench` for those "
			  "there are",
			  name);
}

/* 0; -1 if a signal ends us; 1 after a message. */
static int case_measure(struct request *q, const struct bench *b,
			const struct bench_case *c)
{
	size_t room = q->room ? 2 * q->room : 32;
	struct result *grown;

	if (q->n == q->room) {
		grown = realloc(q->results, room * sizeof(*grown));
		if (!grown)
			return error_fail(1, "no memory for results");
		q->results = grown;
		q->room = room;
	}
	if (measure_case(&q->plan, b, c, &q->results[q->n]) != 0) {
		measure_free(&q->results[q->n]);
		return -1;
	}
	if (!q->json) {
		report_row(&q->results[q->n]);
		(void)fflush(stdout);
	}
	q->n++;
	return 0;
}

/* Those cases of b that begin so, or, if there is a NULL, that have targets. */
static int bench_measure(struct request *q, const struct bench *b,
			 const char *begin, bool all)
{
	bool head = false;
	int status = 0;
	size_t i;

	for (i = 0; i < b->ncases && !status; i++) {
		/* What only metal has is passed over unless asked for. */
		if (all && b->cases[i].metal && !q->plan.metal)
			continue;
		if (begin ? !case_wanted(&b->cases[i], begin)
			  : !b->cases[i].ntargets)
			continue;
		if (!q->json && !head)
			report_head(b);
		head = true;
		status = case_measure(q, b, &b->cases[i]);
	}
	return status;
}

static int all_measure(struct request *q, const char *begin)
{
	int status = 0;
	size_t i;

	for (i = 0; i < q->catalog.n && !status; i++)
		status = bench_measure(q, &q->catalog.bench[i], begin, true);
	return status;
}

static int name_measure(struct request *q, const char *name)
{
	const size_t len = strcspn(name, "/");

	if (strcmp(name, "all") == 0)
		return all_measure(q, "");
	return bench_measure(q, catalog_find(&q->catalog, name, len),
			     name[len] ? name + len + 1 : "", false);
}

static int report(struct request *q)
{
	int status = 0;

	if (q->json)
		status = report_json(q->results, q->n, q->machine);
	else
		report_machine(q->machine);
	if (q->check && !q->json) {
		(void)printf("\n");
		report_targets(q->results, q->n);
	}
	if (q->plot && !status)
		status = plot_write(q->plot, q->results, q->n);
	if (q->check && !status)
		status = results_missed(q->results, q->n) > 0;
	return status;
}

/* More than one thing at a time for each two CPUs, besides us. */
static void busy_say(const struct request *q)
{
	double load = json_number_value(json_object_get(q->machine, "load"));

	if (load * 2 > cpulist_count(&q->plan.cpus))
		error_say("the machine is busy, its load is %.1f: medians may "
			  "do, p99 will not",
			  load);
}

static int measure(struct request *q, const struct option_parser *p)
{
	struct plan *plan = &q->plan;
	ssize_t len =
	    readlink("/proc/self/exe", plan->azalea, sizeof(plan->azalea) - 1);
	int i, status = 0;

	plan->azalea[len > 0 ? len : 0] = '\0';
	plan->dir = q->catalog.dir;
	for (i = 0; i < p->noperands && !status; i++)
		status = name_check(&q->catalog, p->operands[i]);
	if (!status && q->plot)
		status = plot_check(q->plot);
	if (status)
		return status;
	q->machine = machine_describe();
	busy_say(q);
	child_catch();
	if (p->noperands == 0)
		status = all_measure(q, NULL);
	for (i = 0; i < p->noperands && !status; i++)
		status = name_measure(q, p->operands[i]);
	measure_done(plan);
	return status ? status : report(q);
}

/* As if the signal had not been caught: callers want to know. */
static void signal_obey(int sig)
{
	sigset_t set;

	(void)fflush(stdout);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, sig);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static int cmd_bench(struct option_parser *p)
{
	struct request q = { 0 };
	int o, status = cpulist_affinity(&q.plan.cpus);
	size_t i;

	if (status)
		return error_fail(EXIT_AZALEA,
				  "cannot tell which CPUs there "
				  "are: %s",
				  error_text(status));
	while ((o = option_next(p)) >= 0)
		if (option_take(&q, o, p) != 0)
			return EXIT_AZALEA;
	status = options_end(p, o);
	if (status >= 0)
		return status;
	status = catalog_load(&q.catalog);
	if (!status && q.plan.counter)
		catalog_count(&q.catalog);
	if (!status)
		status =
		    p->noperands || q.check ? measure(&q, p) : list_print(&q);
	for (i = 0; i < q.n; i++)
		measure_free(&q.results[i]);
	free(q.results);
	json_decref(q.machine);
	catalog_free(&q.catalog);
	if (child_interrupted())
		signal_obey(child_interrupted());
	return status < 0 ? 1 : status;
}

const struct verb verb_bench = {
	.name = "bench",
	.operands = "[NAME[/CASE]... | all]",
	.summary = "Measure programs on Linux and on Azalea, by turns",
	.options = bench_options,
	.mixed = true,
	.notes = "Without a name, lists the benches and the question that each "
		 "answers.\nNAME/CASE measures only the cases that begin with "
		 "CASE.",
	.run = cmd_bench,
};
