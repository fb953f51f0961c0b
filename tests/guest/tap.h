/* SPDX-License-Identifier: MIT */
/*
 * tap.h - what every guest test uses to report: TAP on stdout.
 *
 * A guest test is an ordinary Linux program. tests/run.py runs it natively
 * and under Azalea and wants the same output both times, so what is printed
 * must not depend on addresses, pids or time. Directives for the runner stand
 * in `// word: value` comments at the head of a test, see tests/run.py.
 *
 * Lines are written with one write(2) each: no stdio buffer is shared with
 * the code under test.
 */
#ifndef GUEST_TAP_H
#define GUEST_TAP_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int tap_count, tap_bad;

__attribute__((unused, format(printf, 1, 2))) static void tap_line(
    const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n++] = '\n';
	if (write(1, line, (size_t)n) != n)
		_exit(99);
}

__attribute__((unused)) static int tap_ok(int good, int line, const char *what,
					  const char *name)
{
	int saved = errno;
	int n = __atomic_add_fetch(&tap_count, 1, __ATOMIC_SEQ_CST);

	tap_line("%sok %d - %s", good ? "" : "not ", n, name);
	if (!good) {
		__atomic_add_fetch(&tap_bad, 1, __ATOMIC_SEQ_CST);
		tap_line("# line %d: %s (errno %d)", line, what, saved);
	}
	errno = saved;
	return good;
}

__attribute__((unused)) static int tap_is(long long got, long long want,
					  int line, const char *what,
					  const char *name)
{
	int good = tap_ok(got == want, line, what, name);

	if (!good)
		tap_line("# got %lld (%#llx), expected %lld (%#llx)", got,
			 (unsigned long long)got, want,
			 (unsigned long long)want);
	return good;
}

/* The last call of a test's main(): its exit status. */
__attribute__((unused)) static int tap_done(void)
{
	tap_line("1..%d", tap_count);
	return tap_bad ? 1 : 0;
}

__attribute__((unused)) static void tap_skip(const char *name, const char *why)
{
	int n = __atomic_add_fetch(&tap_count, 1, __ATOMIC_SEQ_CST);

	tap_line("ok %d - %s # SKIP %s", n, name, why);
}

/* OK - a condition holds. IS - two integers are equal. */
#define OK(cond, name) tap_ok(!!(cond), __LINE__, #cond, name)
#define IS(got, want, name) \
	tap_is((long long)(got), (long long)(want), __LINE__, #got, name)

/* ERR - a call returns -1 with this errno. */
#define ERR(call, want, name)                                                 \
	do {                                                                  \
		long err_r;                                                   \
		errno = 0;                                                    \
		err_r = (long)(call);                                         \
		tap_is(err_r == -1 ? errno : -err_r - 100000, want, __LINE__, \
		       #call, name);                                          \
	} while (0)

/* MUST - what the test itself needs; ends it when it fails. */
#define MUST(cond)                                                             \
	do {                                                                   \
		if (!(cond)) {                                                 \
			tap_line("Bail out! line %d: %s (errno %d)", __LINE__, \
				 #cond, errno);                                \
			_exit(98);                                             \
		}                                                              \
	} while (0)

__attribute__((unused)) static int64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	MUST(clock_gettime(clock, &ts) == 0);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

__attribute__((unused)) static void sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

__attribute__((unused)) static int my_tid(void)
{
	return (int)syscall(SYS_gettid);
}

#endif
