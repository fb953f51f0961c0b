/* SPDX-License-Identifier: MIT */
/*
 * elfcheck.h - why a file is not a program for this machine, in words.
 *
 * For people, before the start; what the loader of the unikernel relies on it
 * checks itself.
 */
#ifndef LIB_ELFCHECK_H
#define LIB_ELFCHECK_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define ELFCHECK_REASON_MAX (PATH_MAX + 160)

/*
 * elfcheck_head - may a file of size bytes that begins with the len bytes of
 * head (8-byte aligned) be a program? 0, or -ENOEXEC with the reason and what
 * to do about it.
 */
int elfcheck_head(const void *head, size_t len, uint64_t size,
		  char reason[ELFCHECK_REASON_MAX]);

/*
 * elfcheck_file - the same for an open file of which head was read, and all
 * of its program headers and its PT_INTERP. 0, and the interpreter's path or ""
 * in reason; -ENOEXEC, or -ENOENT if the interpreter is not there.
 */
int elfcheck_file(int fd, const void *head, size_t len, uint64_t size,
		  char reason[ELFCHECK_REASON_MAX]);

#endif
