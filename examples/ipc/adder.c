/* SPDX-License-Identifier: MIT */
/*
 * adder.c - a server that adds, and who asks it: azalea/ipc.h in use.
 *
 *	adder threads N		N calls from one thread to another
 *	adder serve /NAME	serve one client on a channel, until it goes
 *	adder call /NAME N	be that client: N calls
 *
 * Server and client of a channel are two programs: under Azalea, or not, as
 * you like. Prints the sum that the server has kept: of 1 to N.
 */
#include <azalea/ipc.h>
#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The first word is what to add, and in the reply the sum. */
static void add(struct azalea_msg *m)
{
	static uint64_t sum;

	sum += m->word[0];
	m->word[0] = sum;
}

static void check(int r, const char *what)
{
	if (r)
		errx(1, "%s: %s", what, strerror(-r));
}

/* --- two threads --- */

static int endpoint;

static void *server(void *arg)
{
	struct azalea_msg m;
	int r = azalea_receive(endpoint, &m);

	while (r == 0) {
		add(&m);
		do
			r = azalea_reply_wait(endpoint, &m);
		while (r == -EINTR);
	}
	return arg; /* the endpoint was closed */
}

static uint64_t ask_thread(uint64_t n)
{
	struct azalea_msg m = { { 0 } };
	pthread_t t;

	endpoint = azalea_endpoint_create();
	check(endpoint < 0 ? endpoint : 0, "endpoint");
	check(-pthread_create(&t, NULL, server, NULL), "thread");
	for (uint64_t i = 1; i <= n; i++) {
		m.word[0] = i;
		check(azalea_call(endpoint, &m), "call");
	}
	azalea_endpoint_close(endpoint);
	pthread_join(t, NULL);
	return m.word[0];
}

/* --- two programs --- */

static int serve(const char *name)
{
	struct azalea_channel *channel;
	struct azalea_msg m;
	int r;

	check(azalea_channel_create(name, &channel), name);
	r = azalea_channel_receive(channel, &m);
	while (r == 0) {
		add(&m);
		r = azalea_channel_reply_wait(channel, &m);
	}
	azalea_channel_close(channel);
	return r == -EPIPE ? 0 : 1; /* the client has gone */
}

static uint64_t ask_program(const char *name, uint64_t n)
{
	struct timespec time = { 0, 10000000 };
	struct azalea_channel *channel;
	struct azalea_msg m = { { 0 } };
	int r;

	/* It may be about to start. */
	while ((r = azalea_channel_open(name, &channel)) == -ENOENT)
		nanosleep(&time, NULL);
	check(r, name);
	for (uint64_t i = 1; i <= n; i++) {
		m.word[0] = i;
		check(azalea_channel_call(channel, &m), "call");
	}
	azalea_channel_close(channel);
	return m.word[0];
}

int main(int argc, char **argv)
{
	uint64_t sum;

	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "threads"))
		sum = ask_thread(strtoull(argv[2], NULL, 10));
	else if (argc == 4 && !strcmp(argv[1], "call"))
		sum = ask_program(argv[2], strtoull(argv[3], NULL, 10));
	else
		errx(2, "usage: adder threads N | serve /NAME | call /NAME N");
	printf("%llu\n", (unsigned long long)sum);
	return 0;
}
