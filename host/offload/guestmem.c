/* SPDX-License-Identifier: MIT */
/*
 * guestmem.c - copying from and to program memory that may not be there.
 *
 * The program may unmap or protect its memory at any time, so the owner does
 * not touch it: Linux copies it through a pipe that only the owner has, and
 * reports -EFAULT, by the protection that the program set. process_vm_readv
 * could do it too, but the sandbox would have to allow it; a memfd's writes
 * would count against the program's RLIMIT_FSIZE.
 *
 * pipe_lock guards the pipe, which is empty whenever the lock is free.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "offload/check_private.h"

/* One buffer of a pipe: fits even a pipe that Linux made as small as it can. */
#define PART 4096UL

static pthread_mutex_t pipe_lock = PTHREAD_MUTEX_INITIALIZER;
static int pipe_fd[2] = { -1, -1 };

/* Numbers in the hidden range, above what the program's limit allows. */
static int fds_hide(int fd[2], uint32_t lo, uint32_t hi)
{
	struct rlimit limit, more;
	int err = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	more = limit;
	if (more.rlim_cur < hi)
		more.rlim_cur = hi < more.rlim_max ? hi : more.rlim_max;
	setrlimit(RLIMIT_NOFILE, &more);
	for (int i = 0; i < 2; i++) {
		int high;

		/* It may lie there already if the program has all others. */
		if ((uint32_t)fd[i] >= lo && (uint32_t)fd[i] < hi)
			continue;
		high = fcntl(fd[i], F_DUPFD_CLOEXEC, (int)lo);
		if (high < 0) {
			err = -errno;
			break;
		}
		close(fd[i]);
		fd[i] = high;
		if ((uint32_t)high >= hi)
			err = -EMFILE;
	}
	setrlimit(RLIMIT_NOFILE, &limit);
	return err;
}

int guestmem_init(uint32_t fd_lo, uint32_t fd_hi)
{
	int fd[2];
	int err;

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	err = fds_hide(fd, fd_lo, fd_hi);
	if (err) {
		close(fd[0]);
		close(fd[1]);
		return err;
	}
	pipe_fd[0] = fd[0];
	pipe_fd[1] = fd[1];
	/* In the child of a fork, another thread may have held it. */
	pthread_mutex_init(&pipe_lock, NULL);
	return 0;
}

/* What a failed copy left. */
static void pipe_drain(void)
{
	char buf[PART];

	while (read(pipe_fd[0], buf, sizeof(buf)) > 0)
		;
}

/* At most PART bytes; either side may fault. */
static int part_copy(void *dst, const void *src, size_t n)
{
	ssize_t r;

	pthread_mutex_lock(&pipe_lock);
	r = write(pipe_fd[1], src, n);
	if (r == (ssize_t)n)
		r = read(pipe_fd[0], dst, n);
	if (r != (ssize_t)n)
		pipe_drain();
	pthread_mutex_unlock(&pipe_lock);
	return r == (ssize_t)n ? 0 : -EFAULT;
}

static int copy(uint64_t dst, uint64_t src, size_t n)
{
	int err = 0;

	for (size_t done = 0; !err && done < n; done += PART)
		err =
		    part_copy((void *)(dst + done), (const void *)(src + done),
			      n - done < PART ? n - done : PART);
	return err;
}

int guestmem_read(void *dst, uint64_t src, size_t n)
{
	return copy((uint64_t)dst, src, n);
}

int guestmem_write(uint64_t dst, const void *src, size_t n)
{
	return copy(dst, (uint64_t)src, n);
}
