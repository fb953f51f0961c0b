/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * azm.h - what the files of azalea.ko share.
 *
 * Locks, in this order:
 *
 *	azm_instance.lock	starting cores of one instance; held over CPU
 *				hotplug, so nothing that hotplug waits for may
 *				want it
 *	azm_lock		states and users of all CPUs; never held over
 *				hotplug: a CPU is AZM_MOVING meanwhile
 *	azm_instance.tlb	a spinlock, taken under Linux's page table
 *				locks: the top-level table, and flushes
 *
 * A core's thread and whoever starts one are threads of the instance's mm, so
 * neither can run while that mm ends and azm_instance_release stops all cores.
 */
#ifndef AZM_H
#define AZM_H

#undef pr_fmt
#define pr_fmt(fmt) "azalea: " fmt

#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "block.h"
#include "metal.h"

struct azm_instance;

/* A possible CPU; lives as long as the module. */
struct azm_cpu {
	unsigned int cpu;
	u32 apicid;
	struct azm_block *block; /* NULL until it is first taken */
	u64 *alias;              /* the two page table entries of STUB_ALIAS */
	wait_queue_head_t wait;  /* the core's thread */

	/* azm_lock */
	u32 state; /* enum azm_state */
	bool forced;
	bool dead; /* INIT was sent: it executes nothing, and is not parked */
	bool leaving; /* AZM_MOVING, for azm_cpus_settle to take up */
	kuid_t uid;
	kgid_t gid;
	struct azm_instance *inst;
	struct pid *pid; /* of inst's owner */
	u32 core;
	ktime_t since; /* when it was reserved */
	u64 busy_ns, instances;
	int package, package_core;

	/* Read by hotplug without locks. */
	bool claimed; /* play_dead leads to the stub */
	bool welcome; /* our own add_cpu is under way */
};

extern struct mutex azm_lock;

/* A core of an instance. */
struct azm_core {
	struct azm_cpu *cpu; /* tlb; set once, cleared when all stop */
	struct page *pages[2];
	unsigned long busy; /* bit 0: a thread is in AZM_RUN */
	bool in_call;       /* that thread owes the core an answer */
	bool must_wait;     /* a flush was asked of it (tlb) */
	u64 accounted;      /* of its TSC ticks, to threads */
	unsigned long look; /* jiffies: account again */
	u32 flush;
	/* run.c:fault_ahead: where the next fault is expected, and pages had */
	u64 next;
	u32 ahead;
};

/* The page table of an instance, as cores see it. */
struct azm_table {
	u64 *top;     /* what CR3 holds */
	u64 *entries; /* one each 512 GiB; top itself without LA57 */
};

/* What an instance has of a node's reserved memory: memory.c. */
struct azm_lent {
	u32 pages;  /* big ones */
	u32 credit; /* of that, small ones that it has not used yet */
};

struct azm_instance {
	struct mmu_notifier notifier;
	struct mm_struct *mm;
	struct pid *pid;
	struct azm_create arg;
	struct mutex lock;
	spinlock_t tlb;
	struct azm_table table;
	atomic_t moves; /* ranges being unmapped, or moved */
	bool ended;     /* tlb: cores were stopped, none may start */
	bool lost;      /* a core is gone: the owner is to end */
	struct work_struct settle;
	struct azm_lent *lent;  /* for each node */
	struct list_head guard; /* guard.c */
	struct azm_core cores[];
};

/* --- cpu.c --- */

int azm_cpus_init(void);
void azm_cpus_exit(void);
/* azm_cpu - CPU number n, or NULL if there can be none. */
struct azm_cpu *azm_cpu(unsigned int n);
int azm_cpu_reserve(struct azm_reserve *arg);
int azm_cpu_release(unsigned int n);
/*
 * azm_cpu_claim - a parked CPU for the caller, in state AZM_RUNNING and with
 * inst noted; *offline_ns is the time that Linux took to let go of it, or 0.
 */
int azm_cpu_claim(struct azm_instance *inst, u32 core, u32 n,
		  struct azm_cpu **out, u64 *offline_ns);
/*
 * azm_cpu_leave - the opposite, for a CPU that is parked or dead. May leave
 * it to azm_cpus_settle to do the part that needs hotplug.
 */
void azm_cpu_leave(struct azm_cpu *c);
/* azm_cpus_settle - bring CPUs that inst has left back where they belong. */
void azm_cpus_settle(const struct azm_instance *inst);
int azm_cpu_info(struct azm_info *info);
/* azm_cpu_ipi - interrupt a CPU that the stub has. */
void azm_cpu_ipi(const struct azm_cpu *c);
/* azm_cpu_stop - have it park. True if it has; else it is dead. */
void azm_cpu_stop_begin(struct azm_cpu *c);
bool azm_cpu_stop_wait(struct azm_cpu *c);
/* azm_cpu_kill - INIT: it executes nothing any more until add_cpu. */
void azm_cpu_kill(struct azm_cpu *c);
/* azm_cpu_busy - TSC ticks that its core has been busy in this instance. */
u64 azm_cpu_busy(const struct azm_cpu *c);

/* --- stubmap.c --- */

int azm_map_init(void);
void azm_map_exit(void);
u64 azm_map_start(void); /* the stub's entry */
u64 azm_map_park(void);  /* CR3 of a parked CPU */
int azm_map_block(struct azm_cpu *c);
void azm_map_alias(struct azm_cpu *c, struct page *pages[2]);
int azm_table_init(struct azm_table *t);
void azm_table_free(struct azm_table *t);
u64 azm_table_cr3(const struct azm_table *t);
/* azm_table_sync - copy what mm has for [lo, hi), both below guest_end. */
void azm_table_sync(struct azm_table *t, struct mm_struct *mm, u64 lo, u64 hi);

/* --- instance.c --- */

struct azm_instance *azm_instance_create(const struct azm_create *arg);
void azm_instance_free(struct azm_instance *inst);
int azm_instance_start(struct azm_instance *inst, struct azm_start *arg);
int azm_instance_kick(struct azm_instance *inst, unsigned long core);

/* --- run.c --- */

int azm_run(struct azm_instance *inst, struct azm_run *arg);

/* --- memory.c --- */

int azm_memory_init(void);
void azm_memory_exit(void);
int azm_memory(struct azm_memory *arg);
int azm_memory_new(struct azm_instance *inst);
bool azm_is_big(struct mm_struct *mm, u64 addr);
bool azm_memory_lend(struct azm_instance *inst, int node, u64 addr);
void azm_memory_used(struct azm_instance *inst, int node, u64 addr, bool fresh);
void azm_memory_return(struct azm_instance *inst);

/* --- guard.c --- */

int azm_guard_init(void);
void azm_guard_exit(void);
/* azm_guard - from now on, or no longer, refuse to open its memory. */
void azm_guard(struct azm_instance *inst, bool on);

/* --- enter.S --- */

void azm_enter(u64 cr3, u64 cr4, u64 start, u64 block);

/* --- blob.S --- */

extern const char azm_stub[], azm_stub_end[];

#endif
