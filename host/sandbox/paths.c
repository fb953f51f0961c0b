/* SPDX-License-Identifier: MIT */
/*
 * paths.c - a policy's paths as rules of Landlock.
 *
 * Entries that come later into a directory with a hole below it are not in any
 * rule, and so stay closed: the error is always to the safe side.
 */
#include "sandbox/paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/landlock.h"

struct granting {
	const struct policy *p;
	int ruleset, version;
};

static void path_drop(struct policy *p, size_t i)
{
	free(p->paths[i].path);
	p->npaths--;
	memmove(&p->paths[i], &p->paths[i + 1],
		(p->npaths - i) * sizeof(p->paths[0]));
}

int paths_resolve(struct policy *p, const char **which)
{
	for (size_t i = 0; i < p->npaths; i++) {
		char *real = realpath(p->paths[i].path, NULL);

		*which = p->paths[i].path;
		if (!real)
			return -errno;
		free(p->paths[i].path);
		p->paths[i].path = real;
		for (size_t k = 0; k < i; k++)
			if (strcmp(p->paths[k].path, real) == 0) {
				path_drop(p, k);
				i--;
				break;
			}
	}
	return 0;
}

static bool strictly_below(const char *path, const char *top)
{
	return path_below(path, top) && strcmp(path, top) != 0;
}

static bool is_named(const struct policy *p, const char *path)
{
	for (size_t i = 0; i < p->npaths; i++)
		if (strcmp(p->paths[i].path, path) == 0)
			return true;
	return false;
}

int paths_keep(struct policy *p, const char *path, int level)
{
	char *real = realpath(path, NULL);
	struct policy_path *more;

	if (!real)
		return errno == ENOMEM ? -ENOMEM : 0;
	if (is_named(p, real) || policy_level(p, real) >= level) {
		free(real);
		return 0;
	}
	more = reallocarray(p->paths, p->npaths + 1, sizeof(*more));
	if (!more) {
		free(real);
		return -ENOMEM;
	}
	p->paths = more;
	p->paths[p->npaths++] = (struct policy_path){ real, level };
	return 0;
}

/* Does a rule name something in the tree of `top', other than its root? */
static bool has_below(const struct policy *p, const char *top)
{
	for (size_t i = 0; i < p->npaths; i++)
		if (strictly_below(p->paths[i].path, top))
			return true;
	return false;
}

/* The least that something in the tree of `top' is to have, or `level'. */
static int least_below(const struct policy *p, const char *top, int level)
{
	for (size_t i = 0; i < p->npaths; i++)
		if (p->paths[i].level < level &&
		    path_below(p->paths[i].path, top))
			level = p->paths[i].level;
	return level;
}

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* All that is closed below `top' are files: its directories may be listed. */
static bool may_list(const struct policy *p, const char *top)
{
	for (size_t i = 0; i < p->npaths; i++)
		if (p->paths[i].level == POLICY_NONE &&
		    path_below(p->paths[i].path, top) &&
		    is_dir(p->paths[i].path))
			return false;
	return true;
}

static int grant(const struct granting *g, const char *path, int level,
		 bool list_only)
{
	int fd, err;

	if (level == POLICY_NONE && !list_only)
		return 0;
	fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : 0;
	err = landlock_grant(g->ruleset, g->version, fd, level, list_only);
	close(fd);
	/* Pipes and the like that only seem to have a path (EBADFD). */
	return err == -EBADFD ? 0 : err;
}

static int grant_tree(const struct granting *g, const char *path, int level);

/* Is no other rule between `path' and the one for `at' in its tree? */
static bool is_topmost(const struct policy *p, const char *path, const char *at)
{
	for (size_t i = 0; i < p->npaths; i++)
		if (strictly_below(p->paths[i].path, path) &&
		    strictly_below(at, p->paths[i].path))
			return false;
	return true;
}

/* The topmost rules below `path', which all give more than it has. */
static int grant_more(const struct granting *g, const char *path)
{
	const struct policy *p = g->p;
	int err = 0;

	for (size_t i = 0; !err && i < p->npaths; i++) {
		const char *at = p->paths[i].path;

		if (strictly_below(at, path) && is_topmost(p, path, at))
			err = grant_tree(g, at, p->paths[i].level);
	}
	return err;
}

/* "." and "..", and what has a rule in it, which comes by its name. */
static bool entry_skipped(const struct policy *p, const char *name,
			  const char *path)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	       is_named(p, path) || has_below(p, path);
}

static int path_join(char *to, const char *dir, const char *name, size_t len)
{
	int n = snprintf(to, PATH_MAX, "%s/%.*s", dir[1] ? dir : "", (int)len,
			 name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int grant_others(const struct granting *g, const char *path, int level)
{
	char entry[PATH_MAX];
	struct dirent *d;
	DIR *dir = opendir(path);
	int err = 0;

	if (!dir)
		return 0;
	/* A stream of its own. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (!err && (d = readdir(dir))) {
		if (path_join(entry, path, d->d_name, strlen(d->d_name)) ||
		    entry_skipped(g->p, d->d_name, entry))
			continue;
		err = grant(g, entry, level, false);
	}
	closedir(dir);
	return err;
}

/* The entry of `path' that `below' lies in or is. */
static int entry_of(char *to, const char *path, const char *below)
{
	const char *name = below + (path[1] ? strlen(path) + 1 : 1);

	return path_join(to, path, name, strcspn(name, "/"));
}

/* Each entry with a rule in it, once: with the first of its rules. */
static int grant_entries(const struct granting *g, const char *path, int level)
{
	const struct policy *p = g->p;
	char entry[PATH_MAX], other[PATH_MAX];
	int err = 0;

	for (size_t i = 0; !err && i < p->npaths; i++) {
		const char *at = p->paths[i].path;
		bool first = true;

		if (!strictly_below(at, path))
			continue;
		err = entry_of(entry, path, at);
		for (size_t k = 0; !err && first && k < i; k++)
			if (strictly_below(p->paths[k].path, path)) {
				err = entry_of(other, path, p->paths[k].path);
				first = strcmp(entry, other) != 0;
			}
		if (!err && first)
			err = grant_tree(g, entry,
					 is_named(p, entry)
					     ? policy_level(p, entry)
					     : level);
	}
	return err;
}

/* All that lies at and below `path', whose own level this is. */
static int grant_tree(const struct granting *g, const char *path, int level)
{
	int least = least_below(g->p, path, level);
	int err = grant(g, path, least, false);

	if (!err && least == POLICY_NONE && level != POLICY_NONE &&
	    is_dir(path) && may_list(g->p, path))
		err = grant(g, path, POLICY_NONE, true);
	if (err)
		return err;
	if (least == level)
		return grant_more(g, path);
	err = grant_entries(g, path, level);
	return err ? err : grant_others(g, path, level);
}

int paths_grant(const struct policy *p, int ruleset, int version)
{
	struct granting g = { p, ruleset, version };

	return grant_tree(&g, "/", policy_files(p));
}
