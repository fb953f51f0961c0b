/* SPDX-License-Identifier: MIT */
/* breaks.h - the breakpoints that are in the program's and the unikernel's
 * text: gdb's, and the server's own. */
#ifndef GDB_BREAKS_H
#define GDB_BREAKS_H

#include <stdbool.h>
#include <stdint.h>

#include "gdb/target.h"

#define BREAKS_MAX 1024

/* Whose it is; more than one may want the same address. */
#define BREAK_GDB    1U
#define BREAK_ENTER  2U /* where core 0 enters the program */
#define BREAK_SIGNAL 4U /* where a thread takes a signal */
#define BREAK_TEMP   8U /* where a thread comes back to */

/* breaks_init - none, for target t, which does not know of any. */
void breaks_init(const struct gdb_target *t);

/* breaks_add - one more. 0, -ENOSPC, or why the address cannot be written. */
int breaks_add(uint64_t addr, uint32_t who);

/* breaks_drop - one less; it may not be there. */
void breaks_drop(uint64_t addr, uint32_t who);

/* breaks_drop_all - all of who's. */
void breaks_drop_all(uint32_t who);

/* breaks_at - who has one there; 0: nobody. */
uint32_t breaks_at(uint64_t addr);

/* breaks_hide - in bytes read from addr, put back what was there. */
void breaks_hide(uint64_t addr, uint8_t *bytes, size_t n);

/*
 * breaks_written - gdb is about to write bytes over addr: those under a
 * breakpoint are kept for later, and replaced by it.
 */
void breaks_written(uint64_t addr, uint8_t *bytes, size_t n);

/*
 * breaks_each - call f with the address and the original byte of each, or, if
 * on, with that of the breakpoint instruction.
 */
void breaks_each(void (*f)(void *arg, uint64_t addr, uint8_t byte), void *arg,
		 bool on);

#endif
