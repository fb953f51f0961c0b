/* SPDX-License-Identifier: MIT */
/* watch.h - breakpoints and watchpoints in the CPU's debug registers. */
#ifndef GDB_WATCH_H
#define GDB_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "gdb/rsp.h"
#include "gdb/target.h"

/*
 * watch_change - set or drop one of gdb's type '1' (execution), '2' (write) or
 * '4' (access) at [addr, addr + len). 0; -ENOSPC: all are in use; -EINVAL: not
 * one that they can do; -ENODEV: there are none here; -EOPNOTSUPP: no such
 * type.
 */
int watch_change(const struct gdb_target *t, char type, uint64_t addr,
		 uint64_t len, bool set);

/* watch_clear - drop all of them. */
void watch_clear(const struct gdb_target *t);

/* watch_say - which of them matched: bits of DR6. */
void watch_say(struct rsp_writer *w, uint32_t matched);

#endif
