/* SPDX-License-Identifier: MIT */
/*
 * direct.h - making the system calls of a static program direct.
 */
#ifndef CLI_DIRECT_H
#define CLI_DIRECT_H

#include <stddef.h>
#include <stdint.h>

struct direct {
	void *bytes; /* the new program; NULL: it is to be left as it is */
	size_t size;
	uint64_t stubs, stubs_end; /* addresses in it */
	unsigned int sites, done;  /* calls found, and made direct */
};

/*
 * direct_make - *out := the program with jumps in place of the system calls
 * that its symbols lead to, and without what is not loaded. Only for programs
 * that are static, linked for fixed addresses, and not stripped. 0, or the
 * exit status after saying why not.
 */
int direct_make(const char *source, struct direct *out);

/*
 * direct_rewrite - the same for size bytes, 8-aligned, that may be hostile:
 * they are changed. 0, or -ENOMEM; out->bytes is to be freed.
 */
int direct_rewrite(void *program, size_t size, struct direct *out);

#endif
