/* SPDX-License-Identifier: MIT */
/* ptimer.h - what POSIX timers and the signals that they send share. */
#ifndef SYS_PTIMER_H
#define SYS_PTIMER_H

#include "sys/signal.h"

/*
 * ptimer_delivered - a timer's signal has been taken from its queue: fill in
 * the overruns and let an interval timer run on. No lock may be held.
 */
void ptimer_delivered(struct siginfo *si);

/*
 * ptimer_resume - signals of timers were dropped from a queue: let their
 * timers run on. No lock may be held.
 */
void ptimer_resume(void);

/* ptimer_fork_child - see itimer_fork_child; no signal may be queued. */
void ptimer_fork_child(void);

#endif
