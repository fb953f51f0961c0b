/* SPDX-License-Identifier: MIT */
/* fmt.h - formatted text without a C library. */
#ifndef LIB_FMT_H
#define LIB_FMT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * fmt_format - write text to buf, always NUL-terminated if size > 0, and
 * return the length that the whole text has (as snprintf of ISO C).
 *
 * Conversions: %d %i %u %x %X %o %c %s %p %% with flags '0' '-' '#', width,
 * precision (also '*'), and lengths l, ll, z, h, hh.
 */
size_t fmt_format(char *buf, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
size_t fmt_vformat(char *buf, size_t size, const char *fmt, va_list ap);

#endif
