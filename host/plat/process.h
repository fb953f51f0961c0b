/* SPDX-License-Identifier: MIT */
/*
 * process.h - the calls of a core that make, replace or end a process, where
 * they are its thread's to make (abi/metal.h).
 */
#ifndef PLAT_PROCESS_H
#define PLAT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "plat/apart.h"

/*
 * process_init - in each owner, before cores start. owner_fd: its executable;
 * trace_fd, plat: as in az_boot.
 */
void process_init(int owner_fd, int trace_fd, uint32_t plat);

/*
 * process_call - if what page->call asks the thread of this core for is one of
 * these three, or not to be made any more (page->over): true, and answered.
 *
 * After clone, the child goes through how->run, and the parent comes back when
 * the child has left. page->call may be a call of the child's by then: false,
 * if that has to be made all the same.
 */
bool process_call(uint32_t core, const struct apart *how);

/* process_lends - is there a child of vfork, which has this memory, too? */
bool process_lends(void);

/*
 * process_signal - SIGPIPE or SIGXFSZ on this thread: true if it is a child of
 * vfork, whose call raised it. process_raised: which one, of the last call.
 */
bool process_signal(int sig);
uint32_t process_raised(void);

#endif
