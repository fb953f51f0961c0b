/* SPDX-License-Identifier: MIT */
/* fmt_test.c - kernel/lib/fmt.c beside snprintf. */
/* links: kernel/lib/fmt.c */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/fmt.h"

static int ntests, nfailed;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

/* Same text and length as snprintf, at the full size and when cut. */
#define SAME(...)                                                              \
	do {                                                                   \
		char want_[128], got_[128];                                    \
		bool pass_ = true;                                             \
                                                                               \
		for (size_t z_ = 0; z_ <= sizeof(got_);                        \
		     z_ += z_ < 9 ? 1 : 17) {                                  \
			memset(want_, 'Z', sizeof(want_));                     \
			memset(got_, 'Z', sizeof(got_));                       \
			int n_ = snprintf(want_, z_, __VA_ARGS__);             \
			if (fmt_format(got_, z_, __VA_ARGS__) != (size_t)n_ || \
			    memcmp(want_, got_, sizeof(got_)))                 \
				pass_ = false;                                 \
		}                                                              \
		fmt_format(got_, sizeof(got_), __VA_ARGS__);                   \
		ok(pass_, #__VA_ARGS__);                                       \
		if (!pass_)                                                    \
			printf("# got %s\n", got_);                            \
	} while (0)

static void test_integers(void)
{
	SAME("%d %i %u", 0, -1, 1U);
	SAME("%d %d", INT_MAX, INT_MIN);
	SAME("%u %x %X %o", UINT_MAX, UINT_MAX, UINT_MAX, UINT_MAX);
	SAME("%ld %lu", LONG_MIN, ULONG_MAX);
	SAME("%lld %llx", LLONG_MIN, ULLONG_MAX);
	SAME("%zu %zx %zd", SIZE_MAX, SIZE_MAX, (ssize_t)-5);
	SAME("%hd %hu %hx", (short)-2, (unsigned short)65535,
	     (unsigned short)0xabcd);
	SAME("%hhd %hhu %hhx", (signed char)-3, (unsigned char)255,
	     (unsigned char)0xef);
	SAME("%#x %#X %#o %#x %#o", 255, 255, 8, 0, 0);
	SAME("[%5d] [%-5d] [%05d] [%2d]", 42, 42, 42, 12345);
	SAME("[%5d] [%-5d] [%05d]", -42, -42, -42);
	SAME("[%#8x] [%-#8x] [%#08x]", 0xbeef, 0xbeef, 0xbeef);
	SAME("[%.3d] [%.0d] [%8.3d] [%-8.3d] [%8.3x]", 7, 0, -7, -7, 7);
	SAME("[%#.3o] [%#.1o] [%#5o]", 8, 8, 8);
	SAME("[%*d] [%*d] [%.*d] [%.*d]", 6, 1, -6, 2, 4, 3, -4, 5);
	SAME("[%020lx]", 0x1234567890abcdefUL);
}

static void test_text(void)
{
	static const char unterminated[3] = { 'a', 'b', 'c' };

	SAME("plain");
	SAME("100%%");
	SAME("%c%c%c", 'a', 'b', 'c');
	SAME("[%3c] [%-3c]", 'x', 'y');
	SAME("%s and %s", "one", "two");
	SAME("[%6s] [%-6s] [%2s]", "abc", "abc", "abc");
	SAME("[%.2s] [%.0s] [%6.2s] [%-6.2s]", "abc", "abc", "abc", "abc");
	SAME("[%.*s]", 3, unterminated);
	SAME("%p", (void *)(uintptr_t)0xdeadbeef);
	SAME("[%14p] [%-14p]", (void *)(uintptr_t)0xdead,
	     (void *)(uintptr_t)0xdead);
}

static void test_odd(void)
{
	size_t (*volatile format)(char *, size_t, const char *, ...) =
	    fmt_format;
	char buf[32];

	format(buf, sizeof(buf), "%s", (const char *)NULL);
	ok(!strcmp(buf, "(null)"), "a null string is (null)");
	format(buf, sizeof(buf), "a %q %5.3y %");
	ok(!strcmp(buf, "a %q %5.3y %"), "an unknown conversion is copied");
	ok(format(NULL, 0, "%d", 12345) == 5, "size 0 only measures");
}

int main(void)
{
	test_integers();
	test_text();
	test_odd();
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
