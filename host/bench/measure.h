/* SPDX-License-Identifier: MIT */
/*
 * measure.h - both sides of a case by turns, and what came of it.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "bench/catalog.h"
#include "bench/core.h"
#include "bench/stats.h"
#include "lib/cpulist.h"

struct plan {
	char azalea[PATH_MAX]; /* the executable */
	const char *dir;       /* of bench programs */
	struct cpulist cpus;   /* that may be used */
	const char *plat;      /* of Azalea's side, or NULL: its own choice */
	bool metal;            /* that is "metal" */
	/* Count instructions (bench/counter.h), not time; or NULL. */
	const struct counter *counter;
	const char *counter_path;
	int rounds;          /* 0: as each bench says */
	double seconds;      /* of a run that takes samples; 0: by kind */
	char work[PATH_MAX]; /* folder for --prepare, "" until needed */
};

struct samples {
	size_t n, room;
	double *value; /* in the order of measuring */
	double *when;  /* noise: us since the start of all runs */
};

struct side {
	struct samples samples;
	/*
	 * HOW_WALL: ms of processor time, or of instructions those on the CPU
	 * that executed most. HOW_FIRST: taking the CPUs and entering them.
	 */
	struct samples cpu;
	/* Sums over all runs: who executed the instructions; or, HOW_FIRST on
	 * metal, ms for taking core 0's CPU off-line and for entering it. */
	double part[4];
	double seconds; /* noise: how long was watched */
	struct stats stats, cpu_stats;
	/* Noise: % of the time that was lost. */
	double overhead;
};

struct result {
	const struct bench *bench;
	const struct bench_case *c;
	/* side[0] is Linux, or Azalea with the case's base options. */
	struct side side[2];
	char cpus[64]; /* where */
	char why[300]; /* "" or why it was not measured */
};

/*
 * measure_case - fills r, which measure_free frees. What cannot be measured
 * says why in r->why. -1 if a signal ends us, else 0.
 */
int measure_case(struct plan *p, const struct bench *b,
		 const struct bench_case *c, struct result *r);

void measure_free(struct result *r);

/* measure_done - remove the folder for --prepare. */
void measure_done(struct plan *p);

/* result_met - is that target met? Needs samples. */
bool result_met(const struct result *r, const struct target *t);

/* results_missed - how many targets are not met, or were not measured. */
int results_missed(const struct result *r, size_t n);

#endif
