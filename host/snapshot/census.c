/* SPDX-License-Identifier: MIT */
/*
 * census.c - which descriptors the program has, and how to have them again.
 *
 * Runs in the writer while the instance stands still: descriptors are copies,
 * but what they stand for is shared, so positions and contents hold only now.
 * What is in pipes is looked at without taking it out (tee, MSG_PEEK).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/error.h"
#include "snapshot/write_private.h"

#define STDIO 3 /* what a new owner has of its own */

/* One that has been looked at, beside its entry. */
struct seen {
	struct stat st;
	char name[PATH_MAX];
};

static struct table seen = { .size = sizeof(struct seen) };

static struct snap_fd *fd_at(struct writer *w, uint32_t i)
{
	return (struct snap_fd *)w->fds.data + i;
}

static struct seen *seen_at(uint32_t i)
{
	return (struct seen *)seen.data + i;
}

static bool link_of(int fd, char name[PATH_MAX])
{
	char path[40];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, PATH_MAX - 1);
	name[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The value behind "key:" in its fdinfo. */
static bool fdinfo(int fd, const char *key, int base, uint64_t *out)
{
	char path[40], line[256];
	size_t n = strlen(key);
	bool found = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		if (strncmp(line, key, n) == 0 && line[n] == ':') {
			*out = strtoull(line + n + 1, NULL, base);
			found = true;
		}
	(void)fclose(f);
	return found;
}

/*
 * Do two descriptors share one open file? What one changes, the other shows.
 * They are of one kind, with the same flags and position.
 */
static bool one_file(int a, int b)
{
	off_t pos = lseek(a, 0, SEEK_CUR);
	int flags;
	bool same;

	if (pos >= 0 && lseek(a, pos + 1, SEEK_SET) == pos + 1) {
		same = lseek(b, 0, SEEK_CUR) == pos + 1;
		(void)lseek(a, pos, SEEK_SET);
		return same;
	}
	flags = fcntl(a, F_GETFL);
	(void)fcntl(a, F_SETFL, flags ^ O_NONBLOCK);
	same = fcntl(b, F_GETFL) == (flags ^ O_NONBLOCK);
	(void)fcntl(a, F_SETFL, flags);
	return same;
}

static bool is_socket(const struct snap_fd *f)
{
	return f->kind == SNAP_FD_SOCKET || f->kind == SNAP_FD_PAIR;
}

/* The entry that fd, the last one, is a dup of. */
static uint32_t find_same(struct writer *w, uint32_t last)
{
	const struct snap_fd *f = fd_at(w, last);

	for (uint32_t i = 0; i < last; i++) {
		const struct snap_fd *g = fd_at(w, i);
		const struct stat *a = &seen_at(i)->st, *b = &seen_at(last)->st;

		if (g->kind != f->kind || g->flags != f->flags ||
		    g->pos != f->pos || a->st_dev != b->st_dev ||
		    a->st_ino != b->st_ino || g->same != SNAP_NONE)
			continue;
		if (is_socket(f) || one_file(g->fd, f->fd))
			return i;
	}
	return SNAP_NONE;
}

static void lost(struct writer *w, struct snap_fd *f, const char *what)
{
	f->kind = SNAP_FD_LOST;
	writer_say(w, "descriptor %d cannot be kept: %s", f->fd, what);
}

/* --- what waits in pipes and socket pairs --- */

static uint32_t contents(struct writer *w, const struct stat *st,
			 const void *data, size_t n)
{
	struct stat as = *st;
	uint32_t object;
	bool made;

	as.st_size = (off_t)n;
	object = object_find(w, &as, SNAP_MEMORY, "", &made);
	if (made && n)
		object_write(w, object, 0, data, n);
	return object;
}

static void pipe_contents(struct writer *w, struct snap_fd *f,
			  const struct stat *st)
{
	int n = 0, room, copy[2];
	char *data;
	ssize_t r;

	if (ioctl(f->fd, FIONREAD, &n) || n <= 0 || pipe2(copy, O_CLOEXEC))
		return;
	room = fcntl(f->fd, F_GETPIPE_SZ);
	(void)fcntl(copy[1], F_SETPIPE_SZ, room);
	data = malloc((size_t)n);
	r = data ? tee(f->fd, copy[1], (size_t)n, SPLICE_F_NONBLOCK) : -1;
	if (r > 0)
		r = read(copy[0], data, (size_t)r);
	if (r > 0)
		f->object = contents(w, st, data, (size_t)r);
	if (r != n)
		writer_say(w,
			   "descriptor %d: %zd of the %d bytes in this pipe "
			   "are kept",
			   f->fd, r < 0 ? 0 : r, n);
	free(data);
	close(copy[0]);
	close(copy[1]);
}

/* Of a stream; messages that wait elsewhere have bounds that this loses. */
static void pair_contents(struct writer *w, struct snap_fd *f,
			  const struct stat *st)
{
	int n = 0;
	char *data;
	ssize_t r;

	if (ioctl(f->fd, SIOCINQ, &n) || n <= 0)
		return;
	if (f->arg[1] != SOCK_STREAM) {
		writer_say(w,
			   "descriptor %d: messages that wait in this socket "
			   "are not kept",
			   f->fd);
		return;
	}
	data = malloc((size_t)n);
	r = data ? recv(f->fd, data, (size_t)n, MSG_PEEK | MSG_DONTWAIT) : -1;
	if (r > 0)
		f->object = contents(w, st, data, (size_t)r);
	free(data);
}

/* --- sockets --- */

static int option(int fd, int level, int name)
{
	int v = 0;
	socklen_t n = sizeof(v);

	return getsockopt(fd, level, name, &v, &n) ? 0 : v;
}

/*
 * What the kernel tells of the other side of a local socket that has no name:
 * who made it.
 */
static bool own_pair(int fd)
{
	struct ucred who;
	socklen_t n = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 &&
	       who.pid == (pid_t)((struct az_boot *)AZ_BOOT_BASE)->pid;
}

static void bound_socket(struct writer *w, struct snap_fd *f,
			 const struct sockaddr_storage *sa, socklen_t len)
{
	int fd = f->fd;

	f->kind = SNAP_FD_SOCKET;
	f->addr = bytes_add(w, sa, len);
	f->addr_len = len;
	if (option(fd, SOL_SOCKET, SO_ACCEPTCONN))
		f->arg[3] = SOMAXCONN + 1;
	if (option(fd, SOL_SOCKET, SO_REUSEADDR))
		f->arg[4] |= SNAP_OPT_REUSEADDR;
	if (option(fd, SOL_SOCKET, SO_REUSEPORT))
		f->arg[4] |= SNAP_OPT_REUSEPORT;
	if (sa->ss_family == AF_INET6 && option(fd, IPPROTO_IPV6, IPV6_V6ONLY))
		f->arg[4] |= SNAP_OPT_V6ONLY;
}

static bool named(const struct sockaddr_storage *sa, socklen_t len)
{
	return sa->ss_family != AF_UNIX || len > sizeof(sa->ss_family);
}

static void socket_look(struct writer *w, struct snap_fd *f)
{
	struct sockaddr_storage sa = { 0 }, peer = { 0 };
	socklen_t len = sizeof(sa), peer_len = sizeof(peer);
	bool connected;

	f->arg[0] = (uint64_t)option(f->fd, SOL_SOCKET, SO_DOMAIN);
	f->arg[1] = (uint64_t)option(f->fd, SOL_SOCKET, SO_TYPE);
	f->arg[2] = (uint64_t)option(f->fd, SOL_SOCKET, SO_PROTOCOL);
	connected =
	    getpeername(f->fd, (struct sockaddr *)&peer, &peer_len) == 0;
	if (getsockname(f->fd, (struct sockaddr *)&sa, &len))
		len = 0;
	if (connected && f->arg[0] == AF_UNIX && !named(&sa, len) &&
	    !named(&peer, peer_len) && own_pair(f->fd)) {
		f->kind = SNAP_FD_PAIR; /* if its other end is here */
		f->arg[0] = 0;
	} else if (connected) {
		lost(w, f, "a connection, whose other side goes on without it");
	} else if (f->arg[0] == AF_UNIX || f->arg[0] == AF_INET ||
		   f->arg[0] == AF_INET6) {
		bound_socket(w, f, &sa, len);
	} else {
		lost(w, f, "a socket of this family");
	}
}

/* --- the others --- */

static void file_look(struct writer *w, struct snap_fd *f, const struct seen *s)
{
	struct stat now;
	bool made;

	f->kind = SNAP_FD_PATH;
	if (s->name[0] == '/' && lstat(s->name, &now) == 0 &&
	    now.st_dev == s->st.st_dev && now.st_ino == s->st.st_ino &&
	    !S_ISFIFO(s->st.st_mode) && !S_ISSOCK(s->st.st_mode)) {
		f->object = object_find(w, &s->st, SNAP_PATH, s->name, &made);
	} else if (S_ISREG(s->st.st_mode) && !(f->flags & O_PATH)) {
		f->kind = SNAP_FD_MEMORY;
		f->object = object_find(w, &s->st, SNAP_MEMORY, s->name, &made);
	} else {
		lost(w, f, s->name);
	}
}

/* A file without a name: its contents, unless mappings of it have them. */
static void memory_look(struct writer *w, uint32_t object, int fd)
{
	static char page[AZ_PAGE_SIZE];
	struct snap_object *o = object_at(w, object);
	uint64_t size = o->size;
	int seals = fcntl(fd, F_GET_SEALS), in;
	char path[40];

	o->seals = seals > 0 ? (uint32_t)seals : 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	in = open(path, O_RDONLY | O_CLOEXEC); /* it may be write-only */
	if (in < 0) {
		writer_say(w, "descriptor %d: its contents are not kept: %s",
			   fd, error_text(errno));
		return;
	}
	for (off_t at = 0; (uint64_t)at < size; at += AZ_PAGE_SIZE) {
		off_t data = lseek(in, at, SEEK_DATA);

		if (data < 0)
			break;
		at = data & ~(off_t)(AZ_PAGE_SIZE - 1);
		memset(page, 0, sizeof(page));
		if (pread(in, page, sizeof(page), at) > 0)
			object_write(w, object, (uint64_t)at, page,
				     sizeof(page));
	}
	close(in);
}

static void event_look(struct writer *w, struct snap_fd *f)
{
	f->kind = SNAP_FD_EVENT;
	if (!fdinfo(f->fd, "eventfd-count", 16, &f->arg[0]))
		lost(w, f, "an eventfd that Linux tells nothing of");
	(void)fdinfo(f->fd, "eventfd-semaphore", 10, &f->arg[1]);
}

/* "it_value: (1, 5)" */
static uint64_t timer_time(int fd, const char *key)
{
	char path[40], line[256];
	uint64_t sec = 0, ns = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			/* Linux wrote it. NOLINTNEXTLINE(cert-err34-c) */
			(void)sscanf(line + strlen(key),
				     ": (%" SCNu64 ", %" SCNu64 ")", &sec, &ns);
	if (f)
		(void)fclose(f);
	return sec * 1000000000 + ns;
}

static void timer_look(struct writer *w, struct snap_fd *f)
{
	f->kind = SNAP_FD_TIMER;
	if (!fdinfo(f->fd, "clockid", 10, &f->arg[0]))
		lost(w, f, "a timerfd that Linux tells nothing of");
	(void)fdinfo(f->fd, "ticks", 10, &f->arg[1]);
	(void)fdinfo(f->fd, "settime flags", 8, &f->arg[2]);
	f->arg[3] = timer_time(f->fd, "it_value");
	f->arg[4] = timer_time(f->fd, "it_interval");
}

/* "tfd: 5 events: 1 data: 5 pos:0 ino:60 sdev:f" */
static void epoll_look(struct writer *w, struct snap_fd *f, uint32_t index)
{
	char path[40], line[256];
	FILE *in;

	f->kind = SNAP_FD_EPOLL;
	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", f->fd);
	in = fopen(path, "re");
	while (in && fgets(line, sizeof(line), in)) {
		uint64_t data, pos, ino;
		unsigned int events;
		struct stat st;
		int fd;

		/* NOLINTNEXTLINE(cert-err34-c): as above */
		if (sscanf(line,
			   "tfd: %d events: %x data: %" SCNx64 " pos:%" SCNi64
			   " ino:%" SCNx64,
			   &fd, &events, &data, &pos, &ino) != 5)
			continue;
		if (fstat(fd, &st) || st.st_ino != ino) {
			writer_say(w,
				   "epoll descriptor %d watches a file that "
				   "has no descriptor any more: not kept",
				   f->fd);
			continue;
		}
		*(struct snap_watch *)table_add(&w->watch) =
		    (struct snap_watch){ .epoll = index,
					 .fd = fd,
					 .events = events,
					 .data = data };
	}
	if (in)
		(void)fclose(in);
}

static bool begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static void look(struct writer *w, struct snap_fd *f, const struct seen *s,
		 uint32_t index)
{
	if (begins(s->name, "socket:"))
		socket_look(w, f);
	else if (begins(s->name, "pipe:"))
		f->kind = SNAP_FD_PIPE; /* if its other end is here */
	else if (begins(s->name, "anon_inode:[eventfd]"))
		event_look(w, f);
	else if (begins(s->name, "anon_inode:[timerfd]"))
		timer_look(w, f);
	else if (begins(s->name, "anon_inode:[eventpoll]"))
		epoll_look(w, f, index);
	else
		file_look(w, f, s);
}

/* Is it what the program has for standard input, output or error? */
static bool is_stdio(struct writer *w, struct snap_fd *f, const struct seen *s)
{
	if (f->fd < STDIO) {
		f->kind = SNAP_FD_STDIO;
		f->arg[0] = (uint64_t)f->fd;
		return true;
	}
	for (uint32_t i = 0; i < w->fds.n && fd_at(w, i)->fd < STDIO; i++) {
		const struct snap_fd *g = fd_at(w, i);
		const struct stat *st = &seen_at(i)->st;

		if (st->st_dev != s->st.st_dev || st->st_ino != s->st.st_ino ||
		    begins(s->name, "anon_inode:") ||
		    (g->flags ^ f->flags) & O_ACCMODE ||
		    (S_ISREG(st->st_mode) && g->pos != f->pos))
			continue;
		if (S_ISREG(st->st_mode) && !one_file(g->fd, f->fd))
			continue;
		f->kind = SNAP_FD_STDIO;
		f->arg[0] = (uint64_t)g->fd;
		return true;
	}
	return false;
}

static void fd_look(struct writer *w, int fd)
{
	struct seen s;
	struct snap_fd f = { .fd = fd, .object = SNAP_NONE, .same = SNAP_NONE };
	uint32_t index = (uint32_t)w->fds.n;
	off_t pos;
	int fl = fcntl(fd, F_GETFL);

	if (fl < 0 || fstat(fd, &s.st) || !link_of(fd, s.name))
		return;
	f.flags = (uint32_t)fl;
	f.cloexec = fcntl(fd, F_GETFD) & FD_CLOEXEC ? 1 : 0;
	f.text = string_add(w, s.name);
	pos = fl & O_PATH ? -1 : lseek(fd, 0, SEEK_CUR);
	f.pos = pos > 0 ? (uint64_t)pos : 0;
	if (!is_stdio(w, &f, &s))
		look(w, &f, &s, index);
	*(struct snap_fd *)table_add(&w->fds) = f;
	*(struct seen *)table_add(&seen) = s;
	if (f.kind != SNAP_FD_STDIO && f.kind != SNAP_FD_LOST)
		fd_at(w, index)->same = find_same(w, index);
	if (f.kind == SNAP_FD_MEMORY && fd_at(w, index)->same == SNAP_NONE)
		memory_look(w, f.object, fd);
}

/* --- both ends --- */

/* Pipes that have both ends here; the others are somebody else's, too. */
static void pipes_match(struct writer *w)
{
	for (uint32_t i = 0; i < w->fds.n; i++) {
		struct snap_fd *f = fd_at(w, i);
		bool ends[2] = { false, false };

		if (f->kind != SNAP_FD_PIPE)
			continue;
		f->arg[0] = seen_at(i)->st.st_ino;
		f->arg[1] = (uint64_t)fcntl(f->fd, F_GETPIPE_SZ);
		for (uint32_t k = 0; k < w->fds.n; k++)
			if (fd_at(w, k)->kind == SNAP_FD_PIPE &&
			    seen_at(k)->st.st_ino == f->arg[0])
				ends[(fd_at(w, k)->flags & O_ACCMODE) ==
				     O_WRONLY] = true;
		if (ends[0] && ends[1] && f->same == SNAP_NONE &&
		    (f->flags & O_ACCMODE) == O_RDONLY)
			pipe_contents(w, f, &seen_at(i)->st);
	}
	for (uint32_t i = 0; i < w->fds.n; i++) {
		struct snap_fd *f = fd_at(w, i);
		bool other = false;

		if (f->kind != SNAP_FD_PIPE)
			continue;
		for (uint32_t k = 0; k < w->fds.n; k++)
			other |= seen_at(k)->st.st_ino == f->arg[0] &&
				 (fd_at(w, k)->flags ^ f->flags) & O_ACCMODE;
		if (!other)
			lost(w, f, "a pipe whose other end is not here");
	}
}

/*
 * The two ends of a pair were made one right after the other, and so are the
 * numbers of their inodes.
 */
static bool pair_with(struct writer *w, uint32_t i, uint64_t ino)
{
	const struct snap_fd *f = fd_at(w, i);

	for (uint32_t k = 0; k < w->fds.n; k++) {
		struct snap_fd *g = fd_at(w, k);

		if (k != i && g->kind == SNAP_FD_PAIR && !g->arg[0] &&
		    g->same == SNAP_NONE && g->arg[1] == f->arg[1] &&
		    seen_at(k)->st.st_ino == ino) {
			g->arg[0] = ino;
			pair_contents(w, g, &seen_at(k)->st);
			return true;
		}
	}
	return false;
}

static void pairs_match(struct writer *w)
{
	for (uint32_t i = 0; i < w->fds.n; i++) {
		uint64_t ino = seen_at(i)->st.st_ino;
		struct snap_fd *f = fd_at(w, i);

		if (f->kind != SNAP_FD_PAIR || f->arg[0] ||
		    f->same != SNAP_NONE || !pair_with(w, i, ino + 1))
			continue;
		f = fd_at(w, i);
		f->arg[0] = ino + 1;
		pair_contents(w, f, &seen_at(i)->st);
	}
	for (uint32_t i = 0; i < w->fds.n; i++) {
		struct snap_fd *f = fd_at(w, i);

		if (f->kind == SNAP_FD_PAIR && f->same == SNAP_NONE &&
		    !f->arg[0])
			lost(w, f, "a socket whose other end is not here");
	}
}

static bool skipped(const struct writer *w, int fd)
{
	return fd == w->fd || fd == w->reply ||
	       ((uint32_t)fd >= w->hidden_lo && (uint32_t)fd < w->hidden_hi);
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void census(struct writer *w)
{
	DIR *dir = opendir("/proc/self/fd");
	struct table list = { .size = sizeof(int) };
	struct dirent *e;

	if (!dir) {
		w->err = -errno;
		return;
	}
	/* A stream of its own. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while ((e = readdir(dir))) {
		int fd = (int)strtol(e->d_name, NULL, 10);

		if (e->d_name[0] != '.' && fd != dirfd(dir) &&
		    fd != w->census_done && !skipped(w, fd))
			*(int *)table_add(&list) = fd;
	}
	closedir(dir);
	if (list.n)
		qsort(list.data, list.n, list.size, compare_ints);
	for (size_t i = 0; i < list.n; i++)
		fd_look(w, ((int *)list.data)[i]);
	pipes_match(w);
	pairs_match(w);
}
