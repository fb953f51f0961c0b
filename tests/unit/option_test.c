/* SPDX-License-Identifier: MIT */
/* option_test.c - host/lib/option.c: docker's syntax of options. */
/* links: host/lib/option.c */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/option.h"

static int ntests, nfailed, nsaid;

/* Instead of host/lib/error.c: messages are counted. */
void error_say(const char *fmt, ...)
{
	(void)fmt;
	nsaid++;
}

static const struct option_spec spec[] = {
	{ 'd', "detach", NULL, "" },      { 'm', "memory", "SIZE", "" },
	{ 0, "memory-swap", "SIZE", "" }, { 'q', "quiet", NULL, "" },
	{ 0, NULL, NULL, NULL },
};

/*
 * Parses a command line of blank-separated words and writes what came of it:
 * "d+" or "d-" for a flag, "m(value)" for an option, "?" for an error, "h" for
 * help, and the operands.
 */
static void parse(const char *line, bool mixed, char *out, size_t size)
{
	char *copy = strdup(line), *word, *argv[32];
	struct option_parser p;
	int argc = 0, o, i;
	size_t n = 0;

	for (word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	option_start(&p, spec, "test", argc, argv);
	p.mixed = mixed;
	while ((o = option_next(&p)) >= 0)
		n += (size_t)(spec[o].value
				  ? snprintf(out + n, size - n, "%.1s%s(%s) ",
					     spec[o].name, o == 2 ? "s" : "",
					     p.value)
				  : snprintf(out + n, size - n, "%.1s%c ",
					     spec[o].name, p.on ? '+' : '-'));
	n += (size_t)snprintf(out + n, size - n, "%s|",
			      o == OPTION_HELP    ? "h"
			      : o == OPTION_ERROR ? "?"
						  : "");
	for (i = 0; o == OPTION_END && i < p.noperands; i++)
		n += (size_t)snprintf(out + n, size - n, " %s", p.operands[i]);
	free(copy);
}

static void check(const char *line, bool mixed, const char *want)
{
	char got[256];
	int said = nsaid;
	bool pass;

	parse(line, mixed, got, sizeof(got));
	pass = strcmp(got, want) == 0 &&
	       (strchr(want, '?') != NULL) == (nsaid == said + 1);
	ntests++;
	nfailed += !pass;
	printf("%sok %d - \"%s\"%s: %s\n", pass ? "" : "not ", ntests, line,
	       mixed ? ", mixed" : "", want);
	if (!pass)
		printf("# got %s\n", got);
}

int main(void)
{
	check("", false, "|");
	check("prog -d", false, "| prog -d");
	check("-d prog --x", false, "d+ | prog --x");
	check("-d -- -m x", false, "d+ | -m x");
	check("-- --", false, "| --");
	check("- -d", false, "| - -d");
	check("--detach --memory 64M a b", false, "d+ m(64M) | a b");
	check("--memory=64M", false, "m(64M) |");
	check("--memory= x", false, "m() | x");
	check("--memory=a=b", false, "m(a=b) |");
	check("--memory -- x", false, "m(--) | x");
	check("--memory-swap 1", false, "ms(1) |");
	check("-m 64M x", false, "m(64M) | x");
	check("-m64M x", false, "m(64M) | x");
	check("-m=64M x", false, "m(64M) | x");
	check("-dm 64M x", false, "d+ m(64M) | x");
	check("-dqm64M x", false, "d+ q+ m(64M) | x");
	check("-dq x", false, "d+ q+ | x");
	check("-md x", false, "m(d) | x");
	check("--detach=false", false, "d- |");
	check("--detach=TRUE", false, "d+ |");
	check("--detach=0 -q=1", false, "d- q+ |");
	check("-qd=f", false, "q+ d- |");
	check("-m 1 -m 2", false, "m(1) m(2) |");
	check("--help", false, "h|");
	check("-h", false, "h|");
	check("prog --help", false, "| prog --help");
	/* Errors. */
	check("--detach=maybe", false, "?|");
	check("--memory", false, "?|");
	check("-m", false, "?|");
	check("-d -m", false, "d+ ?|");
	check("--nosuch", false, "?|");
	check("--mem 1", false, "?|");
	check("--memoryx 1", false, "?|");
	check("-x", false, "?|");
	check("-dx", false, "d+ ?|");
	check("--=x", false, "?|");
	/* Operands among options. */
	check("a -d b -m 1 c", true, "d+ m(1) | a b c");
	check("a -- -d b", true, "| a -d b");
	check("a b", true, "| a b");
	check("-d", true, "d+ |");
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
