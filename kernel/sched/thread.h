/* SPDX-License-Identifier: MIT */
/* thread.h - the threads of the program, and the kernel stacks they use. */
#ifndef SCHED_THREAD_H
#define SCHED_THREAD_H

#include "core.h"
#include "sched/ipc.h"
#include "sched/timer.h"
#include "sys/signal.h"

#define KSTACK_SIZE 0x8000ULL /* a thread's kernel stack, struct included */

#define THREAD_RUNNING  0U
#define THREAD_READY    1U /* in a runqueue */
#define THREAD_BLOCKED  2U /* waits for sched_wake */
#define THREAD_DEAD     3U
#define THREAD_IPC      4U /* waits for ipc.c, which alone ends that */
#define THREAD_IPC_BARE 5U /* likewise, its kernel stack is empty */

struct thread {
	uint64_t ksp; /* saved kernel stack pointer; entry.S: offset 0 */
	struct az_frame *frame;
	uint64_t fs; /* base, while not running */
	void *xsave; /* vector state, while not running; 64-aligned */
	uint32_t state;
	uint32_t on_core; /* 1: registers are still in a core */
	uint32_t woken;   /* queued after a wait, not after a turn */
	uint32_t core;    /* where it runs or ran last */
	int32_t tid;
	int32_t lock_tid; /* in words of locks: of old, after a snapshot */
	uint64_t cpu_ns;  /* time on cores before `since` */
	uint64_t turn_ns; /* time on cores since it stood last in line */
	uint64_t since;   /* when it came onto its core, clock_ticks */
	uint32_t eager;   /* 0..3: how likely it goes on after waking others */
	uint32_t vector_full; /* what xsave holds: vector.c */
	uint32_t pkru;
	struct list rq;   /* in a runqueue */
	struct list all;  /* in the list of threads (threads_lock) */
	struct list hash; /* by tid (threads_lock) */
	uint64_t affinity[AZ_MAX_CORES / 64];
	uint64_t clear_child_tid;
	uint64_t robust_list;    /* head, as set_robust_list gave it */
	struct timer timer;      /* of sched_wait */
	uint32_t timed_out;      /* set by timer */
	uint32_t interruptible;  /* a signal may end the present wait */
	long offload_result;     /* filled in when the ring has answered */
	uint32_t offload_raised; /* signal that the call raised */
	uint32_t offload_done;
	uint32_t offload_again; /* it was ended for a snapshot only */
	const char *offload_by; /* how the last one went, for tracing */
	int32_t nice;
	int32_t policy; /* SCHED_OTHER ... as set, not acted upon */
	int32_t rt_priority;
	char name[16];
	struct thread_signals sig;
	struct futex_waiter *futex; /* what it waits for, or NULL */
	uint64_t timer_slack;
	uint32_t pdeathsig;
	uint32_t dumpable;
	struct ipc_thread ipc;
};

/* thread_self - the program thread that this core runs. */
static inline struct thread *thread_self(void)
{
	struct thread *t;

	__asm__ volatile("movq %%gs:%c1, %0" : "=r"(t) : "i"(CORE_CURRENT));
	return t;
}

/* Guards the list of threads and tids. Taken before any runqueue's lock. */
extern struct spinlock threads_lock;
extern struct list threads;
extern uint32_t thread_count;

/*
 * thread_create - a new thread with a kernel stack, not yet runnable.
 * NULL: no memory.
 */
struct thread *thread_create(void);

/*
 * thread_seed_tids - once in each process: thread ids from here on are unlike
 * those of other instances, as locks in shared memory name threads by them.
 */
void thread_seed_tids(void);

/*
 * thread_enter_at - t, which is off its core, begins at `entry` when it is
 * switched to, on an empty kernel stack.
 */
static inline void thread_enter_at(struct thread *t, void (*entry)(void))
{
	t->ksp = (uint64_t)t->frame - 56;
	*(uint64_t *)(t->ksp + 48) = (uint64_t)entry;
}

/* thread_abandon - undo thread_create for a thread that never ran. */
void thread_abandon(struct thread *t);

/* thread_free - give back the memory of a thread that is off its core. */
void thread_free(struct thread *t);

/*
 * thread_rename - the first thread, `was` by its tid, of a process that has
 * another pid now. Its locks, and who knows it by that tid, find it as before.
 */
void thread_rename(int was);

/* thread_set_tid - t, which nobody looks for yet, gets another tid. */
void thread_set_tid(struct thread *t, int tid);

/* thread_find - by tid; call with threads_lock held. NULL: no such thread. */
struct thread *thread_find(int tid);

/* thread_exit - end the calling thread; ends the instance if it is the last */
_Noreturn void thread_exit(int status);

/* thread_quit - end a thread of the unikernel's own. */
_Noreturn void thread_quit(void);

/* process_exit - end the instance. status as wait4 encodes it. */
_Noreturn void process_exit(int wstatus);

#endif
