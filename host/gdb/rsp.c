/* SPDX-License-Identifier: MIT */
/* rsp.c - packets of gdb's remote serial protocol. */
#include "gdb/rsp.h"

#include <stdlib.h>
#include <string.h>

#define ESCAPE     '}'
#define ESCAPE_XOR 0x20
#define BREAK      '\x03'

enum state {
	BETWEEN,
	INSIDE,
	ESCAPED,
	SUM_HIGH,
	SUM_LOW,
};

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* --- reading --- */

static void start(struct rsp_reader *r)
{
	r->state = INSIDE;
	r->len = 0;
	r->sum = 0;
	r->too_long = false;
}

static void take(struct rsp_reader *r, char c)
{
	if (r->len < RSP_MAX)
		r->data[r->len++] = c;
	else
		r->too_long = true;
}

static enum rsp_kind between(struct rsp_reader *r, char c)
{
	switch (c) {
	case '$':
		start(r);
		return RSP_NONE;
	case BREAK:
		return RSP_BREAK;
	case '+':
		return RSP_ACK;
	case '-':
		return RSP_NAK;
	default:
		return RSP_NONE; /* noise */
	}
}

static void inside(struct rsp_reader *r, char c)
{
	if (c == '#') {
		r->state = SUM_HIGH;
		return;
	}
	r->sum = (uint8_t)(r->sum + (uint8_t)c);
	if (r->state == ESCAPED) {
		take(r, (char)(c ^ ESCAPE_XOR));
		r->state = INSIDE;
	} else if (c == ESCAPE) {
		r->state = ESCAPED;
	} else {
		take(r, c);
	}
}

static enum rsp_kind checksum(struct rsp_reader *r, char c)
{
	int v = digit(c);

	if (r->state == SUM_HIGH) {
		r->want = (uint8_t)(v < 0 ? 0 : v << 4);
		r->too_long |= v < 0;
		r->state = SUM_LOW;
		return RSP_NONE;
	}
	r->state = BETWEEN;
	r->data[r->len] = '\0';
	if (v < 0 || r->too_long || (r->want | v) != r->sum)
		return RSP_BAD;
	return RSP_PACKET;
}

static enum rsp_kind one(struct rsp_reader *r, char c)
{
	if (r->state == BETWEEN)
		return between(r, c);
	if (r->state >= SUM_HIGH)
		return checksum(r, c);
	/* A packet that was cut off, and the next. */
	if (c == '$' && r->state == INSIDE)
		start(r);
	else
		inside(r, c);
	return RSP_NONE;
}

enum rsp_kind rsp_read(struct rsp_reader *r, const char *in, size_t n,
		       size_t *used)
{
	for (*used = 0; *used < n;) {
		enum rsp_kind kind = one(r, in[(*used)++]);

		if (kind != RSP_NONE)
			return kind;
	}
	return RSP_NONE;
}

/* --- writing --- */

/* Room for '#' and the checksum is always left. */
static void put(struct rsp_writer *w, const char *text, size_t n)
{
	if (n > sizeof(w->data) - 3 - w->len) {
		w->full = true;
		return;
	}
	memcpy(w->data + w->len, text, n);
	w->len += n;
}

void rsp_begin(struct rsp_writer *w)
{
	w->len = 0;
	w->full = false;
	put(w, "$", 1);
}

void rsp_text(struct rsp_writer *w, const char *text)
{
	put(w, text, strlen(text));
}

static const char digits[] = "0123456789abcdef";

void rsp_number(struct rsp_writer *w, uint64_t v)
{
	char text[16];
	size_t at = sizeof(text);

	do {
		text[--at] = digits[v & 15];
		v >>= 4;
	} while (v);
	put(w, text + at, sizeof(text) - at);
}

void rsp_hex(struct rsp_writer *w, const void *bytes, size_t n)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < n; i++) {
		const char pair[2] = { digits[b[i] >> 4], digits[b[i] & 15] };

		put(w, pair, 2);
	}
}

void rsp_unknown(struct rsp_writer *w, size_t n)
{
	while (n--)
		put(w, "xx", 2);
}

void rsp_binary(struct rsp_writer *w, const void *bytes, size_t n)
{
	const char *b = bytes;

	for (size_t i = 0; i < n; i++) {
		const char pair[2] = { ESCAPE, (char)(b[i] ^ ESCAPE_XOR) };

		if (b[i] == '#' || b[i] == '$' || b[i] == ESCAPE || b[i] == '*')
			put(w, pair, 2);
		else
			put(w, b + i, 1);
	}
}

void rsp_error(struct rsp_writer *w, int err)
{
	const uint8_t code = (uint8_t)abs(err);

	rsp_text(w, "E");
	rsp_hex(w, &code, 1);
}

void rsp_done(struct rsp_writer *w, int err)
{
	if (err)
		rsp_error(w, err);
	else
		rsp_text(w, "OK");
}

const char *rsp_end(struct rsp_writer *w, size_t *len)
{
	uint8_t sum = 0;

	if (w->full) {
		rsp_begin(w);
		rsp_text(w, "E07"); /* E2BIG */
	}
	for (size_t i = 1; i < w->len; i++)
		sum = (uint8_t)(sum + (uint8_t)w->data[i]);
	w->data[w->len++] = '#';
	w->data[w->len++] = digits[sum >> 4];
	w->data[w->len++] = digits[sum & 15];
	*len = w->len;
	return w->data;
}

void rsp_part(struct rsp_writer *w, const char *doc, size_t size,
	      uint64_t offset, uint64_t n)
{
	if (offset > size)
		offset = size;
	/* Escaping may double it. */
	if (n > RSP_MAX / 2)
		n = RSP_MAX / 2;
	if (n > size - offset)
		n = size - offset;
	rsp_text(w, offset + n < size ? "m" : "l");
	rsp_binary(w, doc + offset, (size_t)n);
}

/* --- parsing --- */

bool rsp_parse(const char **p, uint64_t *out)
{
	const char *start_at = *p;

	*out = 0;
	while (digit(**p) >= 0 && *p - start_at < 16)
		*out = *out << 4 | (uint64_t)digit(*(*p)++);
	return *p != start_at;
}

bool rsp_range(const char **p, uint64_t *addr, uint64_t *n)
{
	return rsp_parse(p, addr) && *(*p)++ == ',' && rsp_parse(p, n);
}

bool rsp_unhex(const char *text, void *bytes, size_t n)
{
	uint8_t *b = bytes;

	for (size_t i = 0; i < n; i++) {
		int high = digit(text[2 * i]);
		int low = high < 0 ? -1 : digit(text[2 * i + 1]);

		if (low < 0)
			return false;
		b[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
