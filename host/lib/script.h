/* SPDX-License-Identifier: MIT */
/*
 * script.h - the "#!" line.
 */
#ifndef LIB_SCRIPT_H
#define LIB_SCRIPT_H

#include <stddef.h>

#define SCRIPT_HEAD 256 /* bytes that Linux looks at: BINPRM_BUF_SIZE */

struct script {
	char interp[SCRIPT_HEAD];
	char arg[SCRIPT_HEAD]; /* "" if there is none */
};

/*
 * script_parse - read the line as Linux's fs/binfmt_script.c does. head holds
 * the first len bytes of the file. 1 if it is a script, 0 if it is not,
 * -ENOEXEC if the line names no interpreter, or one that may be cut off.
 */
int script_parse(const char *head, size_t len, struct script *out);

/*
 * script_argv - interp [arg] path argv[1..], freshly allocated, or NULL if
 * there is no memory.
 */
char *const *script_argv(const struct script *sc, const char *path,
			 char *const *argv);

#endif
