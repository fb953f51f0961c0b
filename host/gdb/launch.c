/* SPDX-License-Identifier: MIT */
/* launch.c - who serves gdb: a process beside the instance. */
#include "gdb/launch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gdb/server.h"
#include "instance/image.h"
#include "lib/error.h"
#include "lib/size.h"

#define SYMBOLS "azalea.elf" /* beside this executable */

/* --- where gdb calls --- */

static int listen_at(const struct sockaddr *sa, socklen_t len)
{
	int on = 1, err;
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, sa, len) == 0 && listen(fd, 1) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int listen_unix(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (!*path || strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	return listen_at((const struct sockaddr *)&sa, sizeof(sa));
}

/* 127.0.0.1 if there is no host: whoever may connect owns the program. */
static int address_parse(const char *where, struct sockaddr_in *sa)
{
	const char *colon = strrchr(where, ':');
	const char *port = colon ? colon + 1 : where;
	char host[64] = "127.0.0.1";
	uint64_t n;

	if (number_parse(port, 65535, &n) < 0)
		return -EINVAL;
	if (colon && colon != where) {
		if ((size_t)(colon - where) >= sizeof(host))
			return -EINVAL;
		memcpy(host, where, (size_t)(colon - where));
		host[colon - where] = '\0';
	}
	if (strcmp(host, "localhost") == 0)
		memcpy(host, "127.0.0.1", sizeof("127.0.0.1"));
	*sa = (struct sockaddr_in){ .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)n) };
	return inet_pton(AF_INET, host, &sa->sin_addr) == 1 ? 0 : -EINVAL;
}

static int listen_tcp(const char *where)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	char host[INET_ADDRSTRLEN];
	int fd = address_parse(where, &sa);

	if (fd < 0)
		return fd;
	fd = listen_at((const struct sockaddr *)&sa, sizeof(sa));
	if (fd < 0)
		return fd;
	(void)getsockname(fd, (struct sockaddr *)&sa, &len);
	error_say("waiting for gdb: target remote %s:%u",
		  inet_ntop(AF_INET, &sa.sin_addr, host, sizeof(host)),
		  ntohs(sa.sin_port));
	return fd;
}

int launch_listen(const char *where)
{
	int fd;

	if (strncmp(where, "unix:", 5) == 0) {
		fd = listen_unix(where + 5);
		if (fd >= 0)
			error_say("waiting for gdb: target remote %s",
				  where + 5);
	} else {
		fd = listen_tcp(where);
	}
	if (fd == -EINVAL)
		error_say("--gdb %s: not a place to wait at: PORT, "
			  "ADDRESS:PORT or unix:PATH",
			  where);
	else if (fd < 0)
		error_say("--gdb %s: cannot wait there: %s", where,
			  error_text(fd));
	return fd < 0 ? -1 : fd;
}

/* --- the server --- */

/* The unikernel with its symbols, or NULL. */
static const char *symbols(void)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash ||
	    (size_t)(slash + 1 - path) + sizeof(SYMBOLS) > sizeof(path))
		return NULL;
	memcpy(slash + 1, SYMBOLS, sizeof(SYMBOLS));
	return access(path, R_OK) == 0 ? path : NULL;
}

/* Who is at the other end: its pid as seen from here, or -errno. */
static pid_t peer(int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	struct ucred who;

	if (recvmsg(fd, &mh, 0) != 1)
		return -ECONNRESET;
	c = CMSG_FIRSTHDR(&mh);
	if (!c || c->cmsg_type != SCM_CREDENTIALS)
		return -EPROTO;
	memcpy(&who, CMSG_DATA(c), sizeof(who));
	return who.pid;
}

/* Nothing of the program's: what it closes must not be kept open here. */
static void let_go(int keep, int also)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < 3; fd++)
		if (fd != keep && fd != also)
			(void)dup2(null, fd);
	for (int fd = 3; fd < 1024; fd++)
		if (fd != keep && fd != also)
			close(fd);
	(void)setsid();
	(void)chdir("/");
}

_Noreturn static void serve(int listen_fd, int owner_fd, uint32_t plat,
			    const char *image)
{
	struct gdb_server s = { .header = image_header_at(),
				.image = image,
				.listen_fd = listen_fd,
				.in = -1,
				.out = -1,
				.fresh = true };
	const uint32_t self = (uint32_t)getpid();

	let_go(listen_fd, owner_fd);
	if (write(owner_fd, &self, sizeof(self)) != sizeof(self))
		_exit(1);
	s.pid = peer(owner_fd);
	if (s.pid <= 0 || ptrace_attach(s.pid, plat, true, &s.target))
		_exit(1);
	if (write(owner_fd, "", 1) != 1)
		_exit(1);
	close(owner_fd);
	_exit(gdb_serve(&s) ? 1 : 0);
}

int launch_server(int listen_fd, uint32_t plat)
{
	const char *image = symbols();
	int pair[2], on = 1;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	(void)setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* A grandchild: the program is not to wait for it. */
		if (fork() == 0)
			serve(listen_fd, pair[1], plat, image);
		_exit(0);
	}
	close(pair[1]);
	close(listen_fd);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return pair[0];
}

int launch_attach(pid_t pid, uint32_t plat, int in, int out)
{
	struct gdb_server s = { .header = image_header_at(),
				.image = symbols(),
				.pid = pid,
				.listen_fd = -1,
				.in = in,
				.out = out };
	int err = ptrace_attach(pid, plat, false, &s.target);

	if (err == -EPERM || err == -EACCES)
		return error_fail(1,
				  "cannot attach to process %d: not permitted: "
				  "something traces it already, or see "
				  "/proc/sys/kernel/yama/ptrace_scope",
				  pid);
	if (!err)
		err = gdb_serve(&s);
	if (err == -ENOEXEC)
		return error_fail(1,
				  "process %d runs another build of "
				  "azalea: use that one's `azalea gdb`",
				  pid);
	if (err)
		return error_fail(1, "cannot attach to process %d: %s", pid,
				  error_text(err));
	return 0;
}
