/* SPDX-License-Identifier: MIT */
/*
 * size.h - byte counts as people write them.
 */
#ifndef LIB_SIZE_H
#define LIB_SIZE_H

#include <stddef.h>
#include <stdint.h>

#define SIZE_TEXT_MAX 16 /* enough for size_format */

/*
 * size_parse - "4096", "64M", "1.5g", "2GiB", "8kb", "100b": powers of 1024,
 * case does not matter. -EINVAL if it is not a size, -ERANGE if it does not
 * fit 64 bits.
 */
int size_parse(const char *text, uint64_t *out);

/* size_format - 1536 becomes "1.5KiB". Returns buf. */
const char *size_format(uint64_t bytes, char buf[SIZE_TEXT_MAX]);

/*
 * number_parse - a whole decimal number in [0, max], nothing else around it.
 * -EINVAL, -ERANGE.
 */
int number_parse(const char *text, uint64_t max, uint64_t *out);

#endif
