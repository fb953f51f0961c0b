/* SPDX-License-Identifier: MIT */
/*
 * portable.c - endpoints on plain Linux, with futexes.
 *
 * Each thread that waits has a struct waiter, which hangs at an endpoint or at
 * the server that is to answer it; `done` is the futex that it sleeps on. All
 * of an endpoint, its waiters and its servers' `caller` is guarded by the
 * endpoint's lock. Endpoints never go away: closing one makes it free.
 */
#include "portable.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "azalea/ipc.h"

#define ENDPOINTS 1024 /* as under Azalea */

struct waiter {
	uint32_t done; /* futex: 1 when result and msg are there */
	int result;
	struct azalea_msg msg;
	struct waiter *next;   /* of those at the endpoint likewise */
	struct server *server; /* whose wait this is, or who has the call */
};

struct server {
	struct endpoint *endpoint;
	struct server *next; /* of the endpoint's */
	struct waiter *caller;
	struct waiter wait;
};

struct endpoint {
	pthread_mutex_t lock;
	int handle, last;
	int orphaned;
	struct waiter *idle;        /* servers' waits */
	struct waiter *first, *end; /* calls that no server has */
	struct server *servers;
};

static struct endpoint endpoints[ENDPOINTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t key; /* its destructor tells that a server ends */
static __thread struct server self;

/* --- waiting --- */

static void finish(struct waiter *w, int result)
{
	w->result = result;
	w->server = NULL;
	__atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &w->done, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void remove_waiter(struct waiter **list, const struct waiter *w)
{
	for (; *list; list = &(*list)->next)
		if (*list == w) {
			*list = w->next;
			return;
		}
}

static void remove_call(struct endpoint *e, const struct waiter *w)
{
	remove_waiter(&e->first, w);
	e->end = e->first;
	while (e->end && e->end->next)
		e->end = e->end->next;
}

/* Give up, if it is not too late for that: then 1. */
static int give_up(struct endpoint *e, struct waiter *w)
{
	int early;

	pthread_mutex_lock(&e->lock);
	early = !w->done;
	if (early && w == &self.wait)
		remove_waiter(&e->idle, w);
	else if (early && w->server)
		w->server->caller = NULL;
	else if (early)
		remove_call(e, w);
	pthread_mutex_unlock(&e->lock);
	return early;
}

/* Unlock e and wait; the result of w. */
static int wait_at(struct endpoint *e, struct waiter *w)
{
	/* With a time-out, so that any handler ends it: signal(7). */
	struct timespec long_time = { INT_MAX, 0 };
	long r;

	pthread_mutex_unlock(&e->lock);
	while (!__atomic_load_n(&w->done, __ATOMIC_ACQUIRE)) {
		r = syscall(SYS_futex, &w->done, FUTEX_WAIT_PRIVATE, 0,
			    &long_time, NULL, 0);
		if (r && errno == EINTR && give_up(e, w))
			return -EINTR;
	}
	return w->result;
}

/* --- servers --- */

static void fail_caller(struct server *s)
{
	struct waiter *caller = s->caller;

	s->caller = NULL;
	if (caller)
		finish(caller, -EPIPE);
}

static void fail_calls(struct endpoint *e)
{
	while (e->first) {
		struct waiter *w = e->first;

		e->first = w->next;
		finish(w, -EPIPE);
	}
}

static void unbind(struct server *s)
{
	struct endpoint *e = s->endpoint;
	struct server **at = &e->servers;

	fail_caller(s);
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->endpoint = NULL;
	if (e->servers)
		return;
	e->orphaned = 1;
	fail_calls(e);
}

static void leave(void *server)
{
	struct server *s = server;
	struct endpoint *e = s->endpoint;

	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	if (s->endpoint == e)
		unbind(s);
	pthread_mutex_unlock(&e->lock);
}

/* In the child of a fork: no endpoint is left. */
static void reset(void)
{
	for (int i = 0; i < ENDPOINTS; i++) {
		memset(&endpoints[i], 0, sizeof(endpoints[i]));
		pthread_mutex_init(&endpoints[i].lock, NULL);
	}
	memset(&self, 0, sizeof(self));
	pthread_mutex_init(&table_lock, NULL);
}

static void init(void)
{
	reset();
	pthread_key_create(&key, leave);
	pthread_atfork(NULL, NULL, reset);
}

/* --- endpoints --- */

static struct endpoint *lock_handle(int handle)
{
	struct endpoint *e;

	pthread_once(&once, init);
	if (handle <= 0)
		return NULL;
	e = &endpoints[handle % ENDPOINTS];
	pthread_mutex_lock(&e->lock);
	if (e->handle == handle)
		return e;
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

static struct endpoint *lock_as_server(int handle)
{
	struct endpoint *e = lock_handle(handle);

	if (!e || self.endpoint == e)
		return e;
	pthread_mutex_unlock(&e->lock);
	leave(&self);
	pthread_setspecific(key, &self);
	e = lock_handle(handle);
	if (!e)
		return NULL;
	self.endpoint = e;
	self.next = e->servers;
	e->servers = &self;
	e->orphaned = 0;
	return e;
}

int portable_create(void)
{
	int handle = -EMFILE;

	pthread_once(&once, init);
	pthread_mutex_lock(&table_lock);
	for (int i = 0; i < ENDPOINTS && handle < 0; i++) {
		struct endpoint *e = &endpoints[i];

		pthread_mutex_lock(&e->lock);
		if (!e->handle) {
			handle = e->last > INT_MAX - 2 * ENDPOINTS
				     ? ENDPOINTS
				     : e->last + ENDPOINTS;
			handle = handle / ENDPOINTS * ENDPOINTS + i;
			e->handle = e->last = handle;
			e->orphaned = 0;
		}
		pthread_mutex_unlock(&e->lock);
	}
	pthread_mutex_unlock(&table_lock);
	return handle;
}

int portable_close(int endpoint)
{
	struct endpoint *e = lock_handle(endpoint);

	if (!e)
		return -EBADF;
	while (e->servers)
		unbind(e->servers);
	fail_calls(e);
	while (e->idle) {
		struct waiter *w = e->idle;

		e->idle = w->next;
		finish(w, -EPIPE);
	}
	e->handle = 0;
	pthread_mutex_unlock(&e->lock);
	return 0;
}

/* --- messages --- */

static int call_error(const struct endpoint *e)
{
	if (e->orphaned)
		return -EPIPE;
	if (self.endpoint == e && e->servers == &self && !self.next)
		return -EDEADLK;
	return 0;
}

int portable_call(int endpoint, struct azalea_msg *msg)
{
	struct waiter w = { .msg = *msg };
	struct endpoint *e = lock_handle(endpoint);
	struct waiter *idle;
	int r;

	if (!e)
		return -EBADF;
	r = call_error(e);
	if (r) {
		pthread_mutex_unlock(&e->lock);
		return r;
	}
	idle = e->idle;
	if (idle) {
		e->idle = idle->next;
		w.server = idle->server;
		w.server->caller = &w;
		idle->msg = *msg;
		finish(idle, 0);
	} else {
		if (e->first)
			e->end->next = &w;
		else
			e->first = &w;
		e->end = &w;
	}
	r = wait_at(e, &w);
	*msg = w.msg;
	return r;
}

/* e is locked, and is not afterwards. */
static int receive_at(struct endpoint *e, struct azalea_msg *msg)
{
	struct waiter *w = e->first;
	int r;

	if (w) {
		e->first = w->next;
		w->server = &self;
		self.caller = w;
		*msg = w->msg;
		pthread_mutex_unlock(&e->lock);
		return 0;
	}
	memset(&self.wait, 0, sizeof(self.wait));
	self.wait.server = &self;
	self.wait.next = e->idle;
	e->idle = &self.wait;
	r = wait_at(e, &self.wait);
	if (r == 0)
		*msg = self.wait.msg;
	return r;
}

int portable_receive(int endpoint, struct azalea_msg *msg)
{
	struct endpoint *e = lock_as_server(endpoint);

	if (!e)
		return -EBADF;
	fail_caller(&self);
	return receive_at(e, msg);
}

static int reply_at(const struct azalea_msg *msg)
{
	struct waiter *caller = self.caller;

	if (!caller)
		return -ESRCH;
	self.caller = NULL;
	caller->msg = *msg;
	finish(caller, 0);
	return 0;
}

int portable_reply(int endpoint, const struct azalea_msg *msg)
{
	struct endpoint *e = lock_handle(endpoint);
	int r;

	if (!e)
		return -EBADF;
	r = self.endpoint == e ? reply_at(msg) : -EINVAL;
	pthread_mutex_unlock(&e->lock);
	return r;
}

int portable_reply_wait(int endpoint, struct azalea_msg *msg)
{
	struct endpoint *e = lock_as_server(endpoint);

	if (!e)
		return -EBADF;
	reply_at(msg);
	return receive_at(e, msg);
}
