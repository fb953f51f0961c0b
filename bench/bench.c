/* SPDX-License-Identifier: MIT */
/*
 * bench.c - main() of every bench program, and how batches are timed.
 */
#include "bench.h"

#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "counter.h"
#include "cpus.h"

#define BATCH_NS    100000.0 /* long against the clock, short against a tick */
#define SAMPLES_MIN 5
#define SAMPLES_MAX 4096
#define TRIES       1000000 /* of a counter: a loop is a block */
#define BATCH_MAX   ((uint64_t)1 << 32)

static const char *const hows[] = {
	[BENCH_SAMPLES] = "samples",
	[BENCH_WALL] = "wall",
	[BENCH_MEMORY] = "memory",
	[BENCH_IDLE] = "idle",
	[BENCH_WORK] = "work",
	[BENCH_QUANTUM] = "quantum",
	[BENCH_DETOUR] = "detour",
	[BENCH_FIRST] = "first",
	[BENCH_INTERRUPTS] = "interrupts",
	[BENCH_EVENTS] = "events",
};

static const char *const bounds[] = {
	[BENCH_FASTER] = "faster",
	[BENCH_AT_MOST] = "at most",
	[BENCH_ABOVE] = "above",
};

/* Of the CPU that this program is bound to; NULL: time is time. */
static const volatile struct counter *counter;

int bench_counting(void)
{
	return counter != NULL;
}

uint64_t bench_now(void)
{
	struct timespec t;

	if (counter)
		return counter->all;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void bench_sample(double value)
{
	printf("%.3f\n", value);
}

void bench_skip(const char *why)
{
	fprintf(stderr, "%s\n", why);
	exit(BENCH_SKIP);
}

/* How long a batch takes, in ns. */
static double batch(void (*run)(void), uint64_t n)
{
	uint64_t start = bench_now();

	for (uint64_t i = 0; i < n; i++)
		run();
	return (double)(bench_now() - start);
}

void bench_batches(void (*run)(void), double seconds, double per)
{
	static double sample[SAMPLES_MAX];
	uint64_t start = bench_now(), n = 1;
	double limit = seconds * 1e9, took;
	int count = 0;

	/*
	 * Warm up for a tenth of the time at least, and find the size of a
	 * batch: an interrupt in a small one must not pass for its cost.
	 */
	while ((took = batch(run, n)) < BATCH_NS ||
	       (double)(bench_now() - start) < limit / 10)
		if (took < BATCH_NS && n < BATCH_MAX)
			n *= 2;
	start = bench_now();
	while (count < SAMPLES_MIN ||
	       (count < SAMPLES_MAX && (double)(bench_now() - start) < limit))
		sample[count++] = batch(run, n) / (double)n / per;
	/* Printing in between would disturb the next one. */
	for (int i = 0; i < count; i++)
		bench_sample(sample[i]);
}

int bench_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		err(1, "sched_getaffinity");
	return CPU_COUNT(&set);
}

void bench_bind(int nth)
{
	static cpu_set_t all;
	cpu_set_t one;
	int cpu;

	/* What the first caller may use: later ones may be bound already. */
	if (!CPU_COUNT(&all) && sched_getaffinity(0, sizeof(all), &all))
		err(1, "sched_getaffinity");
	cpu = cpu_nth(&all, nth);
	CPU_ZERO(&one);
	if (cpu < CPU_SETSIZE)
		CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		err(1, "sched_setaffinity to CPU %d", cpu);
}

/* AZALEA_COUNTER is FILE:CPU: count that CPU's instructions instead of ns. */
static void counter_find(void)
{
	char *given = getenv("AZALEA_COUNTER"), *colon;
	long cpu;
	void *p;
	int fd;

	if (!given)
		return;
	colon = strrchr(given, ':');
	cpu = colon ? strtol(colon + 1, NULL, 10) : -1;
	if (cpu < 0 || cpu >= COUNTER_CPUS)
		errx(2, "AZALEA_COUNTER=%s is not FILE:CPU", given);
	*colon = '\0';
	fd = open(given, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", given);
	p = mmap(NULL, COUNTER_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		err(1, "%s", given);
	close(fd);
	counter = (const volatile struct counter *)p + cpu;
	for (uint64_t start = counter->all, i = 0; counter->all == start; i++)
		if (i == TRIES)
			errx(1, "%s does not count CPU %ld", given, cpu);
}

static void field(const char *name, const char *value)
{
	if (value)
		printf(", \"%s\": \"%s\"", name, value);
}

static void describe_case(const struct bench_case *c)
{
	int n = 0;

	printf("{\"name\": \"%s\", \"how\": \"%s\", \"cpus\": %d, "
	       "\"cores\": %d, \"dynamic\": %d, \"copies\": %d, "
	       "\"metal\": %d, \"reserved\": %d, \"linked\": %d, "
	       "\"native\": %d",
	       c->name, hows[c->how], c->cpus ? c->cpus : 1, c->cores,
	       c->dynamic, c->copies ? c->copies : 1, c->metal, c->reserved,
	       c->linked, c->native);
	field("unit", c->unit ? c->unit : "ns");
	field("options", c->options);
	field("base", c->base);
	field("command", c->command);
	printf(", \"targets\": [");
	for (; n < BENCH_TARGETS && c->target[n].what; n++)
		printf("%s{\"what\": \"%s\", \"value\": %.9g}", n ? ", " : "",
		       bounds[c->target[n].what], c->target[n].value);
	printf("]}");
}

static void describe(void)
{
	const struct bench_case *c = bench.cases;

	printf("{\"question\": \"%s\", \"rounds\": %d, \"prepare\": %d, "
	       "\"cases\": [\n",
	       bench.question, bench.rounds, bench.prepare != NULL);
	for (; c->name; c++) {
		describe_case(c);
		printf("%s\n", c[1].name ? "," : "");
	}
	printf("]}\n");
}

static void measure(const char *name, const char *text)
{
	const struct bench_case *c = bench.cases;
	double seconds;
	char *end;

	while (c->name && strcmp(c->name, name) != 0)
		c++;
	if (!c->name || (!c->run && !c->sample))
		errx(2, "no case '%s' that takes samples", name);
	counter_find();
	seconds = strtod(text, &end);
	if (*end || end == text || !(seconds > 0) || seconds > 3600)
		errx(2, "'%s' is not a number of seconds", text);
	if (bench.setup)
		bench.setup();
	if (c->run)
		bench_batches(c->run, seconds, c->per ? c->per : 1);
	else
		c->sample(seconds);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--describe")) {
		describe();
	} else if (argc == 3 && !strcmp(argv[1], "--prepare")) {
		if (chdir(argv[2]))
			err(1, "%s", argv[2]);
		if (bench.prepare)
			bench.prepare();
	} else if (argc == 3) {
		measure(argv[1], argv[2]);
	} else {
		errx(2,
		     "usage: %s --describe | --prepare FOLDER | CASE SECONDS",
		     argv[0]);
	}
	if (fflush(stdout) || ferror(stdout))
		err(1, "stdout");
	return 0;
}
