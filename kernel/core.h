/* SPDX-License-Identifier: MIT */
/*
 * core.h - the per-core block, which %gs points to.
 *
 * Written by its own core only, but for .az (monitor.h) and .rq (locked).
 */
#ifndef CORE_H
#define CORE_H

/* Offsets that entry.S uses; checked below. */
#define CORE_SELF    0
#define CORE_PENDING 16
#define CORE_CURRENT 64
#define CORE_FRAME   72
#define CORE_SCRATCH 80
#define CORE_ENTRY   88
#define CORE_INDEX   8
#define CORE_STATS   104
#define STATS_CALLS  128 /* in struct az_core_stats */
#define LIGHT_CALLS  512 /* entries of syscall_light */

#ifndef __ASSEMBLER__

#include "boot.h"
#include "lib/list.h"
#include "lib/spin.h"
#include "monitor.h"
#include "ring.h"
#include "stats.h"

struct thread;
struct slab;
struct vfork;

/* Slabs that a core cuts small mappings from: with 8, up to 16 MiB. */
#define POOL_SLABS 8
/* Ranges that a core remembers to have dropped; a power of two. */
#define DROPPED 16

/* Threads that are ready to run on this core. lock guards all of it. */
struct runqueue {
	struct spinlock lock;
	uint32_t len;
	struct list ready;
};

struct core {
	_Alignas(64) struct az_core az;
	_Alignas(64) struct thread *current;
	struct az_frame *frame; /* top of current's kernel stack */
	uint64_t scratch;
	uint64_t entry;      /* syscall_entry: %gs:88 is jumped through */
	struct thread *prev; /* what this core ran before the last switch */
	struct az_core_stats *stats;
	struct az_ring *ring;
	uint64_t turn_from;   /* when current came onto the core, clock_ticks */
	uint64_t timer_at;    /* what mon_timer was told */
	uint64_t busy_since;  /* when it last came out of mon_halt, ns */
	uint64_t spread_at;   /* when current had another core woken; 0: not */
	uint32_t tick;        /* the timer is set for sharing this core */
	uint32_t stolen;      /* by a core that looked for work */
	uint32_t vector_full; /* vector.c: more than xmm is in use */
	uint32_t spin_ns;     /* how long to look for work before a halt */
	struct thread *spare; /* memory of threads that ended, linked */
	uint32_t nspare;
	uint32_t nwaiting; /* threads that wait for this core's ring */
	uint32_t up; /* == az_boot.pid: takes threads; not so after a fork */
	uint32_t trapped; /* the call under way came by a trap: strace */
	uint32_t looks;   /* in sched_look: threads that wait get no tick yet */
	struct vfork *vfork;   /* sys/vfork.h: a child has this core; or NULL */
	struct thread *moving; /* to another core, once this one let it go */
	uint64_t int3_at;      /* where a site being rewritten was met last */
	uint32_t int3_again;   /* how often in a row */
	uint64_t host_at;      /* when offload.c:host_better was asked last */
	/*
	 * Ready, and before all of rq: this core's alone, so that passing the
	 * core on takes no lock. Others may look whether it is NULL.
	 */
	struct thread *next;
	_Alignas(64) struct runqueue rq;
	struct spinlock timers_lock; /* guards timers */
	struct list timers;          /* armed, by deadline */
	/* mm/pool.c: what small mappings are cut from; exact unmappings */
	struct slab *slab[POOL_SLABS];
	uint64_t token_tsc;
	uint32_t tokens;
	/* mm/advise.c: start of the ranges last dropped */
	uint64_t dropped[DROPPED];
	void *resume[5]; /* __builtin_setjmp's, while az.suspended */
	/* free slots of ring, a stack */
	uint32_t nfree;
	uint16_t free_slot[AZ_RING_SLOTS];
	struct thread *slot_thread[AZ_RING_SLOTS]; /* who waits for it */
	_Alignas(4096) char pad[AZ_CORE_PLAT - 4096];
	/* The platform's own: a page that the stub of metal writes. */
	char plat[4096];
	/* calls that came by rewritten sites, by site; stubs write it */
	_Alignas(AZ_CORE_HITS) uint64_t site_hits[AZ_SITES];
};

_Static_assert(sizeof(struct core) <= AZ_CORE_STRIDE, "core stride");
_Static_assert(offsetof(struct core, az.self) == CORE_SELF, "entry.S");
_Static_assert(offsetof(struct core, az.index) == CORE_INDEX, "entry.S");
_Static_assert(offsetof(struct core, az.pending) == CORE_PENDING, "entry.S");
_Static_assert(offsetof(struct core, current) == CORE_CURRENT, "entry.S");
_Static_assert(offsetof(struct core, frame) == CORE_FRAME, "entry.S");
_Static_assert(offsetof(struct core, scratch) == CORE_SCRATCH, "entry.S");
_Static_assert(offsetof(struct core, entry) == CORE_ENTRY, "entry.S");
_Static_assert(offsetof(struct core, plat) == AZ_CORE_PLAT, "metal.h");
_Static_assert(offsetof(struct core, site_hits) == AZ_CORE_HITS, "owner");
_Static_assert(CORE_ENTRY == AZ_GATE_SYSCALL, "gate.h");
_Static_assert(offsetof(struct core, stats) == CORE_STATS, "entry.S");
_Static_assert(offsetof(struct az_core_stats, calls) == STATS_CALLS, "entry.S");
_Static_assert(AZ_STATS_NCALLS == LIGHT_CALLS, "entry.S");

/* core_self - the block of the core that runs this. */
static inline struct core *core_self(void)
{
	struct core *c;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(c));
	return c;
}

/* core_at - the block of core i, 0 <= i < boot->ncores. */
static inline struct core *core_at(uint32_t i)
{
	return (struct core *)(AZ_CORE_BASE + i * AZ_CORE_STRIDE);
}

/* core_waits - does a thread wait for c? */
static inline bool core_waits(const struct core *c)
{
	return __atomic_load_n(&c->next, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&c->rq.len, __ATOMIC_RELAXED);
}

/* Inside a core's stride: stacks of the platform's handler and of booting. */
#define CORE_TRAP_STACK 0x20000ULL /* to CORE_BOOT_STACK */
#define CORE_BOOT_STACK 0x38000ULL /* to AZ_CORE_STRIDE */

_Static_assert(sizeof(struct core) <= CORE_TRAP_STACK, "core block");
_Static_assert(CORE_BOOT_STACK == AZ_CORE_RESUME_STACK, "monitor.h");

#define BOOT  ((struct az_boot *)AZ_BOOT_BASE)
#define STATS ((struct az_stats *)AZ_STATS_BASE)

#endif
#endif
