/* SPDX-License-Identifier: MIT */
/*
 * run.h - running and stopping the program's threads for gdb.
 *
 * All threads stop together and, but for a step of one alone, run together.
 * A thread runs on a core; one that is on none goes on when the unikernel
 * finds one for it.
 */
#ifndef GDB_RUN_H
#define GDB_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "gdb/inferior.h"
#include "gdb/target.h"

enum stop_kind {
	STOP_NONE, /* it runs */
	STOP_QUIET,
	STOP_SIGNAL, /* sig: Linux's number */
	STOP_STEP,
	STOP_BREAK,
	STOP_HW, /* a breakpoint or watchpoint in a debug register: watch */
	STOP_EXEC,
	STOP_EXIT, /* status */
};

struct stop {
	enum stop_kind kind;
	uint32_t tid;
	int sig, status;
	uint32_t watch;
};

/* What gdb wants of one resume. */
struct resume {
	uint32_t step; /* thread that makes a step, or 0 */
	uint32_t only; /* thread that runs alone, or 0: all */
	int sig;       /* for the thread that stopped for one; 0: drop it */
};

/*
 * run_init - t is a target whose image has its header at `at`. fresh: core 0 is yet
 * to be started.
 */
int run_init(const struct gdb_target *t, uint64_t at, bool fresh);

/* run_stop - stop everything that runs; *s: STOP_QUIET or STOP_EXIT. */
void run_stop(struct stop *s);

/* run_resume - go on as gdb says; to be called after a stop. */
void run_resume(const struct resume *how);

/* run_events - what has happened; true if it has become a stop. */
bool run_events(struct stop *s);

/* run_leave - gdb has gone: everything runs, nothing is looked for. */
void run_leave(void);

/* run_detach - let go of the process. */
void run_detach(void);

/* run_pass - signals (bit n - 1) that need not stop the program. */
void run_pass(uint64_t set);

/* run_get, run_set - registers of a thread, as gdb is to see it. */
int run_get(const struct gdb_thread *t, struct gdb_regs *r);
int run_set(const struct gdb_thread *t, const struct gdb_regs *r);

/* run_siginfo - what the thread has stopped for, 128 bytes. False: nothing. */
bool run_siginfo(void *out);

#endif
