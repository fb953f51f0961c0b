/* SPDX-License-Identifier: MIT */
/*
 * policy.c - what the user allows a program: words and files of them.
 *
 * Pure: looks at no file system. Every path is the policy's own copy, and a
 * policy has at most one entry for a path as it is written.
 */
#include "sandbox/policy.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"

#define PATHS_MAX 1024 /* nobody writes more; keeps quadratic looks short */

#define CLASS_NAME(id, name, text) [id] = (name),
static const char *const classes[] = { AZ_POLICIES(CLASS_NAME) };

#define NCLASSES (sizeof(classes) / sizeof(classes[0]))
#define ALL      ((1U << NCLASSES) - 1)
#define FILES                                                      \
	(1U << AZ_POLICY_FILES_READ | 1U << AZ_POLICY_FILES_STAT | \
	 1U << AZ_POLICY_FILES_WRITE | 1U << AZ_POLICY_FILES_ATTR)

/* What Landlock can tell one path from another for. */
#define OPENING (1U << AZ_POLICY_FILES_READ | 1U << AZ_POLICY_FILES_WRITE)

const char *policy_class(unsigned int i)
{
	return i < NCLASSES ? classes[i] : NULL;
}

bool policy_empty(const struct policy *p)
{
	return !p->denied && !p->npaths && !p->isolate && !p->log;
}

void policy_free(struct policy *p)
{
	for (size_t i = 0; i < p->npaths; i++)
		free(p->paths[i].path);
	free(p->paths);
	free(p->log_path);
	*p = (struct policy){ 0 };
}

__attribute__((format(printf, 3, 4))) static int bad(struct policy_error *e,
						     size_t at, const char *fmt,
						     ...)
{
	va_list ap;

	e->column = (unsigned int)at + 1;
	va_start(ap, fmt);
	(void)vsnprintf(e->why, sizeof(e->why), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool is_word(const char *word, size_t len, const char *what)
{
	return strlen(what) == len && memcmp(word, what, len) == 0;
}

/* --- words --- */

/* The classes that a word names; 0: none. */
static uint32_t classes_named(const char *word, size_t len)
{
	if (is_word(word, len, "all"))
		return ALL;
	if (is_word(word, len, "files"))
		return FILES;
	for (unsigned int i = 0; i < NCLASSES; i++)
		if (is_word(word, len, classes[i]))
			return 1U << i;
	return 0;
}

static int no_class(const char *word, size_t len, struct policy_error *e)
{
	char list[sizeof(e->why)] = "";

	for (unsigned int i = 0; i < NCLASSES; i++)
		(void)snprintf(list + strlen(list), sizeof(list) - strlen(list),
			       " %s", classes[i]);
	return bad(e, 0, "%.*s: no class of calls:%s files all; or a /path",
		   len < 24 ? (int)len : 24, word, list);
}

/* Without slashes at the end or twice. "/" stays. */
static char *path_copy(const char *s, size_t len)
{
	char *to = malloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; to && i < len; i++)
		if (s[i] != '/' || !n || to[n - 1] != '/')
			to[n++] = s[i];
	if (!to)
		return NULL;
	while (n > 1 && to[n - 1] == '/')
		n--;
	to[n] = '\0';
	return to;
}

static int path_put(struct policy *p, char *path, int level)
{
	struct policy_path *more;

	for (size_t i = 0; i < p->npaths; i++)
		if (strcmp(p->paths[i].path, path) == 0) {
			free(path);
			p->paths[i].level = level;
			return 0;
		}
	more = reallocarray(p->paths, p->npaths + 1, sizeof(*more));
	if (!more) {
		free(path);
		return -ENOMEM;
	}
	p->paths = more;
	p->paths[p->npaths++] = (struct policy_path){ path, level };
	return 0;
}

static bool ends_in(const char *word, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len > n && memcmp(word + len - n, end, n) == 0;
}

/* PATH, PATH:ro or PATH:rw; deny knows the first only. */
static int path_word(struct policy *p, bool allow, const char *word, size_t len,
		     struct policy_error *e)
{
	int level = allow ? POLICY_RW : POLICY_NONE;
	char *path;

	if (ends_in(word, len, ":ro"))
		level = POLICY_RO;
	if (ends_in(word, len, ":ro") || ends_in(word, len, ":rw")) {
		len -= 3;
		if (!allow)
			return bad(e, len,
				   "deny takes a path alone; "
				   "`allow PATH:ro' denies writing");
	}
	if (len >= PATH_MAX)
		return bad(e, 0, "the path is too long");
	if (memchr(word, 0, len))
		return bad(e, 0, "the path has a NUL in it");
	if (p->npaths == PATHS_MAX)
		return bad(e, 0, "more than %d paths", PATHS_MAX);
	path = path_copy(word, len);
	return path ? path_put(p, path, level) : -ENOMEM;
}

/* CLASS, or several with commas. */
static int class_words(struct policy *p, bool allow, const char *word,
		       size_t len, struct policy_error *e)
{
	for (size_t at = 0; at <= len;) {
		const char *comma = memchr(word + at, ',', len - at);
		size_t n = comma ? (size_t)(comma - word) - at : len - at;
		uint32_t mask = classes_named(word + at, n);

		if (!mask) {
			(void)no_class(word + at, n, e);
			e->column += (unsigned int)at;
			return -EINVAL;
		}
		if (allow)
			p->denied &= ~mask;
		else
			p->denied |= mask;
		at += n + 1;
	}
	return 0;
}

int policy_word(struct policy *p, bool allow, const char *word, size_t len,
		struct policy_error *e)
{
	if (!len)
		return bad(e, 0, "an empty word: a class of calls or a path");
	if (word[0] == '.' || memchr(word, '/', len))
		return path_word(p, allow, word, len, e);
	return class_words(p, allow, word, len, e);
}

/* --- files --- */

/* The rest of a line that is being read. */
struct reader {
	const char *line, *at, *end;
	char *word; /* room for the longest, without quotes */
	size_t len;
	size_t word_at; /* offset in the line */
	bool quoted;
};

static size_t offset(const struct reader *r)
{
	return (size_t)(r->at - r->line);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* "...", with \" and \\ inside. */
static int word_quoted(struct reader *r, struct policy_error *e)
{
	for (r->at++; r->at < r->end && *r->at != '"'; r->at++) {
		if (*r->at == '\\') {
			if (++r->at == r->end ||
			    (*r->at != '"' && *r->at != '\\'))
				return bad(e, offset(r) - 1,
					   "after \\ comes \" or \\");
		}
		r->word[r->len++] = *r->at;
	}
	if (r->at == r->end)
		return bad(e, r->word_at, "a quote that is not closed");
	r->at++;
	return 0;
}

/* 1: a word; 0: the line has no more; -EINVAL. */
static int word_next(struct reader *r, struct policy_error *e)
{
	int err = 0;

	while (r->at < r->end && is_blank(*r->at))
		r->at++;
	r->len = 0;
	r->quoted = false;
	r->word_at = offset(r);
	if (r->at == r->end || *r->at == '#')
		return 0;
	while (!err && r->at < r->end && !is_blank(*r->at)) {
		unsigned char c = (unsigned char)*r->at;

		if (c == '"') {
			r->quoted = true;
			err = word_quoted(r, e);
		} else if (c < ' ' || c == 0x7f) {
			err =
			    bad(e, offset(r), "a byte that is no text: %#x", c);
		} else {
			r->word[r->len++] = *r->at++;
		}
	}
	return err ? err : 1;
}

static int line_words(struct policy *p, bool allow, struct reader *r,
		      struct policy_error *e)
{
	int err, n = 0;

	while ((err = word_next(r, e)) > 0) {
		n++;
		if (r->len && r->word[0] != '/' && memchr(r->word, '/', r->len))
			return bad(e, r->word_at,
				   "a path in a file begins with /");
		if (r->len && r->word[0] == '.')
			return bad(e, r->word_at,
				   "a path in a file begins with /");
		err = policy_word(p, allow, r->word, r->len, e);
		if (err) {
			e->column += (unsigned int)r->word_at;
			return err;
		}
	}
	if (!err && !n)
		return bad(e, offset(r), "%s what? a class or a /path",
			   allow ? "allow" : "deny");
	return err;
}

static int line_log(struct policy *p, struct reader *r, struct policy_error *e)
{
	int err = word_next(r, e);

	p->log = true;
	if (err <= 0)
		return err;
	if (!r->len || r->word[0] != '/' || r->len >= PATH_MAX ||
	    memchr(r->word, 0, r->len))
		return bad(e, r->word_at, "a path in a file begins with /");
	free(p->log_path);
	p->log_path = strndup(r->word, r->len);
	return p->log_path ? 0 : -ENOMEM;
}

/* Nothing else may stand in the line. */
static int line_end(struct reader *r, struct policy_error *e)
{
	int err = word_next(r, e);

	return err > 0
		   ? bad(e, r->word_at, "nothing else stands in such a line")
		   : err;
}

static int line_parse(struct policy *p, struct reader *r,
		      struct policy_error *e)
{
	int err = word_next(r, e);

	if (err <= 0)
		return err;
	if (is_word(r->word, r->len, "allow"))
		return line_words(p, true, r, e);
	if (is_word(r->word, r->len, "deny"))
		return line_words(p, false, r, e);
	if (is_word(r->word, r->len, "isolate")) {
		p->isolate = true;
		return line_end(r, e);
	}
	if (is_word(r->word, r->len, "log-denied")) {
		err = line_log(p, r, e);
		return err ? err : line_end(r, e);
	}
	return bad(e, r->word_at,
		   "%.*s: no statement: allow, deny, isolate or log-denied",
		   r->len < 24 ? (int)r->len : 24, r->word);
}

int policy_parse(struct policy *p, const char *text, size_t len,
		 struct policy_error *e)
{
	struct reader r = { .word = malloc(len + 1) };
	const char *at = text, *end = text + len;
	int err = r.word ? 0 : -ENOMEM;

	for (e->line = 1; !err && at < end; e->line++) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));

		r.line = r.at = at;
		r.end = nl ? nl : end;
		err = line_parse(p, &r, e);
		if (err || !nl)
			break;
		at = nl + 1;
	}
	free(r.word);
	return err;
}

/* --- answers --- */

bool path_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	if (n == 1)
		return true; /* "/" */
	return strncmp(path, top, n) == 0 && (!path[n] || path[n] == '/');
}

uint32_t policy_denied(const struct policy *p)
{
	return p->npaths ? p->denied & ~OPENING : p->denied;
}

int policy_files(const struct policy *p)
{
	for (size_t i = 0; i < p->npaths; i++)
		if (strcmp(p->paths[i].path, "/") == 0)
			return p->paths[i].level;
	if (p->denied & 1U << AZ_POLICY_FILES_READ)
		return POLICY_NONE;
	return p->denied & 1U << AZ_POLICY_FILES_WRITE ? POLICY_RO : POLICY_RW;
}

int policy_level(const struct policy *p, const char *path)
{
	int level = policy_files(p);
	size_t longest = 1;

	for (size_t i = 0; i < p->npaths; i++) {
		size_t n = strlen(p->paths[i].path);

		if (n > longest && path_below(path, p->paths[i].path)) {
			longest = n;
			level = p->paths[i].level;
		}
	}
	return level;
}
