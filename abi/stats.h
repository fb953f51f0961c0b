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
#define AZ_STATS_VERSION 4
#define AZ_STATS_NCALLS  512

/* Call sites that are told apart. */
#define AZ_SITES 2048

/* How one was rewritten, bits (kernel/patch/plan.h). */
#define AZ_SITE_MOVE 1U /* what stood before it was moved away */
#define AZ_SITE_PAD  2U /* it hops into padding */
/* Why it was not. */
#define AZ_SITE_OK        0 /* it was, or nobody has tried */
#define AZ_SITE_NONE      1 /* no syscall instruction, or a signal's restorer */
#define AZ_SITE_NO_SPACE  2 /* nothing to move, no padding in reach */
#define AZ_SITE_UNCERTAIN 3 /* nobody knows where instructions begin */
#define AZ_SITE_NO_STUB   4 /* no room for a stub near it */
#define AZ_SITE_NO_WRITE  5 /* the host does not let us write text */
#define AZ_SITE_NO_TEXT   6 /* shared with others, or the program may write it */
/* What the stub does. */
#define AZ_SITE_CALL   0 /* into the unikernel */
#define AZ_SITE_GETPID 1 /* the answer is in the per-core block */
#define AZ_SITE_GETTID 2

struct az_site {
	uint64_t addr;   /* of the syscall instruction; 0: none */
	uint64_t offset; /* the same in the file that is mapped there */
	uint64_t hits;   /* without a trap; as of the last look */
	uint64_t before; /* what cores had counted under this number */
	uint32_t traps;
	uint8_t form;
	uint8_t why;
	uint8_t kind;
	uint8_t pad;
};

_Static_assert(sizeof(struct az_site) == 40, "az_site");

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
	/* metal, core 0: taking its CPU from Linux, and reaching the core */
	uint64_t cpu_offline_ns, cpu_enter_ns;
	uint32_t nthreads;
	uint32_t cores_started;
	uint32_t exit_status; /* as wait4 encodes it, when exited is 1 */
	uint32_t exited;      /* written after exit_status, at the very end */
	uint32_t nsites;      /* entries of site that have been in use */
	uint32_t sites_gone;  /* forgotten, with their text */
	uint64_t sites_lost;  /* traps at sites that found no entry */
	uint64_t hits_gone;   /* of sites_gone */
	struct az_site site[AZ_SITES];
	struct az_core_stats core[AZ_MAX_CORES];
};

#define AZ_STATS_SIZE \
	((sizeof(struct az_stats) + AZ_PAGE_SIZE - 1) & ~(AZ_PAGE_SIZE - 1))

#endif
