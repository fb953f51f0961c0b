/* SPDX-License-Identifier: MIT */
/* restore_private.h - what the parts of a restore share. */
#ifndef SNAPSHOT_RESTORE_PRIVATE_H
#define SNAPSHOT_RESTORE_PRIVATE_H

#include "snapshot/snapshot.h"

/* restore_why - a message that stays until the next one. */
const char *restore_why(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

/* object_copied - the snapshot has its contents, and it has no file any more. */
bool object_copied(const struct snapshot *s, uint32_t i);

/*
 * object_open - a descriptor of an object, the same each time, or -errno, then
 * perhaps with *why. objects_close - of all.
 */
int object_open(const struct snapshot *s, uint32_t i, const char **why);
void objects_close(const struct snapshot *s);

#endif
