/* SPDX-License-Identifier: MIT */
/*
 * child.h - running a program to its end, and what came of it.
 *
 * Standard input is empty; output and errors are kept in
 * memory, so that nothing has to be read while the program is measured.
 */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/cpulist.h"

struct child {
	pid_t pid;
	int out_fd, err_fd;
	uint64_t start_ns; /* CLOCK_MONOTONIC, at exec */
	uint64_t wall_ns;  /* from there to exit */
	uint64_t cpu_us;   /* user and system, children that it waited for */
	char *out;         /* standard output, with a NUL after it */
	char why[200];     /* what went wrong, in words */
};

/* child_catch - from here on, SIGINT and SIGTERM end children, then us. */
void child_catch(void);

/* child_interrupted - the signal that ends us, or 0. */
int child_interrupted(void);

/* child_pause - sleep. False if a signal ends us. */
bool child_pause(double seconds);

/*
 * child_start - start argv, whose first word is a path, bound to cpus (NULL:
 * unbound). 0, or -1 with c->why.
 */
int child_start(char *const *argv, const struct cpulist *cpus, struct child *c);

/* child_says - has the child written this line by now? */
bool child_says(const struct child *c, const char *line);

/*
 * child_wait - until it has ended, or for that many seconds; then, and on a
 * signal, it is killed. 0 if it exited with 0; else -1 with c->why.
 */
int child_wait(struct child *c, double seconds);

/* child_kill - end it, whatever it does. */
void child_kill(struct child *c);

/* child_run - child_start and child_wait. */
int child_run(char *const *argv, const struct cpulist *cpus, double seconds,
	      struct child *c);

void child_free(struct child *c);

#endif
