/* SPDX-License-Identifier: MIT */
/* text.c - text that grows, and the few formats that /proc and /sys use. */
#include "sys/text.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <stdarg.h>

#include "lib/errno.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "sys/sys.h"

#define FIRST_SIZE 4096U
#define MAX_SIZE   (256U << 20) /* no /proc file of an instance is larger */

void text_free(struct text *t)
{
	kfree(t->buf);
	memset(t, 0, sizeof(*t));
}

/* Room for n more bytes and a NUL. */
static bool text_room(struct text *t, size_t n)
{
	size_t size = t->size ? t->size : FIRST_SIZE;
	char *buf;

	if (t->failed || n >= MAX_SIZE) {
		t->failed = true;
		return false;
	}
	if (t->len + n < t->size)
		return true;
	while (size <= t->len + n)
		size *= 2;
	buf = size <= MAX_SIZE ? kalloc(size) : NULL;
	if (!buf) {
		t->failed = true;
		return false;
	}
	if (t->len)
		memcpy(buf, t->buf, t->len);
	kfree(t->buf);
	t->buf = buf;
	t->size = size;
	return true;
}

void text_append(struct text *t, const char *s, size_t n)
{
	if (!text_room(t, n))
		return;
	memcpy(t->buf + t->len, s, n);
	t->len += n;
	t->buf[t->len] = '\0';
}

void text_puts(struct text *t, const char *s)
{
	text_append(t, s, strlen(s));
}

void text_printf(struct text *t, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (!text_room(t, 0))
		return;
	va_start(ap, fmt);
	n = fmt_vformat(t->buf + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	if (n >= t->size - t->len) {
		if (!text_room(t, n))
			return;
		va_start(ap, fmt);
		fmt_vformat(t->buf + t->len, t->size - t->len, fmt, ap);
		va_end(ap);
	}
	t->len += n;
}

void text_from_user(struct text *t, uint64_t addr, size_t n)
{
	if (!text_room(t, n))
		return;
	for (size_t done = 0; done < n;) {
		size_t part =
		    MIN(n - done, AZ_PAGE_SIZE - (addr + done) % AZ_PAGE_SIZE);

		if (copy_from_user(t->buf + t->len, addr + done, part))
			break;
		t->len += part;
		done += part;
	}
	t->buf[t->len] = '\0';
}

int text_read_host(struct text *t, const char *path)
{
	long fd = host_call(__NR_openat, (uint64_t)AT_FDCWD, (uint64_t)path,
			    O_RDONLY | O_CLOEXEC, 0, 0, 0);
	long n = 0;

	if (fd < 0)
		return (int)fd;
	while (text_room(t, FIRST_SIZE)) {
		n = host_call(__NR_read, (uint64_t)fd,
			      (uint64_t)(t->buf + t->len), t->size - t->len - 1,
			      0, 0, 0);
		if (n <= 0)
			break;
		t->len += (size_t)n;
	}
	host_call(__NR_close, (uint64_t)fd, 0, 0, 0, 0, 0);
	if (t->failed)
		return -ENOMEM;
	t->buf[t->len] = '\0';
	return n < 0 ? (int)n : 0;
}

const char *text_line(const char **p, size_t *len)
{
	const char *line = *p;
	const char *end;

	if (!line || !*line)
		return NULL;
	end = strchr(line, '\n');
	*len = end ? (size_t)(end - line) : strlen(line);
	*p = end ? end + 1 : line + *len;
	return line;
}

uint64_t text_number(const char **p)
{
	uint64_t v = 0;

	while (**p >= '0' && **p <= '9')
		v = v * 10 + (uint64_t)(*(*p)++ - '0');
	return v;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

uint64_t text_hex(const char **p)
{
	uint64_t v = 0;

	while (hex_digit(**p) >= 0)
		v = v << 4 | (uint64_t)hex_digit(*(*p)++);
	return v;
}

/* --- sets of CPUs --- */

static bool has(const uint64_t *set, uint32_t i)
{
	return set[i / 64] >> (i % 64) & 1;
}

void text_cpus_list(struct text *t, const uint64_t *set, uint32_t nbits)
{
	const char *comma = "";

	for (uint32_t i = 0; i < nbits; i++) {
		uint32_t from = i;

		if (!has(set, i))
			continue;
		while (i + 1 < nbits && has(set, i + 1))
			i++;
		text_printf(t, "%s%u", comma, from);
		if (i > from)
			text_printf(t, "-%u", i);
		comma = ",";
	}
}

void text_cpus_mask(struct text *t, const uint64_t *set, uint32_t nbits)
{
	uint32_t bits = nbits % 32 ? nbits % 32 : 32;

	for (uint32_t word = (nbits + 31) / 32; word-- > 0; bits = 32) {
		uint32_t v = 0;

		for (uint32_t i = 0; i < bits; i++)
			v |= (uint32_t)has(set, word * 32 + i) << i;
		text_printf(t, "%0*x%s", (int)(bits + 3) / 4, v,
			    word ? "," : "");
	}
}

bool text_in_cpus_list(const char *s, uint32_t cpu)
{
	while (*s >= '0' && *s <= '9') {
		uint64_t from = text_number(&s);
		uint64_t to = from;

		if (*s == '-') {
			s++;
			to = text_number(&s);
		}
		if (cpu >= from && cpu <= to)
			return true;
		if (*s == ',')
			s++;
	}
	return false;
}

bool text_in_cpus_mask(const char *s, uint32_t cpu)
{
	uint32_t nibble = cpu / 4;
	size_t n = strlen(s);

	while (n-- > 0) {
		int v = hex_digit(s[n]);

		if (v < 0)
			continue;
		if (nibble-- == 0)
			return v >> (cpu % 4) & 1;
	}
	return false;
}
