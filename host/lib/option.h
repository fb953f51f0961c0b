/* SPDX-License-Identifier: MIT */
/*
 * option.h - command line options, in docker's syntax.
 *
 * --opt=value, --opt value, --flag, --flag=false, -m64M, -m 64M, -m=64M, and
 * bundled letters whose last may take a value: -dm 64M. "--" ends options. No
 * abbreviations: a name that is unique today would not be tomorrow.
 */
#ifndef LIB_OPTION_H
#define LIB_OPTION_H

#include <stdbool.h>

struct option_spec {
	char letter;       /* or 0 */
	const char *name;  /* without "--"; NULL ends a table */
	const char *value; /* what help calls the value; NULL: a flag; "[...]":
			      may be left out, is given with = only */
	const char *help;  /* lines after the first are separated by \n */
};

struct option_parser {
	const struct option_spec *spec;
	const char *verb; /* for messages */
	bool mixed;       /* operands may stand among options */

	/* Results. */
	const char *value; /* of the option just read */
	bool on;           /* flags: true, or false for --flag=false */
	int noperands;     /* valid after OPTION_END */
	char **operands;

	/* Private. */
	char **argv;
	int argc, next;
	const char *letters; /* rest of a bundle, or NULL */
};

#define OPTION_END   (-1)
#define OPTION_ERROR (-2) /* a message was printed */
#define OPTION_HELP  (-3) /* --help or -h, which every verb has */

/* option_start - argv and argc without the verb; argv is reordered if mixed */
void option_start(struct option_parser *p, const struct option_spec *spec,
		  const char *verb, int argc, char **argv);

/* option_next - index of the next option in the table, or one of the above */
int option_next(struct option_parser *p);

#endif
