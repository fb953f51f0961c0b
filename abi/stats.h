/* SPDX-License-Identifier: MIT */
/*
 * stats.h - counters that the unikernel keeps and tools read while it runs.
 *
 * A page range at AZ_STATS_BASE, backed by a memfd that the owner hands to
 * `azalea ps` and `azalea inspect`, which map it read-only. Per-core counters
 * have one writer each and are plain 64-bit stores.
 */
#ifndef AZ_STATS_H
#define AZ_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "layout.h"

#define AZ_STATS_MAGIC   0x5354415453415a41ULL
#define AZ_STATS_VERSION 2
#define AZ_STATS_NCALLS  512

struct az_core_stats {
	_Alignas(64) uint64_t traps; /* calls that came by the monitor */
	uint64_t faults;             /* synchronous faults */
	uint64_t upcalls;            /* kicks taken in program code */
	uint64_t halts;
	uint64_t switches;
	uint64_t direct; /* offloaded, made on the core itself */
	uint64_t ring;   /* offloaded through the ring */
	uint64_t denied;
	uint64_t steals;
	uint64_t busy_ns; /* time not halted, up to the last halt */
	uint64_t pad[6];
	uint64_t calls[AZ_STATS_NCALLS]; /* all, by number */
};

struct az_stats {
	uint64_t magic;
	uint32_t version;
	uint32_t ncores;
	uint64_t mem_limit;     /* bytes */
	uint64_t mem_committed; /* bytes charged against it */
	uint64_t mem_peak;
	uint64_t start_mono_ns; /* owner's main() */
	uint64_t enter_mono_ns; /* first instruction of the program */
	uint32_t nthreads;
	uint32_t cores_started;
	uint32_t exit_status; /* as wait4 encodes it, when exited is 1 */
	uint32_t exited;      /* written after exit_status, at the very end */
	struct az_core_stats core[AZ_MAX_CORES];
};

#define AZ_STATS_SIZE \
	((sizeof(struct az_stats) + AZ_PAGE_SIZE - 1) & ~(AZ_PAGE_SIZE - 1))

#endif
