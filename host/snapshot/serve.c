/* SPDX-License-Identifier: MIT */
/*
 * serve.c - the owner's part in a snapshot of its instance.
 *
 * The request brings descriptors, and those would be the program's to meet: so
 * it is received only while the cores stand still, and they are closed before
 * the cores go on. The writer is a child of a child that has ended, so the
 * program, whose children are the owner's, never waits for it by mistake; the
 * child in between shares this memory, as of vfork, so it costs nothing.
 *
 * Called by the owner's main thread only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "snapshot/snapshot.h"

#define BOOT       ((struct az_boot *)AZ_BOOT_BASE)
#define STACK_SIZE 0x40000

static bool asked;
static uint64_t asked_ns;

void snapshot_ask(void)
{
	asked = true;
	asked_ns = clock_mono_ns();
	BOOT->snap_ready = 0;
	__atomic_store_n(&BOOT->snap_want, 1, __ATOMIC_SEQ_CST);
}

bool snapshot_asked(void)
{
	return asked;
}

/* The request's file and socket. 0 or -errno. */
static int request_receive(int control_fd, struct snap_request *rq, int fd[2])
{
	/* Credentials come first: registry.c has looked at them. */
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred)) +
					      CMSG_SPACE(2 * sizeof(int))];
	struct iovec iov = { .iov_base = rq, .iov_len = sizeof(*rq) };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;

	memset(rq, 0, sizeof(*rq));
	fd[0] = fd[1] = -1;
	if (recvmsg(control_fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	for (c = CMSG_FIRSTHDR(&mh); c; c = CMSG_NXTHDR(&mh, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		    c->cmsg_len == CMSG_LEN(2 * sizeof(int)))
			memcpy(fd, CMSG_DATA(c), 2 * sizeof(int));
	return fd[1] < 0 || rq->magic != SNAP_REQUEST_MAGIC ? -EPROTO : 0;
}

struct fork {
	int fd, reply, census_done;
	int err;
};

static int between(void *arg)
{
	struct fork *f = arg;
	pid_t pid = fork();

	if (pid == 0)
		snapshot_write(f->fd, f->reply, f->census_done, asked_ns,
			       BOOT->name);
	f->err = pid < 0 ? -errno : 0;
	_exit(0);
}

/* The writer, which nobody has to wait for. 0 or -errno. */
static int writer_fork(struct fork *f)
{
	static char stack[STACK_SIZE];
	pid_t pid =
	    clone(between, stack + sizeof(stack), CLONE_VM | CLONE_VFORK, f);

	if (pid < 0)
		return -errno;
	while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
		;
	return f->err;
}

static void tell(int reply, int err)
{
	struct snap_message m = { .kind = SNAP_DONE, .result = err };

	(void)!send(reply, &m, sizeof(m), MSG_NOSIGNAL);
}

/* Until the writer has seen what it shares with this process, or has ended. */
static void wait_end(int fd)
{
	char c;

	while (read(fd, &c, 1) < 0 && errno == EINTR)
		;
}

/*
 * The instance is to end if all went well, which the command says when the file
 * is in its place; else, and if the command is gone, it goes on.
 */
static void wait_verdict(int reply)
{
	struct snap_message m = { .result = -1 };
	ssize_t n;

	do
		n = recv(reply, &m, sizeof(m), 0);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(m) && m.kind == SNAP_DONE && !m.result)
		(void)kill(getpid(), SIGKILL);
}

static int serve(const struct snap_request *rq, int file, int reply)
{
	struct fork f = { .fd = file, .reply = reply };
	int done[2], err;

	if (pipe2(done, O_CLOEXEC))
		return -errno;
	f.census_done = done[1];
	err = writer_fork(&f);
	close(done[1]);
	if (!err)
		wait_end(done[0]);
	close(done[0]);
	if (!err && rq->stop)
		wait_verdict(reply);
	return err;
}

void snapshot_serve(int control_fd)
{
	uint32_t ready = __atomic_load_n(&BOOT->snap_ready, __ATOMIC_SEQ_CST);
	struct snap_request rq;
	int fd[2], err;

	if (!asked || !ready)
		return;
	err = request_receive(control_fd, &rq, fd);
	if (!err)
		err =
		    ready == AZ_SNAP_READY ? serve(&rq, fd[0], fd[1]) : -EBUSY;
	if (err && fd[1] >= 0)
		tell(fd[1], err);
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	asked = false;
	BOOT->snap_ready = 0;
	__atomic_store_n(&BOOT->snap_want, 0, __ATOMIC_SEQ_CST);
}
