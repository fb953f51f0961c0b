/* SPDX-License-Identifier: MIT */
/*
 * describe.h - an instance as JSON.
 */
#ifndef CLI_DESCRIBE_H
#define CLI_DESCRIBE_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/subject.h"
#include "instance/registry.h"
#include "stats.h"

/*
 * All of these return new references. Without memory left they return NULL or
 * something smaller; describe_print then fails.
 */

/* describe_text - bytes that need not be UTF-8: what is not becomes U+FFFD. */
json_t *describe_text(const char *bytes);

/* describe_config - name, pid, platform, cores, memory limit, command, ... */
json_t *describe_config(const struct registry_info *info);

/* describe_stats - the counters: memory, start-up, totals, per core, calls. */
json_t *describe_stats(const struct az_stats *stats, uint32_t ncores);

/* describe_state - running, ending, exited or lost. */
const char *describe_state(const struct subject *s);

/* describe_subject - its configuration, as far as known, and its state. */
json_t *describe_subject(const struct subject *s);

/* describe_owner - what a live one's owner costs the machine, by cost.h. */
json_t *describe_owner(const struct subject *s);

/* describe_command - argv in one line of at most size bytes. */
void describe_command(const struct registry_info *info, char *out, size_t size);

/* describe_started - when the instance started: CLOCK_REALTIME, seconds. */
int64_t describe_started(const struct registry_info *info);

/* describe_plat, describe_offload - by their AZ_ numbers. */
const char *describe_plat(uint32_t plat);
const char *describe_offload(uint32_t offload);

/* describe_print - indented, on f; gives up the reference. 0, or 1. */
int describe_print(json_t *value, FILE *f);

/*
 * describe_write - a file with configuration, exit status and counters. 0, or
 * EXIT_AZALEA after saying what went wrong.
 */
int describe_write(const char *path, const struct registry_info *info,
		   const struct az_stats *stats, int wstatus);

#endif
