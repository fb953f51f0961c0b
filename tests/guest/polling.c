/* SPDX-License-Identifier: MIT */
/*
 * polling.c - poll, select, epoll, eventfd and timerfd: what is ready, how
 * long they wait, and who is woken.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#include "tap.h"

static int p[2];

static void *write_later(void *arg)
{
	sleep_ms((long)(intptr_t)arg);
	MUST(write(p[1], "x", 1) == 1);
	return NULL;
}

static void drain(void)
{
	char c;

	MUST(read(p[0], &c, 1) == 1);
}

static void check_poll(void)
{
	struct pollfd f[3] = { { .fd = p[0], .events = POLLIN },
			       { .fd = p[1], .events = POLLOUT },
			       { .fd = -1, .events = POLLIN } };
	int64_t t0 = now_ns(CLOCK_MONOTONIC);
	pthread_t t;

	IS(poll(f, 1, 0), 0, "nothing is ready");
	IS(poll(f, 1, 30), 0, "a time-out");
	OK(now_ns(CLOCK_MONOTONIC) - t0 >= 30000000, "lasts");
	IS(poll(f, 3, -1), 1, "one is ready");
	IS(f[1].revents, POLLOUT, "for writing");
	IS(f[2].revents, 0, "a negative descriptor is skipped");
	MUST(pthread_create(&t, NULL, write_later, (void *)20) == 0);
	IS(poll(f, 1, -1), 1, "poll waits for data");
	IS(f[0].revents, POLLIN, "to read");
	MUST(pthread_join(t, NULL) == 0);
	drain();
	f[2].fd = 9999;
	IS(poll(f, 3, 0), 2, "a closed descriptor is ready");
	IS(f[2].revents, POLLNVAL, "as POLLNVAL");
	IS(poll(NULL, 0, 10), 0, "poll of nothing");
}

static void check_select(void)
{
	fd_set r, w;
	struct timeval tv = { 0, 20000 };
	struct timespec ts = { 0, 20000000 };
	int64_t t0;
	pthread_t t;
	int closed;

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	IS(select(p[1] + 1, &r, &w, NULL, NULL), 1, "select");
	OK(!FD_ISSET(p[0], &r) && FD_ISSET(p[1], &w), "the writable one");
	FD_SET(p[0], &r);
	t0 = now_ns(CLOCK_MONOTONIC);
	/* The call itself: musl uses another. */
	IS(syscall(SYS_select, p[0] + 1, &r, NULL, NULL, &tv), 0, "a time-out");
	OK(now_ns(CLOCK_MONOTONIC) - t0 >= 20000000, "lasts");
	OK(tv.tv_sec == 0 && tv.tv_usec == 0, "and is used up");
	OK(!FD_ISSET(p[0], &r), "the set is cleared");
	FD_SET(p[0], &r);
	IS(pselect(p[0] + 1, &r, NULL, NULL, &ts, NULL), 0, "pselect");
	MUST(pthread_create(&t, NULL, write_later, (void *)10) == 0);
	FD_SET(p[0], &r);
	IS(select(p[0] + 1, &r, NULL, NULL, NULL), 1, "select waits");
	MUST(pthread_join(t, NULL) == 0);
	drain();
	FD_ZERO(&r);
	closed = dup(0);
	close(closed);
	FD_SET(closed, &r);
	ERR(select(closed + 1, &r, NULL, NULL, &tv), EBADF, "a closed one");
	ERR(select(-1, NULL, NULL, NULL, &tv), EINVAL, "minus one");
	tv.tv_usec = 10000;
	IS(select(0, NULL, NULL, NULL, &tv), 0, "select as sleep");
}

static void check_epoll(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data = { .u64 = 42 } };
	struct epoll_event out[4];
	pthread_t t;

	OK(ep >= 0, "epoll_create1");
	IS(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev), 0, "add");
	ERR(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev), EEXIST, "twice");
	ERR(epoll_ctl(ep, EPOLL_CTL_MOD, p[1], &ev), ENOENT, "mod of none");
	ERR(epoll_ctl(ep, EPOLL_CTL_DEL, p[1], NULL), ENOENT, "del of none");
	ERR(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev), EINVAL, "itself");
	ERR(epoll_ctl(ep, 77, p[0], &ev), EINVAL, "no such operation");
	ERR(epoll_ctl(ep, EPOLL_CTL_ADD, open(".", O_RDONLY), &ev), EPERM,
	    "a directory");
	ERR(epoll_wait(ep, out, 0, 0), EINVAL, "no room");
	ERR(syscall(SYS_epoll_create, 0), EINVAL, "epoll_create(0)");
	IS(epoll_wait(ep, out, 4, 0), 0, "nothing ready");
	MUST(pthread_create(&t, NULL, write_later, (void *)20) == 0);
	IS(epoll_wait(ep, out, 4, -1), 1, "waits");
	OK(out[0].events == EPOLLIN && out[0].data.u64 == 42, "the event");
	MUST(pthread_join(t, NULL) == 0);
	IS(epoll_wait(ep, out, 4, 0), 1, "level-triggered: still there");
	drain();
	IS(epoll_wait(ep, out, 4, 0), 0, "until read");
	ev.events = EPOLLIN | EPOLLET;
	MUST(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev) == 0);
	write_later((void *)0);
	IS(epoll_wait(ep, out, 4, 100), 1, "edge-triggered: once");
	IS(epoll_wait(ep, out, 4, 10), 0, "and not again");
	write_later((void *)0);
	IS(epoll_wait(ep, out, 4, 100), 1, "until more comes");
	ev.events = EPOLLIN | EPOLLONESHOT;
	MUST(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev) == 0);
	IS(epoll_wait(ep, out, 4, 100), 1, "one-shot");
	IS(epoll_wait(ep, out, 4, 10), 0, "is off then");
	drain();
	drain();
	close(ep);
}

static void check_nested(void)
{
	int in = epoll_create1(0), outer = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN }, out;

	MUST(epoll_ctl(in, EPOLL_CTL_ADD, p[0], &ev) == 0);
	IS(epoll_ctl(outer, EPOLL_CTL_ADD, in, &ev), 0, "an epoll in another");
	write_later((void *)0);
	IS(epoll_wait(outer, &out, 1, 1000), 1, "becomes ready with it");
	drain();
	close(in);
	close(outer);
}

static int shared_ep;

static void *epoll_worker(void *arg)
{
	struct epoll_event ev;

	for (;;) {
		uint64_t v;
		int n = epoll_wait(shared_ep, &ev, 1, -1);

		MUST(n == 1);
		if (ev.data.u32 == 1)
			return arg;
		if (read((int)ev.data.u32, &v, 8) == 8)
			__atomic_add_fetch((long *)arg, (long)v,
					   __ATOMIC_SEQ_CST);
	}
}

static void check_eventfd_workers(void)
{
	static long sum;
	int efd = eventfd(0, EFD_NONBLOCK), quit = eventfd(1, 0);
	struct epoll_event ev = { .events = EPOLLIN };
	pthread_t t[4];

	shared_ep = epoll_create1(0);
	ev.data.u32 = (uint32_t)efd;
	MUST(epoll_ctl(shared_ep, EPOLL_CTL_ADD, efd, &ev) == 0);
	for (int i = 0; i < 4; i++)
		MUST(pthread_create(&t[i], NULL, epoll_worker, &sum) == 0);
	for (uint64_t i = 1; i <= 2000; i++)
		MUST(write(efd, &i, 8) == 8);
	for (int i = 0; i < 2000 && sum != 2000L * 2001 / 2; i++)
		sleep_ms(2);
	IS(sum, 2000L * 2001 / 2, "four threads share an epoll");
	ev.data.u32 = 1;
	MUST(epoll_ctl(shared_ep, EPOLL_CTL_ADD, quit, &ev) == 0);
	for (int i = 0; i < 4; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	close(shared_ep);
	close(efd);
	close(quit);
}

static void check_eventfd(void)
{
	int fd = eventfd(5, EFD_NONBLOCK | EFD_SEMAPHORE);
	uint64_t v = 0;

	OK(fd >= 0, "eventfd");
	IS(read(fd, &v, 8), 8, "read");
	IS(v, 1, "EFD_SEMAPHORE counts down by one");
	ERR(read(fd, &v, 4), EINVAL, "too small");
	for (int i = 0; i < 4; i++)
		MUST(read(fd, &v, 8) == 8);
	ERR(read(fd, &v, 8), EAGAIN, "empty");
	v = UINT64_MAX;
	ERR(write(fd, &v, 8), EINVAL, "all ones");
	v = UINT64_MAX - 1;
	IS(write(fd, &v, 8), 8, "the largest");
	v = 1;
	ERR(write(fd, &v, 8), EAGAIN, "one too many");
	close(fd);
}

static void check_timerfd(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct itimerspec it = { { 0, 2000000 }, { 0, 10000000 } }, now;
	struct pollfd f = { .fd = fd, .events = POLLIN };
	int64_t t0 = now_ns(CLOCK_MONOTONIC);
	uint64_t v = 0;

	OK(fd >= 0, "timerfd_create");
	IS(timerfd_settime(fd, 0, &it, NULL), 0, "timerfd_settime");
	IS(poll(&f, 1, 10000), 1, "poll");
	OK(now_ns(CLOCK_MONOTONIC) - t0 >= 10000000, "not too early");
	sleep_ms(20);
	IS(read(fd, &v, 8), 8, "read");
	OK(v >= 10, "counts the expirations");
	IS(timerfd_gettime(fd, &now), 0, "timerfd_gettime");
	IS(now.it_interval.tv_nsec, 2000000, "the interval");
	it.it_value.tv_nsec = 1000000000;
	ERR(timerfd_settime(fd, 0, &it, NULL), EINVAL, "a bad time");
	ERR(timerfd_create(99, 0), EINVAL, "no such clock");
	close(fd);
}

int main(void)
{
	MUST(pipe(p) == 0);
	check_poll();
	check_select();
	check_epoll();
	check_nested();
	check_eventfd_workers();
	check_eventfd();
	check_timerfd();
	return tap_done();
}
