/* SPDX-License-Identifier: MIT */
/*
 * env.c - building a program's environment.
 *
 * Strings are never freed: they become the program's.
 */
#include "lib/env.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *env_get(char *const *envp, const char *name)
{
	size_t len = strlen(name);

	for (; *envp; envp++)
		if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=')
			return *envp + len + 1;
	return NULL;
}

static int env_reserve(struct env *e)
{
	size_t room = e->room ? e->room * 2 : 64;
	char **v;

	if (e->n + 1 < e->room)
		return 0;
	v = reallocarray(e->v, room, sizeof(*v));
	if (!v)
		return -ENOMEM;
	e->v = v;
	e->room = room;
	return 0;
}

static int env_append(struct env *e, char *word)
{
	int err = env_reserve(e);

	if (err)
		return err;
	e->v[e->n++] = word;
	e->v[e->n] = NULL;
	return 0;
}

int env_start(struct env *e, char *const *envp)
{
	int err = 0;

	memset(e, 0, sizeof(*e));
	err = env_reserve(e);
	if (err)
		return err;
	e->v[0] = NULL;
	for (; *envp && !err; envp++)
		err = env_append(e, *envp);
	return err;
}

int env_set(struct env *e, char *word, char *const *from)
{
	size_t len = strcspn(word, "="), i;

	if (len == 0)
		return -EINVAL;
	if (!word[len]) {
		for (; *from; from++)
			if (strncmp(*from, word, len) == 0 &&
			    (*from)[len] == '=')
				break;
		if (!*from)
			return 0;
		word = *from;
	}
	for (i = 0; i < e->n; i++)
		if (strncmp(e->v[i], word, len + 1) == 0) {
			e->v[i] = word;
			return 0;
		}
	return env_append(e, word);
}

/* One line of a file, without its end. 0, -EINVAL, -ENOMEM. */
static int env_line(struct env *e, const char *line, char *const *from)
{
	char *word;
	int err;

	line += strspn(line, " \t\v\f");
	if (*line == '\0' || *line == '#')
		return 0;
	/* A blank in a name is a mistake; in a value it is not. */
	if (strcspn(line, " \t\v\f") < strcspn(line, "="))
		return -EINVAL;
	word = strdup(line);
	if (!word)
		return -ENOMEM;
	err = env_set(e, word, from);
	if (err || !strchr(word, '='))
		free(word);
	/* e has it: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	return err;
}

int env_load(struct env *e, const char *path, char *const *from,
	     unsigned int *line)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	ssize_t n;
	int err = 0;

	*line = 0;
	if (!f)
		return -errno;
	while (!err && (n = getline(&text, &room, f)) > 0) {
		++*line;
		if (memchr(text, '\0', (size_t)n)) {
			err = -EINVAL;
			break;
		}
		if (text[n - 1] == '\n')
			text[--n] = '\0';
		if (n && text[n - 1] == '\r')
			text[--n] = '\0';
		err = env_line(e, text, from);
	}
	if (!err && ferror(f))
		err = -EIO;
	free(text);
	if (fclose(f) != 0 && !err)
		err = -EIO;
	return err;
}

void env_free(struct env *e)
{
	free(e->v);
	memset(e, 0, sizeof(*e));
}
