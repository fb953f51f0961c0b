/* SPDX-License-Identifier: MIT */
/* access.c - threads, registers, memory and breakpoints, as gdb asks for them.
 */
#include "gdb/access.h"

#include <errno.h>
#include <string.h>

#include "gdb/breaks.h"
#include "gdb/inferior.h"
#include "gdb/run.h"
#include "gdb/watch.h"

#define MEM_MAX (RSP_MAX / 2 - 16)

static const struct gdb_target *target;
static struct rsp_writer *w; /* the reply */
static uint32_t selected;    /* thread of g, p, ... */

void access_init(const struct gdb_target *t)
{
	target = t;
}

void access_select(uint32_t tid)
{
	selected = tid;
}

uint32_t access_thread(void)
{
	const struct gdb_thread *t;
	uint32_t n;

	if (inferior_thread(selected))
		return selected;
	t = inferior_threads(&n);
	return n ? t[0].tid : 0;
}

/* --- threads and registers --- */

static const struct gdb_thread *selected_thread(void)
{
	return inferior_thread(access_thread());
}

static void read_all(void)
{
	const struct gdb_thread *t = selected_thread();
	struct gdb_regs r;
	int err = t ? run_get(t, &r) : -ESRCH;

	if (err) {
		rsp_error(w, err);
		return;
	}
	for (unsigned int i = 0; i < regs_count(inferior_avx()); i++)
		regs_put(w, &r, i);
}

static void write_all(const char *text)
{
	const struct gdb_thread *t = selected_thread();
	struct gdb_regs r;
	int err = t ? run_get(t, &r) : -ESRCH;

	for (unsigned int i = 0; !err && i < regs_count(inferior_avx()); i++)
		if (!regs_set(&r, i, &text))
			err = -EINVAL;
	rsp_done(w, err ? err : run_set(t, &r));
}

static void read_one(const char *text)
{
	const struct gdb_thread *t = selected_thread();
	struct gdb_regs r;
	uint64_t i;
	int err = t ? run_get(t, &r) : -ESRCH;

	if (!err && (!rsp_parse(&text, &i) || i >= regs_count(inferior_avx())))
		err = -EINVAL;
	if (err)
		rsp_error(w, err);
	else
		regs_put(w, &r, (unsigned int)i);
}

static void write_one(const char *text)
{
	const struct gdb_thread *t = selected_thread();
	struct gdb_regs r;
	uint64_t i;
	int err = t ? run_get(t, &r) : -ESRCH;

	if (!err && (!rsp_parse(&text, &i) || *text++ != '=' ||
		     i >= regs_count(inferior_avx()) ||
		     !regs_set(&r, (unsigned int)i, &text)))
		err = -EINVAL;
	rsp_done(w, err ? err : run_set(t, &r));
}

/* Hg1f, Hc-1 */
static void select_thread(const char *text)
{
	uint64_t tid;

	if (*text == 'g') {
		text++;
		if (*text == '-' || !rsp_parse(&text, &tid))
			tid = 0;
		if (tid && !inferior_thread((uint32_t)tid)) {
			rsp_error(w, ESRCH);
			return;
		}
		if (tid)
			selected = (uint32_t)tid;
	}
	rsp_text(w, "OK");
}

void access_threads(struct rsp_writer *out)
{
	const struct gdb_thread *t;
	uint32_t n;

	w = out;
	t = inferior_threads(&n);
	rsp_text(w, "m");
	for (uint32_t i = 0; i < n && i < RSP_MAX / 16; i++) {
		if (i)
			rsp_text(w, ",");
		rsp_number(w, t[i].tid);
	}
}

static void thread_alive(const char *text)
{
	uint64_t tid;

	rsp_done(w, rsp_parse(&text, &tid) && inferior_thread((uint32_t)tid)
			? 0
			: ESRCH);
}

/* --- memory --- */

/* As much as there is: gdb asks for what lies behind again. */
static ssize_t read_some(uint64_t addr, uint8_t *buf, size_t n)
{
	ssize_t r = target->read(addr, buf, n);

	if (r < 0) {
		/* Up to the end of the page, then. */
		size_t left = 4096 - addr % 4096;

		r = target->read(addr, buf, n < left ? n : left);
	}
	if (r > 0)
		breaks_hide(addr, buf, (size_t)r);
	return r;
}

static void read_memory(const char *text)
{
	static uint8_t buf[MEM_MAX];
	uint64_t addr, n;
	ssize_t r = -EINVAL;

	if (rsp_range(&text, &addr, &n))
		r = read_some(addr, buf, n < sizeof(buf) ? n : sizeof(buf));
	if (r <= 0)
		rsp_error(w, r ? (int)r : EFAULT);
	else
		rsp_hex(w, buf, (size_t)r);
}

static void write_memory(const char *text, const char *end, bool binary)
{
	static uint8_t buf[RSP_MAX];
	uint64_t addr, n;
	size_t left;
	bool good;
	ssize_t r;

	good = rsp_range(&text, &addr, &n) && *text++ == ':';
	left = good ? (size_t)(end - text) : 0;
	if (!good || n > sizeof(buf) || left != (binary ? n : 2 * n) ||
	    (!binary && !rsp_unhex(text, buf, n))) {
		rsp_error(w, EINVAL);
		return;
	}
	if (binary)
		memcpy(buf, text, n);
	breaks_written(addr, buf, n);
	r = n ? target->write(addr, buf, n) : 0;
	rsp_done(w, r == (ssize_t)n ? 0 : EFAULT);
}

/* Z0,addr,kind; also the address's length for watchpoints */
static void breakpoint(const char *text, bool set)
{
	char type = *text++;
	uint64_t addr, len;
	int err = 0;

	if (*text++ != ',' || !rsp_range(&text, &addr, &len)) {
		rsp_error(w, EINVAL);
		return;
	}
	if (type == '0' && set)
		err = breaks_add(addr, BREAK_GDB);
	else if (type == '0')
		breaks_drop(addr, BREAK_GDB);
	else
		err = watch_change(target, type, addr, len, set);
	if (err != -EOPNOTSUPP) /* to that one says nothing */
		rsp_done(w, err);
}

void access_packet(struct rsp_writer *out, const char *text, size_t len)
{
	w = out;
	switch (*text) {
	case 'g':
		read_all();
		break;
	case 'G':
		write_all(text + 1);
		break;
	case 'p':
		read_one(text + 1);
		break;
	case 'P':
		write_one(text + 1);
		break;
	case 'm':
		read_memory(text + 1);
		break;
	case 'M':
	case 'X':
		write_memory(text + 1, text + len, *text == 'X');
		break;
	case 'Z':
	case 'z':
		breakpoint(text + 1, *text == 'Z');
		break;
	case 'H':
		select_thread(text + 1);
		break;
	case 'T':
		thread_alive(text + 1);
		break;
	default:
		break; /* an empty reply: not known */
	}
}
