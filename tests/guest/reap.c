/* SPDX-License-Identifier: MIT */
/*
 * reap.c - children that leave no zombies: SIGCHLD ignored, or SA_NOCLDWAIT.
 */
// modes: direct-2 ring-2 direct-1 ring-1
// variants: pie
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tap.h"

static volatile sig_atomic_t caught;

static void count(int sig)
{
	(void)sig;
	caught = caught + 1;
}

static pid_t child(int status)
{
	pid_t pid = fork();

	MUST(pid >= 0);
	if (!pid)
		_exit(status);
	return pid;
}

/* It has ended: nothing holds the other end of the pipe any more. */
static pid_t child_ended(int status)
{
	struct pollfd p = { .events = POLLIN };
	int fd[2];
	pid_t pid;

	MUST(pipe(fd) == 0);
	pid = child(status);
	close(fd[1]);
	p.fd = fd[0];
	MUST(poll(&p, 1, -1) == 1);
	close(fd[0]);
	return pid;
}

/* Linux takes a moment between closing what a process had and its end. */
static int gone(pid_t pid)
{
	for (int i = 0; i < 1000; i++) {
		if (kill(pid, 0) && errno == ESRCH)
			return 1;
		poll(NULL, 0, 10);
	}
	return 0;
}

static void set(void (*handler)(int), int flags)
{
	struct sigaction sa = { .sa_flags = flags };

	sa.sa_handler = handler;
	MUST(sigaction(SIGCHLD, &sa, NULL) == 0);
}

static void waits_for_zombies(const char *name)
{
	pid_t pid = child_ended(7);
	int status;

	OK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 7,
	   name);
}

static void ignored(void)
{
	int status;

	set(SIG_IGN, 0);
	OK(gone(child_ended(1)), "ignored: they are gone");
	/* Waits until there is none, to no avail. */
	child(2);
	OK(wait(&status) == -1 && errno == ECHILD, "and wait finds none");
	OK(system("exit 3") == -1 && errno == ECHILD, "nor does system");
}

static void no_wait(void)
{
	pid_t pid;

	set(count, SA_NOCLDWAIT | SA_RESTART);
	pid = child(4);
	OK(wait(NULL) == -1 && errno == ECHILD,
	   "SA_NOCLDWAIT: none to wait for");
	OK(gone(pid), "it is gone");
	for (int i = 0; i < 1000 && !caught; i++)
		poll(NULL, 0, 10);
	OK(caught > 0, "but SIGCHLD has come");
}

static void inherited(const char *self)
{
	pid_t pid = fork();

	MUST(pid >= 0);
	if (!pid) {
		set(SIG_IGN, 0);
		execl(self, self, "inherited", (char *)NULL);
		_exit(99);
	}
	waits_for_zombies("while a child ignores it, its parent does not");
	MUST(waitpid(pid, NULL, 0) == pid);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		OK(gone(child_ended(1)), "exec keeps what is ignored");
		return 0;
	}
	waits_for_zombies("by default they are waited for");
	ignored();
	set(SIG_DFL, 0);
	waits_for_zombies("as before");
	no_wait();
	set(SIG_DFL, 0);
	waits_for_zombies("and again");
	inherited(argv[0]);
	return tap_done();
}
