/* SPDX-License-Identifier: MIT */
/*
 * server.h - a server of gdb's remote protocol for one instance.
 */
#ifndef GDB_SERVER_H
#define GDB_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "gdb/target.h"

struct gdb_server {
	const struct gdb_target *target;
	uint64_t header;   /* of the image, in the instance */
	const char *image; /* the unikernel with its symbols, or NULL */
	pid_t pid;
	int listen_fd; /* where gdb calls, or -1 */
	int in, out;   /* where it is already, or -1 */
	bool fresh;    /* hold the program at its first instruction */
};

/* gdb_serve - until the instance ends, or gdb lets go of it. 0 or -errno. */
int gdb_serve(const struct gdb_server *s);

#endif
