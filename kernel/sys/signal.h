/* SPDX-License-Identifier: MIT */
/*
 * signal.h - signals of the program: actions, masks, queues, delivery.
 *
 * Sets are 64-bit masks, bit n-1 for signal n, as in Linux's kernel ABI.
 */
#ifndef SYS_SIGNAL_H
#define SYS_SIGNAL_H

#include "lib/list.h"
#include "lib/types.h"
#include "monitor.h"

#define NSIG 64
#define SIGBIT(n) (1ULL << ((n)-1))

/* siginfo_t as Linux's kernel ABI has it: 128 bytes. */
struct siginfo {
	int32_t signo, err, code, pad;
	union {
		struct {
			int32_t pid;
			uint32_t uid;
			uint64_t value;
		} rt; /* SI_USER, SI_QUEUE, SI_TKILL */
		struct {
			int32_t tid, overrun;
			uint64_t value;
		} timer; /* SI_TIMER */
		struct {
			uint64_t addr;
			uint64_t lsb;
		} fault;
		uint8_t raw[112];
	};
};

_Static_assert(sizeof(struct siginfo) == 128, "siginfo_t");

/* Signals that wait for delivery; siglock guards it. */
struct sigqueue {
	uint64_t set;	  /* which are pending */
	struct list infos; /* of struct sigqueue_entry, in order of arrival */
};

/* What each thread has. Others' sig is changed under siglock only. */
struct thread_signals {
	uint64_t mask;
	uint64_t saved_mask; /* to put back after sigsuspend, ppoll, ... */
	bool restore_mask;
	struct sigqueue pending;
	uint64_t alt_sp, alt_size;
	uint32_t alt_flags;
	uint64_t waiting; /* sigtimedwait's set */
};

struct thread;

/* signal_init_thread - before t runs; parent is NULL for the first one. */
void signal_init_thread(struct thread *t, const struct thread *parent);

/* signal_free_thread - drop what is still queued for t. */
void signal_free_thread(struct thread *t);

/*
 * signal_post - queue a signal for thread t, or for the process if t is NULL,
 * and get somebody to take it. 0, or -EAGAIN (queue full, real-time signals).
 */
int signal_post(struct thread *t, const struct siginfo *si);

/*
 * signal_force - a synchronous fault of the calling thread: delivered even if
 * blocked or ignored (then with the default action).
 */
void signal_force(const struct siginfo *si);

/* signal_pending - is there a signal that the calling thread must take? */
bool signal_pending(void);

/*
 * signal_exit - called on the way back to the program: take one signal if one
 * is pending, building its frame on the program's stack or performing the
 * default action. Settles -ERESTART* in frame->rax: frame->orig_rax is the
 * call's number, or -1 if the program was not in a call.
 */
void signal_exit(struct az_frame *frame);

#endif
