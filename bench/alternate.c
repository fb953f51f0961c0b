/* SPDX-License-Identifier: MIT */
/*
 * alternate.c - run commands by turns and print what each run took.
 *
 *	alternate [-n ROUNDS] [-w WARMUPS] COMMAND... [::: COMMAND...]...
 *
 * A round runs every command once and begins one further each time, so that
 * none profits from its place. Standard input is empty, output is discarded,
 * errors are shown. For each run after the warm-ups, one line:
 *
 *	command round wall_ns user_us system_us max_rss_KiB
 *
 * Stops at the first command that does not exit with 0.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_COMMANDS 32

struct sample {
	uint64_t wall_ns;
	struct rusage usage;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void run(char **argv, struct sample *s)
{
	posix_spawn_file_actions_t actions;
	uint64_t start;
	pid_t pid;
	int error, status;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	start = now_ns();
	error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	if (error)
		errx(1, "%s: %s", argv[0], strerror(error));
	while (wait4(pid, &status, 0, &s->usage) < 0)
		if (errno != EINTR)
			err(1, "wait4");
	s->wall_ns = now_ns() - start;
	posix_spawn_file_actions_destroy(&actions);
	if (WIFSIGNALED(status))
		errx(1, "%s: killed by signal %d", argv[0], WTERMSIG(status));
	if (WEXITSTATUS(status))
		errx(1, "%s: exit status %d", argv[0], WEXITSTATUS(status));
}

static long usec(struct timeval t)
{
	return t.tv_sec * 1000000L + t.tv_usec;
}

static int commands_split(int argc, char **argv, char **command[])
{
	int count = 0;

	for (int i = 0; i < argc; i++) {
		if (i == 0 || !argv[i - 1]) {
			if (count == MAX_COMMANDS)
				errx(2, "more than %d commands", MAX_COMMANDS);
			command[count++] = argv + i;
		}
		if (!strcmp(argv[i], ":::"))
			argv[i] = NULL;
		if (!argv[i] && command[count - 1] == argv + i)
			errx(2, "an empty command");
	}
	if (!count)
		errx(2, "no command");
	return count;
}

int main(int argc, char **argv)
{
	char **command[MAX_COMMANDS];
	int rounds = 20, warmups = 2, count, c;
	struct sample s;

	while ((c = getopt(argc, argv, "+n:w:")) != -1) {
		if (c == 'n')
			rounds = atoi(optarg);
		else if (c == 'w')
			warmups = atoi(optarg);
		else
			return 2;
	}
	count = commands_split(argc - optind, argv + optind, command);
	for (int round = -warmups; round < rounds; round++) {
		for (int i = 0; i < count; i++) {
			int at = (round + warmups + i) % count;

			run(command[at], &s);
			if (round < 0)
				continue;
			printf("%d %d %llu %ld %ld %ld\n", at, round,
			       (unsigned long long)s.wall_ns,
			       usec(s.usage.ru_utime), usec(s.usage.ru_stime),
			       s.usage.ru_maxrss);
			fflush(stdout);
		}
	}
	return 0;
}
