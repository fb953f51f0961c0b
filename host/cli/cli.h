/* SPDX-License-Identifier: MIT */
/*
 * cli.h - the verbs, and what they share.
 *
 * Each verb is one struct verb in cmd_<name>.c, listed in main.c. Help is made
 * from the same tables that options are parsed by.
 *
 * Exit status of a verb: 0; 1 if what was asked cannot be had (no such
 * instance); EXIT_AZALEA if it was asked wrongly; `run` see error.h.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdint.h>
#include <stdio.h>

#include "lib/env.h"
#include "lib/option.h"

struct verb {
	const char *name;
	const char *operands; /* as in the synopsis */
	const char *summary;  /* one line */
	const struct option_spec *options;
	bool mixed;        /* options may follow operands */
	const char *notes; /* paragraphs after the options, or NULL */
	int (*run)(struct option_parser *p);
};

extern const struct verb verb_run, verb_ps, verb_stop, verb_kill, verb_wait;
extern const struct verb verb_logs, verb_inspect, verb_info, verb_rm;
extern const struct verb verb_cores, verb_gdb, verb_snapshot;
extern const struct verb verb_bench, verb_build, verb_version, verb_help;

extern const struct verb *const verbs[]; /* NULL-terminated */

/* When main() began: CLOCK_MONOTONIC. */
extern uint64_t main_mono_ns;

/* verb_find - by name, or NULL. */
const struct verb *verb_find(const char *name);

/* verb_unknown - say so, and which verb may have been meant. EXIT_AZALEA. */
int verb_unknown(const char *name);

/* verb_help_print, help_print - the help of one verb, of all. 0. */
int verb_help_print(const struct verb *v);
int help_print(void);

/*
 * options_only - for a verb whose options need no code of their own: read up
 * to the end, which must be reached at once. As options_end.
 */
int options_only(struct option_parser *p);

/*
 * options_end - what option_next ended with, as an exit status, or -1 if the
 * verb goes on to its work. --help is answered here.
 */
int options_end(const struct option_parser *p, int o);

/* operands_need - -1 if there are min to max operands, else as above. */
int operands_need(const struct option_parser *p, int min, int max);

/* program_need - -1 if the operands name a program, else as above. */
int program_need(const struct option_parser *p);

/* What an option was given as that may come more than once. */
struct words {
	const char **v; /* in order */
	size_t n;
};

/* words_append - keeps the pointer. 0, or EXIT_AZALEA after a message. */
int words_append(struct words *w, const char *word);

/* env_option - do as `--env word` says. 0, or EXIT_AZALEA after a message. */
int env_option(struct env *env, const char *word);

/* output_json - is `-o value` json? 1, 0 for text; -1 after a message. */
int output_json(const char *value);

/* output_done - flush stdout: status, or 1 after saying why it failed. */
int output_done(int status);

#endif
