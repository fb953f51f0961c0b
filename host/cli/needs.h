/* SPDX-License-Identifier: MIT */
/*
 * needs.h - what a dynamic program needs to start: interpreter, libraries.
 */
#ifndef CLI_NEEDS_H
#define CLI_NEEDS_H

#include "cli/pack.h"

struct needs {
	const char *interp;  /* of the program; NULL: it is static */
	char *const *env;    /* in which libraries are looked for */
	char **name, **path; /* what was found: names as asked for */
	size_t n;
};

/* needs_interp - the path in PT_INTERP of the ELF file fd, or NULL. */
char *needs_interp(int fd);

/*
 * needs_add - the libraries of the file source, as its interpreter finds
 * them, into n. Nothing, if there is no interpreter. must: it is an error if
 * one is missing, else a word on stderr. 0, or the exit status after saying
 * why not.
 */
int needs_add(struct needs *n, const char *source, bool must);

/*
 * needs_pack - the interpreter, all that was found, and where it is to be
 * found: an /etc/ld.so.cache in place of the machine's.
 */
int needs_pack(const struct needs *n, struct pack *p);

#endif
