/* SPDX-License-Identifier: MIT */
/*
 * nofile.c - a hard limit on descriptors that nobody can raise again; threads,
 * children and new programs after it.
 */
// modes: direct-2 ring-2 direct-1 ring-1
// variants: pie
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tap.h"

#define LIMIT 64

static int is_limit(void)
{
	struct rlimit lim;

	return getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur == LIMIT &&
	       lim.rlim_max == LIMIT;
}

static int cannot_raise(void)
{
	struct rlimit lim = { LIMIT, LIMIT + 1 };

	return setrlimit(RLIMIT_NOFILE, &lim) == -1 && errno == EPERM;
}

static int fills_up(void)
{
	int fd, n = 0;

	while ((fd = dup(0)) >= 0 && n++ < LIMIT)
		;
	if (errno != EMFILE)
		return 0;
	for (fd = 3; fd < LIMIT; fd++)
		close(fd);
	return 1;
}

static void *meet(void *arg)
{
	int *here = arg;

	__atomic_fetch_add(here, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(here, __ATOMIC_SEQ_CST) < 2)
		sched_yield();
	return NULL;
}

static void threads(void)
{
	int here = 0;
	pthread_t t;

	MUST(pthread_create(&t, NULL, meet, &here) == 0);
	meet(&here);
	OK(pthread_join(t, NULL) == 0, "two threads at once");
}

static int child(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(is_limit() && cannot_raise() && fills_up() ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char **argv)
{
	struct rlimit lim = { LIMIT, LIMIT };

	if (argc == 1) {
		MUST(setrlimit(RLIMIT_NOFILE, &lim) == 0);
		execl("/proc/self/exe", argv[0], "again", (char *)NULL);
		MUST(0);
	}
	OK(is_limit(), "exec keeps it");
	if (getuid() == 0)
		MUST(setresuid(65534, 65534, 65534) == 0);
	OK(is_limit(), "it is as it was set");
	OK(cannot_raise(), "it cannot be raised");
	OK(fills_up(), "no more can be opened");
	threads();
	OK(child(), "a child has it, too");
	OK(child(), "and another");
	lim.rlim_cur = lim.rlim_max = LIMIT - 1;
	OK(setrlimit(RLIMIT_NOFILE, &lim) == 0, "it can be lowered");
	lim.rlim_max = LIMIT;
	OK(setrlimit(RLIMIT_NOFILE, &lim) == -1 && errno == EPERM,
	   "but that is for good");
	return tap_done();
}
