/* SPDX-License-Identifier: MIT */
/* ptregs.h - the registers of a thread that is traced and stopped. */
#ifndef GDB_PTREGS_H
#define GDB_PTREGS_H

#include <sys/types.h>

#include "gdb/regs.h"

/* ptregs_get, ptregs_set - 0 or -errno. */
int ptregs_get(pid_t tid, struct gdb_regs *r);
int ptregs_set(pid_t tid, const struct gdb_regs *r);

#endif
