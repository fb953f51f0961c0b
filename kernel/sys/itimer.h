/* SPDX-License-Identifier: MIT */
/* itimer.h - timers and processor time across fork. */
#ifndef SYS_ITIMER_H
#define SYS_ITIMER_H

#include "lib/types.h"

/*
 * itimer_fork_child - in the child of a fork, when only its one thread is left
 * and the cores' lists of timers are empty: no timers, no time used.
 */
void itimer_fork_child(void);

/* itimer_carry - value and interval of each, for the next program. */
void itimer_carry(uint64_t out[3][2]);

/* itimer_resume - go on with those of the program before. */
void itimer_resume(const uint64_t from[3][2]);

#endif
