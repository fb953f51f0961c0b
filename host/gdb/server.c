/* SPDX-License-Identifier: MIT */
/*
 * server.c - a server of gdb's remote protocol ("Debugging with GDB",
 * appendix E) for one instance.
 *
 * gdb has all threads stop and go together. While they run it may send
 * nothing but Ctrl-C. What it needs to find symbols by itself it can ask for:
 * the program's path, its auxiliary vector and its libraries, among which the
 * unikernel is listed as one more.
 */
#include "gdb/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "boot.h"
#include "gdb/breaks.h"
#include "gdb/inferior.h"
#include "gdb/rsp.h"
#include "gdb/run.h"
#include "gdb/signo.h"
#include "gdb/watch.h"

#define PATH_ROOM 4096
#define AUXV_ROOM 1024
#define MEM_MAX   (RSP_MAX / 2 - 16)
#define ALL       (~0U)

static struct gdb_server cfg;
static struct rsp_reader reader;
static struct rsp_writer reply;
static int in = -1, out = -1; /* gdb, or -1 */
static bool no_ack;
static bool runs;         /* gdb waits for a stop */
static bool done;         /* gdb or the instance has gone for good */
static bool released;     /* gdb has let go of it, or killed it */
static uint32_t selected; /* thread of g, p, ... */
static struct stop last;  /* what gdb was told */
static char *document;    /* of a qXfer under way */

/* --- the connection --- */

static void gdb_lost(void)
{
	close(in);
	if (out != in)
		close(out);
	in = out = -1;
	memset(&reader, 0, sizeof(reader));
	no_ack = false;
	if (cfg.listen_fd < 0)
		done = true;
}

static void send_all(const char *data, size_t n)
{
	while (n && out >= 0) {
		ssize_t r = write(out, data, n);

		if (r < 0 && errno != EINTR) {
			gdb_lost();
			return;
		}
		data += r > 0 ? r : 0;
		n -= r > 0 ? (size_t)r : 0;
	}
}

static void send_reply(void)
{
	size_t n;
	const char *data = rsp_end(&reply, &n);

	send_all(data, n);
}

static void say(const char *text)
{
	rsp_text(&reply, text);
}

static void say_error(int err)
{
	char text[8];

	(void)snprintf(text, sizeof(text), "E%02x", (unsigned)abs(err) & 0xff);
	say(text);
}

static void say_done(int err)
{
	if (err)
		say_error(err);
	else
		say("OK");
}

/* --- stops --- */

static uint32_t some_thread(void)
{
	const struct gdb_thread *t;
	uint32_t n;

	if (inferior_thread(selected))
		return selected;
	t = inferior_threads(&n);
	return n ? t[0].tid : 0;
}

static void say_exit(int status)
{
	const bool signalled = WIFSIGNALED(status);
	uint8_t code = (uint8_t)(signalled ? signo_to_gdb(WTERMSIG(status))
					   : WEXITSTATUS(status));

	say(signalled ? "X" : "W");
	rsp_hex(&reply, &code, 1);
}

static void say_reason(const struct stop *s)
{
	char path[PATH_ROOM];

	switch (s->kind) {
	case STOP_BREAK:
		say("swbreak:;");
		break;
	case STOP_HW:
		watch_say(&reply, s->watch);
		break;
	case STOP_EXEC:
		if (!inferior_path(path, sizeof(path)))
			break;
		say("exec:");
		rsp_hex(&reply, path, strlen(path));
		say(";");
		break;
	default:
		break;
	}
}

static void say_stop(const struct stop *s)
{
	uint8_t sig = (uint8_t)signo_to_gdb(s->sig ? s->sig : SIGTRAP);

	if (s->kind == STOP_EXIT) {
		say_exit(s->status);
		return;
	}
	say("T");
	rsp_hex(&reply, &sig, 1);
	if (s->tid) {
		say("thread:");
		rsp_number(&reply, s->tid);
		say(";");
	}
	say_reason(s);
}

static void stopped(const struct stop *s)
{
	runs = false;
	last = *s;
	if (!last.tid)
		last.tid = some_thread();
	selected = last.tid;
	done |= s->kind == STOP_EXIT;
	if (out < 0)
		return;
	rsp_begin(&reply);
	say_stop(&last);
	send_reply();
}

/* --- threads and registers --- */

static const struct gdb_thread *selected_thread(void)
{
	return inferior_thread(some_thread());
}

static void read_all(void)
{
	const struct gdb_thread *t = selected_thread();
	struct gdb_regs r;
	int err = t ? run_get(t, &r) : -ESRCH;

	if (err) {
		say_error(err);
		return;
	}
	for (unsigned int i = 0; i < regs_count(inferior_avx()); i++)
		regs_put(&reply, &r, i);
}

static void write_all(const char *text)
{
	const struct gdb_thread *t = selected_thread();
	struct gdb_regs r;
	int err = t ? run_get(t, &r) : -ESRCH;

	for (unsigned int i = 0; !err && i < regs_count(inferior_avx()); i++)
		if (!regs_set(&r, i, &text))
			err = -EINVAL;
	say_done(err ? err : run_set(t, &r));
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
		say_error(err);
	else
		regs_put(&reply, &r, (unsigned int)i);
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
	say_done(err ? err : run_set(t, &r));
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
			say_error(ESRCH);
			return;
		}
		if (tid)
			selected = (uint32_t)tid;
	}
	say("OK");
}

static void list_threads(void)
{
	const struct gdb_thread *t;
	uint32_t n;

	t = inferior_threads(&n);
	say("m");
	for (uint32_t i = 0; i < n && i < RSP_MAX / 16; i++) {
		if (i)
			say(",");
		rsp_number(&reply, t[i].tid);
	}
}

static void thread_alive(const char *text)
{
	uint64_t tid;

	say_done(rsp_parse(&text, &tid) && inferior_thread((uint32_t)tid)
		     ? 0
		     : ESRCH);
}

/* --- memory --- */

static bool parse_range(const char **text, uint64_t *addr, uint64_t *n)
{
	return rsp_parse(text, addr) && *(*text)++ == ',' && rsp_parse(text, n);
}

/* As much as there is: gdb asks for what lies behind again. */
static ssize_t read_some(uint64_t addr, uint8_t *buf, size_t n)
{
	ssize_t r = cfg.target->read(addr, buf, n);

	if (r < 0) {
		/* Up to the end of the page, then. */
		size_t left = 4096 - addr % 4096;

		r = cfg.target->read(addr, buf, n < left ? n : left);
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

	if (parse_range(&text, &addr, &n))
		r = read_some(addr, buf, n < sizeof(buf) ? n : sizeof(buf));
	if (r <= 0)
		say_error(r ? (int)r : EFAULT);
	else
		rsp_hex(&reply, buf, (size_t)r);
}

static void write_memory(const char *text, bool binary)
{
	static uint8_t buf[RSP_MAX];
	uint64_t addr, n;
	size_t left;
	bool good;
	ssize_t r;

	good = parse_range(&text, &addr, &n) && *text++ == ':';
	left = good ? reader.len - (size_t)(text - reader.data) : 0;
	if (!good || n > sizeof(buf) || left != (binary ? n : 2 * n) ||
	    (!binary && !rsp_unhex(text, buf, n))) {
		say_error(EINVAL);
		return;
	}
	if (binary)
		memcpy(buf, text, n);
	breaks_written(addr, buf, n);
	r = n ? cfg.target->write(addr, buf, n) : 0;
	say_done(r == (ssize_t)n ? 0 : EFAULT);
}

/* Z0,addr,kind; also the address's length for watchpoints */
static void breakpoint(const char *text, bool set)
{
	char type = *text++;
	uint64_t addr, len;
	int err = 0;

	if (*text++ != ',' || !parse_range(&text, &addr, &len)) {
		say_error(EINVAL);
		return;
	}
	if (type == '0' && set)
		err = breaks_add(addr, BREAK_GDB);
	else if (type == '0')
		breaks_drop(addr, BREAK_GDB);
	else
		err = watch_change(cfg.target, type, addr, len, set);
	if (err != -EOPNOTSUPP) /* to that one says nothing */
		say_done(err);
}

/* --- running --- */

/* One action of vCont: c, Cxx, s, Sxx, with a thread or not. */
struct action {
	char what;
	int sig;
	uint32_t tid; /* ALL */
};

static bool parse_action(const char **text, struct action *a)
{
	uint64_t v;

	*a = (struct action){ .what = **text, .tid = ALL };
	if (!strchr("cCsS", a->what) || !a->what)
		return false;
	(*text)++;
	if (a->what == 'C' || a->what == 'S') {
		if (!rsp_parse(text, &v))
			return false;
		a->sig = signo_from_gdb((int)v);
		a->what = a->what == 'C' ? 'c' : 's';
	}
	if (**text == ':') {
		(*text)++;
		if (**text == '-')
			*text += strcspn(*text, ";");
		else if (rsp_parse(text, &v))
			a->tid = (uint32_t)v;
		else
			return false;
	}
	return **text == ';' ? (*text)++, true : **text == '\0';
}

static void vcont(const char *text)
{
	struct resume how = { .step = 0 };
	bool all = false;
	struct action a;

	while (*text) {
		if (!parse_action(&text, &a)) {
			say_error(EINVAL);
			send_reply();
			return;
		}
		if (a.tid == ALL)
			all = true;
		else if (!how.only)
			how.only = a.tid;
		if (a.what == 's' && !how.step)
			how.step = a.tid == ALL ? some_thread() : a.tid;
		if (a.sig)
			how.sig = a.sig;
	}
	if (all)
		how.only = 0;
	runs = true;
	run_resume(&how);
}

static void pass_signals(const char *text)
{
	uint64_t set = 0, sig;

	while (rsp_parse(&text, &sig)) {
		int n = signo_from_gdb((int)sig);

		if (n)
			set |= 1ULL << (n - 1);
		if (*text == ';')
			text++;
	}
	run_pass(set);
	say("OK");
}

/* --- documents --- */

static char *threads_document(void)
{
	static const char *const states[] = { "running",   "ready",
					      "waiting",   "ending",
					      "in a call", "in a call" };
	const struct gdb_thread *t;
	char *text = NULL;
	uint32_t n;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	t = inferior_threads(&n);
	(void)fputs("<threads>", f);
	for (uint32_t i = 0; i < n; i++) {
		(void)fprintf(f, "<thread id=\"%x\"", t[i].tid);
		if (t[i].core >= 0)
			(void)fprintf(f, " core=\"%d\"", t[i].core);
		if (t[i].name[0] && !strpbrk(t[i].name, "<&\""))
			(void)fprintf(f, " name=\"%s\"", t[i].name);
		(void)fprintf(f, ">%s</thread>",
			      !t[i].addr       ? "idle"
			      : t[i].state < 6 ? states[t[i].state]
					       : "");
	}
	(void)fputs("</threads>", f);
	return fclose(f) ? NULL : text;
}

/* Text documents are made anew when gdb begins to read them. */
static void transfer_text(char *(*make)(void), uint64_t offset, uint64_t n)
{
	if (!offset || !document) {
		free(document);
		document = make();
	}
	if (document)
		rsp_part(&reply, document, strlen(document), offset, n);
	else
		say_error(ENOMEM);
}

static char *libraries_document(void)
{
	return inferior_libraries(cfg.target, cfg.image);
}

static void transfer(const char *object, const char *annex, uint64_t offset,
		     uint64_t n)
{
	char bytes[PATH_ROOM];
	const char *xml = regs_description(inferior_avx());

	if (!strcmp(object, "features") && !strcmp(annex, "target.xml"))
		rsp_part(&reply, xml, strlen(xml), offset, n);
	else if (!strcmp(object, "auxv"))
		rsp_part(&reply, bytes, inferior_auxv(bytes, AUXV_ROOM), offset,
			 n);
	else if (!strcmp(object, "exec-file") &&
		 inferior_path(bytes, sizeof(bytes)))
		rsp_part(&reply, bytes, strlen(bytes), offset, n);
	else if (!strcmp(object, "threads"))
		transfer_text(threads_document, offset, n);
	else if (!strcmp(object, "libraries-svr4"))
		transfer_text(libraries_document, offset, n);
	else if (!strcmp(object, "siginfo") && run_siginfo(bytes))
		rsp_part(&reply, bytes, 128, offset, n);
	else
		say("E00");
}

/* OBJECT:read:ANNEX:OFFSET,LENGTH */
static void qxfer(char *text)
{
	char *read = strchr(text, ':'), *annex, *range;
	uint64_t offset, n;
	const char *p;

	if (!read || strncmp(read, ":read:", 6) != 0) {
		say_error(EINVAL);
		return;
	}
	*read = '\0';
	annex = read + 6;
	range = strrchr(annex, ':');
	p = range ? range + 1 : annex;
	if (!range || !parse_range(&p, &offset, &n)) {
		say_error(EINVAL);
		return;
	}
	*range = '\0';
	transfer(text, annex, offset, n);
}

/* --- packets --- */

static void supported(void)
{
	say("PacketSize=");
	rsp_number(&reply, RSP_MAX - 16);
	say(";QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+;"
	    "exec-events+;QPassSignals+;qXfer:features:read+;"
	    "qXfer:auxv:read+;qXfer:exec-file:read+;qXfer:threads:read+;"
	    "qXfer:libraries-svr4:read+;qXfer:siginfo:read+");
}

static bool begins(const char **text, const char *with)
{
	size_t n = strlen(with);

	if (strncmp(*text, with, n) != 0)
		return false;
	*text += n;
	return true;
}

static void query(const char *text)
{
	if (begins(&text, "qSupported")) {
		supported();
	} else if (begins(&text, "qXfer:")) {
		qxfer(reader.data + (text - reader.data));
	} else if (begins(&text, "qfThreadInfo")) {
		list_threads();
	} else if (begins(&text, "qsThreadInfo")) {
		say("l");
	} else if (begins(&text, "qAttached")) {
		say(cfg.fresh ? "0" : "1");
	} else if (!strcmp(text, "qC")) {
		say("QC");
		rsp_number(&reply, some_thread());
	} else if (begins(&text, "QPassSignals:")) {
		pass_signals(text);
	} else if (!strcmp(text, "QStartNoAckMode")) {
		no_ack = true;
		say("OK");
	}
}

/*
 * While gdb looks at a program that it has not started, no further text of it
 * is rewritten.
 */
static void leave_text(bool alone)
{
	uint64_t at = AZ_BOOT_BASE + offsetof(struct az_boot, flags);
	static uint32_t was;
	uint32_t flags;

	if (cfg.fresh || cfg.target->read(at, &flags, sizeof(flags)) !=
			     (ssize_t)sizeof(flags))
		return;
	if (alone)
		was = flags & AZ_BOOT_NOPATCH;
	flags = (flags & ~AZ_BOOT_NOPATCH) | (alone ? AZ_BOOT_NOPATCH : was);
	(void)cfg.target->write(at, &flags, sizeof(flags));
}

static void leave(bool kill_it)
{
	if (kill_it) {
		cfg.target->kill(SIGKILL);
		run_leave();
	} else {
		leave_text(false);
		run_detach();
	}
	released = done = true;
}

static void v_packet(const char *text)
{
	if (!strcmp(text, "vCont?")) {
		say("vCont;c;C;s;S");
	} else if (begins(&text, "vKill")) {
		leave(true);
		say("OK");
	}
}

static void packet(const char *text)
{
	if (text[0] && strchr("qQ", text[0]))
		query(text);
	switch (*text) {
	case '?':
		say_stop(&last);
		break;
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
		write_memory(text + 1, *text == 'X');
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
	case 'D':
		leave(false);
		say("OK");
		break;
	case 'v':
		v_packet(text);
		break;
	default:
		break; /* an empty reply: not known */
	}
}

static void on_packet(void)
{
	const char *text = reader.data;

	if (runs)
		return; /* gdb does not do that */
	if (*text == 'k') {
		leave(true);
		return;
	}
	rsp_begin(&reply);
	if (begins(&text, "vCont;")) {
		vcont(text);
		return;
	}
	packet(text);
	send_reply();
}

static void on_break(void)
{
	struct stop s;

	if (!runs)
		return;
	run_stop(&s);
	if (s.kind == STOP_QUIET) {
		s.kind = STOP_SIGNAL;
		s.sig = SIGINT;
	}
	stopped(&s);
}

static void on_input(void)
{
	static char buf[4096];
	ssize_t n = read(in, buf, sizeof(buf));
	size_t at = 0, used;

	if (n <= 0) {
		if (n == 0 || errno != EINTR)
			gdb_lost();
		return;
	}
	while (at < (size_t)n && in >= 0 && !done) {
		enum rsp_kind kind =
		    rsp_read(&reader, buf + at, (size_t)n - at, &used);
		bool ack = !no_ack;

		at += used;
		if (ack && (kind == RSP_PACKET || kind == RSP_BAD))
			send_all(kind == RSP_BAD ? "-" : "+", 1);
		if (kind == RSP_PACKET)
			on_packet();
		else if (kind == RSP_BREAK)
			on_break();
		else if (kind == RSP_NAK)
			send_reply();
	}
}

/* --- the loop --- */

static void on_call(void)
{
	int fd = accept4(cfg.listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct stop s = last;

	if (fd < 0)
		return;
	if (in >= 0) { /* one at a time */
		close(fd);
		return;
	}
	in = out = fd;
	if (runs)
		run_stop(&s);
	runs = false;
	last = s;
	if (!last.tid)
		last.tid = some_thread();
	selected = last.tid;
}

/* gdb has gone, and has not let go of the program: that goes on. */
static void abandoned(void)
{
	struct stop s;

	run_stop(&s);
	if (s.kind == STOP_EXIT) {
		stopped(&s);
		return;
	}
	if (done) {
		leave_text(false);
		run_detach();
	} else {
		run_leave();
		runs = true;
	}
}

static void turn(void)
{
	struct pollfd p[3] = {
		{ .fd = cfg.target->wait_fd(), .events = POLLIN },
		{ .fd = in, .events = POLLIN },
		{ .fd = in < 0 ? cfg.listen_fd : -1, .events = POLLIN },
	};
	bool had = in >= 0;
	struct stop s;

	if (poll(p, 3, -1) < 0)
		return;
	if (p[0].revents && run_events(&s))
		stopped(&s);
	if (p[1].revents && in >= 0 && !done)
		on_input();
	if (released)
		return;
	if (had && in < 0 && last.kind != STOP_EXIT)
		abandoned();
	if (p[2].revents && !done)
		on_call();
}

/* The program is at its first instruction, before anybody may look. */
static void await_begin(void)
{
	struct pollfd p = { .fd = cfg.target->wait_fd(), .events = POLLIN };
	struct stop s;

	while (!run_events(&s))
		(void)poll(&p, 1, -1);
	stopped(&s);
}

int gdb_serve(const struct gdb_server *s)
{
	int err;

	cfg = *s;
	(void)signal(SIGPIPE, SIG_IGN);
	/* Ctrl-C is gdb's, which says so by the protocol. */
	(void)signal(SIGINT, SIG_IGN);
	selected = (uint32_t)s->pid;
	err = run_init(s->target, s->header, s->fresh);
	if (err)
		return err;
	if (s->fresh) {
		await_begin();
	} else {
		run_stop(&last);
		last.tid = some_thread();
		leave_text(true);
	}
	in = s->in;
	out = s->out;
	while (!done)
		turn();
	return 0;
}
