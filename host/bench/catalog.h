/* SPDX-License-Identifier: MIT */
/*
 * catalog.h - the benches that there are.
 *
 * The programs in the folder of benches say themselves what they measure; the
 * meaning of all of it is in bench/bench.h. Strings live as long as the
 * catalog.
 */
#ifndef BENCH_CATALOG_H
#define BENCH_CATALOG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define TARGETS_MAX 2

enum how {
	HOW_SAMPLES,
	HOW_WALL,
	HOW_MEMORY,
	HOW_IDLE,
	HOW_WORK, /* this and what follows: noise */
	HOW_QUANTUM,
	HOW_DETOUR,
	HOW_FIRST, /* no noise any more */
	HOW_INTERRUPTS,
	HOW_EVENTS,
};

enum bound {
	BOUND_FASTER,
	BOUND_AT_MOST,
	BOUND_ABOVE,
};

struct target {
	enum bound bound;
	double value;
};

struct bench_case {
	const char *name, *unit;
	const char *options, *base, *command; /* or NULL */
	enum how how;
	int cpus; /* -1: all, at least two */
	int cores;
	int copies;
	bool dynamic, metal, reserved, linked, native;
	size_t ntargets;
	struct target target[TARGETS_MAX];
};

struct bench {
	char *name;
	const char *question;
	int rounds;
	bool prepare;
	size_t ncases;
	struct bench_case *cases;
	json_t *text; /* what the strings are part of */
};

struct catalog {
	char *dir; /* absolute */
	size_t n;
	struct bench *bench; /* by name */
};

/*
 * catalog_load - find the folder and ask all programs in it. The folder is
 * that of the environment's AZALEA_BENCHES; else `benches` beside the
 * executable; else ../libexec/azalea/benches seen from it. 0, or EXIT_AZALEA
 * after a message.
 */
int catalog_load(struct catalog *c);

/*
 * catalog_count - what is measured are executed instructions, not time: other
 * units, and no targets, which are about time.
 */
void catalog_count(struct catalog *c);

void catalog_free(struct catalog *c);

/* catalog_find - by the name's first len bytes, or NULL. */
const struct bench *catalog_find(const struct catalog *c, const char *name,
				 size_t len);

/* case_is_noise - its samples are pairs of time and value. */
static inline bool case_is_noise(const struct bench_case *c)
{
	return c->how >= HOW_WORK && c->how <= HOW_DETOUR;
}

#endif
