/* SPDX-License-Identifier: MIT */
/*
 * error.c - messages of the command line.
 *
 * A message leaves in a single write, so that those of several processes do
 * not mix in a log. The verb is set once, before any thread exists.
 */
#include "lib/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

static const char *verb;

void error_verb(const char *word)
{
	verb = word;
}

const char *error_text(int err)
{
	const char *text = strerrordesc_np(err < 0 ? -err : err);

	return text ? text : "unknown error";
}

static size_t error_prefix(char *buf, size_t size)
{
	int n = snprintf(buf, size, "azalea: %s%s", verb ? verb : "",
			 verb ? ": " : "");

	return n > 0 ? (size_t)n : 0;
}

__attribute__((format(printf, 1, 0))) static void error_vsay(const char *fmt,
							     va_list ap)
{
	char buf[LINE_MAX_BYTES];
	size_t n = error_prefix(buf, sizeof(buf));
	size_t room = sizeof(buf) - n - 1;
	int r = vsnprintf(buf + n, room, fmt, ap);

	if (r > 0)
		n += (size_t)r < room ? (size_t)r : room - 1;
	buf[n++] = '\n';
	/* Nothing can be done for a reader who closed stderr. */
	if (write(STDERR_FILENO, buf, n) < 0)
		return;
}

void error_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_vsay(fmt, ap);
	va_end(ap);
}

int error_fail(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_vsay(fmt, ap);
	va_end(ap);
	return status;
}

int error_no_memory(void)
{
	return error_fail(EXIT_AZALEA, "no memory left");
}
