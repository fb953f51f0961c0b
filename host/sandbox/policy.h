/* SPDX-License-Identifier: MIT */
/*
 * policy.h - what the user allows a program, read from words and files.
 *
 * Classes of calls are those of abi/syscall.tbl. Of several words that name
 * the same class or path, the last one counts; of several paths above a file,
 * the longest. What no word names is allowed.
 *
 * A policy file has one statement a line, # begins a comment:
 *
 *	allow WORD...		WORD: a class, `files', `all', or several of
 *	deny WORD...		them with commas; or a path: /PATH, /PATH:rw,
 *				/PATH:ro; "quoted" if need be
 *	isolate
 *	log-denied [/PATH]
 */
#ifndef SANDBOX_POLICY_H
#define SANDBOX_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What may be done with what lies below a path: each includes those before. */
#define POLICY_NONE 0
#define POLICY_RO   1
#define POLICY_RW   2

struct policy_path {
	char *path; /* as given until policy_resolve, then without links */
	int level;
};

struct policy {
	uint32_t denied; /* bit AZ_POLICY_... */
	struct policy_path *paths;
	size_t npaths;
	bool isolate;
	bool log;
	char *log_path; /* NULL: standard error */
};

/* Where and why something could not be read. */
struct policy_error {
	unsigned int line, column; /* from 1; line 0: not of a file */
	char why[160];
};

/* policy_empty - nothing is asked for: all is as if there were no policy. */
bool policy_empty(const struct policy *p);

/*
 * policy_word - `allow WORD' or `deny WORD', of len bytes; a path may be
 * relative. 0, -ENOMEM, or -EINVAL with e->why and e->column.
 */
int policy_word(struct policy *p, bool allow, const char *word, size_t len,
		struct policy_error *e);

/* policy_parse - a policy file's text; as policy_word, with line and column. */
int policy_parse(struct policy *p, const char *text, size_t len,
		 struct policy_error *e);

/* policy_level - what `p' leaves of an absolute path without links. */
int policy_level(const struct policy *p, const char *path);

/*
 * policy_denied - the classes that are refused by call. As soon as paths are
 * named, reading and writing of files are not: policy_level says.
 */
uint32_t policy_denied(const struct policy *p);

/* policy_files - the level of paths that no word names. */
int policy_files(const struct policy *p);

/* path_below - is `path' in the tree that `top' is the root of? */
bool path_below(const char *path, const char *top);

/* policy_class - the name of class `i', or NULL: there are no more. */
const char *policy_class(unsigned int i);

/* policy_free - what it holds, not itself. */
void policy_free(struct policy *p);

#endif
