/* SPDX-License-Identifier: MIT */
/* sigqueue.h - signals that wait, one queue each. For signal.c. */
#ifndef SYS_SIGQUEUE_H
#define SYS_SIGQUEUE_H

#include "sys/signal.h"

/* What a flush took out, to be dealt with when no lock is held. */
struct flushed {
	struct list entries;
	bool timers; /* a timer's entry was among it */
};

/*
 * entry_alloc - an entry that holds *si; NULL: no memory, or the limit is
 * reached. No lock may be held.
 */
struct sigqueue_entry *entry_alloc(const struct siginfo *si);

/* entry_free - of one from entry_alloc; NULL and timers' are left alone. */
void entry_free(struct sigqueue_entry *e);

/* The rest is called with siglock held, but flushed_done: with none. */

/* queue_add - e may be NULL: then nothing but its number is known of sig. */
void queue_add(struct sigqueue *q, int sig, struct sigqueue_entry *e);

/* queue_remove - take out e, which is in q. */
void queue_remove(struct sigqueue *q, struct sigqueue_entry *e);

/*
 * queue_take - take the first `sig`, which is pending, telling of it in *si.
 * The entry that held it, or NULL if none did.
 */
struct sigqueue_entry *queue_take(struct sigqueue *q, int sig,
				  struct siginfo *si);

/* queue_flush - take out all of set. */
void queue_flush(struct sigqueue *q, uint64_t set, struct flushed *f);

void flushed_init(struct flushed *f);
void flushed_done(struct flushed *f);

#endif
