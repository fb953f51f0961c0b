/* SPDX-License-Identifier: MIT */
/*
 * size.c - parsing of numbers and byte counts.
 *
 * Not strtoull: that takes a sign, blanks and octal, and wraps "-1" around.
 */
#include "lib/size.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define FRACTION_DIGITS 9 /* more would not change a byte below 1 GiB */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits; *end is the first other character. */
static int digits_parse(const char *s, uint64_t *out, const char **end)
{
	uint64_t v = 0;

	if (!is_digit(*s))
		return -EINVAL;
	for (; is_digit(*s); s++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	*out = v;
	*end = s;
	return 0;
}

/* ".25" as billionths; further digits are checked and dropped. */
static int fraction_parse(const char *s, uint64_t *out, const char **end)
{
	uint64_t v = 0;
	int n = 0;

	*out = 0;
	*end = s;
	if (*s != '.')
		return 0;
	s++;
	if (!is_digit(*s))
		return -EINVAL;
	for (; is_digit(*s); s++)
		if (n < FRACTION_DIGITS) {
			v = v * 10 + (uint64_t)(*s - '0');
			n++;
		}
	for (; n < FRACTION_DIGITS; n++)
		v *= 10;
	*out = v;
	*end = s;
	return 0;
}

/* "", "b", "k", "kb", "kib", "m", ...: the power of two, or -EINVAL. */
static int suffix_shift(const char *s)
{
	static const char units[] = "kmgtp";
	const char *u;
	char c = (char)(*s | 0x20);

	if (*s == '\0' || strcasecmp(s, "b") == 0)
		return 0;
	u = memchr(units, c, sizeof(units) - 1);
	if (!u)
		return -EINVAL;
	s++;
	if (*s && strcasecmp(s, "b") != 0 && strcasecmp(s, "ib") != 0)
		return -EINVAL;
	return 10 * (int)(u - units + 1);
}

int size_parse(const char *text, uint64_t *out)
{
	unsigned __int128 bytes;
	uint64_t whole, billionths;
	int shift, err;

	err = digits_parse(text, &whole, &text);
	if (err)
		return err;
	err = fraction_parse(text, &billionths, &text);
	if (err)
		return err;
	shift = suffix_shift(text);
	if (shift < 0)
		return shift;
	bytes = (unsigned __int128)whole << shift;
	bytes += ((unsigned __int128)billionths << shift) / 1000000000;
	if (bytes > UINT64_MAX)
		return -ERANGE;
	*out = (uint64_t)bytes;
	return 0;
}

const char *size_format(uint64_t bytes, char buf[SIZE_TEXT_MAX])
{
	static const char *const unit[] = { "KiB", "MiB", "GiB",
					    "TiB", "PiB", "EiB" };
	double v = (double)bytes / 1024;
	int i = 0, n;

	if (bytes < 1024) {
		n = snprintf(buf, SIZE_TEXT_MAX, "%dB", (int)bytes);
		return n > 0 ? buf : "";
	}
	while (v >= 1023.95 && i < 5) {
		v /= 1024;
		i++;
	}
	/* One decimal, but not "64.0". */
	n = snprintf(buf, SIZE_TEXT_MAX, "%.1f", v);
	if (n < 0)
		return "";
	if (n > 2 && strcmp(buf + n - 2, ".0") == 0)
		n -= 2;
	n = snprintf(buf + n, SIZE_TEXT_MAX - (size_t)n, "%s", unit[i]);
	return n > 0 ? buf : "";
}

int number_parse(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t v;
	int err = digits_parse(text, &v, &text);

	if (err)
		return err;
	if (*text)
		return -EINVAL;
	if (v > max)
		return -ERANGE;
	*out = v;
	return 0;
}
