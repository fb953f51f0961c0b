/* SPDX-License-Identifier: MIT */
/*
 * sigrestart.c - calls that a signal interrupts: which go on after a handler
 * with SA_RESTART and which end with EINTR, and that no data is lost.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "tap.h"

static pthread_t main_thread;
static volatile int handled;
static int pipe_fd[2], sock[2], listener;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static void catch (int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sa.sa_flags = flags;
	MUST(sigaction(SIGUSR1, &sa, NULL) == 0);
	handled = 0;
}

/* Signals the main thread until its handler has run, then feeds data. */
static void *disturb(void *arg)
{
	int feed = (int)(intptr_t)arg;

	sleep_ms(30);
	pthread_kill(main_thread, SIGUSR1);
	while (!handled)
		sleep_ms(1);
	sleep_ms(20);
	if (feed == 1)
		MUST(write(pipe_fd[1], "x", 1) == 1);
	if (feed == 2)
		MUST(send(sock[1], "y", 1, 0) == 1);
	return NULL;
}

static pthread_t helper;

static void start(int feed)
{
	MUST(pthread_create(&helper, NULL, disturb, (void *)(intptr_t)feed) ==
	     0);
}

static void finish(void)
{
	MUST(pthread_join(helper, NULL) == 0);
}

static void check_read(void)
{
	struct iovec iov;
	char c = 0;

	catch (SA_RESTART);
	start(1);
	IS(read(pipe_fd[0], &c, 1), 1, "read goes on with SA_RESTART");
	OK(c == 'x' && handled == 1, "and the handler ran");
	finish();
	catch (0);
	start(1);
	ERR(read(pipe_fd[0], &c, 1), EINTR, "read ends without");
	finish();
	IS(read(pipe_fd[0], &c, 1), 1, "no data was lost");
	catch (SA_RESTART);
	start(1);
	iov = (struct iovec){ &c, 1 };
	IS(readv(pipe_fd[0], &iov, 1), 1, "readv goes on");
	finish();
	catch (SA_RESTART);
	start(2);
	IS(recv(sock[0], &c, 1, 0), 1, "recv goes on");
	finish();
	catch (0);
	start(2);
	ERR(recv(sock[0], &c, 1, 0), EINTR, "recv ends");
	finish();
	MUST(recv(sock[0], &c, 1, 0) == 1);
}

static void check_never(int flags)
{
	struct pollfd p = { .fd = pipe_fd[0], .events = POLLIN };
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0);
	fd_set set;
	struct timespec ts = { 10, 0 }, left = { 0, 0 };
	struct timeval tv = { 10, 0 };

	MUST(ep >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, pipe_fd[0], &ev) == 0);
	catch (flags);
	start(0);
	ERR(poll(&p, 1, 10000), EINTR, "poll ends");
	finish();
	catch (flags);
	start(0);
	ERR(ppoll(&p, 1, NULL, NULL), EINTR, "ppoll ends");
	finish();
	FD_ZERO(&set);
	FD_SET(pipe_fd[0], &set);
	catch (flags);
	start(0);
	ERR(select(pipe_fd[0] + 1, &set, NULL, NULL, &tv), EINTR,
	    "select ends");
	finish();
	FD_SET(pipe_fd[0], &set);
	catch (flags);
	start(0);
	ERR(pselect(pipe_fd[0] + 1, &set, NULL, NULL, NULL, NULL), EINTR,
	    "pselect ends");
	finish();
	catch (flags);
	start(0);
	ERR(epoll_wait(ep, &ev, 1, -1), EINTR, "epoll_wait ends");
	finish();
	catch (flags);
	start(0);
	ERR(nanosleep(&ts, &left), EINTR, "nanosleep ends");
	finish();
	OK(left.tv_sec >= 5 && left.tv_sec <= 9, "and tells what is left");
	catch (flags);
	start(0);
	IS(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL), EINTR,
	   "clock_nanosleep ends");
	finish();
	close(ep);
}

static void check_accept(void)
{
	struct sockaddr sa = { .sa_family = AF_UNIX };
	socklen_t len = sizeof(sa.sa_family);

	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(listener >= 0 && bind(listener, &sa, len) == 0);
	MUST(listen(listener, 5) == 0);
	catch (0);
	start(0);
	ERR(accept(listener, NULL, NULL), EINTR, "accept ends");
	finish();
	close(listener);
}

static void check_masked(void)
{
	struct pollfd p = { .fd = pipe_fd[0], .events = POLLIN };
	struct timespec ts = { 0, 50000000 };
	sigset_t s, old;
	int r;

	catch (0);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &s, &old) == 0);
	raise(SIGUSR1);
	IS(poll(&p, 1, 20), 0, "a blocked signal interrupts nothing");
	sigemptyset(&s);
	r = ppoll(&p, 1, &ts, &s);
	OK(r == -1 && errno == EINTR && handled == 1,
	   "ppoll unblocks it while it waits");
	sigprocmask(SIG_SETMASK, NULL, &s);
	IS(sigismember(&s, SIGUSR1), 1, "and blocks it again");
	raise(SIGUSR1);
	sigemptyset(&s);
	r = pselect(0, NULL, NULL, NULL, &ts, &s);
	OK(r == -1 && errno == EINTR && handled == 2, "pselect as well");
	struct epoll_event ev;
	int ep = epoll_create1(0);
	raise(SIGUSR1);
	r = epoll_pwait(ep, &ev, 1, 50, &s);
	OK(r == -1 && errno == EINTR && handled == 3, "epoll_pwait as well");
	close(ep);
	IS(ppoll(NULL, 0, &ts, &s), 0, "ppoll of nothing is a sleep");
	ERR(syscall(SYS_ppoll, &p, 1, &ts, &s, 7), EINVAL, "ppoll, size 7");
	ERR(syscall(SYS_ppoll, &p, 1, &ts, 8L, 8), EFAULT, "ppoll, bad mask");
	MUST(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
}

static void check_locks(void)
{
	sem_t sem;
	int a = open("restart.tmp", O_RDWR | O_CREAT, 0600);
	int b = open("restart.tmp", O_RDWR);
	struct timespec ts;

	MUST(sem_init(&sem, 0, 0) == 0 && a >= 0 && b >= 0);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 10;
	catch (0);
	start(0);
	ERR(sem_timedwait(&sem, &ts), EINTR, "sem_timedwait ends");
	finish();
	MUST(flock(a, LOCK_EX) == 0);
	catch (0);
	start(0);
	ERR(flock(b, LOCK_EX), EINTR, "flock ends");
	finish();
	close(a);
	close(b);
	unlink("restart.tmp");
}

/* A write larger than a pipe: a partial count, not EINTR. */
static void check_partial_write(void)
{
	static char big[1 << 20];
	ssize_t n;

	catch (0);
	start(0);
	n = write(pipe_fd[1], big, sizeof(big));
	OK(n > 0 && n < (ssize_t)sizeof(big), "a write ends with what it did");
	finish();
	while (n > 0)
		n -= read(pipe_fd[0], big, sizeof(big));
}

/* Many signals while data streams through a pipe: every byte arrives. */
static void *stream(void *arg)
{
	unsigned char buf[100];
	sigset_t s;

	sigfillset(&s);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	for (int i = 0; i < 200000;) {
		int n = 1 + i % 97;

		if (n > 200000 - i)
			n = 200000 - i;
		for (int k = 0; k < n; k++)
			buf[k] = (unsigned char)((i + k) * 31);
		MUST(write(pipe_fd[1], buf, (size_t)n) == n);
		i += n;
	}
	return arg;
}

static void check_storm(void)
{
	struct itimerval it = { { 0, 200 }, { 0, 200 } }, off = { 0 };
	unsigned char buf[64];
	pthread_t t;
	int got = 0, bad = 0;

	catch (SA_RESTART);
	struct sigaction sa = { .sa_handler = on_signal,
				.sa_flags = SA_RESTART };
	MUST(sigaction(SIGALRM, &sa, NULL) == 0);
	MUST(pthread_create(&t, NULL, stream, NULL) == 0);
	MUST(setitimer(ITIMER_REAL, &it, NULL) == 0);
	while (got < 200000) {
		ssize_t n = read(pipe_fd[0], buf, sizeof(buf));

		MUST(n > 0);
		for (ssize_t k = 0; k < n; k++)
			bad += buf[k] != (unsigned char)((got + k) * 31);
		got += (int)n;
	}
	MUST(setitimer(ITIMER_REAL, &off, NULL) == 0);
	pthread_join(t, NULL);
	IS(bad, 0, "two hundred thousand bytes under a storm of signals");
}

int main(void)
{
	main_thread = pthread_self();
	MUST(pipe(pipe_fd) == 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sock) == 0);
	check_read();
	check_never(0);
	check_never(SA_RESTART);
	check_accept();
	check_masked();
	check_locks();
	check_partial_write();
	check_storm();
	return tap_done();
}
