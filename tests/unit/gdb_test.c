/* SPDX-License-Identifier: MIT */
/*
 * gdb_test.c - host/gdb: packets, registers, numbers of signals, breakpoints
 * and watchpoints, over a target that is an array.
 */
/* links: host/gdb/rsp.c host/gdb/regs.c host/gdb/signo.c */
/* links: host/gdb/breaks.c host/gdb/watch.c */
/* cflags: -idirafter kernel */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gdb/breaks.h"
#include "gdb/regs.h"
#include "gdb/rsp.h"
#include "gdb/signo.h"
#include "gdb/watch.h"

#define BASE 0x1000

static int ntests, nfailed;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

/* --- packets --- */

static struct rsp_reader reader;
static struct rsp_writer writer;

/* All that is in the input, as one letter each; packets as (text). */
static const char *read_all(const char *in, size_t n)
{
	static char out[1000];
	size_t used;

	out[0] = '\0';
	for (; n; in += used, n -= used) {
		switch (rsp_read(&reader, in, n, &used)) {
		case RSP_NONE:
			break;
		case RSP_PACKET:
			snprintf(out + strlen(out), 100, "(%s)", reader.data);
			break;
		case RSP_BAD:
			strcat(out, "B");
			break;
		case RSP_BREAK:
			strcat(out, "^");
			break;
		case RSP_ACK:
			strcat(out, "+");
			break;
		case RSP_NAK:
			strcat(out, "-");
			break;
		}
	}
	return out;
}

static bool reads(const char *in, const char *want)
{
	return strcmp(read_all(in, strlen(in)), want) == 0;
}

static const char *ended(void)
{
	static char text[sizeof(writer.data) + 1];
	size_t n;
	const char *data = rsp_end(&writer, &n);

	memcpy(text, data, n);
	text[n] = '\0';
	return text;
}

static void test_reading(void)
{
	char *big = malloc(RSP_MAX + 100);

	ok(reads("+$OK#9a-\x03", "+(OK)-^"), "packets, acknowledgements, ^C");
	ok(reads("$O", "") && reads("K#9", "") && reads("a", "(OK)"),
	   "a packet comes in pieces");
	ok(reads("$OK#9b$OK#9A$OK#zz", "B(OK)B"), "the checksum is checked");
	ok(reads("noise$OK#9a", "(OK)"), "noise is skipped");
	ok(reads("$hal$OK#9a", "(OK)"), "a packet may be cut off");
	ok(reads("$}\x03}\x04#01", "(#$)"), "escaped characters");
	ok(reads("$#00", "()"), "an empty one");
	memset(big, 'x', RSP_MAX + 100);
	big[0] = '$';
	memcpy(big + RSP_MAX + 90, "#00", 4);
	ok(reads(big, "B"), "one that is too long is refused");
	ok(reads("$OK#9a", "(OK)"), "and the next is not");
	free(big);
}

static void test_writing(void)
{
	static const char odd[] = "a#$}*";
	bool fits = true;

	rsp_begin(&writer);
	rsp_text(&writer, "OK");
	ok(!strcmp(ended(), "$OK#9a"), "a reply has its checksum");
	rsp_begin(&writer);
	rsp_number(&writer, 0);
	rsp_text(&writer, ",");
	rsp_number(&writer, 0xfedcba9876543210);
	ok(!strncmp(ended(), "$0,fedcba9876543210#", 20), "numbers");
	rsp_begin(&writer);
	rsp_hex(&writer, "\x01\xff", 2);
	rsp_unknown(&writer, 2);
	ok(!strncmp(ended(), "$01ffxxxx#", 10), "bytes, known or not");
	rsp_begin(&writer);
	rsp_binary(&writer, odd, 5);
	ended();
	reader = (struct rsp_reader){ .len = 0 };
	ok(!strcmp(read_all(writer.data, writer.len), "(a#$}*)"),
	   "what is escaped is read as it was");
	rsp_begin(&writer);
	for (int i = 0; i < 2 * RSP_MAX; i++)
		rsp_text(&writer, "longer than it may be");
	ok(!strcmp(ended(), "$E07#ac"), "a reply without room is an error");
	for (uint64_t at = 0; at < 12; at += 5) {
		rsp_begin(&writer);
		rsp_part(&writer, "0123456789", 10, at, 5);
		fits &= writer.data[1] == (at >= 5 ? 'l' : 'm');
		fits &= writer.len == (at < 10 ? 7 : 2);
	}
	ok(fits, "a document in parts");
	rsp_begin(&writer);
	rsp_part(&writer, "0123456789", 10, ~0ULL, ~0ULL);
	ok(!strncmp(ended(), "$l#", 3), "and from beyond its end");
}

static void test_parsing(void)
{
	const char *p = "1fZ", *none = "z", *end = p + 2;
	const char *many = "11111111111111112";
	uint8_t bytes[2];
	uint64_t v;

	ok(rsp_parse(&p, &v) && v == 0x1f && p == end, "a number ends");
	ok(!rsp_parse(&none, &v), "or is none");
	ok(rsp_parse(&many, &v) && *many == '2', "or has too many digits");
	ok(rsp_unhex("0aFF", bytes, 2) && bytes[0] == 10 && bytes[1] == 255 &&
	       !rsp_unhex("0", bytes, 1) && !rsp_unhex("0g", bytes, 1),
	   "digits to bytes");
}

/* --- registers --- */

static const char *shown(const struct gdb_regs *r, unsigned int i)
{
	static char text[64];

	rsp_begin(&writer);
	regs_put(&writer, r, i);
	memcpy(text, writer.data + 1, writer.len - 1);
	text[writer.len - 1] = '\0';
	return text;
}

/* Each name of the description is a register, in this order. */
static unsigned int described(bool avx)
{
	const char *p = regs_description(avx);
	unsigned int n = 0;

	while ((p = strstr(p, "<reg ")) != NULL) {
		p++;
		n++;
	}
	return n;
}

static void test_registers(void)
{
	struct gdb_regs r = { .known = REGS_ALL }, s;
	bool same = true, unknown = true;

	ok(described(true) == regs_count(true) &&
	       described(false) == regs_count(false),
	   "as many are described as there are");
	r.rip = 0x1122334455667788;
	r.gs_base = 5;
	r.xsave[4] = 0x81; /* st0 and st7 are in use */
	ok(!strcmp(shown(&r, 16), "8877665544332211") &&
	       !strcmp(shown(&r, 59), "0500000000000000") &&
	       !strcmp(shown(&r, 34), "fc3f0000"),
	   "rip, gs_base and the x87 tags are where gdb looks");
	/* What is shown can be set. */
	for (size_t i = 0; i < sizeof(r); i++)
		((uint8_t *)&r)[i] = (uint8_t)rand();
	r.known = REGS_ALL;
	memset(&s, 0, sizeof(s));
	s.known = REGS_ALL;
	for (unsigned int i = 0; i < regs_count(true); i++) {
		const char *text = shown(&r, i);
		char want[64];

		strcpy(want, text);
		same &= regs_set(&s, i, &text) && !*text;
		same &= !strcmp(shown(&s, i), want);
	}
	ok(same, "each is set as it is shown");
	s = r;
	r.known = 0;
	for (unsigned int i = 0; i < regs_count(true); i++) {
		const char *text = shown(&r, i);

		unknown &= !strncmp(text, "xx", 2) && regs_set(&s, i, &text);
	}
	ok(unknown && s.rip == r.rip && s.xsave[200] == r.xsave[200],
	   "one that is unknown is so, and setting it changes nothing");
	{
		const char *text = "11";

		ok(!regs_set(&s, 0, &text), "half of one is refused");
	}
}

static void test_signals(void)
{
	bool same = true;

	for (int sig = 1; sig <= 64; sig++)
		same &= sig == SIGSTKFLT
			    ? signo_to_gdb(sig) == 0
			    : signo_from_gdb(signo_to_gdb(sig)) == sig;
	ok(same, "numbers of signals are translated to and fro");
	ok(signo_to_gdb(SIGUSR1) == 30 && signo_to_gdb(33) == 45 &&
	       signo_to_gdb(63) == 75 && signo_to_gdb(32) == 77 &&
	       signo_to_gdb(64) == 78 && !signo_to_gdb(65) &&
	       !signo_to_gdb(-1) && !signo_from_gdb(0) && !signo_from_gdb(1000),
	   "to gdb's");
}

/* --- memory --- */

static uint8_t memory[32];
static uint64_t loaded[4], loaded_dr7;
static int loaded_err;

static ssize_t fake_read(uint64_t addr, void *buf, size_t n)
{
	if (addr < BASE || addr + n > BASE + sizeof(memory))
		return -EFAULT;
	memcpy(buf, memory + addr - BASE, n);
	return (ssize_t)n;
}

static ssize_t fake_write(uint64_t addr, const void *buf, size_t n)
{
	if (addr < BASE || addr + n > BASE + sizeof(memory))
		return -EFAULT;
	memcpy(memory + addr - BASE, buf, n);
	return (ssize_t)n;
}

static int fake_watch(const uint64_t addr[4], uint64_t dr7)
{
	memcpy(loaded, addr, sizeof(loaded));
	loaded_dr7 = dr7;
	return loaded_err;
}

static const struct gdb_target fake = { .read = fake_read,
					.write = fake_write,
					.watch = fake_watch };

static void test_breaks(void)
{
	uint8_t buf[32];

	memset(memory, 0x90, sizeof(memory));
	breaks_init(&fake);
	ok(!breaks_add(BASE + 3, BREAK_GDB) && memory[3] == 0xcc &&
	       breaks_at(BASE + 3) == BREAK_GDB && !breaks_at(BASE + 4),
	   "a breakpoint is an int3");
	ok(!breaks_add(BASE + 3, BREAK_TEMP), "two may be in one place");
	breaks_drop(BASE + 3, BREAK_GDB);
	ok(memory[3] == 0xcc, "which stays while one is left");
	memcpy(buf, memory, sizeof(buf));
	breaks_hide(BASE, buf, sizeof(buf));
	ok(buf[3] == 0x90, "who reads does not see it");
	memset(buf, 0x55, sizeof(buf));
	breaks_written(BASE, buf, sizeof(buf));
	fake_write(BASE, buf, sizeof(buf));
	ok(memory[3] == 0xcc && memory[4] == 0x55, "who writes keeps it");
	breaks_drop(BASE + 3, BREAK_TEMP);
	ok(memory[3] == 0x55, "and gets what he wrote");
	breaks_add(BASE + 1, BREAK_GDB);
	memory[1] = 0x11;
	breaks_drop(BASE + 1, BREAK_GDB);
	ok(memory[1] == 0x11, "other text that came there is left alone");
	ok(breaks_add(BASE - 1, BREAK_GDB) == -EFAULT && !breaks_at(BASE - 1),
	   "where nothing can be written there is none");
	for (uint64_t i = 0; i < sizeof(memory); i++)
		breaks_add(BASE + i, i % 2 ? BREAK_GDB : BREAK_SIGNAL);
	breaks_drop_all(BREAK_GDB);
	ok(memory[31] == 0x55 && memory[30] == 0xcc,
	   "all of one kind can go at once");
	breaks_drop_all(~0U);
	ok(!memchr(memory, 0xcc, sizeof(memory)), "and all of them");
}

static void test_watch(void)
{
	ok(!watch_change(&fake, '2', 0x2000, 4, true) && loaded[0] == 0x2000 &&
	       loaded_dr7 == 0xd0001,
	   "a watchpoint of four bytes, Intel SDM 3 figure 17-1");
	ok(!watch_change(&fake, '4', 0x2008, 8, true) &&
	       !watch_change(&fake, '1', 0x2011, 1, true) &&
	       loaded_dr7 == (0xd0001 | 4 | 0xbULL << 20 | 16),
	   "access to eight bytes, and execution");
	ok(watch_change(&fake, '2', 0x2002, 4, true) == -EINVAL &&
	       watch_change(&fake, '2', 0x2000, 16, true) == -EINVAL &&
	       watch_change(&fake, '2', 0x2000, 3, true) == -EINVAL &&
	       watch_change(&fake, '3', 0x2000, 4, true) == -EOPNOTSUPP,
	   "what the CPU cannot do is refused");
	ok(!watch_change(&fake, '2', 0x3000, 1, true) &&
	       watch_change(&fake, '2', 0x3001, 1, true) == -ENOSPC,
	   "there are four");
	rsp_begin(&writer);
	watch_say(&writer, 2);
	ok(!strncmp(ended(), "$awatch:2008;#", 14), "which one it was is said");
	ok(!watch_change(&fake, '2', 0x2000, 4, false) &&
	       !watch_change(&fake, '2', 0x2000, 4, false) && !(loaded_dr7 & 3),
	   "dropped, it is free");
	loaded_err = -EOPNOTSUPP;
	ok(watch_change(&fake, '2', 0x2000, 4, true) == -ENODEV,
	   "where there are no debug registers, that is said");
	loaded_err = 0;
	ok(!watch_change(&fake, '2', 0x2000, 4, true), "and nothing is kept");
}

int main(void)
{
	test_reading();
	test_writing();
	test_parsing();
	test_registers();
	test_signals();
	test_breaks();
	test_watch();
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
