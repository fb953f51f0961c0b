/* SPDX-License-Identifier: MIT */
/*
 * snapshot.h - an instance into a file, and back.
 *
 * The command opens the file and a socket pair, and sends the owner both with
 * a request (struct snap_request), through the registry. The owner has the
 * unikernel stand still, forks, and goes on; the fork, which has all memory and
 * all descriptors as they were, writes the file and tells the command by the
 * socket: lines for the user, then a struct snap_done.
 */
#ifndef SNAPSHOT_SNAPSHOT_H
#define SNAPSHOT_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "instance/instance.h"
#include "snapshot/file.h"

#define SNAP_REQUEST_MAGIC 0x31515250414e5341ULL

struct snap_request {
	uint64_t magic;
	uint32_t stop; /* 1: the instance is to end with it */
	uint32_t pad;
};

/*
 * Messages of the socket (SOCK_SEQPACKET). If the instance is to end, the
 * command answers SNAP_DONE, when the file is where it belongs.
 */
#define SNAP_TEXT 1U /* a line, without its end */
#define SNAP_DONE 2U

#define SNAP_TEXT_MAX 512

struct snap_message {
	uint32_t kind;
	int32_t result;    /* of SNAP_DONE: 0 or -errno */
	uint64_t bytes;    /* of the file, as written */
	uint64_t still_ns; /* how long the instance stood still */
	char text[SNAP_TEXT_MAX];
};

/* --- the owner --- */

/*
 * snapshot_ask - somebody wants one: have core 0 stop the others; the request
 * stays where it is. snapshot_asked - is one under way, until snapshot_serve?
 */
void snapshot_ask(void);
bool snapshot_asked(void);

/*
 * snapshot_serve - if the cores stand still: receive the request from the
 * registry's socket, fork the writer, let them go on.
 */
void snapshot_serve(int control_fd);

/* snapshot_write - in the writer: all of it. */
_Noreturn void snapshot_write(int fd, int reply, int census_done,
			      uint64_t still_ns, const char *name);

/* --- whoever starts one from a file --- */

struct snapshot {
	int fd; /* the file */
	struct snap_header header;
	struct snap_tables t;
	bool refuse_lost; /* do not start without descriptors that are lost */
};

/*
 * snapshot_open - read and check all but the data. 0; or -errno with the
 * reason, in words that follow "<file>: ".
 */
int snapshot_open(const char *path, struct snapshot *s,
		  char reason[SNAP_REASON_MAX]);

/* snapshot_verify - check the data, too. */
int snapshot_verify(const struct snapshot *s, char reason[SNAP_REASON_MAX]);

/* snapshot_fits - can it go on in this process? As snapshot_open. */
int snapshot_fits(const struct snapshot *s, char reason[SNAP_REASON_MAX]);

/*
 * snapshot_clear - descriptors that are to be kept (their variables) get
 * numbers above all of the program's, and others below are closed. First of all
 * three. 0 or -errno.
 */
int snapshot_clear(struct snapshot *s, int *const keep[], int nkeep);

/* fd_above - fd moved above all of the program's: its new number, or -errno. */
int fd_above(int fd);

/*
 * snapshot_map - the memory, but for azalea.elf and the counters, which are
 * there: of these the contents. 0 or -errno; *why as with plat.start_core.
 */
int snapshot_map(struct snapshot *s, const char **why);

/* snapshot_source - the inode of the file that snapshot_map was for, or 0. */
uint64_t snapshot_source(void);

/*
 * snapshot_settle - what else the program had of Linux: credentials, limits,
 * directory, descriptors. 0 or -errno, *why likewise.
 */
int snapshot_settle(struct snapshot *s, const char **why);

#endif
