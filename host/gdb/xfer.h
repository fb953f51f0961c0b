/* SPDX-License-Identifier: MIT */
/* xfer.h - the documents that gdb reads (qXfer): what it finds symbols by. */
#ifndef GDB_XFER_H
#define GDB_XFER_H

#include "gdb/rsp.h"
#include "gdb/target.h"

/* xfer_init - symbols: the unikernel with its symbols, or NULL. */
void xfer_init(const struct gdb_target *t, const char *symbols);

/*
 * xfer_packet - append the answer to what is behind "qXfer:", which changes:
 * OBJECT:read:ANNEX:OFFSET,LENGTH.
 */
void xfer_packet(struct rsp_writer *out, char *text);

#endif
