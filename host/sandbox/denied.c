/* SPDX-License-Identifier: MIT */
/*
 * denied.c - a line for each call that the policy refuses.
 *
 * The listener of a seccomp filter may let any call pass, so the processes
 * under the filter must not have it: the log is a process outside, and the
 * owner hands it the descriptor before the program begins.
 *
 * What a class refuses, the log answers for. What Landlock is going to refuse
 * it only foretells, from the path as it is when the log looks: there a line
 * may be missing or be one too many, but the decision is Landlock's.
 */
#include "sandbox/denied.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calls.h"
#include "lib/child.h"
#include "lib/clock.h"
#include "offload/check.h"
#include "sandbox/filter.h"

#define LINES_AT_ONCE  20 /* then no more than ... */
#define LINES_A_SECOND 10

#define SECOND_NS 1000000000ULL

/* Of the log's process alone. */
static const struct policy *policy;
static int listener = -1, out = -1;
static struct {
	uint64_t since; /* CLOCK_MONOTONIC, ns: when the tokens were counted */
	unsigned int tokens;
	unsigned long skipped;
} rate = { .tokens = LINES_AT_ONCE };

/* --- lines --- */

static bool rate_allows(void)
{
	uint64_t now = clock_mono_ns();
	uint64_t more = (now - rate.since) * LINES_A_SECOND / SECOND_NS;

	if (!rate.since || more) {
		rate.since = now;
		rate.tokens +=
		    more < LINES_AT_ONCE ? (unsigned int)more : LINES_AT_ONCE;
		if (rate.tokens > LINES_AT_ONCE)
			rate.tokens = LINES_AT_ONCE;
	}
	if (!rate.tokens) {
		rate.skipped++;
		return false;
	}
	rate.tokens--;
	return true;
}

static void line_write(const char *line, int n)
{
	/* Nothing can be done for a reader who is gone. */
	if (n > 0 && write(out, line, (size_t)n) < 0)
		return;
}

static void skipped_say(void)
{
	char line[80];

	if (!rate.skipped)
		return;
	line_write(line, snprintf(line, sizeof(line),
				  "azalea: denied: %lu more, not shown\n",
				  rate.skipped));
	rate.skipped = 0;
}

/* Bytes that are no text would speak to the terminal. */
static void text_clean(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || (unsigned char)*s >= 0x7f)
			*s = '?';
}

static void comm_read(unsigned int pid, char name[32])
{
	char path[64];
	ssize_t n = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, name, 31);
		close(fd);
	}
	name[n > 0 ? n - 1 : 0] = '\0'; /* it ends in a newline */
	text_clean(name);
}

/* classes: of which it is; path: what it names, or "". */
static void call_say(const struct seccomp_notif *req, uint32_t classes,
		     char *path, const char *answer)
{
	const struct az_call_desc *d = check_desc((uint32_t)req->data.nr);
	char line[PATH_MAX + 200], comm[32];
	const char *name = "?", *quote = *path ? "\"" : "";

	for (unsigned int i = 0; policy_class(i); i++)
		if (classes & 1U << i)
			name = policy_class(i);
	if (!rate_allows())
		return;
	skipped_say();
	comm_read(req->pid, comm);
	text_clean(path);
	line_write(line,
		   snprintf(line, sizeof(line),
			    "azalea: denied: %s: %s(%s%s%s): %s, %s[%u]\n",
			    name, d ? d->name : "?", quote, path, quote, answer,
			    comm, req->pid));
}

/* --- paths --- */

/* The string at addr of a thread that waits for an answer. Or "". */
static void string_read(unsigned int pid, uint64_t addr, char to[PATH_MAX])
{
	char path[64];
	ssize_t n = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%u/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		/* Up to the end of its page: the next may not be there. */
		n = pread(fd, to, 4096 - addr % 4096, (off_t)addr);
		if (n > 0 && !memchr(to, 0, (size_t)n) && n < PATH_MAX - 1) {
			ssize_t m =
			    pread(fd, to + n, (size_t)(PATH_MAX - 1 - n),
				  (off_t)addr + n);

			n += m > 0 ? m : 0;
		}
		close(fd);
	}
	to[n > 0 && n < PATH_MAX ? n : 0] = '\0';
	if (n == PATH_MAX)
		to[0] = '\0';
}

/* Without links and dots; the last part need not be there. */
static bool path_real(const char *path, char to[PATH_MAX])
{
	char dir[PATH_MAX];
	const char *name;
	char *slash;
	size_t n = strlen(path);

	if (realpath(path, to))
		return true;
	if (n >= sizeof(dir))
		return false;
	memcpy(dir, path, n + 1);
	slash = strrchr(dir, '/');
	if (!slash)
		return false;
	*slash = '\0';
	name = slash + 1;
	if (!realpath(dir, to))
		return false;
	n = strlen(to);
	return snprintf(to + n, PATH_MAX - n, "%s%s", n > 1 ? "/" : "", name) <
	       (int)(PATH_MAX - n);
}

/* A path of the thread's, which names what `dirfd' and it say together. */
static bool path_find(unsigned int pid, int dirfd, const char *path,
		      char to[PATH_MAX])
{
	char full[PATH_MAX + 64];

	if (*path == '/')
		(void)snprintf(full, sizeof(full), "/proc/%u/root%s", pid,
			       path);
	else if (dirfd == AT_FDCWD)
		(void)snprintf(full, sizeof(full), "/proc/%u/cwd/%s", pid,
			       path);
	else
		(void)snprintf(full, sizeof(full), "/proc/%u/fd/%d/%s", pid,
			       dirfd, path);
	return path_real(full, to);
}

/*
 * The first path of a call that has not `level', into shown. Without a level,
 * the first path as it was given.
 */
static bool path_refused(const struct seccomp_notif *req, int level,
			 char shown[PATH_MAX])
{
	const struct az_call_desc *d = check_desc((uint32_t)req->data.nr);
	int dirfd = AT_FDCWD;
	char real[PATH_MAX];

	*shown = '\0';
	for (unsigned int i = 0; d && i < d->nargs; i++) {
		uint64_t arg = req->data.args[i];

		if (d->arg[i].kind == AZ_ARG_DIRFD)
			dirfd = (int)arg;
		if (d->arg[i].kind != AZ_ARG_PATH)
			continue;
		string_read(req->pid, arg, shown);
		if (!level ||
		    (*shown && path_find(req->pid, dirfd, shown, real) &&
		     policy_level(policy, real) < level))
			return true;
		dirfd = AT_FDCWD;
	}
	return false;
}

/* --- answers --- */

static void answer(struct seccomp_notif *req, struct seccomp_notif_resp *resp)
{
	uint32_t classes = filter_classes((uint32_t)req->data.nr,
					  (const uint64_t *)req->data.args);
	char path[PATH_MAX];

	resp->id = req->id;
	if (classes & policy_denied(policy)) {
		resp->error = -EPERM;
		(void)path_refused(req, POLICY_NONE, path);
		call_say(req, classes & policy_denied(policy), path, "EPERM");
		return;
	}
	resp->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	if (path_refused(req,
			 classes & 1U << AZ_POLICY_FILES_WRITE ? POLICY_RW
							       : POLICY_RO,
			 path))
		call_say(req, classes, path, "EACCES");
}

/* One call. False: nobody is left. */
static bool serve_one(struct seccomp_notif *req, size_t req_size,
		      struct seccomp_notif_resp *resp, size_t resp_size)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };

	if (poll(&p, 1, -1) < 0)
		return errno == EINTR;
	if (!(p.revents & POLLIN))
		return false;
	memset(req, 0, req_size);
	memset(resp, 0, resp_size);
	/* The thread may have been killed meanwhile. */
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, req))
		return errno == EINTR || errno == ENOENT;
	answer(req, resp);
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, resp);
	return true;
}

static int sizes_get(size_t *req, size_t *resp)
{
	struct seccomp_notif_sizes sizes;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes))
		return -errno;
	*req = sizes.seccomp_notif > sizeof(struct seccomp_notif)
		   ? sizes.seccomp_notif
		   : sizeof(struct seccomp_notif);
	*resp = sizes.seccomp_notif_resp > sizeof(struct seccomp_notif_resp)
		    ? sizes.seccomp_notif_resp
		    : sizeof(struct seccomp_notif_resp);
	return 0;
}

/* The listener, from the owner. False: it did not get so far. */
static bool listener_receive(int sock)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;

	if (recvmsg(sock, &mh, MSG_CMSG_CLOEXEC) <= 0)
		return false;
	c = CMSG_FIRSTHDR(&mh);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return false;
	memcpy(&listener, CMSG_DATA(c), sizeof(listener));
	return true;
}

static void range_close(int first, int last)
{
	/* Not in every C library. */
	if (first <= last)
		(void)syscall(SYS_close_range, first, last, 0);
}

/* Nothing is open here that somebody waits for the end of. */
static void descriptors_close(int sock)
{
	int lo = sock < out ? sock : out, hi = sock < out ? out : sock;

	range_close(0, lo - 1);
	range_close(lo + 1, hi - 1);
	range_close(hi + 1, INT_MAX);
}

static _Noreturn void log_main(const struct policy *p, int sock)
{
	struct seccomp_notif_resp *resp;
	struct seccomp_notif *req;
	size_t req_size = sizeof(*req), resp_size = sizeof(*resp);

	policy = p;
	(void)setsid();
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)prctl(PR_SET_NAME, "azalea-log");
	descriptors_close(sock);
	(void)!chdir("/");
	if (sizes_get(&req_size, &resp_size) || !listener_receive(sock))
		_exit(1);
	close(sock);
	req = malloc(req_size);
	resp = malloc(resp_size);
	while (req && resp && serve_one(req, req_size, resp, resp_size))
		;
	skipped_say();
	_exit(0);
}

/* --- the owner's side --- */

static int out_open(const struct policy *p)
{
	if (p->log_path)
		return open(p->log_path,
			    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

/* A child's child, so that the program has no child that it does not know. */
static int log_fork(const struct policy *p, int sock)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return -errno;
	if (child == 0) {
		child = fork();
		if (child == 0)
			log_main(p, sock);
		_exit(child < 0);
	}
	status = child_finish(child);
	return status > 0 ? -EAGAIN : status;
}

int denied_start(const struct policy *p, const char **what)
{
	int sock[2], err;

	*what = "cannot write the log of denied calls";
	out = out_open(p);
	if (out < 0)
		return -errno;
	*what = "cannot start the log of denied calls";
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock)) {
		err = -errno;
		close(out);
		return err;
	}
	err = log_fork(p, sock[1]);
	close(sock[1]);
	close(out);
	if (!err)
		return sock[0];
	close(sock[0]);
	return err;
}

int denied_hand(int log, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	int err = 0;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(log, &mh, MSG_NOSIGNAL) != 1)
		err = errno ? -errno : -EIO;
	close(fd);
	close(log);
	return err;
}
