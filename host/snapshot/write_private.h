/* SPDX-License-Identifier: MIT */
/* write_private.h - what the parts of the writer share: write.c, census.c. */
#ifndef SNAPSHOT_WRITE_PRIVATE_H
#define SNAPSHOT_WRITE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "snapshot/file.h"

/* A table that grows. */
struct table {
	char *data;
	size_t n; /* entries */
	size_t room;
	size_t size; /* of one entry */
};

struct writer {
	int fd;      /* the file */
	int reply;   /* to whom it is told */
	uint64_t at; /* where the next data goes */
	struct table range, run, object, fds, watch, hash, strings;
	/* Contents of objects: they follow those of memory. */
	struct table object_run;
	int census_done;
	uint32_t hidden_lo, hidden_hi; /* descriptors that are the owner's */
	int err;
};

/* table_add - one more entry, all zero. Ends the process if there is no memory. */
void *table_add(struct table *t);

/* string_add - where it is among the strings. */
uint32_t string_add(struct writer *w, const char *s);
uint32_t bytes_add(struct writer *w, const void *data, size_t n);

/*
 * object_find - the entry of what has this stat, or a new one of that kind.
 * *made: it is new.
 */
uint32_t object_find(struct writer *w, const struct stat *st, uint32_t kind,
		     const char *path, bool *made);
struct snap_object *object_at(struct writer *w, uint32_t i);

/* object_write - contents of an object: n bytes at offset, page-aligned. */
void object_write(struct writer *w, uint32_t object, uint64_t offset,
		  const void *data, size_t n);

/* writer_say - a line for the user: what of the instance is not in the file. */
void writer_say(struct writer *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* census - the descriptors, all while nobody uses them. */
void census(struct writer *w);

#endif
