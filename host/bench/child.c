/* SPDX-License-Identifier: MIT */
/*
 * child.c - running a program to its end, and what came of it.
 *
 * SIGINT and SIGTERM are blocked except while we wait for a child, so that
 * none is lost before the wait. Ctrl-C reaches the child as well, since it is
 * in our process group; it is killed all the same, for what it may have made
 * of the signal.
 */
#include "bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/error.h"

static volatile sig_atomic_t interrupted;
static sigset_t callers_mask; /* what children get, and what we wait with */

static void interrupt(int sig)
{
	interrupted = sig;
}

/* A signal that our caller has us ignore stays ignored. */
static void signal_catch(int sig, sigset_t *caught)
{
	const struct sigaction sa = { .sa_handler = interrupt };
	struct sigaction old;

	if (sigaction(sig, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
		return;
	(void)sigaction(sig, &sa, NULL);
	(void)sigaddset(caught, sig);
}

void child_catch(void)
{
	sigset_t caught;

	(void)sigemptyset(&caught);
	signal_catch(SIGINT, &caught);
	signal_catch(SIGTERM, &caught);
	(void)pthread_sigmask(SIG_BLOCK, &caught, &callers_mask);
}

int child_interrupted(void)
{
	return interrupted;
}

bool child_pause(double seconds)
{
	const struct timespec t = {
		.tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9),
	};

	(void)ppoll(NULL, 0, &t, &callers_mask);
	return !interrupted;
}

/* One word of the mask more or less is no matter: Linux has its own size. */
static int bind_self(const struct cpulist *cpus)
{
	return syscall(SYS_sched_setaffinity, 0, sizeof(cpus->word),
		       cpus->word) < 0
		   ? errno
		   : 0;
}

/* A child inherits our CPUs; posix_spawn itself has no word for it. */
static int spawn_bound(char *const *argv, const struct cpulist *cpus,
		       const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, struct child *c)
{
	struct cpulist own;
	int err = cpulist_affinity(&own);

	if (!err && cpus)
		err = bind_self(cpus);
	c->start_ns = clock_mono_ns();
	if (!err)
		err =
		    posix_spawn(&c->pid, argv[0], actions, attr, argv, environ);
	if (cpus)
		(void)bind_self(&own);
	return err;
}

/* Each step only if those before it succeeded. */
static int streams_set(posix_spawn_file_actions_t *actions,
		       const struct child *c)
{
	int err = posix_spawn_file_actions_addopen(actions, 0, "/dev/null",
						   O_RDONLY, 0);

	if (!err)
		err = posix_spawn_file_actions_adddup2(actions, c->out_fd, 1);
	if (!err)
		err = posix_spawn_file_actions_adddup2(actions, c->err_fd, 2);
	return err;
}

static int spawn(char *const *argv, const struct cpulist *cpus, struct child *c)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int err = posix_spawn_file_actions_init(&actions);

	if (err)
		return err;
	err = posix_spawnattr_init(&attr);
	if (!err) {
		(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
		(void)posix_spawnattr_setsigmask(&attr, &callers_mask);
		err = streams_set(&actions, c);
		if (!err)
			err = spawn_bound(argv, cpus, &actions, &attr, c);
		(void)posix_spawnattr_destroy(&attr);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return err;
}

int child_start(char *const *argv, const struct cpulist *cpus, struct child *c)
{
	int err;

	memset(c, 0, sizeof(*c));
	c->out_fd = memfd_create("out", MFD_CLOEXEC);
	c->err_fd = memfd_create("err", MFD_CLOEXEC);
	err = c->out_fd < 0 || c->err_fd < 0 ? errno : spawn(argv, cpus, c);
	if (!err)
		return 0;
	c->pid = 0;
	(void)snprintf(c->why, sizeof(c->why), "%s: %s", argv[0],
		       error_text(err));
	return -1;
}

/* What is in the file by now, with a NUL after it; NULL without memory. */
static char *text_read(int fd)
{
	struct stat st;
	char *text;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return NULL;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return NULL;
	n = pread(fd, text, (size_t)st.st_size, 0);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

bool child_says(const struct child *c, const char *line)
{
	char *text = text_read(c->out_fd);
	bool said = text && strstr(text, line);

	free(text);
	return said;
}

static void reap(struct child *c, int *status)
{
	struct rusage usage;
	pid_t pid;

	do
		pid = wait4(c->pid, status, 0, &usage);
	while (pid < 0 && errno == EINTR);
	c->wall_ns = clock_mono_ns() - c->start_ns;
	c->cpu_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) *
			1000000 +
		    (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	c->pid = 0;
}

void child_kill(struct child *c)
{
	int status;

	if (c->pid) {
		(void)kill(c->pid, SIGKILL);
		reap(c, &status);
	}
}

/* Why a child that did not succeed did not: its last words, if it had any. */
static void explain(struct child *c, int status)
{
	char *text = text_read(c->err_fd), *last;
	size_t n = text ? strlen(text) : 0;

	while (n && text[n - 1] == '\n')
		text[--n] = '\0';
	last = n ? strrchr(text, '\n') : NULL;
	last = last ? last + 1 : text;
	if (n)
		(void)snprintf(c->why, sizeof(c->why), "%s", last);
	else if (WIFSIGNALED(status))
		(void)snprintf(c->why, sizeof(c->why), "ended by signal %d",
			       WTERMSIG(status));
	else
		(void)snprintf(c->why, sizeof(c->why), "exit status %d",
			       WEXITSTATUS(status));
	free(text);
}

int child_wait(struct child *c, double seconds)
{
	const struct timespec limit = { .tv_sec = (time_t)seconds + 1 };
	struct pollfd p = { .events = POLLIN };
	int ready, status = 0;

	p.fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	do
		ready = ppoll(&p, 1, &limit, &callers_mask);
	while (ready < 0 && errno == EINTR && !interrupted);
	if (p.fd >= 0)
		close(p.fd);
	if (interrupted || ready != 1) {
		child_kill(c);
		(void)snprintf(c->why, sizeof(c->why), "no end after %.0f s",
			       seconds);
		return -1;
	}
	reap(c, &status);
	c->out = text_read(c->out_fd);
	if (status == 0 && c->out)
		return 0;
	explain(c, status);
	return -1;
}

int child_run(char *const *argv, const struct cpulist *cpus, double seconds,
	      struct child *c)
{
	return child_start(argv, cpus, c) ? -1 : child_wait(c, seconds);
}

void child_free(struct child *c)
{
	child_kill(c);
	if (c->out_fd >= 0)
		close(c->out_fd);
	if (c->err_fd >= 0)
		close(c->err_fd);
	free(c->out);
	c->out = NULL;
	c->out_fd = c->err_fd = -1;
}
