/* SPDX-License-Identifier: MIT */
/* sites.h - the call sites of an instance, as JSON and as text. */
#ifndef CLI_SITES_H
#define CLI_SITES_H

#include <jansson.h>
#include <sys/types.h>

#include "stats.h"

/* sites_kind_hits - calls of one kind (AZ_SITE_) that no stub handed on. */
uint64_t sites_kind_hits(const struct az_stats *stats, unsigned int kind);

/*
 * sites_describe - totals and a list; calls: all that were made. A new
 * reference.
 */
json_t *sites_describe(const struct az_stats *stats, uint64_t calls);

/* sites_name_files - add to the list which files the sites of pid are in. */
void sites_name_files(json_t *sites, pid_t pid);

/* sites_print - on stdout: totals, and those that are used most. */
void sites_print(const json_t *sites);

#endif
