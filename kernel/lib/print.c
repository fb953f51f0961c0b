/* SPDX-License-Identifier: MIT */
/* print.c - the unikernel's own messages, and its end when it is broken. */
#include <asm/unistd.h>

#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/types.h"
#include "monitor.h"
#include "sched/thread.h"
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

/* Return addresses up the stack, for addr2line; frames lie ever higher. */
static void print_callers(void)
{
	const uint64_t *fp = __builtin_frame_address(0);
	uint64_t low = (uint64_t)fp, high = low + KSTACK_SIZE;

	for (int i = 0; i < 12 && (uint64_t)fp >= low && (uint64_t)fp < high;
	     i++) {
		printk("  called from %#lx", fp[1]);
		fp = (const uint64_t *)fp[0];
	}
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line("azalea: unikernel panic: ", fmt, ap);
	va_end(ap);
	print_callers();
	process_exit(SIGABRT);
}
