/* SPDX-License-Identifier: MIT */
/*
 * catalog.c - the benches that there are.
 */
#include "bench/catalog.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/child.h"
#include "lib/env.h"
#include "lib/error.h"

#define DESCRIBE_SECONDS 10 /* only a hang takes as long */

static const char *const hows[] = {
	[HOW_SAMPLES] = "samples",
	[HOW_WALL] = "wall",
	[HOW_MEMORY] = "memory",
	[HOW_IDLE] = "idle",
	[HOW_WORK] = "work",
	[HOW_QUANTUM] = "quantum",
	[HOW_DETOUR] = "detour",
	[HOW_FIRST] = "first",
	[HOW_INTERRUPTS] = "interrupts",
	[HOW_EVENTS] = "events",
};

static const char *const bounds[] = {
	[BOUND_FASTER] = "faster",
	[BOUND_AT_MOST] = "at most",
	[BOUND_ABOVE] = "above",
};

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static int word_find(const char *const *words, int n, const char *word)
{
	while (n-- > 0)
		if (strcmp(words[n], word) == 0)
			return n;
	return -1;
}

static int target_parse(json_t *o, struct target *t)
{
	const char *what;
	int bound;

	if (json_unpack(o, "{s:s, s:F}", "what", &what, "value", &t->value) < 0)
		return -EINVAL;
	bound = word_find(bounds, COUNT(bounds), what);
	t->bound = (enum bound)bound;
	return bound < 0 ? -EINVAL : 0;
}

static int number_at(json_t *o, const char *key, int otherwise)
{
	json_t *value = json_object_get(o, key);

	return value ? (int)json_integer_value(value) : otherwise;
}

static int case_parse(json_t *o, struct bench_case *c)
{
	json_t *targets = NULL, *t;
	const char *how_name;
	int how, dynamic;
	size_t i;

	if (json_unpack(o, "{s:s, s:s, s:s, s:i, s:i, s:i, s:o}", "name",
			&c->name, "unit", &c->unit, "how", &how_name, "cpus",
			&c->cpus, "cores", &c->cores, "dynamic", &dynamic,
			"targets", &targets) < 0)
		return -EINVAL;
	how = word_find(hows, COUNT(hows), how_name);
	if (how < 0 || json_array_size(targets) > TARGETS_MAX)
		return -EINVAL;
	c->how = (enum how)how;
	c->dynamic = dynamic != 0;
	c->copies = number_at(o, "copies", 1);
	c->metal = number_at(o, "metal", 0) != 0;
	c->reserved = number_at(o, "reserved", 0) != 0;
	c->linked = number_at(o, "linked", 0) != 0;
	c->native = number_at(o, "native", 0) != 0;
	c->options = json_string_value(json_object_get(o, "options"));
	c->base = json_string_value(json_object_get(o, "base"));
	c->command = json_string_value(json_object_get(o, "command"));
	c->ntargets = json_array_size(targets);
	json_array_foreach(targets, i, t) if (target_parse(t, &c->target[i]) !=
					      0) return -EINVAL;
	return 0;
}

static int bench_parse(json_t *o, struct bench *b)
{
	json_t *cases = NULL, *one;
	int prepare;
	size_t i;

	if (json_unpack(o, "{s:s, s:i, s:i, s:o}", "question", &b->question,
			"rounds", &b->rounds, "prepare", &prepare, "cases",
			&cases) < 0 ||
	    b->rounds < 1 || !json_is_array(cases))
		return -EINVAL;
	b->prepare = prepare != 0;
	b->ncases = json_array_size(cases);
	b->cases = calloc(b->ncases + 1, sizeof(*b->cases));
	if (!b->cases)
		return -ENOMEM;
	json_array_foreach(cases, i, one) if (case_parse(one, &b->cases[i]) !=
					      0) return -EINVAL;
	return 0;
}

static void bench_free(struct bench *b)
{
	free(b->name);
	free(b->cases);
	json_decref(b->text);
}

/* Ask the program at path what it measures. 0, or a status after a message. */
static int bench_ask(char *path, struct bench *b)
{
	char *argv[] = { path, (char[]){ "--describe" }, NULL };
	struct child c;
	int err;

	if (child_run(argv, NULL, DESCRIBE_SECONDS, &c) != 0) {
		err = error_fail(EXIT_AZALEA, "%s: does not say what it is: %s",
				 path, c.why);
		child_free(&c);
		return err;
	}
	b->text = json_loads(c.out, 0, NULL);
	err = b->text ? bench_parse(b->text, b) : -EINVAL;
	child_free(&c);
	if (err)
		return error_fail(EXIT_AZALEA,
				  "%s: is not a bench of this version: make "
				  "bench-build",
				  path);
	return 0;
}

static int bench_add(struct catalog *c, const char *name)
{
	struct bench *grown, b = { 0 };
	char path[PATH_MAX];
	struct stat st;
	int err;

	if (snprintf(path, sizeof(path), "%s/%s", c->dir, name) >=
		(int)sizeof(path) ||
	    stat(path, &st) < 0 || !S_ISREG(st.st_mode) ||
	    access(path, X_OK) < 0)
		return 0;
	err = bench_ask(path, &b);
	grown = err ? NULL : realloc(c->bench, (c->n + 1) * sizeof(*c->bench));
	if (grown) {
		c->bench = grown;
		b.name = strdup(name);
	}
	if (!b.name) {
		bench_free(&b);
		return err ? err
			   : error_fail(EXIT_AZALEA, "%s: %s", path,
					error_text(ENOMEM));
	}
	c->bench[c->n++] = b;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct bench *)a)->name,
		      ((const struct bench *)b)->name);
}

/* Beside the executable, then where it would be installed. */
static char *dir_find(char beside[PATH_MAX])
{
	static const char *const places[] = { "benches",
					      "../libexec/azalea/benches" };
	const char *given = env_get(environ, "AZALEA_BENCHES");
	char exe[PATH_MAX];
	ssize_t n;
	size_t i;

	if (given) {
		(void)snprintf(beside, PATH_MAX, "%s", given);
		return realpath(given, NULL);
	}
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	*(strrchr(exe, '/') ? strrchr(exe, '/') : exe) = '\0';
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (snprintf(beside, PATH_MAX, "%s/%s", exe, places[i]) <
			PATH_MAX &&
		    access(beside, X_OK) == 0)
			return realpath(beside, NULL);
	}
	(void)snprintf(beside, PATH_MAX, "%.*s/%s", PATH_MAX / 2, exe,
		       places[0]);
	return NULL;
}

int catalog_load(struct catalog *c)
{
	char place[PATH_MAX];
	struct dirent *entry;
	int err = 0;
	DIR *dir;

	memset(c, 0, sizeof(*c));
	c->dir = dir_find(place);
	dir = c->dir ? opendir(c->dir) : NULL;
	if (!dir)
		return error_fail(EXIT_AZALEA,
				  "%s: cannot read the bench programs there: "
				  "%s: `make bench-build` builds them, "
				  "AZALEA_BENCHES names another folder",
				  place, error_text(errno));
	/* name.dynamic is a further form of name. */
	while (!err && (entry = readdir(dir))) // NOLINT(concurrency-mt-unsafe)
		if (!strchr(entry->d_name, '.'))
			err = bench_add(c, entry->d_name);
	closedir(dir);
	if (!err && !c->n)
		err = error_fail(EXIT_AZALEA,
				 "%s: there are no benches: `make bench-build` "
				 "builds them",
				 c->dir);
	if (c->n)
		qsort(c->bench, c->n, sizeof(*c->bench), by_name);
	return err;
}

static void case_count(struct bench_case *c)
{
	static const struct {
		const char *time, *count;
	} units[] = {
		{ "ns", "insns" },
		{ "us", "kinsns" },
		{ "ms", "Minsns" },
	};
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(c->unit, units[i].time) == 0)
			c->unit = units[i].count;
	c->ntargets = 0;
}

void catalog_count(struct catalog *c)
{
	size_t i, k;

	for (i = 0; i < c->n; i++)
		for (k = 0; k < c->bench[i].ncases; k++)
			case_count(&c->bench[i].cases[k]);
}

void catalog_free(struct catalog *c)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		bench_free(&c->bench[i]);
	free(c->bench);
	free(c->dir);
}

const struct bench *catalog_find(const struct catalog *c, const char *name,
				 size_t len)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (strlen(c->bench[i].name) == len &&
		    memcmp(c->bench[i].name, name, len) == 0)
			return &c->bench[i];
	return NULL;
}
