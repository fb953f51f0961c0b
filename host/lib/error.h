/* SPDX-License-Identifier: MIT */
/*
 * error.h - how the command line says that something went wrong.
 *
 * A message names what failed, on what, why, and what to do about it:
 *	azalea: run: ./x: is a directory: name a program inside it
 */
#ifndef LIB_ERROR_H
#define LIB_ERROR_H

/* Exit statuses, as docker has them. */
#define EXIT_AZALEA   125 /* azalea itself failed */
#define EXIT_NOEXEC   126 /* the program is there, but cannot be run */
#define EXIT_NOTFOUND 127 /* the program is not there */

/* error_verb - the word after "azalea: " in all messages from here on. */
void error_verb(const char *word);

/* error_say - one line on stderr, in one write. */
void error_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* error_fail - the same; returns status, for `return error_fail(...)`. */
int error_fail(int status, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* error_no_memory - says that there is none left; returns EXIT_AZALEA. */
int error_no_memory(void);

/* error_text - what errno value err (either sign) means, in plain words. */
const char *error_text(int err);

#endif
