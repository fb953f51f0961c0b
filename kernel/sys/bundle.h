/* SPDX-License-Identifier: MIT */
/*
 * bundle.h - the files that a single-file image brings along.
 *
 * They are seen at their own paths, before Linux's, and are read-only. What a
 * program opens is a copy in a memfd, its stand-in: all that a descriptor can
 * do is Linux's, but for what fstat and getdents64 say. A stand-in carries its
 * entry's number as its time of modification, so it is known wherever its
 * descriptor goes: through dup, fork, or a socket.
 */
#ifndef SYS_BUNDLE_H
#define SYS_BUNDLE_H

#include "core.h"
#include "image_files.h"
#include "lib/types.h"
#include "sys/vpath.h"

#define BUNDLE ((const struct az_bundle *)BOOT->bundle)

/* bundle_here - does the instance have files of its own? */
bool bundle_here(void);

static inline const char *bundle_string(uint32_t at)
{
	return (const char *)BUNDLE + at;
}

/*
 * bundle_find - the entry of an absolute, plain path; or NULL. Links in path
 * are followed, the last component's if follow is set, and path changes
 * accordingly: it then names what Linux may have. 0, -ELOOP, -ENAMETOOLONG.
 */
int bundle_find(char path[VPATH_MAX], bool follow,
		const struct az_bundle_entry **out);

/* bundle_of_fd - the entry whose stand-in fd is, or NULL. */
const struct az_bundle_entry *bundle_of_fd(int fd);

/* bundle_standin - a new stand-in. flags: of open(2). Descriptor or -errno. */
long bundle_standin(const struct az_bundle_entry *e, uint64_t flags);

/*
 * bundle_child - the next entry in the directory dir whose index is at from
 * or behind it: its index and name; or false.
 */
bool bundle_child(const struct az_bundle_entry *dir, uint32_t *from,
		  const char **name);

/* bundle_ino - the number that stat tells: files of one content have one. */
uint64_t bundle_ino(const struct az_bundle_entry *e);

/*
 * bundle_rip - frame may have been interrupted in one of the stubs by which an
 * image's program makes its calls: show it at the instruction that the stub
 * stands for, where it may go on as well.
 */
void bundle_rip(struct az_frame *frame);

/*
 * bundle_call - do a call of the program if it concerns the bundle. False: it
 * does not. bundle_calls: is nr one of those for which this must be asked?
 */
bool bundle_call(uint32_t nr, const uint64_t a[6], long *result);
bool bundle_calls(uint32_t nr);

#endif
