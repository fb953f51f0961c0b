/* SPDX-License-Identifier: MIT */
/*
 * report.h - results as a table for people and as JSON for programs.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <jansson.h>

#include "bench/measure.h"

/* report_head - the question, and what the columns are. */
void report_head(const struct bench *b);

/* report_row - one result; how the targets are met stands beside it. */
void report_row(const struct result *r);

/* report_targets - a table of all targets, and whether they are met. */
void report_targets(const struct result *r, size_t n);

/* report_machine - what machine_describe says, in one paragraph. */
void report_machine(json_t *machine);

/*
 * report_json - all of it, with raw samples, on stdout. 0, or 1 after a
 * message.
 */
int report_json(const struct result *r, size_t n, json_t *machine);

#endif
