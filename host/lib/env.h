/* SPDX-License-Identifier: MIT */
/*
 * env.h - building a program's environment.
 */
#ifndef LIB_ENV_H
#define LIB_ENV_H

#include <stddef.h>

struct env {
	char **v; /* NULL-terminated */
	size_t n, room;
};

/* env_get - the value of name in envp, or NULL. */
const char *env_get(char *const *envp, const char *name);

/* env_start - a copy of envp's pointers. 0, -ENOMEM. */
int env_start(struct env *e, char *const *envp);

/*
 * env_set - "NAME=VALUE" replaces or adds; "NAME" alone takes the value that
 * from has for it, and does nothing if it has none. The string is kept, not
 * copied. 0, -EINVAL if there is no name, -ENOMEM.
 */
int env_set(struct env *e, char *word, char *const *from);

/*
 * env_load - a file of such words, one a line; blank lines and those that
 * begin with # count nothing. Nothing is unquoted. 0; -errno; -EINVAL with
 * the number of the wrong line in *line.
 */
int env_load(struct env *e, const char *path, char *const *from,
	     unsigned int *line);

void env_free(struct env *e);

#endif
