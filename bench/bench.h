/* SPDX-License-Identifier: MIT */
/*
 * bench.h - what a bench is, and what bench programs share.
 *
 * A bench is one file with one question. It defines `bench`, below; main() is
 * in bench.c. It is an ordinary Linux program that knows nothing of Azalea:
 * `azalea bench` runs it on both sides by turns and compares. Each program
 * answers to
 *
 *	PROGRAM --describe		what it is, as JSON
 *	PROGRAM --prepare FOLDER	write what its commands read there
 *	PROGRAM CASE SECONDS		take samples for about that long
 *
 * Samples are numbers, one a line, of the case's unit; the noise benches print
 * pairs, see noise.h. Exit status 77 means that the case cannot be measured
 * here; why stands on standard error.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

#define BENCH_CASES   16
#define BENCH_TARGETS 2
#define BENCH_ALL     (-1) /* cpus: all there are, two or more */
#define BENCH_SKIP    77   /* exit status: cannot be measured here */

/* How a case is measured. */
#define BENCH_SAMPLES 0 /* by the program itself */
#define BENCH_WALL    1 /* the command, from exec to exit: ms */
#define BENCH_MEMORY  2 /* private memory of the command, idle: MiB */
#define BENCH_IDLE    3 /* processor time of the command, idle: % of a CPU */
#define BENCH_WORK    4 /* noise: the time that fixed work took */
#define BENCH_QUANTUM 5 /* noise: the work done in a fixed time */
#define BENCH_DETOUR  6 /* noise: the time lost at once */
/* The command prints CLOCK_MONOTONIC in ns when it begins: ms since exec. */
#define BENCH_FIRST 7
/* What happens to the command, which says "ready" and then computes: */
#define BENCH_INTERRUPTS 8 /* interrupts that its CPU takes */
#define BENCH_EVENTS     9 /* page faults; on metal also calls and halts */

/* What a target bounds, by medians. 0 ends a list of targets. */
#define BENCH_FASTER  1 /* Linux / Azalea is at least value */
#define BENCH_AT_MOST 2 /* Azalea is at most value */
#define BENCH_ABOVE   3 /* Azalea - Linux is at most value */

struct bench_target {
	int what;
	double value;
};

/* Strings hold no quotes, backslashes or control characters. */
struct bench_case {
	const char *name; /* unique in the bench, no slash */
	const char *unit; /* NULL: ns */
	int how;
	/*
	 * BENCH_SAMPLES: what is to be timed in batches. If calling it costs
	 * much beside one operation it does several, whose number is per (0:
	 * one) ...
	 */
	void (*run)(void);
	int per;
	/* ... or else what takes samples itself; noise benches, too. */
	void (*sample)(double seconds);
	/* Both sides are bound to so many CPUs; 0: one. */
	int cpus;
	/* So many of them are Azalea's cores; 0: all of them. */
	int cores;
	/* Run the dynamically linked binary of this program. */
	int dynamic;
	/* The command runs so often at once (0: once), with cpus / copies
	 * CPUs for each; the last one that ends ends the run. */
	int copies;
	/* For --plat metal only: 1. */
	int metal;
	/* metal: the CPUs have been reserved before: 1. */
	int reserved;
	/* On Azalea, the program is an image of azalea-cc (.azi), on one
	 * core: 1. */
	int linked;
	/* Not an instance: on Azalea's side the program itself runs on Linux,
	 * with AZALEA_BENCH_SIDE=azalea and AZALEA_BENCH_CPU=N. */
	int native;
	/* Further options of `azalea run`, separated by blanks, or NULL. */
	const char *options;
	/* Compare with Azalea with these options, not with Linux; or NULL. */
	const char *base;
	/*
	 * The command to run, words separated by blanks, or NULL for the
	 * program itself. "%p/" becomes the folder of bench/programs,
	 * "%d/" the folder that --prepare wrote to.
	 */
	const char *command;
	struct bench_target target[BENCH_TARGETS];
};

struct bench {
	const char *question;
	int rounds;            /* how often each side runs, by default */
	void (*setup)(void);   /* before any samples, or NULL */
	void (*prepare)(void); /* --prepare, in that folder, or NULL */
	struct bench_case cases[BENCH_CASES]; /* ends with a NULL name */
};

/* Each bench program defines this. */
extern const struct bench bench;

/*
 * bench_now - CLOCK_MONOTONIC in ns; or, if AZALEA_COUNTER names a counter, how
 * many instructions the CPU has executed. Then a second is 10^9 of them.
 */
uint64_t bench_now(void);

/* bench_counting - are these instructions? */
int bench_counting(void);

/* bench_sample - report one. */
void bench_sample(double value);

/*
 * bench_batches - time batches of run() for that many seconds, after warming
 * up; each sample is the mean of a batch in ns, divided by per: how many
 * operations one call makes.
 */
void bench_batches(void (*run)(void), double seconds, double per);

/* bench_skip - this case cannot be measured here, because of why. */
void bench_skip(const char *why) __attribute__((noreturn));

/*
 * bench_bind - bind the calling thread to the nth CPU of those that the
 * program may use. Both sides must honour it: fails loudly if not.
 */
void bench_bind(int nth);

/* bench_cpus - how many CPUs the program may use. */
int bench_cpus(void);

#endif
