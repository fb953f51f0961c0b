/* SPDX-License-Identifier: MIT */
/*
 * report.c - results as a table for people and as JSON for programs.
 */
#include "bench/report.h"

#include <stdio.h>
#include <string.h>

#include "../bench/counter.h"
#include "cli/describe.h"
#include "cli/table.h"
#include "lib/error.h"

#define NAME_WIDTH 36
#define LINE_WIDTH 76 /* of paragraphs */

static const char *const bound_names[] = {
	[BOUND_FASTER] = "faster",
	[BOUND_AT_MOST] = "at_most",
	[BOUND_ABOVE] = "above",
};

/* Where more is better, a ratio would say the opposite. 0: there is none. */
static double ratio(const struct stats *a, const struct stats *b,
		    const struct bench_case *c)
{
	if (!a->n || !b->n || b->median <= 0 || c->how == HOW_QUANTUM)
		return 0;
	return a->median / b->median;
}

static const char *target_text(const struct target *t, const char *unit,
			       char *buf, size_t size)
{
	if (t->bound == BOUND_FASTER && t->value < 1)
		(void)snprintf(buf, size, "no slower (%.2fx)", t->value);
	else if (t->bound == BOUND_FASTER)
		(void)snprintf(buf, size, "%gx faster", t->value);
	else
		(void)snprintf(buf, size, "at most %s%g %s",
			       t->bound == BOUND_ABOVE ? "Linux + " : "",
			       t->value, unit);
	return buf;
}

void report_head(const struct bench *b)
{
	(void)printf("%s: %s\n", b->name, b->question);
	(void)printf("%*s%11s%10s%11s%10s%8s%9s\n", NAME_WIDTH, "", "Linux",
		     "p99", "Azalea", "p99", "n", "ratio");
	(void)fflush(stdout); /* measuring takes a while */
}

static int decimals(double value)
{
	return value < 10 ? 3 : value < 100 ? 2 : value < 1000 ? 1 : 0;
}

/* Four digits, or all that stand before the point. */
static void print_number(int width, double value)
{
	(void)printf("%*.*f", width, decimals(value), value);
}

static void print_numbers(const struct bench_case *c, const char *name,
			  const char *unit, const struct stats *a,
			  const struct stats *b)
{
	char label[128];
	double times = ratio(a, b, c);

	(void)snprintf(label, sizeof(label), "  %s, %s", name, unit);
	(void)printf("%-*s", NAME_WIDTH, label);
	print_number(11, a->median);
	print_number(10, a->p99);
	print_number(11, b->median);
	print_number(10, b->p99);
	(void)printf("%8zu", b->n);
	if (times > 0)
		(void)printf("%8.*fx", times < 9.995 ? 2 : 1, times);
	else
		(void)printf("%9s", "-");
}

static void print_noise(const char *who, const struct side *s,
			const struct bench_case *c)
{
	const struct stats *v = &s->stats;

	(void)printf("    %-7s min %.5g max %.5g mean %.5g %s, deviation %.3g, "
		     "skewness %.3g, kurtosis %.3g; overhead %.3f %%",
		     who, v->min, v->max, v->mean, c->unit, v->deviation,
		     v->skewness, v->kurtosis, s->overhead);
	if (c->how == HOW_DETOUR)
		(void)printf(", %.1f a second", (double)v->n / s->seconds);
	(void)printf("\n");
}

/* What struct side's cpu is. */
static const char *detail_name(const struct bench_case *c)
{
	if (strcmp(c->unit, "ms") != 0)
		return "  the busiest CPU";
	return c->how == HOW_FIRST ? "  from there to the end"
				   : "  processor time";
}

void report_row(const struct result *r)
{
	const struct bench_case *c = r->c;
	const struct side *a = &r->side[0], *b = &r->side[1];
	char text[80];
	size_t i;

	if (*r->why) {
		(void)printf("  %-*s not measured: %s\n", NAME_WIDTH - 2,
			     c->name, r->why);
		return;
	}
	print_numbers(c, c->name, c->unit, &a->stats, &b->stats);
	for (i = 0; i < c->ntargets; i++)
		(void)printf("%s %s: %s", i ? "," : " ",
			     target_text(&c->target[i], c->unit, text,
					 sizeof(text)),
			     result_met(r, &c->target[i]) ? "met" : "MISSED");
	if (c->base)
		(void)printf("  not Linux: azalea run %s", c->base);
	(void)printf("\n");
	if (a->cpu_stats.n) {
		print_numbers(c, detail_name(c), c->unit, &a->cpu_stats,
			      &b->cpu_stats);
		(void)printf("\n");
	}
	if (case_is_noise(c)) {
		print_noise("Linux", a, c);
		print_noise("Azalea", b, c);
	}
}

void report_targets(const struct result *r, size_t n)
{
	struct table t = { .columns = 6 };
	const char *verdict;
	char text[80];
	size_t i, k;

	table_cell(&t, "TARGET OF");
	table_cell(&t, "AT LEAST");
	table_cell(&t, "LINUX");
	table_cell(&t, "AZALEA");
	table_cell(&t, "RATIO");
	table_cell(&t, "VERDICT");
	for (i = 0; i < n; i++, r++) {
		for (k = 0; k < r->c->ntargets; k++) {
			verdict = *r->why ? "not measured"
				  : result_met(r, &r->c->target[k]) ? "met"
								    : "MISSED";
			table_cell(&t, "%s/%s", r->bench->name, r->c->name);
			table_cell(&t, "%s",
				   target_text(&r->c->target[k], r->c->unit,
					       text, sizeof(text)));
			table_cell(&t, "%.4g", r->side[0].stats.median);
			table_cell(&t, "%.4g", r->side[1].stats.median);
			table_cell(&t, "%.2f",
				   ratio(&r->side[0].stats, &r->side[1].stats,
					 r->c));
			table_cell(&t, "%s", verdict);
		}
	}
	table_print(&t);
}

void report_machine(json_t *machine)
{
	int column = printf("On");
	const char *key, *text;
	json_t *value;
	char number[32], word[256];

	json_object_foreach(machine, key, value)
	{
		text = json_string_value(value);
		if (!text) {
			(void)snprintf(number, sizeof(number), "%.6g",
				       json_number_value(value));
			text = number;
		}
		(void)snprintf(word, sizeof(word), " %s %s,", key, text);
		if (column + (int)strlen(word) > LINE_WIDTH)
			column = printf("\n ") - 1;
		column += printf("%s", word);
	}
	(void)printf(
	    "\nratio: Linux's median by Azalea's; above 1, Azalea takes"
	    " less. Every sample of\nsomething that takes less than "
	    "0.1 ms is the mean of a batch.\n");
}

/* --- JSON --- */

static json_t *json_stats(const struct stats *s)
{
	return json_pack("{s:f, s:f, s:I, s:f, s:f, s:f, s:f, s:f, s:f}",
			 "median", s->median, "p99", s->p99, "n",
			 (json_int_t)s->n, "min", s->min, "max", s->max, "mean",
			 s->mean, "deviation", s->deviation, "skewness",
			 s->skewness, "kurtosis", s->kurtosis);
}

static json_t *json_samples(const struct samples *s, bool pairs)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < s->n; i++)
		(void)json_array_append_new(
		    list, pairs ? json_pack("[f, f]", s->when[i], s->value[i])
				: json_real(s->value[i]));
	return list;
}

static const char *detail_key(const struct bench_case *c)
{
	if (strcmp(c->unit, "ms") != 0)
		return "busiest";
	return c->how == HOW_FIRST ? "rest_ms" : "processor_ms";
}

/* Who executed the instructions, the mean of all runs. */
static json_t *json_parts(const struct side *s)
{
	const double n = (double)s->stats.n;

	return json_pack("{s:f, s:f, s:f, s:f}", "user",
			 s->part[COUNTER_USER] / n, "unikernel",
			 s->part[COUNTER_UNIKERNEL] / n, "linux",
			 s->part[COUNTER_LINUX] / n, "stub",
			 s->part[COUNTER_STUB] / n);
}

static json_t *json_side(const struct result *r, const struct side *s)
{
	const bool noise = case_is_noise(r->c);
	const double n = s->stats.n ? (double)s->stats.n : 1;
	json_t *o = json_stats(&s->stats);

	(void)json_object_set_new(o, "samples",
				  json_samples(&s->samples, noise));
	if (noise) {
		(void)json_object_set_new(o, "overhead_percent",
					  json_real(s->overhead));
		(void)json_object_set_new(o, "seconds", json_real(s->seconds));
	}
	if (s->cpu_stats.n) {
		json_t *cpu = json_stats(&s->cpu_stats);

		(void)json_object_set_new(cpu, "samples",
					  json_samples(&s->cpu, false));
		(void)json_object_set_new(o, detail_key(r->c), cpu);
	}
	if (r->c->how == HOW_FIRST && strcmp(r->c->unit, "ms") == 0) {
		(void)json_object_set_new(o, "offline_ms",
					  json_real(s->part[0] / n));
		(void)json_object_set_new(o, "enter_ms",
					  json_real(s->part[1] / n));
	} else if (s->part[COUNTER_USER] > 0)
		(void)json_object_set_new(o, "parts", json_parts(s));
	return o;
}

static json_t *json_targets(const struct result *r)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < r->c->ntargets; i++)
		(void)json_array_append_new(
		    list,
		    json_pack("{s:s, s:f, s:b}", "bound",
			      bound_names[r->c->target[i].bound], "value",
			      r->c->target[i].value, "met",
			      !*r->why && result_met(r, &r->c->target[i])));
	return list;
}

static json_t *json_result(const struct result *r)
{
	const double times = ratio(&r->side[0].stats, &r->side[1].stats, r->c);
	json_t *o = json_pack("{s:s, s:s, s:o}", "name", r->c->name, "unit",
			      r->c->unit, "targets", json_targets(r));

	if (*r->why) {
		(void)json_object_set_new(o, "skipped", describe_text(r->why));
		return o;
	}
	(void)json_object_set_new(o, "cpus", json_string(r->cpus));
	(void)json_object_set_new(o, r->c->base ? "base" : "linux",
				  json_side(r, &r->side[0]));
	(void)json_object_set_new(o, "azalea", json_side(r, &r->side[1]));
	(void)json_object_set_new(o, "ratio",
				  times > 0 ? json_real(times) : json_null());
	return o;
}

int report_json(const struct result *r, size_t n, json_t *machine)
{
	json_t *benches = json_array(), *results = NULL, *o;
	size_t i;
	int err;

	for (i = 0; i < n; i++) {
		if (i == 0 || r[i].bench != r[i - 1].bench) {
			results = json_array();
			(void)json_array_append_new(
			    benches, json_pack("{s:s, s:s, s:o}", "name",
					       r[i].bench->name, "question",
					       r[i].bench->question, "results",
					       results));
		}
		(void)json_array_append_new(results, json_result(&r[i]));
	}
	o = json_pack("{s:O, s:o}", "machine", machine, "benches", benches);
	err = o ? json_dumpf(o, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9))
		: -1;
	json_decref(o);
	if (err || printf("\n") < 0)
		return error_fail(1, "cannot print the JSON");
	return 0;
}
