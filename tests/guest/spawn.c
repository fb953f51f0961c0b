/* SPDX-License-Identifier: MIT */
/*
 * spawn.c - other programs by posix_spawn, system and popen: started, refused,
 * and by several threads at once while others fork and work.
 */
// variants: static pie musl
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "tap.h"

extern char **environ;

static int wait_for(pid_t pid)
{
	int status = -1;

	MUST(waitpid(pid, &status, 0) == pid);
	return status;
}

static int spawn(const char *path, const char *script)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t set;
	pid_t pid;
	int err;

	sigfillset(&set);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, 1, 7);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF |
					    POSIX_SPAWN_SETSIGMASK |
					    POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigdefault(&attr, &set);
	sigemptyset(&set);
	posix_spawnattr_setsigmask(&attr, &set);
	err = posix_spawn(&pid, path, &fa, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	return err ? -err : wait_for(pid);
}

static void check_spawn(void)
{
	char line[20] = "";
	FILE *f;

	IS(spawn("/bin/sh", "test -e /proc/self/fd/7 && exit 6"), 6 << 8,
	   "posix_spawn");
	IS(spawn("/nowhere", ""), -ENOENT, "of what is not there");
	IS(spawn("/etc", ""), -EACCES, "of what is no file");
	IS(system("exit 3"), 3 << 8, "system");
	f = popen("echo text", "r");
	OK(f && fgets(line, sizeof(line), f) && !strcmp(line, "text\n"),
	   "popen");
	IS(pclose(f), 0, "pclose");
}

static volatile unsigned long spun;
static volatile int over;

static void *work(void *arg)
{
	(void)arg;
	while (!over)
		__atomic_add_fetch(&spun, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void *spawn_many(void *arg)
{
	long bad = 0;

	for (int i = 0; i < 20; i++)
		bad += spawn("/bin/sh", arg) != 8 << 8;
	return (void *)bad;
}

static void *fork_many(void *arg)
{
	long bad = 0;

	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(i);
		bad += wait_for(pid) != i << 8;
	}
	(void)arg;
	return (void *)bad;
}

/* Threads work, spawn, and fork while others do. */
static void check_threads(void)
{
	pthread_t t[4], busy[2];
	long bad = 0;

	for (int i = 0; i < 2; i++)
		MUST(!pthread_create(&busy[i], NULL, work, NULL));
	for (int i = 0; i < 4; i++)
		MUST(!pthread_create(
		    &t[i], NULL, i == 3 ? fork_many : spawn_many, "exit 8"));
	for (int i = 0; i < 4; i++) {
		void *r;

		pthread_join(t[i], &r);
		bad += (long)r;
	}
	over = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(busy[i], NULL);
	IS(bad, 0, "sixty programs and twenty forks by four threads");
	OK(spun > 0, "others run meanwhile");
}

int main(void)
{
	check_spawn();
	check_threads();
	return tap_done();
}
