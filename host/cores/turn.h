/* SPDX-License-Identifier: MIT */
/*
 * turn.h - one manager at a time.
 *
 * The module serializes what it is asked; this is so that nobody plans with
 * CPUs that somebody else is just taking.
 */
#ifndef CORES_TURN_H
#define CORES_TURN_H

/*
 * turn_take - the right to change cores, until the process ends. 0, or the
 * exit status after saying who has it, or why it cannot be had.
 */
int turn_take(void);

#endif
