/* SPDX-License-Identifier: MIT */
/*
 * creds.c - giving up root: every thread of the process loses it, for every
 * kind of call, wherever that is made.
 */
// variants: pie static musl
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tap.h"

#define NOBODY 65534
#define N      6

static pthread_barrier_t bar;
static int bad;

static void *watcher(void *arg)
{
	int fd;

	pthread_barrier_wait(&bar);
	/* The main thread changes everything here. */
	pthread_barrier_wait(&bar);
	for (int i = 0; i < 50; i++) {
		int wrong = getuid() != NOBODY || geteuid() != NOBODY ||
			    getgid() != NOBODY;

		fd = open("secret.tmp", O_RDONLY);
		wrong += fd >= 0 || errno != EACCES;
		wrong += access("secret.tmp", R_OK) != -1;
		wrong += chown("mine.tmp", 0, 0) != -1 || errno != EPERM;
		__atomic_add_fetch(&bad, wrong, __ATOMIC_SEQ_CST);
		sched_yield();
	}
	return arg;
}

int main(void)
{
	pthread_t t[N];
	struct stat st;
	int fd;

	if (getuid() != 0) {
		tap_skip("giving up root", "not root");
		return tap_done();
	}
	MUST(chmod(".", 0777) == 0);
	fd = open("secret.tmp", O_CREAT | O_WRONLY, 0600);
	MUST(fd >= 0);
	fd = open("mine.tmp", O_CREAT | O_WRONLY, 0600);
	MUST(fd >= 0 && fchown(fd, NOBODY, NOBODY) == 0);
	MUST(pthread_barrier_init(&bar, NULL, N + 1) == 0);
	for (int i = 0; i < N; i++)
		MUST(pthread_create(&t[i], NULL, watcher, NULL) == 0);
	pthread_barrier_wait(&bar);
	IS(setgroups(0, NULL), 0, "setgroups");
	IS(setresgid(NOBODY, NOBODY, NOBODY), 0, "setresgid");
	IS(setresuid(NOBODY, NOBODY, NOBODY), 0, "setresuid");
	pthread_barrier_wait(&bar);
	IS(getuid(), NOBODY, "getuid");
	IS(geteuid(), NOBODY, "geteuid");
	IS(getegid(), NOBODY, "getegid");
	IS(getgroups(0, NULL), 0, "getgroups");
	ERR(setuid(0), EPERM, "there is no way back");
	ERR(open("secret.tmp", O_RDONLY), EACCES, "root's file");
	fd = open("mine.tmp", O_RDWR);
	OK(fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == NOBODY,
	   "one's own file");
	fd = open("new.tmp", O_CREAT | O_WRONLY, 0600);
	OK(fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == NOBODY &&
	       st.st_gid == NOBODY,
	   "a new file is nobody's");
	for (int i = 0; i < N; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	IS(bad, 0, "no thread has kept anything");
	return tap_done();
}
