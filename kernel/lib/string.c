/* SPDX-License-Identifier: MIT */
/*
 * string.c - memory and string functions, with general registers only.
 *
 * Nothing here touches vector registers: they hold the program's values while
 * the unikernel runs. Short copies are two overlapping loads and stores;
 * long ones are `rep movsb`, which every CPU since 2013 does a cache line at
 * a time (ERMS), and which costs about 30 cycles to start: hence REP_MIN.
 */
#include "lib/string.h"

#include <stdint.h>

#define REP_MIN 256

/* Unaligned accesses that may alias anything. */
struct u64_any {
	uint64_t v;
} __attribute__((packed, may_alias));
struct u32_any {
	uint32_t v;
} __attribute__((packed, may_alias));
struct u16_any {
	uint16_t v;
} __attribute__((packed, may_alias));

/* GCC must not turn the loops below into calls of the functions they are. */
#if defined(__GNUC__) && !defined(__clang__)
#define NO_LOOP_IDIOMS \
	__attribute__((optimize("no-tree-loop-distribute-patterns")))
#else
#define NO_LOOP_IDIOMS __attribute__((no_builtin))
#endif

static inline uint64_t load64(const void *p)
{
	const struct u64_any *u = p;

	return u->v;
}

static inline void store64(void *p, uint64_t v)
{
	struct u64_any *u = p;

	u->v = v;
}

static inline uint32_t load32(const void *p)
{
	const struct u32_any *u = p;

	return u->v;
}

static inline void store32(void *p, uint32_t v)
{
	struct u32_any *u = p;

	u->v = v;
}

static inline uint16_t load16(const void *p)
{
	const struct u16_any *u = p;

	return u->v;
}

static inline void store16(void *p, uint16_t v)
{
	struct u16_any *u = p;

	u->v = v;
}

/* Up to 16 bytes; everything is loaded before anything is stored. */
static inline void copy_short(char *d, const char *s, size_t n)
{
	if (n >= 8) {
		uint64_t a = load64(s), b = load64(s + n - 8);

		store64(d, a);
		store64(d + n - 8, b);
	} else if (n >= 4) {
		uint32_t a = load32(s), b = load32(s + n - 4);

		store32(d, a);
		store32(d + n - 4, b);
	} else if (n >= 2) {
		uint16_t a = load16(s), b = load16(s + n - 2);

		store16(d, a);
		store16(d + n - 2, b);
	} else if (n) {
		*d = *s;
	}
}

/* More than 16 bytes, upwards: right if d is below s or they are apart. */
static inline void copy_up(char *d, const char *s, size_t n)
{
	uint64_t tail0, tail1;

	if (n >= REP_MIN) {
		__asm__ volatile("rep movsb"
				 : "+D"(d), "+S"(s), "+c"(n)
				 :
				 : "memory");
		return;
	}
	tail0 = load64(s + n - 16);
	tail1 = load64(s + n - 8);
	for (; n > 16; n -= 16, d += 16, s += 16) {
		uint64_t a = load64(s), b = load64(s + 8);

		store64(d, a);
		store64(d + 8, b);
	}
	store64(d + n - 16, tail0);
	store64(d + n - 8, tail1);
}

/* More than 16 bytes, downwards: right if d is above s. */
static inline void copy_down(char *d, const char *s, size_t n)
{
	uint64_t head0 = load64(s), head1 = load64(s + 8);
	char *start = d;

	for (; n > 16; n -= 16) {
		uint64_t a = load64(s + n - 8), b = load64(s + n - 16);

		store64(d + n - 8, a);
		store64(d + n - 16, b);
	}
	store64(start, head0);
	store64(start + 8, head1);
}

NO_LOOP_IDIOMS void *memcpy(void *restrict dst, const void *restrict src,
			    size_t n)
{
	if (n <= 16)
		copy_short(dst, src, n);
	else
		copy_up(dst, src, n);
	return dst;
}

NO_LOOP_IDIOMS void *memmove(void *dst, const void *src, size_t n)
{
	if (n <= 16)
		copy_short(dst, src, n);
	else if ((uintptr_t)dst - (uintptr_t)src >= n)
		copy_up(dst, src, n);
	else
		copy_down(dst, src, n);
	return dst;
}

NO_LOOP_IDIOMS void *memset(void *dst, int c, size_t n)
{
	uint64_t v = (uint8_t)c * 0x0101010101010101ULL;
	char *d = dst;

	if (n >= REP_MIN) {
		__asm__ volatile("rep stosb"
				 : "+D"(d), "+c"(n)
				 : "a"(c)
				 : "memory");
		return dst;
	}
	if (n < 8) {
		while (n)
			d[--n] = (char)c;
		return dst;
	}
	store64(d + n - 8, v);
	for (; n > 8; n -= 8, d += 8)
		store64(d, v);
	return dst;
}

NO_LOOP_IDIOMS int memcmp(const void *a, const void *b, size_t n)
{
	const char *p = a, *q = b;

	for (; n >= 8; n -= 8, p += 8, q += 8) {
		uint64_t x = load64(p), y = load64(q);

		if (x != y) {
			x = __builtin_bswap64(x);
			y = __builtin_bswap64(y);
			return x < y ? -1 : 1;
		}
	}
	for (; n; n--, p++, q++)
		if (*p != *q)
			return (uint8_t)*p - (uint8_t)*q;
	return 0;
}

NO_LOOP_IDIOMS size_t strlen(const char *s)
{
	const char *p = s;

	while (*p)
		p++;
	return (size_t)(p - s);
}

NO_LOOP_IDIOMS size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++) {
		if (*a != *b)
			return (uint8_t)*a - (uint8_t)*b;
		if (!*a)
			break;
	}
	return 0;
}

/* ISO C: strchr and its like give back what they got without its const. */
static char *unconst(const char *s)
{
	union {
		const char *in;
		char *out;
	} u = { .in = s };

	return u.out;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return unconst(s);
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	do {
		if (*s == (char)c)
			last = s;
	} while (*s++);
	return unconst(last);
}

char *strstr(const char *hay, const char *needle)
{
	size_t n = strlen(needle);

	for (; strncmp(hay, needle, n) != 0; hay++)
		if (!*hay)
			return NULL;
	return unconst(hay);
}
