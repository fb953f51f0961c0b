/* SPDX-License-Identifier: MIT */
/*
 * ipc.h - messages between threads of an instance by direct switch.
 *
 * A server thread waits at an endpoint; a call switches from the caller to it
 * on the same core, a reply switches back (L4: Liedtke, "Improving IPC by
 * Kernel Design", SOSP 1993). Eight words travel in registers. ipc.S does it
 * if nothing stands in the way, ipc.c all the rest.
 */
#ifndef SCHED_IPC_H
#define SCHED_IPC_H

#include "gate.h"
#include "lib/types.h"

struct core;
struct endpoint;
struct thread;

/*
 * What each thread has. ep is set by the thread itself before it locks the
 * endpoint; all else is guarded by the endpoint's lock, but for signalled.
 */
struct ipc_thread {
	/* Where the program goes on, while the thread waits. */
	_Alignas(64) uint64_t rip;
	uint64_t rsp, rbp;
	uint32_t mxcsr;
	uint16_t fcw;
	uint16_t signalled;  /* look at signals before waiting; from anywhere */
	struct endpoint *ep; /* waits at it, or is about to */
	struct thread *caller; /* is owed a reply by this one */
	struct thread *server; /* owes this one a reply */
	struct thread *next;   /* of those that wait at the endpoint likewise */
	struct endpoint *serves;     /* took calls from it last */
	int64_t result;              /* of the wait */
	uint64_t word[AZ_IPC_WORDS]; /* message, if not passed in registers */
};

/* ipc_init - the gates of core c. */
void ipc_init(struct core *c);

/*
 * ipc_interrupt - t has a signal: ends its wait with -EINTR, or makes it look
 * before it waits. Takes locks of endpoints and runqueues.
 */
void ipc_interrupt(struct thread *t);

/*
 * ipc_thread_exit - the calling thread ends: who waits for a reply of it, or
 * for a server if it was the last, gets -EPIPE.
 */
void ipc_thread_exit(struct thread *t);

/* ipc_fork_child - no endpoint is left, and t, the only thread, has none. */
void ipc_fork_child(struct thread *t);

#endif
