/* SPDX-License-Identifier: MIT */
/*
 * option.c - command line options.
 *
 * Not getopt_long: it abbreviates, takes "-m=64M" for the value "=64M", and
 * knows no --flag=false.
 *
 * With mixed operands, those found so far stand at argv[0 .. noperands-1].
 */
#include "lib/option.h"

#include <string.h>
#include <strings.h>

#include "lib/error.h"

void option_start(struct option_parser *p, const struct option_spec *spec,
		  const char *verb, int argc, char **argv)
{
	memset(p, 0, sizeof(*p));
	p->spec = spec;
	p->verb = verb;
	p->argc = argc;
	p->argv = argv;
	p->operands = argv;
}

static int flag_value(struct option_parser *p, const struct option_spec *o,
		      const char *text)
{
	static const char *const on[] = { "true", "t", "1" };
	static const char *const off[] = { "false", "f", "0" };
	int i;

	for (i = 0; i < 3; i++) {
		if (strcasecmp(text, on[i]) == 0) {
			p->on = true;
			return 0;
		}
		if (strcasecmp(text, off[i]) == 0) {
			p->on = false;
			return 0;
		}
	}
	error_say("--%s=%s: a flag takes true or false: see "
		  "`azalea help %s`",
		  o->name, text, p->verb);
	return OPTION_ERROR;
}

/* The value is the next word of the command line. */
static int word_value(struct option_parser *p, const struct option_spec *o)
{
	if (p->next == p->argc) {
		error_say("--%s: needs a value (%s): see `azalea help %s`",
			  o->name, o->value, p->verb);
		return OPTION_ERROR;
	}
	p->value = p->argv[p->next++];
	return 0;
}

static int long_option(struct option_parser *p, const char *word)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] ? word + len + 1 : NULL;
	const struct option_spec *o;
	int err = 0;

	for (o = p->spec; o->name; o++)
		if (strlen(o->name) == len && memcmp(o->name, word, len) == 0)
			break;
	if (!o->name) {
		if (strcmp(word, "help") == 0)
			return OPTION_HELP;
		error_say("unknown option --%.*s: see `azalea help %s`",
			  (int)len, word, p->verb);
		return OPTION_ERROR;
	}
	p->on = true;
	if (!o->value)
		err = value ? flag_value(p, o, value) : 0;
	else if (value || *o->value == '[')
		p->value = value;
	else
		err = word_value(p, o);
	return err ? err : (int)(o - p->spec);
}

static int short_option(struct option_parser *p)
{
	const char *s = p->letters;
	const struct option_spec *o;
	int err = 0;

	for (o = p->spec; o->name; o++)
		if (o->letter == *s)
			break;
	if (!o->name) {
		if (*s == 'h')
			return OPTION_HELP;
		error_say("unknown option -%c: see `azalea help %s`", *s,
			  p->verb);
		return OPTION_ERROR;
	}
	s++;
	p->letters = NULL;
	p->on = true;
	if (*s == '=')
		err = o->value ? 0 : flag_value(p, o, s + 1);
	else if (!o->value)
		p->letters = *s ? s : NULL;
	if (o->value) {
		if (*s)
			p->value = s + (*s == '=');
		else
			err = word_value(p, o);
	}
	return err ? err : (int)(o - p->spec);
}

/* All that is left are operands. */
static int option_end(struct option_parser *p)
{
	if (!p->mixed) {
		p->operands = p->argv + p->next;
		p->noperands = p->argc - p->next;
		return OPTION_END;
	}
	while (p->next < p->argc)
		p->argv[p->noperands++] = p->argv[p->next++];
	return OPTION_END;
}

int option_next(struct option_parser *p)
{
	char *word;

	if (p->letters)
		return short_option(p);
	while (p->next < p->argc) {
		word = p->argv[p->next];
		if (word[0] != '-' || word[1] == '\0') {
			if (!p->mixed)
				break;
			p->argv[p->noperands++] = word;
			p->next++;
			continue;
		}
		p->next++;
		if (word[1] != '-') {
			p->letters = word + 1;
			return short_option(p);
		}
		if (word[2] == '\0')
			break;
		return long_option(p, word + 2);
	}
	return option_end(p);
}
