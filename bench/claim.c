/* SPDX-License-Identifier: MIT */
/*
 * claim.c - how long does it take to take a CPU from Linux, and to give it
 * back?
 *
 * Beside it, what Linux takes to put the same CPU off-line and on-line: the
 * greater part of it, since that is how it is taken. Nothing runs on it.
 */
#include "bench.h"

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "metal.h"

static unsigned int cpu;
static int azalea; /* this is its side */
static int device = -1;

static void setup(void)
{
	const char *number = getenv("AZALEA_BENCH_CPU");
	const char *side = getenv("AZALEA_BENCH_SIDE");

	if (!number || !side)
		errx(2, "AZALEA_BENCH_CPU and AZALEA_BENCH_SIDE are missing");
	cpu = (unsigned int)strtoul(number, NULL, 10);
	azalea = strcmp(side, "azalea") == 0;
	device = open(AZM_DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0)
		bench_skip("/dev/azalea: cannot open it: is azalea.ko loaded?");
}

static void take(void)
{
	struct azm_reserve r = { .cpu = cpu,
				 .uid = AZM_NOBODY,
				 .gid = AZM_NOBODY };

	if (ioctl(device, AZM_RESERVE, &r))
		err(1, "reserve CPU %u", cpu);
}

static void give(void)
{
	struct azm_reserve r = { .cpu = cpu };

	if (ioctl(device, AZM_RELEASE, &r))
		err(1, "release CPU %u", cpu);
}

static void online_write(const char *word)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path),
		       "/sys/devices/system/cpu/cpu%u/online", cpu);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, word, 1) != 1)
		err(1, "%s", path);
	close(fd);
}

static void offline(void)
{
	online_write("0");
}

static void online(void)
{
	online_write("1");
}

/* Those of the first, in ms; the second is what undoes it. */
static void pairs(double seconds, int first)
{
	void (*const away)(void) = azalea ? take : offline;
	void (*const back)(void) = azalea ? give : online;
	uint64_t start = bench_now(), a, b, c;

	do {
		a = bench_now();
		away();
		b = bench_now();
		back();
		c = bench_now();
		bench_sample((double)(first ? b - a : c - b) / 1e6);
	} while ((double)(c - start) < seconds * 1e9);
}

static void taken(double seconds)
{
	pairs(seconds, 1);
}

static void given(double seconds)
{
	pairs(seconds, 0);
}

const struct bench bench = {
	.question = "How long does it take to take a CPU from Linux, and to "
		    "give it back?",
	.rounds = 5,
	.setup = setup,
	.cases = {
		{ .name = "take", .unit = "ms", .sample = taken, .native = 1,
		  .metal = 1, .target = { { BENCH_AT_MOST, 100 } } },
		{ .name = "give back", .unit = "ms", .sample = given,
		  .native = 1, .metal = 1,
		  .target = { { BENCH_AT_MOST, 100 } } },
		{ 0 },
	},
};
