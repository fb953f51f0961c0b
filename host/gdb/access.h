/* SPDX-License-Identifier: MIT */
/*
 * access.h - threads, registers, memory and breakpoints, as gdb asks for them.
 */
#ifndef GDB_ACCESS_H
#define GDB_ACCESS_H

#include <stddef.h>
#include <stdint.h>

#include "gdb/rsp.h"
#include "gdb/target.h"

void access_init(const struct gdb_target *t);

/* access_select - the thread that gdb speaks of from here on. */
void access_select(uint32_t tid);

/* access_thread - which it is; another one if it has ended; 0: there is none */
uint32_t access_thread(void);

/* access_threads - the answer to qfThreadInfo. */
void access_threads(struct rsp_writer *out);

/*
 * access_packet - append the answer to g, G, p, P, m, M, X, Z, z, H or T, len
 * bytes with a NUL behind them; nothing if it is none of these.
 */
void access_packet(struct rsp_writer *out, const char *text, size_t len);

#endif
