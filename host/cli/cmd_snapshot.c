/* SPDX-License-Identifier: MIT */
/*
 * cmd_snapshot.c - azalea snapshot [--stop] NAME FILE, azalea snapshot --verify
 *
 * The file has no name until it is complete; where the file system has no such
 * files it has another one until then, and is removed when anything fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/from.h"
#include "cli/subject.h"
#include "lib/error.h"
#include "lib/size.h"
#include "snapshot/snapshot.h"

#define TICK_NS 10000000L /* of the clock that files are stamped by, at most */

enum snapshot_option {
	OPT_STOP,
	OPT_VERIFY,
	OPT_COUNT,
};

static const struct option_spec snapshot_options[] = {
	[OPT_STOP] = { 0, "stop", NULL,
		       "end the instance with it, by SIGKILL, when the file\n"
		       "is complete" },
	[OPT_VERIFY] = { 0, "verify", NULL,
			 "make none: read FILE to its end and say whether it\n"
			 "is what was written, and can go on here" },
	[OPT_COUNT] = { 0, NULL, NULL, NULL },
};

/* A file that is being written. */
struct output {
	const char *path;
	char other[PATH_MAX]; /* its name until it is complete; "": none */
	int fd;
};

static int output_fail(const struct output *o, int err)
{
	return error_fail(EXIT_AZALEA, "%s: cannot write it: %s", o->path,
			  error_text(err));
}

static int output_name(struct output *o)
{
	int n = snprintf(o->other, sizeof(o->other), "%s.%d.new", o->path,
			 (int)getpid());

	return n < 0 || n >= (int)sizeof(o->other) ? -ENAMETOOLONG : 0;
}

static int output_open(struct output *o)
{
	const char *slash = strrchr(o->path, '/');
	char folder[PATH_MAX];
	struct stat st;
	int err;

	o->other[0] = '\0';
	/* With the slash, so that of the root something is left. */
	if (snprintf(folder, sizeof(folder), "%.*s",
		     slash ? (int)(slash - o->path) + 1 : 1,
		     slash ? o->path : ".") >= (int)sizeof(folder))
		return output_fail(o, ENAMETOOLONG);
	if (stat(o->path, &st) == 0 && !S_ISREG(st.st_mode))
		return error_fail(EXIT_AZALEA,
				  "%s: not a regular file: name another",
				  o->path);
	o->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (o->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
		return output_fail(o, errno);
	err = output_name(o);
	if (!err) {
		o->fd =
		    open(o->other, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		err = o->fd < 0 ? -errno : 0;
	}
	if (err)
		o->other[0] = '\0';
	return err ? output_fail(o, err) : 0;
}

static void output_drop(struct output *o)
{
	if (o->other[0])
		(void)unlink(o->other);
	close(o->fd);
}

/* The complete file gets its name. */
static int output_place(struct output *o)
{
	char self[40];
	int err = fsync(o->fd) ? -errno : 0;

	if (!err && !o->other[0]) {
		(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", o->fd);
		err = output_name(o);
		if (!err && linkat(AT_FDCWD, self, AT_FDCWD, o->other,
				   AT_SYMLINK_FOLLOW)) {
			err = -errno;
			o->other[0] = '\0';
		}
	}
	if (!err && rename(o->other, o->path))
		err = -errno;
	if (err)
		return output_fail(o, err);
	o->other[0] = '\0';
	return 0;
}

/* What the writer says, until its end: 0 and *done, or a status. */
static int writer_hear(const char *name, const char *path, int sock,
		       struct snap_message *done)
{
	ssize_t n;

	for (;;) {
		n = recv(sock, done, sizeof(*done), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(*done))
			return error_fail(
			    EXIT_AZALEA,
			    "%s: it ended, or what wrote the "
			    "snapshot was killed: nothing is left",
			    name);
		done->text[sizeof(done->text) - 1] = '\0';
		if (done->kind != SNAP_TEXT)
			break;
		error_say("%s: %s", name, done->text);
	}
	if (done->result == -EBUSY)
		return error_fail(EXIT_AZALEA,
				  "%s: it is starting a program (vfork): try "
				  "again",
				  name);
	if (done->result)
		return error_fail(EXIT_AZALEA, "%s: cannot write it: %s", path,
				  error_text(done->result));
	return 0;
}

static int ask(const struct subject *s, int fd, int sock, bool stop)
{
	const struct snap_request rq = { .magic = SNAP_REQUEST_MAGIC,
					 .stop = stop };
	const int fds[2] = { fd, sock };
	int r = registry_send(s->uid, s->name, &rq, sizeof(rq), fds, 2);

	if (r < 0)
		return error_fail(1, "%s: cannot reach its owner: %s", s->name,
				  error_text(r));
	close(r);
	return 0;
}

static void say_done(const struct output *o, const struct snap_message *m)
{
	char bytes[SIZE_TEXT_MAX];
	struct stat st;
	uint64_t size =
	    fstat(o->fd, &st) ? m->bytes : (uint64_t)st.st_blocks * 512;

	(void)printf("%s: %s; the instance stood still for %.1f ms\n", o->path,
		     size_format(size, bytes), (double)m->still_ns / 1e6);
}

static int snapshot_to(const struct subject *s, struct output *o, bool stop)
{
	struct snap_message m = { .kind = 0 };
	int pair[2], status;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return error_fail(EXIT_AZALEA, "cannot make a socket: %s",
				  error_text(errno));
	status = ask(s, o->fd, pair[1], stop);
	close(pair[1]);
	if (!status)
		status = writer_hear(s->name, o->path, pair[0], &m);
	if (!status)
		status = output_place(o);
	if (!status && stop) {
		/* If it is gone already, so much the better. */
		(void)!send(pair[0], &m, sizeof(m), MSG_NOSIGNAL);
		(void)subject_wait(s, -1);
	}
	close(pair[0]);
	if (!status)
		say_done(o, &m);
	return status;
}

/* What was just written is known to be whole. */
static void remember(const struct output *o)
{
	struct timespec tick = { .tv_nsec = TICK_NS };

	(void)nanosleep(&tick, NULL);
	verified_note(o->fd);
}

static int snapshot_make(const char *name, const char *path, bool stop)
{
	struct output o = { .path = path };
	struct subject s;
	int status = subject_find(name, &s);

	if (status)
		return status;
	if (!s.live) {
		subject_close(&s);
		return error_fail(1, "%s: it has ended", name);
	}
	status = output_open(&o);
	if (!status) {
		status = snapshot_to(&s, &o, stop);
		if (!status)
			remember(&o);
		output_drop(&o);
	}
	subject_close(&s);
	return status;
}

static int verify(const char *path)
{
	char reason[SNAP_REASON_MAX];
	struct snapshot s;

	if (snapshot_open(path, &s, reason) || snapshot_verify(&s, reason) ||
	    snapshot_fits(&s, reason))
		return error_fail(EXIT_AZALEA, "%s: %s", path, reason);
	verified_note(s.fd);
	(void)printf("%s: whole: %s, %u cores\n", path,
		     snap_string(&s.t, s.header.process.exec_fn),
		     s.header.process.ncores);
	for (uint32_t i = 0; i < s.header.count.fds; i++)
		if (s.t.fd[i].kind == SNAP_FD_LOST)
			(void)printf("descriptor %d is lost: %s\n",
				     s.t.fd[i].fd,
				     snap_string(&s.t, s.t.fd[i].text));
	return 0;
}

static int cmd_snapshot(struct option_parser *p)
{
	bool on[OPT_COUNT] = { false };
	int o, status;

	while ((o = option_next(p)) >= 0)
		on[o] = p->on;
	status = options_end(p, o);
	if (status < 0)
		status = on[OPT_VERIFY] ? operands_need(p, 1, 1)
					: operands_need(p, 2, 2);
	if (status >= 0)
		return status;
	if (on[OPT_VERIFY])
		return verify(p->operands[0]);
	return snapshot_make(p->operands[0], p->operands[1], on[OPT_STOP]);
}

const struct verb verb_snapshot = {
	.name = "snapshot",
	.operands = "NAME FILE | --verify FILE",
	.summary = "Put a running instance into a file: run --from goes on",
	.options = snapshot_options,
	.mixed = true,
	.run = cmd_snapshot,
};
