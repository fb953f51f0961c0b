/* SPDX-License-Identifier: MIT */
/*
 * measure.c - both sides of a case by turns.
 *
 * A round runs each side once; who begins changes from round to round, so
 * that neither profits from its place. Both are bound to the same CPUs: the
 * last ones, since the first ones serve interrupts.
 */
#include "bench/measure.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../bench/counter.h"
#include "bench/child.h"
#include "bench/core.h"
#include "lib/env.h"
#include "lib/error.h"

#define WORDS_MAX      48
#define SAMPLE_SECONDS 0.2
#define NOISE_SECONDS  5
#define IDLE_SECONDS   3
#define SETTLE_SECONDS 0.3 /* idle: after "ready", before looking */
#define LIMIT_SECONDS  60  /* for what should take no time at all */
#define COPIES_MAX     16

/* A command line under construction. */
struct words {
	char *v[WORDS_MAX];
	int n;
	bool failed;
};

/* One run of a side. */
struct run {
	struct words words[COPIES_MAX]; /* of each copy */
	struct cpulist cpus[COPIES_MAX];
	struct cpulist cores; /* of all copies */
	bool metal;           /* they are taken from Linux */
	double seconds;
};

__attribute__((format(printf, 2, 3))) static void word_add(struct words *w,
							   const char *fmt, ...)
{
	va_list ap;

	if (w->n == WORDS_MAX - 1) {
		w->failed = true;
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&w->v[w->n], fmt, ap) < 0)
		w->failed = true;
	else
		w->v[++w->n] = NULL;
	va_end(ap);
}

static void words_free(struct words *w)
{
	while (w->n)
		free(w->v[--w->n]);
}

/* Words separated by blanks; "%p/" and "%d/" at their beginning are folders. */
static void words_add(struct words *w, const struct plan *p, const char *text)
{
	size_t len;

	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		len = strcspn(text, " ");
		if (strncmp(text, "%p/", 3) == 0)
			word_add(w, "%s/programs/%.*s", p->dir, (int)len - 3,
				 text + 3);
		else if (strncmp(text, "%d/", 3) == 0)
			word_add(w, "%s/%.*s", p->work, (int)len - 3, text + 3);
		else
			word_add(w, "%.*s", (int)len, text);
		text += len;
	}
}

/* posix_spawn wants a path, and so does a fair comparison. */
static void word_search(struct words *w, int at)
{
	const char *path = env_get(environ, "PATH");
	size_t len;
	char *found;

	if (w->failed || strchr(w->v[at], '/'))
		return;
	for (; path && *path; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		if (asprintf(&found, "%.*s/%s", (int)len, path, w->v[at]) < 0)
			break;
		if (access(found, X_OK) == 0) {
			free(w->v[at]);
			w->v[at] = found;
			return;
		}
		free(found);
	}
}

/* Side 1 is Azalea, and so is side 0 if there are options for it. */
static bool side_azalea(const struct bench_case *c, int side)
{
	return !c->native && (side || c->base);
}

/* Does metal say how long it took to get its CPU? */
static bool case_split(const struct plan *p, const struct bench_case *c)
{
	return p->metal && !p->counter && c->how == HOW_FIRST;
}

static const char *program_suffix(const struct bench_case *c, int side)
{
	return c->linked && side ? ".azi" : c->dynamic ? ".dynamic" : "";
}

static void words_make(struct words *w, const struct plan *p,
		       const struct result *r, int side,
		       const struct cpulist *cores)
{
	const struct bench_case *c = r->c;
	const char *options = side ? c->options : c->base;
	char list[256];
	int program;

	memset(w, 0, sizeof(*w));
	if (side_azalea(c, side) && !(c->linked && side)) {
		word_add(w, "%s", p->azalea);
		word_add(w, "run");
		if (p->plat) {
			word_add(w, "--plat");
			word_add(w, "%s", p->plat);
		}
		if (case_split(p, r->c)) {
			word_add(w, "--stats");
			word_add(w, "%s/stats", p->work);
		}
		word_add(w, "--cpuset-cpus");
		word_add(w, "%s", cpulist_format(cores, list, sizeof(list)));
		words_add(w, p, options ? options : "");
		word_add(w, "--");
	}
	program = w->n;
	if (c->command)
		words_add(w, p, c->command);
	else
		word_add(w, "%s/%s%s", p->dir, r->bench->name,
			 program_suffix(c, side));
	word_search(w, program);
}

/* --- samples --- */

static bool sample_add(struct samples *s, double when, double value)
{
	size_t room = s->room ? 2 * s->room : 64;
	double *grown;

	if (s->n == s->room) {
		grown = realloc(s->value, room * sizeof(*grown));
		if (!grown)
			return false;
		s->value = grown;
		grown = realloc(s->when, room * sizeof(*grown));
		if (!grown)
			return false;
		s->when = grown;
		s->room = room;
	}
	s->when[s->n] = when;
	s->value[s->n++] = value;
	return true;
}

static bool stats_of(const struct samples *s, struct stats *out)
{
	double *copy = calloc(s->n + 1, sizeof(*copy));

	if (!copy)
		return false;
	if (s->n) {
		memcpy(copy, s->value, s->n * sizeof(*copy));
		stats_make(copy, s->n, out);
	}
	free(copy);
	return true;
}

/*
 * What a bench program printed. Noise: pairs, and a last line that says how
 * long; runs are put one after the other.
 */
static bool output_parse(const struct bench_case *c, char *text,
			 struct side *side)
{
	const bool noise = case_is_noise(c);
	double when = 0, value, seconds = 0;
	char *end;

	for (; *text && *text != '#'; text = end + (*end == '\n')) {
		if (noise)
			when = strtod(text, &text) + side->seconds * 1e6;
		value = strtod(text, &end);
		if (end == text || (*end && *end != '\n'))
			return false;
		/* The first record of a watch for detours is its start. */
		if (c->how == HOW_DETOUR && value <= 0)
			continue;
		if (!sample_add(&side->samples, when, value))
			return false;
	}
	if (noise && sscanf(text, "# seconds %lf", &seconds) != 1) // NOLINT
		return false;
	side->seconds += seconds;
	return noise || side->samples.n;
}

/* --- the ways to measure --- */

static int run_program(struct run *run, struct result *r, struct side *side)
{
	struct words *w = &run->words[0];
	struct child c;
	int err;

	word_add(w, "%s", r->c->name);
	word_add(w, "%g", run->seconds);
	if (w->failed)
		return -1;
	err = child_run(w->v, &run->cpus[0], LIMIT_SECONDS + 20 * run->seconds,
			&c);
	if (err)
		(void)snprintf(r->why, sizeof(r->why), "%s", c.why);
	else if (!output_parse(r->c, c.out, side)) {
		(void)snprintf(r->why, sizeof(r->why),
			       "what %s printed are not samples", w->v[0]);
		err = -1;
	}
	child_free(&c);
	return err;
}

/* Start all copies, then wait for all. *wall_ns: until the last one's end. */
static int copies_run(struct run *run, int n, struct result *r,
		      uint64_t *wall_ns, uint64_t *cpu_us)
{
	struct child c[COPIES_MAX];
	int i, started, err = 0;

	*wall_ns = *cpu_us = 0;
	for (started = 0; started < n && !err; started++)
		err = child_start(run->words[started].v, &run->cpus[started],
				  &c[started]);
	for (i = 0; i < started && !err; i++) {
		err = child_wait(&c[i], LIMIT_SECONDS);
		*cpu_us += c[i].cpu_us;
		/* Of the first to start, as long as any ran. */
		if (c[i].wall_ns > *wall_ns)
			*wall_ns = c[i].wall_ns;
	}
	for (i = 0; i < started; i++) {
		if (err && c[i].why[0])
			(void)snprintf(r->why, sizeof(r->why), "%s", c[i].why);
		child_free(&c[i]);
	}
	return err;
}

static int run_command(const struct plan *p, struct run *run, struct result *r,
		       struct side *side)
{
	static struct counter then[COUNTER_CPUS];
	uint64_t wall_ns, cpu_us;
	struct counted n;
	double value, of_it;
	int i, err;

	if (p->counter)
		counter_save(p->counter, then);
	err = copies_run(run, r->c->copies, r, &wall_ns, &cpu_us);
	if (err)
		return err;
	value = (double)wall_ns / 1e6;
	of_it = (double)cpu_us / 1e3;
	if (p->counter) {
		counter_since(p->counter, then, &n);
		value = n.all / 1e6;
		of_it = n.most / 1e6;
		for (i = 0; i < COUNTER_PARTS; i++)
			side->part[i] += n.part[i] / 1e6;
	}
	return sample_add(&side->samples, 0, value) &&
		       sample_add(&side->cpu, 0, of_it)
		   ? 0
		   : -1;
}

/* What `azalea run --stats` wrote. */
static void split_add(const struct plan *p, struct side *side)
{
	char path[PATH_MAX + 8];
	json_int_t offline = 0, enter = 0;
	json_t *o;

	(void)snprintf(path, sizeof(path), "%s/stats", p->work);
	o = json_load_file(path, 0, NULL);
	if (o && json_unpack(o, "{s:{s:I, s:I}}", "counters", "cpu_offline_ns",
			     &offline, "cpu_enter_ns", &enter) == 0) {
		side->part[0] += (double)offline / 1e6;
		side->part[1] += (double)enter / 1e6;
	}
	json_decref(o);
}

/* The command prints when it began. */
static int run_first(const struct plan *p, struct run *run, struct result *r,
		     struct side *side)
{
	double began, took;
	struct child c;
	int err = child_run(run->words[0].v, &run->cpus[0], LIMIT_SECONDS, &c);

	if (err)
		(void)snprintf(r->why, sizeof(r->why), "%s", c.why);
	// NOLINTNEXTLINE(cert-err34-c): a fool's number is refused below
	else if (sscanf(c.out, "%lf", &began) != 1) {
		(void)snprintf(r->why, sizeof(r->why), "%s says no time",
			       run->words[0].v[0]);
		err = -1;
	} else {
		took = (began - (double)c.start_ns) / 1e6;
		if (took < 0 || !sample_add(&side->samples, 0, took) ||
		    !sample_add(&side->cpu, 0, (double)c.wall_ns / 1e6 - took))
			err = -1;
		if (!err && run->metal)
			split_add(p, side);
	}
	child_free(&c);
	return err;
}

/* Sum of the lines that begin with "Private_", in MiB; or -1. */
static double private_mib(pid_t pid)
{
	char path[64], line[256];
	double sum = 0, kib;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		// NOLINTNEXTLINE(cert-err34-c): Linux wrote it
		if (sscanf(line, "Private_%*[a-zA-Z]: %lf kB", &kib) == 1)
			sum += kib / 1024;
	(void)fclose(f);
	return sum;
}

/* Processor time of all threads in ns: finer than clock ticks. Or -1. */
static double cpu_ns(pid_t pid)
{
	char path[512];
	struct dirent *task;
	double sum = 0, ns;
	DIR *dir;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while ((task = readdir(dir))) { // NOLINT(concurrency-mt-unsafe)
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat",
			       pid, task->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%lf", &ns) == 1) // NOLINT(cert-err34-c)
			sum += ns;
		(void)fclose(f);
	}
	closedir(dir);
	return sum;
}

/* What has happened by now, as the case counts it; or -1. */
static double watched(const struct run *run, enum how how,
		      const struct child *c)
{
	const unsigned int cpu = cpulist_next(&run->cores, 0);

	if (how == HOW_IDLE)
		return cpu_ns(c->pid);
	if (how == HOW_INTERRUPTS)
		return core_interrupts(cpu, run->metal);
	return core_events(cpu, run->metal, c->pid);
}

/* The command says "ready": look at it, then end it. */
static int idle_watch(const struct run *run, enum how how, struct child *c,
		      double *value)
{
	double waited = 0, before;

	while (!child_says(c, "ready\n")) {
		if (!child_pause(0.01) || (waited += 0.01) > LIMIT_SECONDS)
			return -1;
	}
	if (!child_pause(SETTLE_SECONDS))
		return -1;
	if (how == HOW_MEMORY) {
		*value = private_mib(c->pid);
		return *value < 0 ? -1 : 0;
	}
	before = watched(run, how, c);
	if (before < 0 || !child_pause(run->seconds))
		return -1;
	*value = watched(run, how, c) - before;
	if (how == HOW_IDLE)
		*value /= 1e7 * run->seconds;
	return *value < 0 ? -1 : 0;
}

static int run_idle(struct run *run, struct result *r, struct side *side)
{
	struct child c;
	double value;
	int err = child_start(run->words[0].v, &run->cpus[0], &c);

	if (err) {
		(void)snprintf(r->why, sizeof(r->why), "%s", c.why);
	} else if (idle_watch(run, r->c->how, &c, &value) != 0 ||
		   !sample_add(&side->samples, 0, value)) {
		(void)snprintf(r->why, sizeof(r->why),
			       "%s did not become ready, or ended",
			       run->words[0].v[0]);
		err = -1;
	}
	child_free(&c);
	return err;
}

static double seconds_of(const struct plan *p, const struct bench_case *c)
{
	if (p->seconds > 0)
		return p->seconds;
	if (case_is_noise(c))
		return NOISE_SECONDS;
	return c->how == HOW_SAMPLES ? SAMPLE_SECONDS : IDLE_SECONDS;
}

/* The nth of equal shares of all CPUs. */
static void cpus_share(const struct cpulist *all, int nth, int shares,
		       struct cpulist *out)
{
	const unsigned int each = cpulist_count(all) / (unsigned int)shares;
	unsigned int skip = each * (unsigned int)nth, left = each, cpu;

	memset(out, 0, sizeof(*out));
	for (cpu = cpulist_next(all, 0); cpu < CPULIST_MAX && left;
	     cpu = cpulist_next(all, cpu + 1)) {
		if (skip) {
			skip--;
		} else {
			cpulist_add(out, cpu);
			left--;
		}
	}
}

/* All that may be used but these: where an owner runs whose cores they are. */
static void cpus_without(const struct plan *p, const struct cpulist *cores,
			 struct cpulist *out)
{
	unsigned int cpu;

	memset(out, 0, sizeof(*out));
	for (cpu = cpulist_next(&p->cpus, 0); cpu < CPULIST_MAX;
	     cpu = cpulist_next(&p->cpus, cpu + 1))
		if (!cpulist_has(cores, cpu))
			cpulist_add(out, cpu);
}

/* What the program itself needs to know of CPUs, and of who it is. */
static void environment_set(const struct plan *p, const struct result *r,
			    const struct run *run, int side)
{
	const unsigned int cpu = cpulist_next(&run->cores, 0);
	char text[PATH_MAX + 16];

	// NOLINTBEGIN(concurrency-mt-unsafe): there is one thread
	(void)snprintf(text, sizeof(text), "%u", cpu);
	(void)setenv("AZALEA_BENCH_CPU", text, 1);
	(void)setenv("AZALEA_BENCH_SIDE", side ? "azalea" : "linux", 1);
	(void)snprintf(text, sizeof(text), "%s:%u",
		       p->counter ? p->counter_path : "", cpu);
	if (p->counter)
		(void)setenv("AZALEA_COUNTER", text, 1);
	/* An image takes its options from there. */
	(void)snprintf(text, sizeof(text), "--cpuset-cpus %u%s%s", cpu,
		       p->plat ? " --plat " : "", p->plat ? p->plat : "");
	if (r->c->linked && side)
		(void)setenv("AZALEA_OPTS", text, 1);
	else
		(void)unsetenv("AZALEA_OPTS");
	// NOLINTEND(concurrency-mt-unsafe)
}

static void run_make(struct run *run, const struct plan *p,
		     const struct result *r, int side,
		     const struct cpulist *cpus, const struct cpulist *cores)
{
	struct cpulist share;
	int i;

	memset(run, 0, sizeof(*run));
	run->seconds = seconds_of(p, r->c);
	run->cores = *cores;
	run->metal = p->metal && side_azalea(r->c, side);
	for (i = 0; i < r->c->copies; i++) {
		cpus_share(cores, i, r->c->copies, &share);
		words_make(&run->words[i], p, r, side, &share);
		run->words[0].failed |= run->words[i].failed;
		/* On Linux, copies share what there is: one system. */
		run->cpus[i] = *cpus;
		if (run->metal)
			cpus_without(p, cores, &run->cpus[i]);
		else if (side_azalea(r->c, side) && r->c->copies > 1)
			run->cpus[i] = share;
		else if (r->c->native)
			run->cpus[i] = p->cpus;
	}
	environment_set(p, r, run, side);
}

static int run_one(const struct plan *p, struct run *run, struct result *r,
		   struct side *side)
{
	switch (r->c->how) {
	case HOW_WALL:
		return run_command(p, run, r, side);
	case HOW_FIRST:
		/* Of instructions, all that it takes to the end. */
		return p->counter ? run_command(p, run, r, side)
				  : run_first(p, run, r, side);
	case HOW_MEMORY:
	case HOW_IDLE:
	case HOW_INTERRUPTS:
	case HOW_EVENTS:
		return run_idle(run, r, side);
	default:
		return run_program(run, r, side);
	}
}

/* One run of one side. 0, or -1 with r->why. */
static int run_side(const struct plan *p, struct result *r, int side,
		    const struct cpulist *cpus, const struct cpulist *cores)
{
	struct run run;
	bool reserve;
	int i, err = 0;

	run_make(&run, p, r, side, cpus, cores);
	reserve = run.metal && r->c->reserved;
	(void)snprintf(r->why, sizeof(r->why), "no memory left");
	if (run.words[0].failed)
		err = -1;
	if (!err && reserve)
		err = core_reserve(cores, r->why, sizeof(r->why));
	if (!err) {
		err = run_one(p, &run, r, &r->side[side]);
		if (reserve)
			core_release(cores);
	}
	for (i = 0; i < r->c->copies; i++)
		words_free(&run.words[i]);
	if (!err)
		r->why[0] = '\0';
	return err;
}

/* --- what comes before and after --- */

static int work_make(struct plan *p)
{
	const char *tmp = env_get(environ, "TMPDIR");

	if (*p->work)
		return 0;
	(void)snprintf(p->work, sizeof(p->work), "%s/azalea-bench-XXXXXX",
		       tmp && *tmp ? tmp : "/tmp");
	if (mkdtemp(p->work))
		return 0;
	p->work[0] = '\0';
	return -1;
}

static int prepare(struct plan *p, struct result *r)
{
	char path[PATH_MAX];
	char *argv[] = { path, (char[]){ "--prepare" }, p->work, NULL };
	struct child c;
	int err;

	if (!r->bench->prepare && !case_split(p, r->c))
		return 0;
	if (work_make(p) != 0) {
		(void)snprintf(r->why, sizeof(r->why),
			       "cannot make a folder in TMPDIR or /tmp: %s",
			       error_text(errno));
		return -1;
	}
	if (!r->bench->prepare)
		return 0;
	(void)snprintf(path, sizeof(path), "%s/%s", p->dir, r->bench->name);
	err = child_run(argv, NULL, LIMIT_SECONDS, &c);
	if (err)
		(void)snprintf(r->why, sizeof(r->why), "%s", c.why);
	child_free(&c);
	return err;
}

/* The last n of them. */
static void cpus_last(const struct cpulist *all, unsigned int n,
		      struct cpulist *out)
{
	unsigned int skip = cpulist_count(all) - n, cpu;

	memset(out, 0, sizeof(*out));
	for (cpu = cpulist_next(all, 0); cpu < CPULIST_MAX;
	     cpu = cpulist_next(all, cpu + 1)) {
		if (skip)
			skip--;
		else
			cpulist_add(out, cpu);
	}
}

/* Is there a count of instructions in place of its time? */
static bool case_counts(const struct bench_case *c)
{
	return c->how == HOW_SAMPLES || c->how == HOW_WALL ||
	       c->how == HOW_FIRST || case_is_noise(c);
}

static int cpus_choose(const struct plan *p, struct result *r,
		       struct cpulist *cpus, struct cpulist *cores)
{
	const unsigned int have = cpulist_count(&p->cpus);
	const unsigned int need = r->c->cpus < 0 ? 2 : (unsigned int)r->c->cpus;

	if (have < need + p->metal) {
		(void)snprintf(r->why, sizeof(r->why),
			       "needs %u CPUs%s, and has %u", need,
			       p->metal ? " and one for Linux" : "", have);
		return -1;
	}
	if (r->c->metal && !p->metal) {
		(void)snprintf(r->why, sizeof(r->why), "needs --plat metal");
		return -1;
	}
	if (p->counter &&
	    (!case_counts(r->c) || (need > 1 && r->c->how == HOW_SAMPLES))) {
		(void)snprintf(r->why, sizeof(r->why),
			       "is about time, not instructions");
		return -1;
	}
	cpus_last(&p->cpus, r->c->cpus < 0 ? have - p->metal : need, cpus);
	cpus_last(cpus,
		  r->c->cores ? (unsigned int)r->c->cores : cpulist_count(cpus),
		  cores);
	(void)cpulist_format(cpus, r->cpus, sizeof(r->cpus));
	return 0;
}

static void progress(const struct result *r, int round, int rounds)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (round < rounds)
		(void)fprintf(stderr, "\r\033[K%s/%s: %d of %d", r->bench->name,
			      r->c->name, round + 1, rounds);
	else
		(void)fputs("\r\033[K", stderr);
}

static void side_finish(const struct bench_case *c, struct side *s)
{
	double sum;

	if (!stats_of(&s->samples, &s->stats) ||
	    !stats_of(&s->cpu, &s->cpu_stats))
		s->samples.n = 0;
	if (c->how == HOW_DETOUR && s->seconds > 0) {
		sum = s->stats.mean * (double)s->stats.n;
		s->overhead = sum / s->seconds / 1e4;
	} else if (c->how == HOW_WORK && s->stats.min > 0) {
		s->overhead = 100 * (s->stats.mean / s->stats.min - 1);
	} else if (c->how == HOW_QUANTUM && s->stats.max > 0) {
		s->overhead = 100 * (1 - s->stats.mean / s->stats.max);
	}
}

static void side_forget(struct side *s)
{
	s->samples.n = s->cpu.n = 0;
	memset(s->part, 0, sizeof(s->part));
}

/*
 * A first round does not count: it finds nothing in any cache, and gets memory
 * that nobody has used since the machine was started, which in a virtual
 * machine costs ten times as much. It would not matter for noise and idling.
 */
static int rounds_run(const struct plan *p, struct result *r,
		      const struct cpulist *cpus, const struct cpulist *cores)
{
	int rounds = p->rounds ? p->rounds : r->bench->rounds, i, err = 0;

	if (r->c->how == HOW_WALL || r->c->how == HOW_SAMPLES ||
	    r->c->how == HOW_FIRST) {
		err = run_side(p, r, 0, cpus, cores);
		if (!err)
			err = run_side(p, r, 1, cpus, cores);
		for (i = 0; i < 2; i++)
			side_forget(&r->side[i]);
	}
	for (i = 0; i < rounds && !err; i++) {
		progress(r, i, rounds);
		err = run_side(p, r, i % 2, cpus, cores);
		if (!err)
			err = run_side(p, r, !(i % 2), cpus, cores);
	}
	progress(r, 1, 1);
	return err;
}

int measure_case(struct plan *p, const struct bench *b,
		 const struct bench_case *c, struct result *r)
{
	struct cpulist cpus, cores;

	memset(r, 0, sizeof(*r));
	r->bench = b;
	r->c = c;
	if (cpus_choose(p, r, &cpus, &cores) == 0 && prepare(p, r) == 0 &&
	    rounds_run(p, r, &cpus, &cores) == 0) {
		side_finish(c, &r->side[0]);
		side_finish(c, &r->side[1]);
	}
	if (child_interrupted())
		return -1;
	return 0;
}

static void samples_free(struct samples *s)
{
	free(s->value);
	free(s->when);
}

void measure_free(struct result *r)
{
	int i;

	for (i = 0; i < 2; i++) {
		samples_free(&r->side[i].samples);
		samples_free(&r->side[i].cpu);
	}
}

static int entry_remove(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void measure_done(struct plan *p)
{
	if (*p->work)
		// NOLINTNEXTLINE(concurrency-mt-unsafe): there is one
		(void)nftw(p->work, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

bool result_met(const struct result *r, const struct target *t)
{
	const double linux_side = r->side[0].stats.median;
	const double azalea = r->side[1].stats.median;

	switch (t->bound) {
	case BOUND_FASTER:
		return azalea > 0 && linux_side / azalea >= t->value;
	case BOUND_AT_MOST:
		return azalea <= t->value;
	default:
		return azalea - linux_side <= t->value;
	}
}

int results_missed(const struct result *r, size_t n)
{
	int missed = 0;
	size_t i;

	for (; n; n--, r++)
		for (i = 0; i < r->c->ntargets; i++)
			missed += *r->why || !result_met(r, &r->c->target[i]);
	return missed;
}
