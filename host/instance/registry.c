/* SPDX-License-Identifier: MIT */
/*
 * registry.c - which instances run on this machine.
 *
 * Both ends ask the kernel for the other's credentials (SO_PASSCRED); what a
 * message says of its sender counts for nothing. The owner's side is called
 * from the owner's main thread only, and does not allocate.
 */
#include "instance/registry.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "snapshot/snapshot.h"

#define PREFIX     "azalea/"
#define SERVE_MAX  64 /* answers a call: the owner has other work too */
#define POLL_SLICE 50 /* ms until one looks whether the owner still lives */

/* Room for the credentials and, on the tools' side, one descriptor. */
#define CREDS_SPACE CMSG_SPACE(sizeof(struct ucred))
#define FD_SPACE    CMSG_SPACE(sizeof(int))

static socklen_t registry_address(struct sockaddr_un *sa, uid_t uid,
				  const char *name)
{
	int n;

	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	n = snprintf(sa->sun_path + 1, sizeof(sa->sun_path) - 1, PREFIX "%u/%s",
		     uid, name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   (n > 0 ? (size_t)n : 0));
}

static int registry_socket(const struct sockaddr_un *sa, socklen_t len)
{
	int fd, on = 1, err;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0 &&
	    bind(fd, (const struct sockaddr *)sa, len) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int registry_listen(const char *name)
{
	struct sockaddr_un sa;
	socklen_t len = registry_address(&sa, geteuid(), name);

	return registry_socket(&sa, len);
}

void registry_describe(struct registry_info *info,
		       const struct instance_config *cfg)
{
	size_t used = 0, n;
	char *const *arg;

	info->magic = REGISTRY_MAGIC;
	info->version = REGISTRY_VERSION;
	info->pid = (uint32_t)getpid();
	info->plat = cfg->plat;
	info->offload = cfg->offload;
	info->flags = cfg->flags;
	info->ncores = cfg->ncores;
	info->mem_bytes = cfg->mem_bytes;
	info->start_mono_ns = cfg->start_mono_ns;
	memcpy(info->name, cfg->name,
	       strnlen(cfg->name, sizeof(info->name) - 1));
	memcpy(info->host_cpu, cfg->host_cpu,
	       cfg->ncores * sizeof(info->host_cpu[0]));
	for (arg = cfg->argv; *arg; arg++) {
		n = strlen(*arg) + 1;
		if (n > sizeof(info->cmd) - used)
			break;
		memcpy(info->cmd + used, *arg, n);
		used += n;
	}
	info->argc = (uint32_t)(arg - cfg->argv);
	info->cmd_size = (uint32_t)used;
}

/* The sender's credentials as the kernel attached them, or NULL. */
static const struct ucred *message_creds(struct msghdr *mh)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c))
		if (c->cmsg_level == SOL_SOCKET &&
		    c->cmsg_type == SCM_CREDENTIALS)
			return (const void *)CMSG_DATA(c);
	return NULL;
}

static void registry_answer(int control_fd, int stats_fd,
			    const struct registry_info *info,
			    struct sockaddr_un *to, socklen_t len)
{
	_Alignas(struct cmsghdr) char control[FD_SPACE];
	struct registry_info copy = *info;
	struct iovec iov = { .iov_base = &copy, .iov_len = sizeof(copy) };
	struct msghdr mh = {
		.msg_name = to,
		.msg_namelen = len,
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

	memset(control, 0, sizeof(control));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &stats_fd, sizeof(int));
	/* One who does not wait for the answer any more needs none. */
	if (sendmsg(control_fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

bool registry_serve(int control_fd, int stats_fd,
		    const struct registry_info *info)
{
	/* No room for descriptors: the kernel closes those that one sends. */
	_Alignas(struct cmsghdr) char control[CREDS_SPACE];
	const struct ucred *who;
	struct sockaddr_un from;
	uint64_t request;
	struct iovec iov = { .iov_base = &request, .iov_len = sizeof(request) };
	struct msghdr mh;
	bool permitted;
	int i;

	for (i = 0; i < SERVE_MAX; i++) {
		mh = (struct msghdr){
			.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		request = 0;
		if (recvmsg(control_fd, &mh, MSG_DONTWAIT | MSG_PEEK) < 0)
			return false;
		who = message_creds(&mh);
		permitted = who && (who->uid == 0 || who->uid == geteuid());
		if (permitted && request == SNAP_REQUEST_MAGIC)
			return true;
		(void)recv(control_fd, &request, sizeof(request), MSG_DONTWAIT);
		if (permitted)
			registry_answer(control_fd, stats_fd, info, &from,
					mh.msg_namelen);
	}
	return false;
}

/* --- the tools' side --- */

/*
 * One line of /proc/net/unix: "Num RefCount Protocol Flags Type St Inode
 * Path", with @ for the NUL of an abstract name. 0, or -EINVAL if it is none
 * of ours.
 */
static int registry_line(const char *line, struct registry_name *out)
{
	static const char mark[] = " @" PREFIX;
	const char *path = strstr(line, mark), *inode;
	size_t len;
	char *name;

	if (!path)
		return -EINVAL;
	for (inode = path; inode > line && inode[-1] != ' ';)
		inode--;
	out->inode = strtoul(inode, NULL, 10);
	out->uid = (uid_t)strtoul(path + sizeof(mark) - 1, &name, 10);
	len = strlen(name);
	if (*name != '/' || len < 2 || len > sizeof(out->name))
		return -EINVAL;
	memcpy(out->name, name + 1, len);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct registry_name *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : (x->uid > y->uid) - (x->uid < y->uid);
}

static int list_append(struct registry_name **list, int n,
		       const struct registry_name *one)
{
	struct registry_name *bigger;

	/* Room grows in powers of two. */
	if ((n & (n - 1)) == 0) {
		bigger =
		    reallocarray(*list, n ? 2 * (size_t)n : 1, sizeof(**list));
		if (!bigger)
			return -ENOMEM;
		*list = bigger;
	}
	(*list)[n] = *one;
	return n + 1;
}

int registry_list(uid_t uid, struct registry_name **out)
{
	FILE *f = fopen("/proc/net/unix", "re");
	struct registry_name one;
	char *line = NULL;
	size_t room = 0;
	int n = 0;

	*out = NULL;
	if (!f)
		return -errno;
	while (n >= 0 && getline(&line, &room, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (registry_line(line, &one) == 0 &&
		    (uid == (uid_t)-1 || uid == one.uid))
			n = list_append(out, n, &one);
	}
	free(line);
	(void)fclose(f);
	if (n < 0) {
		free(*out);
		*out = NULL;
	} else if (n > 1) {
		qsort(*out, (size_t)n, sizeof(**out), compare_names);
	}
	return n;
}

int registry_send(uid_t uid, const char *name, const void *data, size_t n,
		  const int *fds, int nfds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data,
			     .iov_len = n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	socklen_t len;
	int fd, err;

	/* An address of nothing but the family: the kernel picks a name. */
	fd = registry_socket(&sa, sizeof(sa.sun_family));
	if (fd < 0)
		return fd;
	len = registry_address(&sa, uid, name);
	if (nfds) {
		struct cmsghdr *c = (struct cmsghdr *)control;

		memset(control, 0, sizeof(control));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)nfds * sizeof(int));
		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
	}
	if (connect(fd, (struct sockaddr *)&sa, len) == 0 &&
	    sendmsg(fd, &mh, MSG_NOSIGNAL) > 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int registry_ask(uid_t uid, const char *name)
{
	const uint64_t request = REGISTRY_MAGIC;

	return registry_send(uid, name, &request, sizeof(request), NULL, 0);
}

bool registry_alive(int sock)
{
	const uint64_t request = REGISTRY_MAGIC;

	return send(sock, &request, sizeof(request), MSG_NOSIGNAL) >= 0 ||
	       errno == EAGAIN;
}

static int message_fd(struct msghdr *mh)
{
	struct cmsghdr *c;
	int fd;

	for (c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		    c->cmsg_len == CMSG_LEN(sizeof(int))) {
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
			return fd;
		}
	return -1;
}

static int info_check(const struct registry_info *info)
{
	if (info->magic != REGISTRY_MAGIC || info->version != REGISTRY_VERSION)
		return -EPROTO;
	if (info->ncores > AZ_MAX_CORES || info->cmd_size > sizeof(info->cmd) ||
	    !memchr(info->name, 0, sizeof(info->name)))
		return -EPROTO;
	return 0;
}

static int registry_read(int sock, struct registry_info *info, int *stats_fd)
{
	_Alignas(struct cmsghdr) char control[CREDS_SPACE + FD_SPACE];
	struct iovec iov = { .iov_base = info, .iov_len = sizeof(*info) };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	const struct ucred *who;
	ssize_t n = recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd, err;

	if (n < 0)
		return -errno;
	who = message_creds(&mh);
	fd = message_fd(&mh);
	if (!who || (geteuid() != 0 && who->uid != geteuid()))
		err = -EPERM;
	else if (n != sizeof(*info) || fd < 0)
		err = -EPROTO;
	else
		err = info_check(info);
	if (err && fd >= 0)
		close(fd);
	if (err)
		return err;
	info->pid = (uint32_t)who->pid;
	*stats_fd = fd;
	return 0;
}

int registry_receive(int sock, int timeout_ms, struct registry_info *info,
		     int *stats_fd)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int err, slice;

	for (;;) {
		err = registry_read(sock, info, stats_fd);
		if (err != -EAGAIN)
			return err == -ECONNREFUSED ? -ECONNRESET : err;
		if (timeout_ms <= 0)
			return -ETIMEDOUT;
		slice = timeout_ms < POLL_SLICE ? timeout_ms : POLL_SLICE;
		if (poll(&p, 1, slice) == 0 && !registry_alive(sock))
			return -ECONNRESET;
		timeout_ms -= slice;
	}
}

/* Is the socket among the descriptors of process pid? */
static bool process_holds(const char *pid, ino_t inode)
{
	char path[300], want[40], link[40];
	struct dirent *d;
	bool found = false;
	ssize_t n;
	DIR *dir;

	if (snprintf(path, sizeof(path), "/proc/%s/fd", pid) < 0 ||
	    snprintf(want, sizeof(want), "socket:[%lu]", inode) < 0)
		return false;
	dir = opendir(path);
	if (!dir)
		return false;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has dir */
	while (!found && (d = readdir(dir)) != NULL) {
		n = readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		found = strcmp(link, want) == 0;
	}
	closedir(dir);
	return found;
}

pid_t registry_pid(const struct registry_name *which)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	pid_t pid = -ESRCH;

	if (!dir)
		return -ESRCH;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has dir */
	while (pid < 0 && (d = readdir(dir)) != NULL)
		if (isdigit((unsigned char)d->d_name[0]) &&
		    process_holds(d->d_name, which->inode))
			pid = (pid_t)strtol(d->d_name, NULL, 10);
	closedir(dir);
	return pid;
}
