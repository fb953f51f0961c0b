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
#include "gdb/access.h"
#include "gdb/inferior.h"
#include "gdb/rsp.h"
#include "gdb/run.h"
#include "gdb/signo.h"
#include "gdb/watch.h"
#include "gdb/xfer.h"

#define PATH_ROOM 4096
#define ALL       (~0U)

static struct gdb_server cfg;
static struct rsp_reader reader;
static struct rsp_writer reply;
static int in = -1, out = -1; /* gdb, or -1 */
static bool no_ack;
static bool runs;        /* gdb waits for a stop */
static bool done;        /* gdb or the instance has gone for good */
static bool released;    /* gdb has let go of it, or killed it */
static struct stop last; /* what gdb was told */

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

/* --- stops --- */

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
		last.tid = access_thread();
	access_select(last.tid);
	done |= s->kind == STOP_EXIT;
	if (out < 0)
		return;
	rsp_begin(&reply);
	say_stop(&last);
	send_reply();
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
			rsp_error(&reply, EINVAL);
			send_reply();
			return;
		}
		if (a.tid == ALL)
			all = true;
		else if (!how.only)
			how.only = a.tid;
		if (a.what == 's' && !how.step)
			how.step = a.tid == ALL ? access_thread() : a.tid;
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
		xfer_packet(&reply, reader.data + (text - reader.data));
	} else if (begins(&text, "qfThreadInfo")) {
		access_threads(&reply);
	} else if (begins(&text, "qsThreadInfo")) {
		say("l");
	} else if (begins(&text, "qAttached")) {
		say(cfg.fresh ? "0" : "1");
	} else if (!strcmp(text, "qC")) {
		say("QC");
		rsp_number(&reply, access_thread());
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
	switch (*text) {
	case 'q':
	case 'Q':
		query(text);
		break;
	case '?':
		say_stop(&last);
		break;
	case 'D':
		leave(false);
		say("OK");
		break;
	case 'v':
		v_packet(text);
		break;
	default:
		access_packet(&reply, text, reader.len);
		break;
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
		last.tid = access_thread();
	access_select(last.tid);
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
	access_init(s->target);
	access_select((uint32_t)s->pid);
	xfer_init(s->target, s->image);
	err = run_init(s->target, s->header, s->fresh);
	if (err)
		return err;
	if (s->fresh) {
		await_begin();
	} else {
		run_stop(&last);
		last.tid = access_thread();
		leave_text(true);
	}
	in = s->in;
	out = s->out;
	while (!done)
		turn();
	return 0;
}
