/* SPDX-License-Identifier: MIT */
/*
 * script.c - the "#!" line.
 */
#include "lib/script.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The first character in [s, last] that is (not) a blank, or NULL. */
static char *skip_blanks(char *s, const char *last)
{
	for (; s <= last; s++)
		if (!is_blank(*s))
			return s;
	return NULL;
}

static char *find_end(char *s, const char *last)
{
	for (; s <= last; s++)
		if (is_blank(*s) || !*s)
			return s;
	return NULL;
}

/* Where the line ends, or NULL if its first word may go on past the buffer. */
static char *line_end(char *buf)
{
	char *last = &buf[SCRIPT_HEAD - 1];
	char *end = memchr(buf, '\n', SCRIPT_HEAD);

	if (end)
		return end;
	end = skip_blanks(buf + 2, last);
	if (!end || !find_end(end, last))
		return NULL;
	return last;
}

int script_parse(const char *head, size_t len, struct script *out)
{
	char buf[SCRIPT_HEAD] = "";
	char *end, *name, *sep, *arg = NULL;

	if (len < 2 || head[0] != '#' || head[1] != '!')
		return 0;
	memcpy(buf, head, len < SCRIPT_HEAD ? len : SCRIPT_HEAD);
	end = line_end(buf);
	if (!end)
		return -ENOEXEC;
	while (is_blank(end[-1]))
		end--;
	name = skip_blanks(buf + 2, end);
	if (!name || name == end || !*name)
		return -ENOEXEC;
	sep = find_end(name, end);
	if (sep && *sep)
		arg = skip_blanks(sep, end);
	*end = '\0';
	if (sep)
		*sep = '\0';
	memcpy(out->interp, name, strlen(name) + 1);
	out->arg[0] = '\0';
	if (arg)
		memcpy(out->arg, arg, strlen(arg) + 1);
	return 1;
}

char *const *script_argv(const struct script *sc, const char *path,
			 char *const *argv)
{
	size_t n = 0, i = 0;
	char **new;

	while (argv[n])
		n++;
	new = calloc(n + 3, sizeof(*new));
	if (!new)
		return NULL;
	new[i++] = strdup(sc->interp);
	if (sc->arg[0])
		new[i++] = strdup(sc->arg);
	new[i++] = strdup(path);
	if (!new[0] || !new[1] || !new[i - 1]) {
		while (i)
			free(new[--i]);
		free(new);
		return NULL;
	}
	for (argv++; n > 1; n--)
		new[i++] = *argv++;
	return new;
}
