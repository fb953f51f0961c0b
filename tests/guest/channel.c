/* SPDX-License-Identifier: MIT */
/* channel.c - channels: between processes, with errors and dead ends. */
// cflags: -Ilib/include -Iabi
// links: lib/channel.c
// modes: auto-1 auto ring-2
#include <azalea/ipc.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tap.h"

static char name[64];

static pid_t forked(int (*fn)(void))
{
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		_exit(fn());
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	MUST(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static struct azalea_channel *open_retry(void)
{
	struct azalea_channel *c;
	int r;

	while ((r = azalea_channel_open(name, &c)) == -ENOENT || r == -EBUSY)
		sleep_ms(1);
	return r ? NULL : c;
}

#define CALLS 3000

static int client(void)
{
	struct azalea_channel *c = open_retry();
	struct azalea_msg m;

	if (!c)
		return 1;
	for (uint64_t i = 0; i < CALLS; i++) {
		for (int k = 0; k < AZALEA_IPC_WORDS; k++)
			m.word[k] = i * 8 + (uint64_t)k;
		if (azalea_channel_call(c, &m))
			return 2;
		for (int k = 0; k < AZALEA_IPC_WORDS; k++)
			if (m.word[k] != ~(i * 8 + (uint64_t)k))
				return 3;
	}
	if (azalea_channel_receive(c, &m) != -EINVAL ||
	    azalea_channel_reply(c, &m) != -EINVAL ||
	    azalea_channel_reply_wait(c, &m) != -EINVAL)
		return 4;
	azalea_channel_close(c);
	return 0;
}

static int client_slow(void)
{
	struct azalea_channel *c = open_retry();
	struct azalea_msg m = { { 1 } };

	sleep_ms(30); /* the server sleeps by now */
	return c && azalea_channel_call(c, &m) == 0 && m.word[0] == ~1ULL ? 0
									  : 1;
}

static int client_dies(void)
{
	struct azalea_channel *c = open_retry();
	struct azalea_msg m = { { 1 } };

	if (c && azalea_channel_call(c, &m) == 0)
		raise(SIGKILL);
	return 1;
}

/* Serve one client until it goes; the number of calls. */
static int serve(struct azalea_channel *c, int *end)
{
	struct azalea_msg m;
	int n = 0, r = azalea_channel_receive(c, &m);

	while (r == 0) {
		n++;
		for (int k = 0; k < AZALEA_IPC_WORDS; k++)
			m.word[k] = ~m.word[k];
		r = azalea_channel_reply_wait(c, &m);
	}
	*end = r;
	return n;
}

static void test_serve(void)
{
	struct azalea_channel *c, *other;
	struct azalea_msg m = { { 0 } };
	int end;
	pid_t pid;

	IS(azalea_channel_open(name, &c), -ENOENT, "ENOENT: no channel");
	IS(azalea_channel_create(name, &c), 0, "create");
	IS(azalea_channel_create(name, &other), -EEXIST, "EEXIST: it is there");
	IS(azalea_channel_call(c, &m), -EINVAL, "EINVAL: a server calls");
	IS(azalea_channel_reply(c, &m), -ESRCH, "ESRCH: nobody waits");
	pid = forked(client);
	IS(serve(c, &end), CALLS, "all calls arrive");
	IS(end, -EPIPE, "EPIPE when the client has gone");
	IS(status_of(pid), 0, "and so do replies");
	pid = forked(client_slow);
	IS(serve(c, &end), 1, "the next client's calls arrive");
	IS(status_of(pid), 0, "though both slept meanwhile");
	pid = forked(client_dies);
	IS(serve(c, &end), 1, "a client that is killed");
	IS(end, -EPIPE, "has gone, too");
	IS(status_of(pid), -SIGKILL, "killed");
	azalea_channel_close(c);
	IS(azalea_channel_open(name, &c), -ENOENT, "ENOENT: closed");
}

/* Takes one call and does not answer. */
static int server_dies(void)
{
	struct azalea_channel *c;
	struct azalea_msg m;

	if (azalea_channel_create(name, &c) == 0 &&
	    azalea_channel_receive(c, &m) == 0)
		raise(SIGKILL);
	return 1;
}

static void test_server_dies(void)
{
	struct azalea_channel *c, *other;
	struct azalea_msg m = { { 0 } };
	pid_t pid = forked(server_dies);

	c = open_retry();
	MUST(c);
	IS(azalea_channel_open(name, &other), -EBUSY, "EBUSY: it has a client");
	IS(azalea_channel_call(c, &m), -EPIPE, "EPIPE: the server was killed");
	IS(status_of(pid), -SIGKILL, "killed");
	IS(azalea_channel_call(c, &m), -EPIPE, "EPIPE again");
	azalea_channel_close(c);
	IS(azalea_channel_open(name, &c), -EPIPE, "EPIPE: nobody serves it");
	IS(azalea_channel_create(name, &c), 0, "its name can be had again");
	azalea_channel_close(c);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void test_interrupted(void)
{
	struct sigaction sa = { .sa_handler = on_alarm,
				.sa_flags = SA_RESTART };
	struct azalea_channel *c;
	struct azalea_msg m;

	sigaction(SIGALRM, &sa, NULL);
	MUST(azalea_channel_create(name, &c) == 0);
	ualarm(20000, 20000); /* it may come before the wait */
	IS(azalea_channel_receive(c, &m), -EINTR, "EINTR: a handler ran");
	ualarm(0, 0);
	azalea_channel_close(c);
}

/* What else may have the name, and what a peer may write. */
static void test_hostile(void)
{
	struct azalea_channel *c;
	uint8_t junk[4096];
	int fd, end;
	pid_t pid;

	memset(junk, 0xa5, sizeof(junk));
	fd = shm_open(name, O_RDWR | O_CREAT, 0600);
	MUST(fd >= 0);
	IS(azalea_channel_open(name, &c), -ENOENT, "an empty file: not yet");
	IS(azalea_channel_create(name, &c), -EEXIST, "EEXIST: something else");
	MUST(write(fd, junk, sizeof(junk)) == sizeof(junk));
	IS(azalea_channel_open(name, &c), -EPROTO, "EPROTO: something else");
	IS(azalea_channel_create(name, &c), -EEXIST, "which is left alone");
	MUST(close(fd) == 0 && shm_unlink(name) == 0);

	IS(azalea_channel_create(name, &c), 0, "a channel");
	fd = shm_open(name, O_RDWR, 0);
	MUST(fd >= 0 && pwrite(fd, junk, 312, 8) == 312);
	pid = forked(client);
	serve(c, &end);
	IS(end, -EPIPE, "numbers that make no sense are only numbers");
	IS(status_of(pid), 0, "calls work after them");
	azalea_channel_close(c);
	close(fd);
	OK(azalea_channel_open("", &c) < 0, "a name that is none");
}

int main(void)
{
	snprintf(name, sizeof(name), "/azalea-test-%d", (int)getpid());
	test_serve();
	test_server_dies();
	test_interrupted();
	test_hostile();
	return tap_done();
}
