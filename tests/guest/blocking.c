/* SPDX-License-Identifier: MIT */
/*
 * blocking.c - calls that block hold up nobody: many threads wait in reads,
 * accepts, locks and sleeps while others compute and make calls.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tap.h"

#define N 64

static int pipes[N][2];
static volatile int done_count;
static volatile long work;

static void *reader(void *arg)
{
	intptr_t i = (intptr_t)arg;
	char c = 0;

	MUST(read(pipes[i][0], &c, 1) == 1);
	__atomic_add_fetch(&done_count, 1, __ATOMIC_SEQ_CST);
	return (void *)(intptr_t)(c == (char)i);
}

static void *worker(void *arg)
{
	int fd = open("/dev/zero", O_RDONLY);
	char buf[64];

	MUST(fd >= 0);
	for (int i = 0; i < 3000; i++) {
		MUST(read(fd, buf, sizeof(buf)) == sizeof(buf));
		for (volatile int k = 0; k < 200; k++)
			;
		__atomic_add_fetch(&work, 1, __ATOMIC_SEQ_CST);
	}
	close(fd);
	return arg;
}

static void check_readers(void)
{
	pthread_t t[N], w[4];
	intptr_t good = 0;

	for (intptr_t i = 0; i < N; i++) {
		MUST(pipe(pipes[i]) == 0);
		MUST(pthread_create(&t[i], NULL, reader, (void *)i) == 0);
	}
	for (int i = 0; i < 4; i++)
		MUST(pthread_create(&w[i], NULL, worker, NULL) == 0);
	for (int i = 0; i < 4; i++)
		MUST(pthread_join(w[i], NULL) == 0);
	IS(work, 12000, "four threads work while sixty-four are blocked");
	IS(done_count, 0, "which still are");
	/* In another order than they came. */
	for (int i = 0; i < N; i++) {
		int k = i * 29 % N;
		char c = (char)k;

		MUST(write(pipes[k][1], &c, 1) == 1);
		while (done_count <= i)
			sched_yield();
	}
	for (int i = 0; i < N; i++) {
		void *r;

		MUST(pthread_join(t[i], &r) == 0);
		good += (intptr_t)r;
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	IS(good, N, "each wakes when its own byte comes");
}

static int lock_fd, accept_fd, msgq, poll_fd[2];

static void *block_flock(void *arg)
{
	int fd = open("blocking.tmp", O_RDWR);

	MUST(fd >= 0 && flock(fd, LOCK_EX) == 0);
	close(fd);
	return arg;
}

static void *block_ofd(void *arg)
{
	int fd = open("blocking.tmp", O_RDWR);
	struct flock fl = { .l_type = F_WRLCK, .l_len = 10 };

	MUST(fd >= 0 && fcntl(fd, 38 /* F_OFD_SETLKW */, &fl) == 0);
	close(fd);
	return arg;
}

static void *block_accept(void *arg)
{
	int fd = accept(accept_fd, NULL, NULL);

	MUST(fd >= 0);
	close(fd);
	return arg;
}

static void *block_msg(void *arg)
{
	struct {
		long type;
		char text[8];
	} m;

	MUST(msgrcv(msgq, &m, sizeof(m.text), 0, 0) == 4);
	return arg;
}

static void *block_poll(void *arg)
{
	struct pollfd p = { .fd = poll_fd[0], .events = POLLIN };

	MUST(poll(&p, 1, -1) == 1);
	return arg;
}

static void release_all(struct sockaddr *sa, socklen_t len)
{
	struct {
		long type;
		char text[8];
	} m = { 1, "msg" };
	struct flock un = { .l_type = F_UNLCK, .l_len = 10 };
	int c = socket(AF_UNIX, SOCK_STREAM, 0);

	MUST(flock(lock_fd, LOCK_UN) == 0);
	MUST(fcntl(lock_fd, 37 /* F_OFD_SETLK */, &un) == 0);
	MUST(msgsnd(msgq, &m, 4, 0) == 0);
	sleep_ms(20);
	MUST(connect(c, sa, len) == 0);
	MUST(write(poll_fd[1], "x", 1) == 1);
	close(c);
}

static void check_kinds(void)
{
	static void *(*const fns[])(void *) = { block_flock, block_ofd,
						block_msg, block_poll,
						block_accept };
	struct sockaddr sa = { .sa_family = AF_UNIX };
	struct flock fl = { .l_type = F_WRLCK, .l_len = 10 };
	socklen_t len = sizeof(sa);
	pthread_t t[5], w;

	lock_fd = open("blocking.tmp", O_RDWR | O_CREAT, 0600);
	accept_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	msgq = msgget(IPC_PRIVATE, 0600);
	MUST(lock_fd >= 0 && accept_fd >= 0 && msgq >= 0);
	MUST(pipe(poll_fd) == 0 && flock(lock_fd, LOCK_EX) == 0);
	MUST(fcntl(lock_fd, 37 /* F_OFD_SETLK */, &fl) == 0);
	MUST(bind(accept_fd, &sa, sizeof(sa.sa_family)) == 0);
	MUST(listen(accept_fd, 5) == 0);
	MUST(getsockname(accept_fd, &sa, &len) == 0);
	for (int i = 0; i < 5; i++)
		MUST(pthread_create(&t[i], NULL, fns[i], NULL) == 0);
	sleep_ms(30);
	work = 0;
	MUST(pthread_create(&w, NULL, worker, NULL) == 0);
	MUST(pthread_join(w, NULL) == 0);
	IS(work, 3000, "work goes on beside every kind of waiting");
	release_all(&sa, len);
	for (int i = 0; i < 5; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	OK(1, "flock, file lock, message, poll and accept end in time");
	msgctl(msgq, IPC_RMID, NULL);
	unlink("blocking.tmp");
}

/* A ring of threads, each waiting for the one before it. */
static void *pass_on(void *arg)
{
	intptr_t i = (intptr_t)arg;
	int v;

	for (int n = 0; n < 50; n++) {
		MUST(read(pipes[i][0], &v, sizeof(v)) == sizeof(v));
		v++;
		MUST(write(pipes[(i + 1) % 32][1], &v, sizeof(v)) == sizeof(v));
	}
	return NULL;
}

static void check_ring(void)
{
	pthread_t t[32];
	int v = 0;

	for (int i = 0; i < 32; i++)
		MUST(pipe(pipes[i]) == 0);
	for (intptr_t i = 0; i < 32; i++)
		MUST(pthread_create(&t[i], NULL, pass_on, (void *)i) == 0);
	MUST(write(pipes[0][1], &v, sizeof(v)) == sizeof(v));
	for (int i = 0; i < 32; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	MUST(read(pipes[0][0], &v, sizeof(v)) == sizeof(v));
	IS(v, 1600, "a token goes fifty times round thirty-two threads");
}

int main(void)
{
	check_readers();
	check_kinds();
	check_ring();
	ERR(wait(NULL), ECHILD, "no children to wait for");
	return tap_done();
}
