/* SPDX-License-Identifier: MIT */
/* string_test.c - kernel/lib/string.c beside the C library's own. */
/* The functions are compiled in here under other names. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define memcpy  k_memcpy
#define memmove k_memmove
#define memset  k_memset
#define memcmp  k_memcmp
#define strlen  k_strlen
#define strnlen k_strnlen
#define strcmp  k_strcmp
#define strncmp k_strncmp
#define strchr  k_strchr
#define strrchr k_strrchr
#define strstr  k_strstr
#include "../../kernel/lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr
#undef strstr

static int ntests, nfailed;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

#define LEN  700 /* beyond REP_MIN, and not a multiple of anything */
#define EDGE 24

/* Sizes around every branch, then a few long ones. */
static size_t next_size(size_t n)
{
	return n < 300 ? n + 1 : n + 61;
}

static void fill(uint8_t *p, size_t n)
{
	while (n--)
		*p++ = (uint8_t)rand();
}

static bool test_memcpy(void)
{
	uint8_t src[LEN + 2 * EDGE], dst[LEN + 2 * EDGE], want[sizeof(dst)];

	for (size_t n = 0; n < LEN; n = next_size(n))
		for (size_t off = 0; off < 9; off++) {
			fill(src, sizeof(src));
			fill(dst, sizeof(dst));
			memcpy(want, dst, sizeof(dst));
			memcpy(want + EDGE, src + off, n);
			if (k_memcpy(dst + EDGE, src + off, n) != dst + EDGE ||
			    memcmp(dst, want, sizeof(dst)))
				return false;
		}
	return true;
}

static bool test_memmove(void)
{
	static const int shifts[] = { -300, -65, -17, -16, -15, -8, -7, -1, 0,
				      1,    7,   8,   15,  16,  17, 65, 300 };
	uint8_t buf[LEN + 600], want[LEN + 600];

	for (size_t n = 0; n < LEN; n = next_size(n))
		for (size_t i = 0; i < sizeof(shifts) / sizeof(int); i++) {
			uint8_t *to = buf + 300 + shifts[i];

			fill(buf, sizeof(buf));
			memcpy(want, buf, sizeof(buf));
			memmove(want + 300 + shifts[i], want + 300, n);
			if (k_memmove(to, buf + 300, n) != to ||
			    memcmp(buf, want, sizeof(buf)))
				return false;
		}
	return true;
}

static bool test_memset(void)
{
	uint8_t dst[LEN + 2 * EDGE], want[sizeof(dst)];

	for (size_t n = 0; n < LEN; n = next_size(n))
		for (int c = -1; c < 512; c += 171) {
			fill(dst, sizeof(dst));
			memcpy(want, dst, sizeof(dst));
			memset(want + EDGE, c, n);
			if (k_memset(dst + EDGE, c, n) != dst + EDGE ||
			    memcmp(dst, want, sizeof(dst)))
				return false;
		}
	return true;
}

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

static bool test_memcmp(void)
{
	uint8_t a[64], b[64];

	for (int i = 0; i < 20000; i++) {
		size_t n = (size_t)rand() % sizeof(a);

		fill(a, n);
		memcpy(b, a, n);
		if (n && i % 4)
			b[(size_t)rand() % n] = (uint8_t)rand();
		if (sign(k_memcmp(a, b, n)) != sign(memcmp(a, b, n)))
			return false;
	}
	return true;
}

/* Random strings of a two-letter alphabet, so that much of it matches. */
static void random_string(char *s, size_t size)
{
	size_t n = (size_t)rand() % size;

	for (size_t i = 0; i < n; i++)
		s[i] = rand() % 3 ? 'a' : (char)0xe9;
	s[n] = '\0';
}

static bool test_strings(void)
{
	char a[20], b[20], c[4];

	for (int i = 0; i < 50000; i++) {
		size_t n = (size_t)rand() % 22;

		random_string(a, sizeof(a));
		random_string(b, sizeof(b));
		random_string(c, sizeof(c));
		if (k_strlen(a) != strlen(a) ||
		    k_strnlen(a, n) != strnlen(a, n) ||
		    sign(k_strcmp(a, b)) != sign(strcmp(a, b)) ||
		    sign(k_strncmp(a, b, n)) != sign(strncmp(a, b, n)) ||
		    k_strstr(a, c) != strstr(a, c))
			return false;
		for (int ch = 0; ch < 512; ch += i % 2 ? 0xe9 : 'a')
			if (k_strchr(a, ch) != strchr(a, ch) ||
			    k_strrchr(a, ch) != strrchr(a, ch))
				return false;
	}
	return true;
}

int main(void)
{
	srand(1);
	ok(test_memcpy(), "memcpy copies what it should and no more");
	ok(test_memmove(), "memmove copies overlapping ranges either way");
	ok(test_memset(), "memset fills what it should and no more");
	ok(test_memcmp(), "memcmp orders as unsigned bytes");
	ok(test_strings(), "string functions agree with the C library");
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
