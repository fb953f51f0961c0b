/* SPDX-License-Identifier: MIT */
/* strace_show.h - text for values and for what stands in program memory. */
#ifndef SYS_STRACE_SHOW_H
#define SYS_STRACE_SHOW_H

#include "lib/types.h"
#include "sys/strace_names.h"

#define LINE_MAX  1024
#define LINE_TAIL 96 /* kept for the result */
#define STR_MAX   32 /* bytes shown of a string or buffer, as strace(1) */
#define ELEMS_MAX 8  /* elements shown of an array */

/* A line that is being made. Text beyond max is dropped. */
struct line {
	size_t len, max;
	char buf[LINE_MAX];
};

void line_put(struct line *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void show_signed(struct line *l, int64_t v);
void show_hex(struct line *l, uint64_t v);
void show_ptr(struct line *l, uint64_t p);
void show_signal(struct line *l, uint32_t sig);
void show_flags(struct line *l, const struct flag_set *set, uint32_t v);

/*
 * The rest read program memory at p; where they cannot, they show the address
 * alone. show_bytes: n bytes; show_string: to the NUL, at most max; show_iov,
 * show_msg: of their data, only the first `bytes` bytes.
 */
void show_bytes(struct line *l, uint64_t p, uint64_t n);
void show_string(struct line *l, uint64_t p, size_t max);
void show_strvec(struct line *l, uint64_t p);
void show_sockaddr(struct line *l, uint64_t p, uint32_t len);
void show_iov(struct line *l, uint64_t p, uint64_t n, uint64_t bytes);
void show_msg(struct line *l, uint64_t p, uint64_t bytes);
void show_fdset(struct line *l, uint64_t p, int n);

/* A struct, or an array of n, of AZ_FMT_ fmt and size bytes each. */
void show_elem(struct line *l, uint32_t fmt, uint64_t p, size_t size);
void show_array(struct line *l, uint32_t fmt, uint64_t p, uint64_t n,
		size_t size);

#endif
