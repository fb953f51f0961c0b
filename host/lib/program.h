/* SPDX-License-Identifier: MIT */
/*
 * program.h - from the word on the command line to an open ELF program.
 *
 * Does what execvp(3) and Linux's exec do up to the point where the program
 * would be loaded, and says in words why it cannot be.
 */
#ifndef LIB_PROGRAM_H
#define LIB_PROGRAM_H

#include <limits.h>

struct program {
	int fd;                 /* close-on-exec, read-only */
	char path[PATH_MAX];    /* of the ELF file: absolute, no links */
	char exec_fn[PATH_MAX]; /* what execve would have got */
	char interp[PATH_MAX];  /* what it names as its loader, or "" */
	char *const *argv;      /* rewritten if it is a script */
};

/*
 * program_open - find argv[0] like execvp with search as PATH (NULL: the
 * default path), follow "#!" lines, and check that Linux would accept the
 * result. 0, or the exit status for the caller after printing why: 126, 127.
 * What it allocates for argv lives as long as the process.
 */
int program_open(char *const *argv, const char *search, struct program *out);

#endif
