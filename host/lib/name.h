/* SPDX-License-Identifier: MIT */
/*
 * name.h - names of instances, of signals, of statuses.
 */
#ifndef LIB_NAME_H
#define LIB_NAME_H

#include <stdbool.h>
#include <stdint.h>

#define NAME_MAX_BYTES 64 /* with the NUL */

/* name_valid - a letter or digit, then letters, digits, "_", "." and "-". */
bool name_valid(const char *name);

/* name_generate - "calm-fern-4711": seed picks the words, pid is the number. */
void name_generate(uint64_t seed, uint32_t pid, char out[NAME_MAX_BYTES]);

/*
 * name_distance - how many letters to insert, delete or change to turn a into
 * b, or 99 if one of them is longer than 32.
 */
unsigned int name_distance(const char *a, const char *b);

/*
 * signal_parse - "TERM", "sigterm", "15", "RTMIN+3", "RTMAX-1": the number,
 * or -EINVAL.
 */
int signal_parse(const char *text);

/* status_exit - a wait status as an exit status: the code, or 128 + signal. */
int status_exit(int wstatus);

#endif
