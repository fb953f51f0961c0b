/* SPDX-License-Identifier: MIT */
/*
 * pingpong.c - how long do two threads take to wake each other, by turns?
 *
 * There is one ball. A sample is a round trip of it: each thread sleeps once
 * and is woken once. With two CPUs each thread has its own.
 */
#include "bench.h"

#include <err.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- ways to wait until it is this side's turn, and to give it away --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn;

static void by_condition(int side)
{
	pthread_mutex_lock(&lock);
	while (turn != side)
		pthread_cond_wait(&turned, &lock);
	turn = !side;
	pthread_cond_signal(&turned);
	pthread_mutex_unlock(&lock);
}

static atomic_int word;

static void by_futex(int side)
{
	while (atomic_load(&word) != side)
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, !side, NULL, NULL,
			0);
	atomic_store(&word, !side);
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static sem_t mine[2];

static void by_semaphore(int side)
{
	while (sem_wait(&mine[side]))
		;
	sem_post(&mine[!side]);
}

static int ends[2][2];

static void by_pipe(int side)
{
	char byte = 0;

	if (read(ends[side][0], &byte, 1) != 1 ||
	    write(ends[!side][1], &byte, 1) != 1)
		err(1, "pipe");
}

static pthread_barrier_t gate;

static void by_barrier(int side)
{
	(void)side;
	pthread_barrier_wait(&gate);
}

static void setup(void)
{
	if (sem_init(&mine[0], 0, 1) || sem_init(&mine[1], 0, 0) ||
	    pthread_barrier_init(&gate, NULL, 2) || pipe(ends[0]) ||
	    pipe(ends[1]) || write(ends[0][1], "", 1) != 1)
		err(1, "setup");
}

/* --- the two players --- */

static void (*pass)(int side);
static int apart;

static void *partner(void *arg)
{
	if (apart)
		bench_bind(1);
	for (;;)
		pass(1);
	return arg;
}

static void round_trip(void)
{
	pass(0);
}

static void play(void (*way)(int side), double seconds)
{
	pthread_t t;

	pass = way;
	apart = bench_cpus() > 1;
	if (apart)
		bench_bind(0);
	if (pthread_create(&t, NULL, partner, NULL))
		errx(1, "pthread_create");
	bench_batches(round_trip, seconds, 1);
}

#define PLAY(way)                              \
	static void play_##way(double seconds) \
	{                                      \
		play(by_##way, seconds);       \
	}

PLAY(condition)
PLAY(futex)
PLAY(semaphore)
PLAY(barrier)
PLAY(pipe)

const struct bench bench = {
	.question = "How long do two threads take to wake each other, by "
		    "turns?",
	.rounds = 10,
	.setup = setup,
	.cases = {
		{ .name = "mutex and condition", .sample = play_condition,
		  .target = { { BENCH_FASTER, 25 } } },
		{ .name = "mutex and condition, two CPUs",
		  .sample = play_condition, .cpus = 2,
		  .target = { { BENCH_FASTER, 3 } } },
		{ .name = "futex", .sample = play_futex,
		  .target = { { BENCH_FASTER, 25 } } },
		{ .name = "futex, two CPUs", .sample = play_futex, .cpus = 2,
		  .target = { { BENCH_FASTER, 3 } } },
		{ .name = "semaphore", .sample = play_semaphore },
		{ .name = "semaphore, two CPUs", .sample = play_semaphore,
		  .cpus = 2 },
		{ .name = "barrier", .sample = play_barrier },
		{ .name = "barrier, two CPUs", .sample = play_barrier,
		  .cpus = 2 },
		{ .name = "pipe", .sample = play_pipe },
		{ .name = "pipe, two CPUs", .sample = play_pipe, .cpus = 2 },
		{ 0 },
	},
};
