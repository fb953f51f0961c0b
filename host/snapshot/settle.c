/* SPDX-License-Identifier: MIT */
/*
 * settle.c - what a program had of Linux, had again: credentials, limits,
 * directory, descriptors.
 *
 * The process has one thread, and the program does not run yet. The owner's own
 * descriptors are first moved above all of the program's, which then are made
 * under any number and moved to theirs; pipes and pairs come by twos.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/error.h"
#include "snapshot/restore_private.h"

#define STDIO     3
#define PIPE_SIZE 65536 /* unless one asks for another, pipe(7) */

/* --- credentials, limits, directory --- */

static int settle_user(const struct snap_process *p, const void *groups,
		       const char **why)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	(void)getresuid(&ruid, &euid, &suid);
	(void)getresgid(&rgid, &egid, &sgid);
	if (ruid == p->ruid && euid == p->euid && suid == p->suid &&
	    rgid == p->rgid && egid == p->egid && sgid == p->sgid)
		return 0;
	if (setgroups(p->ngroups, groups) ||
	    setresgid(p->rgid, p->egid, p->sgid) ||
	    setresuid(p->ruid, p->euid, p->suid)) {
		*why =
		    restore_why("the program ran as user %u, group %u: start "
				"it as that user",
				p->euid, p->egid);
		return -EPERM;
	}
	return 0;
}

/* Limits of what Linux keeps to: as they were, as far as this process may. */
static void settle_limits(const struct snap_process *p)
{
	static const uint8_t kept[] = { RLIMIT_NOFILE, RLIMIT_FSIZE,
					RLIMIT_CORE };

	for (size_t i = 0; i < sizeof(kept); i++) {
		const struct az_rlimit *was = &p->rlimit[kept[i]];
		struct rlimit rl;

		(void)prlimit(0, kept[i], NULL, &rl);
		rl.rlim_cur = was->soft < rl.rlim_max ? was->soft : rl.rlim_max;
		if (was->hard < rl.rlim_max && rl.rlim_cur <= was->hard)
			rl.rlim_max = was->hard;
		(void)prlimit(0, kept[i], &rl, NULL);
	}
}

static int settle_directory(const struct snapshot *s, const char **why)
{
	const char *cwd = snap_string(&s->t, s->header.process.cwd);

	(void)umask(s->header.process.umask & 0777);
	if (*cwd && chdir(cwd)) {
		*why = restore_why("%s: the working directory of the program: "
				   "%s",
				   cwd, error_text(errno));
		return -errno;
	}
	return 0;
}

/* --- descriptors --- */

static int first_above; /* all of the program's */

int fd_above(int fd)
{
	int high, err;

	if (fd < 0)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, first_above);
	err = -errno;
	close(fd);
	return high < 0 ? err : high;
}

int snapshot_clear(struct snapshot *s, int *const keep[], int nkeep)
{
	uint32_t n = s->t.header->count.fds;
	struct rlimit rl;

	first_above = n ? s->t.fd[n - 1].fd + 1 : STDIO;
	if (first_above < STDIO)
		first_above = STDIO;
	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
	s->fd = fd_above(s->fd);
	if (s->fd < 0)
		return s->fd;
	for (int i = 0; i < nkeep; i++) {
		if (*keep[i] < 0)
			continue;
		*keep[i] = fd_above(*keep[i]);
		if (*keep[i] < 0)
			return *keep[i];
	}
	/* What else was inherited is not the program's. */
	if (first_above > STDIO)
		(void)syscall(SYS_close_range, STDIO, first_above - 1, 0);
	return 0;
}

static int fd_path(const struct snapshot *s, const struct snap_fd *f,
		   const char **why)
{
	const struct snap_object *o = &s->t.object[f->object];
	const char *path = snap_string(&s->t, o->path);
	int flags = (int)f->flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW);
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		*why = restore_why("descriptor %d: %s: %s", f->fd, path,
				   error_text(errno));
	} else if ((S_ISREG(o->mode) || S_ISDIR(o->mode)) &&
		   (st.st_ino != o->ino ||
		    (st.st_mode & S_IFMT) != (o->mode & S_IFMT))) {
		*why =
		    restore_why("descriptor %d: %s: another file than at the "
				"snapshot",
				f->fd, path);
	} else if (S_ISREG(o->mode) && (uint64_t)st.st_size < o->size) {
		*why = restore_why("descriptor %d: %s: shorter than at the "
				   "snapshot",
				   f->fd, path);
	} else {
		if (f->pos && !(f->flags & O_PATH))
			(void)lseek(fd, (off_t)f->pos, SEEK_SET);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -EINVAL;
}

static int fd_memory(const struct snapshot *s, const struct snap_fd *f,
		     const char **why)
{
	int flags = (int)f->flags & ~(O_CREAT | O_EXCL | O_TRUNC);
	int object = object_open(s, f->object, why), fd;
	char path[40];

	if (object < 0)
		return object;
	/* An open file of its own, with its own position. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", object);
	fd = open(path, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	(void)lseek(fd, (off_t)f->pos, SEEK_SET);
	return fd;
}

static int fd_event(const struct snap_fd *f)
{
	int flags = EFD_CLOEXEC | (f->arg[1] ? EFD_SEMAPHORE : 0);
	int fd = eventfd(0, flags | ((int)f->flags & EFD_NONBLOCK));
	uint64_t n = f->arg[0];

	if (fd >= 0 && n && write(fd, &n, sizeof(n)) != sizeof(n)) {
		close(fd);
		return -EINVAL;
	}
	return fd < 0 ? -errno : fd;
}

static int fd_timer(const struct snap_fd *f)
{
	int fd = timerfd_create((int)f->arg[0],
				TFD_CLOEXEC | ((int)f->flags & TFD_NONBLOCK));
	struct itimerspec its = {
		.it_value = { (time_t)(f->arg[3] / 1000000000),
			      (long)(f->arg[3] % 1000000000) },
		.it_interval = { (time_t)(f->arg[4] / 1000000000),
				 (long)(f->arg[4] % 1000000000) },
	};

	if (fd < 0)
		return -errno;
	/* It has expired: let it do so again, at once. */
	if (f->arg[1] && (!f->arg[3] || f->arg[4]))
		its.it_value = (struct timespec){ 0, 1 };
	if (timerfd_settime(fd, 0, &its, NULL)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

/* A name that nobody listens at any more may be taken. */
static void unlink_stale(const struct sockaddr_un *sa, socklen_t len, int type)
{
	int fd;

	if (sa->sun_family != AF_UNIX || !sa->sun_path[0] ||
	    len <= sizeof(sa->sun_family))
		return;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)sa, len) &&
	    errno == ECONNREFUSED)
		(void)unlink(sa->sun_path);
	close(fd);
}

static void socket_option(int fd, int level, int name, bool on)
{
	int v = on;

	(void)setsockopt(fd, level, name, &v, sizeof(v));
}

static int fd_socket(const struct snapshot *s, const struct snap_fd *f,
		     const char **why)
{
	struct sockaddr_storage sa = { 0 };
	uint64_t options = f->arg[4];
	int fd = socket((int)f->arg[0], (int)f->arg[1] | SOCK_CLOEXEC,
			(int)f->arg[2]);
	bool unbound;

	if (fd < 0)
		return -errno;
	memcpy(&sa, snap_string(&s->t, f->addr), f->addr_len);
	unbound =
	    f->addr_len <= sizeof(sa.ss_family) ||
	    (sa.ss_family != AF_UNIX && !((struct sockaddr_in *)&sa)->sin_port);
	if (unbound)
		return fd;
	/* So that connections of before, which Linux remembers, do no harm. */
	socket_option(fd, SOL_SOCKET, SO_REUSEADDR, true);
	if (options & SNAP_OPT_REUSEPORT)
		socket_option(fd, SOL_SOCKET, SO_REUSEPORT, true);
	if (sa.ss_family == AF_INET6)
		socket_option(fd, IPPROTO_IPV6, IPV6_V6ONLY,
			      options & SNAP_OPT_V6ONLY);
	unlink_stale((const struct sockaddr_un *)&sa, f->addr_len,
		     (int)f->arg[1]);
	if (bind(fd, (struct sockaddr *)&sa, f->addr_len) ||
	    (f->arg[3] && listen(fd, (int)(f->arg[3] - 1)))) {
		*why = restore_why("descriptor %d: the program's socket cannot "
				   "be bound again: %s%s",
				   f->fd, error_text(errno),
				   errno == EADDRINUSE
				       ? ": stop whoever has the address"
				       : "");
		close(fd);
		return -EINVAL;
	}
	socket_option(fd, SOL_SOCKET, SO_REUSEADDR,
		      options & SNAP_OPT_REUSEADDR);
	return fd;
}

/* What reads as the end of a connection, and cannot be written to. */
static int fd_lost(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	close(pair[1]);
	return pair[0];
}

/* To its number; the descriptor that it was is closed. */
static int place(const struct snap_fd *f, int fd)
{
	if (dup3(fd, f->fd, f->cloexec ? O_CLOEXEC : 0) < 0)
		return -errno;
	close(fd);
	if (!(f->flags & O_PATH))
		(void)fcntl(f->fd, F_SETFL, (int)f->flags);
	return 0;
}

/* What waits in it, written into the other end. */
static int refill(const struct snapshot *s, const struct snap_fd *f, int into)
{
	const struct snap_object *o;

	if (f->object == SNAP_NONE)
		return 0;
	o = &s->t.object[f->object];
	for (uint32_t i = 0; i < s->t.header->count.runs; i++) {
		const struct snap_run *r = &s->t.run[i];
		uint64_t n = r->object == f->object ? o->size - r->addr : 0;
		char *data;

		if (!n)
			continue;
		data = malloc(n);
		if (!data ||
		    pread(s->fd, data, n, (off_t)r->at) != (ssize_t)n ||
		    write(into, data, n) != (ssize_t)n) {
			free(data);
			return -EIO;
		}
		free(data);
	}
	return 0;
}

static bool reads(const struct snap_fd *f)
{
	return (f->flags & O_ACCMODE) == O_RDONLY;
}

/* All descriptors of the pipe that entry i is the first of. */
static int pipe_make(const struct snapshot *s, uint32_t i)
{
	const struct snap_fd *f = s->t.fd;
	int end[2], err = 0;

	for (uint32_t k = 0; k < i; k++)
		if (f[k].kind == SNAP_FD_PIPE && f[k].arg[0] == f[i].arg[0])
			return 0;
	if (pipe2(end, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	end[0] = fd_above(end[0]);
	end[1] = fd_above(end[1]);
	if (end[0] < 0 || end[1] < 0)
		return -EMFILE;
	if (f[i].arg[1] != PIPE_SIZE)
		(void)fcntl(end[1], F_SETPIPE_SZ, (int)f[i].arg[1]);
	for (uint32_t k = i; !err && k < s->t.header->count.fds; k++) {
		int fd;

		if (f[k].kind != SNAP_FD_PIPE || f[k].arg[0] != f[i].arg[0])
			continue;
		err = refill(s, &f[k], end[1]);
		fd = fcntl(end[!reads(&f[k])], F_DUPFD_CLOEXEC, first_above);
		if (!err)
			err = fd < 0 ? -errno : place(&f[k], fd);
	}
	close(end[0]);
	close(end[1]);
	return err;
}

static int pair_make(const struct snapshot *s, uint32_t i)
{
	const struct snap_fd *f = s->t.fd;
	int end[2], err;
	uint32_t k;

	for (k = 0; k < s->t.header->count.fds; k++)
		if (k != i && f[k].kind == SNAP_FD_PAIR &&
		    f[k].same == SNAP_NONE && f[k].arg[0] == f[i].arg[0])
			break;
	if (k < i) /* made with that */
		return 0;
	if (k == s->t.header->count.fds)
		return -EINVAL;
	if (socketpair(AF_UNIX, (int)f[i].arg[1] | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, end))
		return -errno;
	end[0] = fd_above(end[0]);
	end[1] = fd_above(end[1]);
	if (end[0] < 0 || end[1] < 0)
		return -EMFILE;
	err = refill(s, &f[i], end[1]);
	if (!err)
		err = refill(s, &f[k], end[0]);
	if (!err)
		err = place(&f[i], end[0]);
	if (!err)
		err = place(&f[k], end[1]);
	return err;
}

static int fd_make(const struct snapshot *s, uint32_t i, const char **why)
{
	const struct snap_fd *f = &s->t.fd[i];
	int fd;

	if (f->same != SNAP_NONE && f->kind != SNAP_FD_PIPE) {
		fd = fcntl(s->t.fd[f->same].fd, F_DUPFD_CLOEXEC, first_above);
		return fd < 0 ? -errno : place(f, fd);
	}
	switch (f->kind) {
	case SNAP_FD_PATH:
		fd = object_copied(s, f->object) ? fd_memory(s, f, why)
						 : fd_path(s, f, why);
		break;
	case SNAP_FD_MEMORY:
		fd = fd_memory(s, f, why);
		break;
	case SNAP_FD_EVENT:
		fd = fd_event(f);
		break;
	case SNAP_FD_TIMER:
		fd = fd_timer(f);
		break;
	case SNAP_FD_EPOLL:
		fd = epoll_create1(EPOLL_CLOEXEC);
		break;
	case SNAP_FD_SOCKET:
		fd = fd_socket(s, f, why);
		break;
	case SNAP_FD_PIPE:
		return pipe_make(s, i);
	case SNAP_FD_PAIR:
		return pair_make(s, i);
	case SNAP_FD_LOST:
		fd = fd_lost();
		break;
	default:
		return 0; /* SNAP_FD_STDIO: afterwards */
	}
	if (fd == -1) /* from Linux */
		fd = -errno;
	fd = fd_above(fd);
	return fd < 0 ? fd : place(f, fd);
}

/* 0 to 2 are the new owner's, where the program had them open; so are dups. */
static int stdio_make(const struct snapshot *s)
{
	bool open[STDIO] = { false, false, false };

	for (uint32_t i = 0; i < s->t.header->count.fds; i++) {
		const struct snap_fd *f = &s->t.fd[i];

		if (f->kind != SNAP_FD_STDIO)
			continue;
		if (f->fd < STDIO)
			open[f->fd] = true;
		else if (dup3((int)f->arg[0], f->fd,
			      f->cloexec ? O_CLOEXEC : 0) < 0)
			return -errno;
	}
	for (int i = 0; i < STDIO; i++)
		if (!open[i])
			close(i);
	return 0;
}

static void watches_make(const struct snapshot *s)
{
	for (uint32_t i = 0; i < s->t.header->count.watches; i++) {
		const struct snap_watch *w = &s->t.watch[i];
		struct epoll_event e = { .events = w->events,
					 .data.u64 = w->data };

		/* One that is lost may not be one that can be watched. */
		(void)epoll_ctl(s->t.fd[w->epoll].fd, EPOLL_CTL_ADD, w->fd, &e);
	}
}

static int settle_fds(struct snapshot *s, const char **why)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < s->t.header->count.fds; i++) {
		err = fd_make(s, i, why);
		if (err && !*why)
			*why =
			    restore_why("descriptor %d (%s): %s", s->t.fd[i].fd,
					snap_string(&s->t, s->t.fd[i].text),
					error_text(err));
	}
	objects_close(s);
	if (!err)
		err = stdio_make(s);
	if (!err)
		watches_make(s);
	return err;
}

static int refuse_lost(const struct snapshot *s, const char **why)
{
	for (uint32_t i = 0; s->refuse_lost && i < s->t.header->count.fds; i++)
		if (s->t.fd[i].kind == SNAP_FD_LOST) {
			*why = restore_why(
			    "descriptor %d (%s) cannot be had again: leave out "
			    "--lost refuse",
			    s->t.fd[i].fd, snap_string(&s->t, s->t.fd[i].text));
			return -EINVAL;
		}
	return 0;
}

int snapshot_settle(struct snapshot *s, const char **why)
{
	const struct snap_process *p = &s->header.process;
	int err = refuse_lost(s, why);

	if (!err)
		err = settle_directory(s, why);
	if (!err)
		err = settle_fds(s, why);
	settle_limits(p);
	if (!err)
		err = settle_user(p, snap_string(&s->t, p->groups), why);
	return err;
}
