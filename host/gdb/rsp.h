/* SPDX-License-Identifier: MIT */
/*
 * rsp.h - packets of gdb's remote serial protocol ("Debugging with GDB",
 * appendix E). Pure: bytes in, packets out, and the reverse.
 */
#ifndef GDB_RSP_H
#define GDB_RSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSP_MAX 16384 /* bytes of a packet, without frame */

enum rsp_kind {
	RSP_NONE,   /* no whole packet yet: all input is used up */
	RSP_PACKET, /* in data, len bytes; NUL-terminated beside */
	RSP_BAD,    /* wrong checksum, or too long */
	RSP_BREAK,  /* Ctrl-C */
	RSP_ACK,
	RSP_NAK,
};

struct rsp_reader {
	char data[RSP_MAX + 1];
	size_t len;
	/* Private. */
	uint32_t state;
	uint8_t sum, want;
	bool too_long;
};

/*
 * rsp_read - the next thing in n bytes at in, of which *used are taken. What
 * it says of data is good until the next call.
 */
enum rsp_kind rsp_read(struct rsp_reader *r, const char *in, size_t n,
		       size_t *used);

/* A reply under way. */
struct rsp_writer {
	char data[2 * RSP_MAX + 4]; /* '$' first */
	size_t len;
	bool full; /* something did not fit: the reply is an error */
};

void rsp_begin(struct rsp_writer *w);
void rsp_text(struct rsp_writer *w, const char *text);
void rsp_number(struct rsp_writer *w, uint64_t v); /* hexadecimal */
void rsp_hex(struct rsp_writer *w, const void *bytes, size_t n);
void rsp_unknown(struct rsp_writer *w, size_t n); /* 'x's */
void rsp_binary(struct rsp_writer *w, const void *bytes,
		size_t n); /* escaped */

/* rsp_error, rsp_done - the answer to what failed (err may have either sign),
 * or, if err is 0, was done. */
void rsp_error(struct rsp_writer *w, int err);
void rsp_done(struct rsp_writer *w, int err);

/* rsp_end - append checksum; *len bytes at the result are to be sent. */
const char *rsp_end(struct rsp_writer *w, size_t *len);

/*
 * rsp_part - answer qXfer: bytes [offset, offset + n) of a document of size
 * bytes, led by m or l.
 */
void rsp_part(struct rsp_writer *w, const char *doc, size_t size,
	      uint64_t offset, uint64_t n);

/* rsp_parse - a hexadecimal number at *p, which moves on. False: none. */
bool rsp_parse(const char **p, uint64_t *out);

/* rsp_range - "addr,n", both hexadecimal. False: something else. */
bool rsp_range(const char **p, uint64_t *addr, uint64_t *n);

/* rsp_unhex - 2 * n digits to n bytes. False: other characters. */
bool rsp_unhex(const char *text, void *bytes, size_t n);

#endif
