/* SPDX-License-Identifier: MIT */
/*
 * text.h - text that grows: what virtual files are written into.
 *
 * A failed allocation is remembered in .failed; later appends do nothing.
 */
#ifndef SYS_TEXT_H
#define SYS_TEXT_H

#include "lib/types.h"

struct text {
	char *buf; /* NUL-terminated once anything was appended */
	size_t len, size;
	bool failed;
};

#define TEXT_EMPTY \
	{          \
		0  \
	}

void text_free(struct text *t);
void text_append(struct text *t, const char *s, size_t n);
void text_puts(struct text *t, const char *s);
void text_printf(struct text *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* text_from_user - append n bytes of program memory, or those there are. */
void text_from_user(struct text *t, uint64_t addr, size_t n);

/*
 * text_read_host - append the whole of a file, as the owner sees it. 0 or
 * -errno.
 */
int text_read_host(struct text *t, const char *path);

/*
 * text_line - take the next line out of *p: returns its start, sets *len (no
 * newline) and moves *p behind it. NULL at the end.
 */
const char *text_line(const char **p, size_t *len);

/*
 * Sets of CPUs, bit i for CPU i, in the two forms of Linux's %pb format.
 * text_cpus_mask prints nbits bits in groups of 32.
 */
void text_cpus_list(struct text *t, const uint64_t *set, uint32_t nbits);
void text_cpus_mask(struct text *t, const uint64_t *set, uint32_t nbits);

/* text_in_cpus_list, text_in_cpus_mask - is cpu in the set that s shows? */
bool text_in_cpus_list(const char *s, uint32_t cpu);
bool text_in_cpus_mask(const char *s, uint32_t cpu);

/* text_number - a decimal number at *p, which moves behind it. */
uint64_t text_number(const char **p);
/* text_hex - likewise, hexadecimal. */
uint64_t text_hex(const char **p);

#endif
