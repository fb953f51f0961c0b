/* SPDX-License-Identifier: MIT */
/*
 * main.c - azalea: the table of verbs, and the way to one.
 *
 * Nothing here may cost `run` time: no locale, no allocation.
 */
#include <string.h>

#include "cli/cli.h"
#include "instance/before.h"
#include "lib/clock.h"
#include "lib/error.h"
#include "lib/name.h"
#include "perf/map.h"

uint64_t main_mono_ns;

/* In the order of help. */
const struct verb *const verbs[] = {
	&verb_run,   &verb_ps,      &verb_stop, &verb_kill,  &verb_wait,
	&verb_logs,  &verb_inspect, &verb_gdb,  &verb_rm,    &verb_snapshot,
	&verb_build, &verb_cores,   &verb_info, &verb_bench, &verb_version,
	&verb_help,  NULL,
};

const struct verb *verb_find(const char *name)
{
	const struct verb *const *v;

	for (v = verbs; *v; v++)
		if (strcmp((*v)->name, name) == 0)
			return *v;
	return NULL;
}

int verb_unknown(const char *name)
{
	const struct verb *const *v;
	const char *nearest = NULL;
	unsigned int d, least = 3; /* more changes than that: another word */

	for (v = verbs; *v; v++) {
		d = name_distance(name, (*v)->name);
		if (d < least) {
			least = d;
			nearest = (*v)->name;
		}
	}
	if (nearest)
		return error_fail(EXIT_AZALEA,
				  "%s: no such verb: did you mean `azalea "
				  "%s`?",
				  name, nearest);
	return error_fail(EXIT_AZALEA,
			  "%s: no such verb: see `azalea help`; to run a "
			  "program: azalea run PROGRAM",
			  name);
}

static int verb_start(const struct verb *v, int argc, char **argv)
{
	struct option_parser p;

	error_verb(v->name);
	option_start(&p, v->options, v->name, argc, argv);
	p.mixed = v->mixed;
	return output_done(v->run(&p));
}

int main(int argc, char **argv)
{
	struct instance_config next;
	const struct verb *v;

	main_mono_ns = clock_mono_ns();
	if (before_config(&next, argv)) {
		next.perf_map = perf_map_write;
		(void)instance_run(&next);
		return EXIT_AZALEA;
	}
	if (argc < 2) {
		error_say("no verb: see `azalea help`; to run a program: "
			  "azalea run PROGRAM");
		return EXIT_AZALEA;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return output_done(help_print());
	if (strcmp(argv[1], "--version") == 0)
		return verb_start(&verb_version, argc - 2, argv + 2);
	v = verb_find(argv[1]);
	if (v)
		return verb_start(v, argc - 2, argv + 2);
	if (argv[1][0] == '-')
		return error_fail(EXIT_AZALEA,
				  "%s: options follow the verb: see `azalea "
				  "help`",
				  argv[1]);
	return verb_unknown(argv[1]);
}
