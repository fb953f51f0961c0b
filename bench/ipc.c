/* SPDX-License-Identifier: MIT */
/*
 * ipc.c - how long does a message of 64 bytes take to a server, or back?
 *
 * A sample is half of a round trip: a call and its reply. The server thread
 * adds two words. On Linux the library does the same with futexes
 * (lib/portable.c); channels are the same on both sides. Cycles are the TSC's.
 */
#include "bench.h"

#include <azalea/ipc.h>
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define CALLS 200 /* a sample in cycles */

static int endpoint, apart;
static struct azalea_channel *channel;

static void work(struct azalea_msg *m)
{
	m->word[0] += m->word[1];
}

static void check(int r, const struct azalea_msg *m)
{
	if (r || m->word[0] != 42)
		errx(1, "a call ended with %d, answer %llu", r,
		     (unsigned long long)m->word[0]);
}

/* --- threads of a process --- */

static void *server(void *arg)
{
	struct azalea_msg m;
	int r;

	if (apart)
		bench_bind(1);
	r = azalea_receive(endpoint, &m);
	while (r == 0) {
		work(&m);
		r = azalea_reply_wait(endpoint, &m);
	}
	return arg;
}

static void call(void)
{
	struct azalea_msg m = { { 40, 2 } };

	check(azalea_call(endpoint, &m), &m);
}

static void start(void)
{
	pthread_t t;

	apart = bench_cpus() > 1;
	if (apart)
		bench_bind(0);
	endpoint = azalea_endpoint_create();
	if (endpoint < 0 || pthread_create(&t, NULL, server, NULL))
		errx(1, "no server");
}

static void threads(double seconds)
{
	start();
	bench_batches(call, seconds, 2);
}

static void cycles(double seconds)
{
	uint64_t begin, end = bench_now() + (uint64_t)(seconds * 1e9);

	start();
	for (int i = 0; i < CALLS; i++)
		call();
	do {
		begin = __rdtsc();
		for (int i = 0; i < CALLS; i++)
			call();
		bench_sample((double)(__rdtsc() - begin) / (2.0 * CALLS));
	} while (bench_now() < end);
}

/* --- processes --- */

static int serve_channel(const char *name)
{
	struct azalea_channel *c;
	struct azalea_msg m;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (bench_cpus() > 1)
		bench_bind(1);
	r = azalea_channel_create(name, &c);
	if (r == 0)
		r = azalea_channel_receive(c, &m);
	while (r == 0) {
		work(&m);
		r = azalea_channel_reply_wait(c, &m);
	}
	azalea_channel_close(c);
	return r == -EPIPE ? 0 : 1;
}

static void call_channel(void)
{
	struct azalea_msg m = { { 40, 2 } };

	check(azalea_channel_call(channel, &m), &m);
}

static void processes(double seconds)
{
	char name[64];
	int r;

	snprintf(name, sizeof(name), "/azalea-bench-%d", (int)getpid());
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		_exit(serve_channel(name));
	default:
		break;
	}
	if (bench_cpus() > 1)
		bench_bind(0);
	while ((r = azalea_channel_open(name, &channel)) == -ENOENT)
		usleep(1000);
	if (r)
		errx(1, "channel: %d", r);
	shm_unlink(name); /* both have it: nothing is left, come what may */
	bench_batches(call_channel, seconds, 2);
	azalea_channel_close(channel);
	wait(NULL);
}

const struct bench bench = {
	.question = "How long does a message of 64 bytes take to a server, or "
		    "back?",
	.rounds = 10,
	.cases = {
		{ .name = "threads, one CPU, cycles", .unit = "cycles",
		  .sample = cycles, .target = { { BENCH_AT_MOST, 100 } } },
		{ .name = "threads, one CPU", .sample = threads },
		{ .name = "threads, two CPUs", .sample = threads, .cpus = 2 },
		{ .name = "processes, one CPU", .sample = processes },
		{ .name = "processes, two CPUs", .sample = processes,
		  .cpus = 2 },
		{ 0 },
	},
};
