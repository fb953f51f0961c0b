/* SPDX-License-Identifier: MIT */
/* sys/debugger.h - where a debugger takes part. */
#ifndef SYS_DEBUGGER_H
#define SYS_DEBUGGER_H

#include "lib/types.h"

struct siginfo;

/*
 * debug_signal - the calling thread is about to take a signal. True: it is
 * not to, as a debugger has decided.
 */
bool debug_signal(const struct siginfo *si);

extern const struct az_debug debug_table;

#endif
