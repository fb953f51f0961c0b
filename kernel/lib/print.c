/* SPDX-License-Identifier: MIT */
/* print.c - the unikernel's own messages, and its end when it is broken. */
#include <asm/unistd.h>

#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/types.h"
#include "monitor.h"
#include "sys/sys.h"

#define LINE    512
#define SIGABRT 6

static void print_line(const char *prefix, const char *fmt, va_list ap)
{
	char buf[LINE];
	size_t n = fmt_format(buf, sizeof(buf), "%s", prefix);

	n += fmt_vformat(buf + n, sizeof(buf) - n - 1, fmt, ap);
	n = MIN(n, sizeof(buf) - 2);
	buf[n++] = '\n';
	host_call(__NR_write, 2, (uint64_t)buf, n, 0, 0, 0);
}

void printk(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line("azalea: ", fmt, ap);
	va_end(ap);
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line("azalea: unikernel panic: ", fmt, ap);
	va_end(ap);
	mon_exit(SIGABRT);
}
