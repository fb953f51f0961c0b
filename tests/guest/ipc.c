/* SPDX-License-Identifier: MIT */
/* ipc.c - endpoints: messages, errors, and what threads keep over a call. */
// cflags: -Ilib/include -Iabi
// links: lib/native.c lib/endpoint.c lib/portable.c
// ldlibs: -lm
// modes: auto-1 auto direct-2 ring-2
#include <azalea/ipc.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "tap.h"

#define STOP 0xdeadULL

static int ep;
static __thread int mine;
static int signals;

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	MUST(pthread_create(&t, NULL, fn, arg) == 0);
	return t;
}

static void fill(struct azalea_msg *m, uint64_t seed)
{
	for (int i = 0; i < AZALEA_IPC_WORDS; i++)
		m->word[i] = seed * 0x9e3779b97f4a7c15ULL + (uint64_t)i;
}

static int filled(const struct azalea_msg *m, uint64_t seed)
{
	struct azalea_msg want;

	fill(&want, seed);
	return !memcmp(m, &want, sizeof(want));
}

static int call_retry(int e, struct azalea_msg *m)
{
	struct azalea_msg copy = *m;
	int r;

	while ((r = azalea_call(e, m)) == -EINTR)
		*m = copy;
	return r;
}

/* Answers each word inverted; ends, after a reply, when told to. */
static void *invert(void *arg)
{
	struct azalea_msg m;
	int e = *(int *)arg, r = azalea_receive(e, &m);

	mine = 7;
	while (r == 0) {
		int stop = m.word[0] == STOP;

		for (int i = 0; i < AZALEA_IPC_WORDS; i++)
			m.word[i] = ~m.word[i];
		if (stop)
			return (void *)(long)azalea_reply(e, &m);
		do
			r = azalea_reply_wait(e, &m);
		while (r == -EINTR);
		if (mine != 7)
			return (void *)1000;
	}
	return (void *)(long)r;
}

static int inverted(uint64_t seed)
{
	struct azalea_msg m;
	int r;

	fill(&m, seed);
	r = call_retry(ep, &m);
	for (int i = 0; i < AZALEA_IPC_WORDS; i++)
		m.word[i] = ~m.word[i];
	return r == 0 && filled(&m, seed);
}

static void test_basic(void)
{
	struct azalea_msg m = { { STOP } };
	void *r;
	pthread_t t;
	int good = 0;

	ep = azalea_endpoint_create();
	OK(ep > 0, "an endpoint has a handle");
	t = start(invert, &ep);
	mine = 3;
	for (uint64_t i = 0; i < 2000; i++)
		good += inverted(i);
	IS(good, 2000, "eight words go and come back");
	IS(mine, 3, "thread-local variables are the caller's again");
	IS(azalea_call_function(ep, &m), 0, "the last call is answered");
	IS(m.word[0], ~STOP, "by azalea_reply");
	pthread_join(t, &r);
	IS((long)r, 0, "azalea_reply is done without waiting");
	IS(azalea_call(ep, &m), -EPIPE, "EPIPE when no server is left");
	t = start(invert, &ep);
	while (!inverted(1))
		sched_yield();
	OK(1, "until there is one again");
	IS(azalea_endpoint_close(ep), 0, "close");
	pthread_join(t, &r);
	IS((long)r, -EPIPE, "a server that waits gets EPIPE at close");
}

static void test_bad(void)
{
	static const int bad[] = { 0,           -1,         1,    1023,
				   1024 * 1000, 0x7fffffff, -1024 };
	struct azalea_msg m = { { 0 } };
	int wrong = 0, old, e, n = 0, list[1100];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		wrong += azalea_call(bad[i], &m) != -EBADF ||
			 azalea_receive(bad[i], &m) != -EBADF ||
			 azalea_reply(bad[i], &m) != -EBADF ||
			 azalea_reply_wait(bad[i], &m) != -EBADF ||
			 azalea_endpoint_close(bad[i]) != -EBADF;
	IS(wrong, 0, "EBADF for what is no endpoint");
	old = azalea_endpoint_create();
	azalea_endpoint_close(old);
	IS(azalea_call(old, &m), -EBADF, "nor for one that was closed");
	e = azalea_endpoint_create();
	OK(e != old, "handles are not used again at once");
	IS(azalea_reply(e, &m), -EINVAL, "EINVAL: replies are for servers");
	azalea_endpoint_close(e);
	while (n < 1100 && (list[n] = azalea_endpoint_create()) > 0)
		n++;
	IS(n, 1024, "1024 endpoints");
	IS(list[n], -EMFILE, "and no more");
	while (n)
		azalea_endpoint_close(list[--n]);
	OK((e = azalea_endpoint_create()) > 0, "until some are closed");
	azalea_endpoint_close(e);
}

/* Takes one call, then makes it wait for ever; or ends. */
struct holder {
	int endpoint;
	int holds; /* 1 when it has the call */
	int end;   /* and is to end */
	int result;
};

static void *hold(void *arg)
{
	struct holder *h = arg;
	struct azalea_msg m;

	h->result = azalea_receive(h->endpoint, &m);
	__atomic_store_n(&h->holds, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&h->end, __ATOMIC_SEQ_CST))
		sleep_ms(1);
	return NULL;
}

struct caller {
	pthread_t thread;
	int endpoint;
	int done;
	int result;
};

static void *call_holder(void *arg)
{
	struct caller *c = arg;
	struct azalea_msg m = { { 1 } };

	c->result = azalea_call(c->endpoint, &m);
	__atomic_store_n(&c->done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void start_caller(struct caller *c, int endpoint)
{
	*c = (struct caller){ .endpoint = endpoint };
	c->thread = start(call_holder, c);
}

static void until(const int *flag)
{
	while (!__atomic_load_n(flag, __ATOMIC_SEQ_CST))
		sleep_ms(1);
}

static void on_signal(int sig)
{
	(void)sig;
	__atomic_add_fetch(&signals, 1, __ATOMIC_SEQ_CST);
}

/* It may not wait yet when the first signal comes. */
static void signal_until(pthread_t t, const int *flag)
{
	while (!__atomic_load_n(flag, __ATOMIC_SEQ_CST)) {
		pthread_kill(t, SIGUSR1);
		sleep_ms(1);
	}
}

static void test_gone(void)
{
	struct holder h = { .endpoint = azalea_endpoint_create() };
	struct caller served, queued;
	pthread_t server = start(hold, &h);

	start_caller(&served, h.endpoint);
	until(&h.holds);
	start_caller(&queued, h.endpoint);
	sleep_ms(20);
	h.end = 1;
	pthread_join(server, NULL);
	pthread_join(served.thread, NULL);
	pthread_join(queued.thread, NULL);
	IS(served.result, -EPIPE, "EPIPE: the server ended with the call");
	IS(queued.result, -EPIPE, "EPIPE: it was the last, and others waited");
	azalea_endpoint_close(h.endpoint);

	h = (struct holder){ .endpoint = azalea_endpoint_create() };
	server = start(hold, &h);
	start_caller(&served, h.endpoint);
	until(&h.holds);
	start_caller(&queued, h.endpoint);
	sleep_ms(20);
	IS(azalea_endpoint_close(h.endpoint), 0, "close while calls wait");
	pthread_join(served.thread, NULL);
	pthread_join(queued.thread, NULL);
	IS(served.result, -EPIPE, "EPIPE for the call that is served");
	/* On a busy machine it may have come after that. */
	OK(queued.result == -EPIPE || queued.result == -EBADF,
	   "and for that which waits for the server");
	h.end = 1;
	pthread_join(server, NULL);
}

static void test_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal,
				.sa_flags = SA_RESTART };
	struct holder h = { .endpoint = azalea_endpoint_create() };
	struct azalea_msg m = { { 0 } };
	struct caller c;
	pthread_t server;

	sigaction(SIGUSR1, &sa, NULL);
	server = start(hold, &h);
	signal_until(server, &h.holds);
	IS(h.result, -EINTR, "EINTR for a server that waits");
	h.end = 1;
	pthread_join(server, NULL);
	azalea_endpoint_close(h.endpoint);

	h = (struct holder){ .endpoint = azalea_endpoint_create() };
	server = start(hold, &h);
	start_caller(&c, h.endpoint);
	until(&h.holds);
	signal_until(c.thread, &c.done);
	pthread_join(c.thread, NULL);
	IS(c.result, -EINTR, "for a call that is served");
	start_caller(&c, h.endpoint);
	signal_until(c.thread, &c.done);
	pthread_join(c.thread, NULL);
	IS(c.result, -EINTR, "and for one that waits for the server");
	h.end = 1;
	pthread_join(server, NULL);
	IS(azalea_call(h.endpoint, &m), -EPIPE, "which has ended since");
	azalea_endpoint_close(h.endpoint);
}

static void *serve_self(void *arg)
{
	struct azalea_msg m = { { 0 } };
	int e = *(int *)arg;

	if (azalea_receive(e, &m))
		return (void *)1;
	m.word[0] = (uint64_t)azalea_call(e, &m);
	azalea_reply(e, &m);
	return (void *)(long)azalea_reply(e, &m);
}

static void test_self(void)
{
	struct azalea_msg m = { { 0 } };
	void *r;
	pthread_t t;

	ep = azalea_endpoint_create();
	t = start(serve_self, &ep);
	IS(call_retry(ep, &m), 0, "a server calls itself");
	IS((int)m.word[0], -EDEADLK, "EDEADLK");
	pthread_join(t, &r);
	IS((long)r, -ESRCH, "ESRCH: a second reply");
	azalea_endpoint_close(ep);
}

/* A chain: each server passes the call on to the next endpoint. */
struct link {
	int at, next;
};

static void *pass_on(void *arg)
{
	struct link *l = arg;
	struct azalea_msg m;
	int r = azalea_receive(l->at, &m);

	while (r == 0) {
		m.word[0]++;
		if (l->next && azalea_call(l->next, &m))
			return (void *)1;
		m.word[1]++;
		r = azalea_reply_wait(l->at, &m);
	}
	return NULL;
}

static void test_chain(void)
{
	struct link links[4];
	pthread_t t[4];
	struct azalea_msg m;
	int good = 0;

	for (int i = 0; i < 4; i++)
		links[i].at = azalea_endpoint_create();
	for (int i = 0; i < 4; i++) {
		links[i].next = i < 3 ? links[i + 1].at : 0;
		t[i] = start(pass_on, &links[i]);
	}
	for (int i = 0; i < 500; i++) {
		memset(&m, 0, sizeof(m));
		m.word[7] = (uint64_t)i;
		good += azalea_call(links[0].at, &m) == 0 && m.word[0] == 4 &&
			m.word[1] == 4 && m.word[7] == (uint64_t)i;
	}
	IS(good, 500, "servers are callers of others meanwhile");
	for (int i = 0; i < 4; i++) {
		azalea_endpoint_close(links[i].at);
		pthread_join(t[i], NULL);
	}
}

#define CALLERS 5
#define CALLS   1500

static void *many_calls(void *arg)
{
	long bad = 0;

	for (uint64_t i = 0; i < CALLS; i++)
		bad += !inverted((uint64_t)(long)arg * CALLS + i);
	return (void *)bad;
}

static void test_many(int nservers, const char *name)
{
	pthread_t caller[CALLERS], server[3];
	long bad = 0;
	void *r;

	ep = azalea_endpoint_create();
	for (int i = 0; i < nservers; i++)
		server[i] = start(invert, &ep);
	for (long i = 0; i < CALLERS; i++)
		caller[i] = start(many_calls, (void *)i);
	for (int i = 0; i < CALLERS; i++) {
		pthread_join(caller[i], &r);
		bad += (long)r;
	}
	IS(bad, 0, name);
	azalea_endpoint_close(ep);
	for (int i = 0; i < nservers; i++) {
		pthread_join(server[i], &r);
		bad += (long)r != -EPIPE && (long)r != -EBADF;
	}
	IS(bad, 0, "and all servers end");
}

/* Rounding differs between caller and server: each keeps its own. */
static void *round_up(void *arg)
{
	struct azalea_msg m;
	int e = *(int *)arg, r, good = 1;

	fesetround(FE_UPWARD);
	r = azalea_receive(e, &m);
	while (r == 0) {
		good = good && fegetround() == FE_UPWARD;
		m.word[0] = (uint64_t)fegetround();
		feraiseexcept(FE_INEXACT);
		r = azalea_reply_wait(e, &m);
	}
	return (void *)(long)(good && fegetround() == FE_UPWARD);
}

static void test_float(void)
{
	volatile long double one = 1, three = 3;
	volatile double third = 1;
	struct azalea_msg m = { { 0 } };
	int good = 1;
	pthread_t t;
	void *r;

	ep = azalea_endpoint_create();
	t = start(round_up, &ep);
	fesetround(FE_DOWNWARD);
	for (int i = 0; i < 100; i++) {
		long double before = one / three;
		double d = third / 3;

		good = good && azalea_call(ep, &m) == 0 &&
		       m.word[0] == FE_UPWARD && fegetround() == FE_DOWNWARD &&
		       before == one / three && d == third / 3;
	}
	OK(good, "the caller's rounding is kept");
	fesetround(FE_TONEAREST);
	azalea_endpoint_close(ep);
	pthread_join(t, &r);
	OK((long)r, "and the server's");
}

/* A storm of signals at both ends, while messages go to and fro. */
static int storm_end;

static void *storm(void *arg)
{
	pthread_t *at = arg;

	while (!__atomic_load_n(&storm_end, __ATOMIC_SEQ_CST)) {
		pthread_kill(at[0], SIGUSR1);
		pthread_kill(at[1], SIGUSR1);
		kill(getpid(), SIGUSR1);
		sched_yield();
	}
	return NULL;
}

static void test_storm(void)
{
	pthread_t at[2], t;
	long good = 0;

	ep = azalea_endpoint_create();
	at[0] = start(invert, &ep);
	at[1] = pthread_self();
	while (!inverted(0))
		sched_yield();
	t = start(storm, at);
	for (uint64_t i = 0; i < 1000; i++)
		good += inverted(i);
	storm_end = 1;
	pthread_join(t, NULL);
	IS(good, 1000, "messages stay whole in a storm of signals");
	azalea_endpoint_close(ep);
	pthread_join(at[0], NULL);
}

/* Two that talk all the time do not keep a third from running. */
static int third_ran;

static void *third(void *arg)
{
	(void)arg;
	__atomic_store_n(&third_ran, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void test_fair(void)
{
	pthread_t s, t;
	int good = 1;

	ep = azalea_endpoint_create();
	s = start(invert, &ep);
	t = start(third, NULL);
	while (good && !__atomic_load_n(&third_ran, __ATOMIC_SEQ_CST))
		good = inverted(5);
	OK(good, "others get the core, too");
	pthread_join(t, NULL);
	azalea_endpoint_close(ep);
	pthread_join(s, NULL);
}

static void test_clock(void)
{
	int64_t before = now_ns(CLOCK_THREAD_CPUTIME_ID), now, back = 0;
	pthread_t s;

	ep = azalea_endpoint_create();
	s = start(invert, &ep);
	for (uint64_t i = 0; i < 500; i++) {
		inverted(i);
		now = now_ns(CLOCK_THREAD_CPUTIME_ID);
		back += now < before;
		before = now;
	}
	IS(back, 0, "a thread's processor time does not run backwards");
	azalea_endpoint_close(ep);
	pthread_join(s, NULL);
}

static void test_fork(void)
{
	struct azalea_msg m = { { 0 } };
	pthread_t s;
	int status;
	pid_t pid;

	ep = azalea_endpoint_create();
	s = start(invert, &ep);
	while (!inverted(3))
		sched_yield();
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		int r = azalea_call(ep, &m), e = azalea_endpoint_create();

		s = start(invert, &e);
		m.word[0] = 1;
		_exit(r == -EBADF && e > 0 && azalea_call(e, &m) == 0 &&
			      m.word[0] == ~1ULL
			  ? 5
			  : 1);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	IS(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 5,
	   "a child has endpoints of its own only");
	OK(inverted(4), "and the parent's go on");
	azalea_endpoint_close(ep);
	pthread_join(s, NULL);
}

int main(void)
{
	test_basic();
	test_bad();
	test_gone();
	test_signals();
	test_self();
	test_chain();
	test_many(1, "many callers, one server");
	test_many(3, "many callers, three servers");
	test_float();
	test_storm();
	test_fair();
	test_clock();
	test_fork();
	return tap_done();
}
