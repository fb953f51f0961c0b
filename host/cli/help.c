/* SPDX-License-Identifier: MIT */
/*
 * help.c - help made from the tables, and what verbs do alike.
 *
 * Text goes to stdout by stdio; whether it arrived is checked once, at the
 * end, by output_done.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/error.h"

#define HELP_COLUMN 30 /* where the explanations begin */

/* Text whose further lines are indented to column. */
static void print_indented(const char *text, int column)
{
	size_t len;

	for (;;) {
		len = strcspn(text, "\n");
		(void)printf("%.*s\n", (int)len, text);
		text += len;
		if (*text++ == '\0')
			return;
		(void)printf("%*s", column, "");
	}
}

static void option_print(const struct option_spec *o)
{
	char left[64];
	int n;

	n = snprintf(left, sizeof(left), "  %c%c%s --%s%s%s",
		     o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
		     o->letter ? "," : " ", o->name, o->value ? " " : "",
		     o->value ? o->value : "");
	(void)printf("%-*s", HELP_COLUMN, left);
	if (n >= HELP_COLUMN)
		(void)printf("\n%*s", HELP_COLUMN, "");
	print_indented(o->help, HELP_COLUMN);
}

int verb_help_print(const struct verb *v)
{
	const struct option_spec *o;

	(void)printf("Usage: azalea %s%s%s%s\n\n%s.\n", v->name,
		     v->options->name ? " [options]" : "",
		     *v->operands ? " " : "", v->operands, v->summary);
	if (v->options->name)
		(void)printf("\nOptions:\n");
	for (o = v->options; o->name; o++)
		option_print(o);
	if (v->notes)
		(void)printf("\n%s\n", v->notes);
	return 0;
}

int help_print(void)
{
	const struct verb *const *v;

	(void)printf("Usage: azalea VERB [options] ...\n\n"
		     "Runs programs on unikernels of their own.\n\nVerbs:\n");
	for (v = verbs; *v; v++)
		(void)printf("  %-10s%s\n", (*v)->name, (*v)->summary);
	(void)printf("\n`azalea help VERB` tells more, and so does the manual: "
		     "man azalea.\n");
	return 0;
}

int options_end(const struct option_parser *p, int o)
{
	if (o == OPTION_HELP)
		return verb_help_print(verb_find(p->verb));
	return o == OPTION_ERROR ? EXIT_AZALEA : -1;
}

int options_only(struct option_parser *p)
{
	return options_end(p, option_next(p));
}

int operands_need(const struct option_parser *p, int min, int max)
{
	if (p->noperands >= min && (max < 0 || p->noperands <= max))
		return -1;
	if (p->noperands > max && max >= 0)
		return error_fail(EXIT_AZALEA,
				  "%s: one argument too many: see `azalea help "
				  "%s`",
				  p->operands[max], p->verb);
	return error_fail(EXIT_AZALEA, "needs %s: see `azalea help %s`",
			  verb_find(p->verb)->operands, p->verb);
}

int program_need(const struct option_parser *p)
{
	if (p->noperands)
		return -1;
	return error_fail(EXIT_AZALEA,
			  "no program: name one: azalea %s PROGRAM [ARG...]",
			  p->verb);
}

int words_append(struct words *w, const char *word)
{
	const char **bigger = reallocarray(w->v, w->n + 1, sizeof(*bigger));

	if (!bigger)
		return error_no_memory();
	w->v = bigger;
	w->v[w->n++] = word;
	return 0;
}

int env_option(struct env *env, const char *word)
{
	char *copy = strdup(word); /* the environment's from here on */
	int err = copy ? env_set(env, copy, environ) : -ENOMEM;

	if (err == -EINVAL)
		return error_fail(
		    EXIT_AZALEA, "--env %s: has no name: write K=V or K", word);
	return err ? error_no_memory() : 0;
}

int output_json(const char *value)
{
	if (strcmp(value, "json") == 0)
		return 1;
	if (strcmp(value, "text") == 0)
		return 0;
	error_say("--output %s: no such form: text or json", value);
	return -1;
}

int output_done(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return error_fail(1, "cannot write to stdout: %s", error_text(errno));
}
