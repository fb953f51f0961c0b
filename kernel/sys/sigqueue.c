/* SPDX-License-Identifier: MIT */
/*
 * sigqueue.c - signals that wait, one queue each.
 *
 * The bit of a signal is set in a queue's `set` while it is pending there; an
 * entry in the list holds its siginfo, if there was memory for one. `set` is
 * stored atomically: signal_pending reads it without the lock.
 */
#include "sys/sigqueue.h"

#include "mm/mm.h"
#include "sys/limits.h"
#include "sys/ptimer.h"

#define RLIMIT_SIGPENDING 11

static uint32_t allocated; /* entries; atomic */

/*
 * As Linux, signals that are sent once and not by sigqueue(3) get an entry
 * beyond the limit too: si_addr and the like must arrive.
 */
struct sigqueue_entry *entry_alloc(const struct siginfo *si)
{
	bool always = si->signo < SIGRTMIN && si->code >= 0;
	struct sigqueue_entry *e;

	if (__atomic_fetch_add(&allocated, 1, __ATOMIC_RELAXED) >=
		limits_get(RLIMIT_SIGPENDING).soft &&
	    !always)
		goto out_uncount;
	e = kalloc(sizeof(*e));
	if (e) {
		e->info = *si;
		return e;
	}
out_uncount:
	__atomic_fetch_sub(&allocated, 1, __ATOMIC_RELAXED);
	return NULL;
}

void entry_free(struct sigqueue_entry *e)
{
	if (!e || e->owned)
		return;
	__atomic_fetch_sub(&allocated, 1, __ATOMIC_RELAXED);
	kfree(e);
}

static void set_store(struct sigqueue *q, uint64_t set)
{
	__atomic_store_n(&q->set, set, __ATOMIC_SEQ_CST);
}

static struct sigqueue_entry *first_of(const struct sigqueue *q, int sig)
{
	list_for_each(pos, &q->infos) {
		struct sigqueue_entry *e =
		    list_entry(pos, struct sigqueue_entry, link);

		if (e->info.signo == sig)
			return e;
	}
	return NULL;
}

void queue_add(struct sigqueue *q, int sig, struct sigqueue_entry *e)
{
	if (e) {
		e->queue = q;
		list_append(&q->infos, &e->link);
	}
	set_store(q, q->set | SIGBIT(sig));
}

void queue_remove(struct sigqueue *q, struct sigqueue_entry *e)
{
	list_remove(&e->link);
	e->queue = NULL;
	if (!first_of(q, e->info.signo))
		set_store(q, q->set & ~SIGBIT(e->info.signo));
}

struct sigqueue_entry *queue_take(struct sigqueue *q, int sig,
				  struct siginfo *si)
{
	struct sigqueue_entry *e = first_of(q, sig);

	if (e) {
		*si = e->info;
		queue_remove(q, e);
	} else {
		*si = (struct siginfo){ .signo = sig, .code = SI_USER };
		set_store(q, q->set & ~SIGBIT(sig));
	}
	return e;
}

void queue_flush(struct sigqueue *q, uint64_t set, struct flushed *f)
{
	if (!(q->set & set))
		return;
	list_for_each_safe(pos, next, &q->infos) {
		struct sigqueue_entry *e =
		    list_entry(pos, struct sigqueue_entry, link);

		if (!(SIGBIT(e->info.signo) & set))
			continue;
		list_remove(&e->link);
		e->queue = NULL;
		if (e->owned)
			f->timers = true;
		else
			list_append(&f->entries, &e->link);
	}
	set_store(q, q->set & ~set);
}

void flushed_init(struct flushed *f)
{
	list_init(&f->entries);
	f->timers = false;
}

void flushed_done(struct flushed *f)
{
	list_for_each_safe(pos, next, &f->entries)
		entry_free(list_entry(pos, struct sigqueue_entry, link));
	if (f->timers)
		ptimer_resume();
}
