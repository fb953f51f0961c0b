/* SPDX-License-Identifier: MIT */
/* itimer.h - timers and processor time across fork. */
#ifndef SYS_ITIMER_H
#define SYS_ITIMER_H

/*
 * itimer_fork_child - in the child of a fork, when only its one thread is left
 * and the cores' lists of timers are empty: no timers, no time used.
 */
void itimer_fork_child(void);

#endif
