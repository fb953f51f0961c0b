/* SPDX-License-Identifier: MIT */
/*
 * compute.c - do programs that compute run as fast as on Linux?
 *
 * Programs of Debian that take about half a second, and one that uses OpenMP.
 */
#include "bench.h"

#include <err.h>
#include <stdio.h>

#define EVEN (1 / 1.02)

static const char script[] =
    "primes = [n for n in range(2, 12000)\n"
    "          if all(n % d for d in range(2, int(n ** 0.5) + 1))]\n"
    "words = {}\n"
    "for i in range(1000000):\n"
    "    words[str(i * 7919 % 10007)] = words.get(str(i % 10007), 0) + i\n"
    "print(len(primes), sum(words.values()))\n";

static FILE *create(const char *name)
{
	FILE *f = fopen(name, "w");

	if (!f)
		err(1, "%s", name);
	return f;
}

static void prepare(void)
{
	FILE *f = create("words");
	uint64_t x = 1;

	for (int i = 0; i < 400000; i++) {
		/* Numerical Recipes' generator: any would do, but the same. */
		x = x * 1664525 + 1013904223;
		fprintf(f, "%x ", (unsigned int)(x >> 16 & 0xffff) % 5000);
	}
	if (fclose(f))
		err(1, "words");
	f = create("script.py");
	fputs(script, f);
	if (fclose(f))
		err(1, "script.py");
}

const struct bench bench = {
	.question = "Do programs that compute run as fast as on Linux?",
	.rounds = 10,
	.prepare = prepare,
	.cases = {
		{ .name = "xz", .how = BENCH_WALL, .unit = "ms",
		  .command = "xz -k -c -4 %d/words",
		  .target = { { BENCH_FASTER, EVEN } } },
		{ .name = "python3", .how = BENCH_WALL, .unit = "ms",
		  .command = "/usr/bin/python3 -S -E %d/script.py",
		  .target = { { BENCH_FASTER, EVEN } } },
		{ .name = "sysbench cpu", .how = BENCH_WALL, .unit = "ms",
		  .command = "sysbench cpu --time=0 --events=1000 "
			     "--cpu-max-prime=10000 run",
		  .target = { { BENCH_FASTER, EVEN } } },
		{ .name = "OpenMP", .how = BENCH_WALL, .unit = "ms",
		  .cpus = BENCH_ALL, .command = "%p/openmp",
		  .target = { { BENCH_FASTER, EVEN } } },
		{ 0 },
	},
};
