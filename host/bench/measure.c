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

#include "bench/child.h"
#include "lib/env.h"
#include "lib/error.h"

#define WORDS_MAX      48
#define SAMPLE_SECONDS 0.2
#define NOISE_SECONDS  5
#define IDLE_SECONDS   3
#define SETTLE_SECONDS 0.3 /* idle: after "ready", before looking */
#define LIMIT_SECONDS  60  /* for what should take no time at all */

/* A command line under construction. */
struct words {
	char *v[WORDS_MAX];
	int n;
	bool failed;
};

/* One run of a side. */
struct run {
	struct words words;
	const struct cpulist *cpus;
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
static void words_make(struct words *w, const struct plan *p,
		       const struct result *r, int side,
		       const struct cpulist *cores)
{
	const struct bench_case *c = r->c;
	const char *options = side ? c->options : c->base;
	char list[256];
	int program;

	memset(w, 0, sizeof(*w));
	if (side || options) {
		word_add(w, "%s", p->azalea);
		word_add(w, "run");
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
			 c->dynamic ? ".dynamic" : "");
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
	struct child c;
	int err;

	word_add(&run->words, "%s", r->c->name);
	word_add(&run->words, "%g", run->seconds);
	if (run->words.failed)
		return -1;
	err = child_run(run->words.v, run->cpus,
			LIMIT_SECONDS + 20 * run->seconds, &c);
	if (err)
		(void)snprintf(r->why, sizeof(r->why), "%s", c.why);
	else if (!output_parse(r->c, c.out, side)) {
		(void)snprintf(r->why, sizeof(r->why),
			       "what %s printed are not samples",
			       run->words.v[0]);
		err = -1;
	}
	child_free(&c);
	return err;
}

static int run_command(struct run *run, struct result *r, struct side *side)
{
	struct child c;
	int err = child_run(run->words.v, run->cpus, LIMIT_SECONDS, &c);

	if (err)
		(void)snprintf(r->why, sizeof(r->why), "%s", c.why);
	else if (!sample_add(&side->samples, 0, (double)c.wall_ns / 1e6) ||
		 !sample_add(&side->cpu, 0, (double)c.cpu_us / 1e3))
		err = -1;
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

/* The command says "ready" and idles: look at it, then end it. */
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
	before = cpu_ns(c->pid);
	if (before < 0 || !child_pause(run->seconds))
		return -1;
	*value = (cpu_ns(c->pid) - before) / 1e7 / run->seconds;
	return *value < 0 ? -1 : 0;
}

static int run_idle(struct run *run, struct result *r, struct side *side)
{
	struct child c;
	double value;
	int err = child_start(run->words.v, run->cpus, &c);

	if (err) {
		(void)snprintf(r->why, sizeof(r->why), "%s", c.why);
	} else if (idle_watch(run, r->c->how, &c, &value) != 0 ||
		   !sample_add(&side->samples, 0, value)) {
		(void)snprintf(r->why, sizeof(r->why),
			       "%s did not become ready, or ended",
			       run->words.v[0]);
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
	return c->how == HOW_IDLE ? IDLE_SECONDS : SAMPLE_SECONDS;
}

/* One run of one side. 0, or -1 with r->why. */
static int run_side(const struct plan *p, struct result *r, int side,
		    const struct cpulist *cpus, const struct cpulist *cores)
{
	struct run run = { .cpus = cpus, .seconds = seconds_of(p, r->c) };
	int err;

	words_make(&run.words, p, r, side, cores);
	(void)snprintf(r->why, sizeof(r->why), "no memory left");
	if (run.words.failed)
		err = -1;
	else if (r->c->how == HOW_WALL)
		err = run_command(&run, r, &r->side[side]);
	else if (r->c->how == HOW_MEMORY || r->c->how == HOW_IDLE)
		err = run_idle(&run, r, &r->side[side]);
	else
		err = run_program(&run, r, &r->side[side]);
	words_free(&run.words);
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

	if (!r->bench->prepare)
		return 0;
	if (work_make(p) != 0) {
		(void)snprintf(r->why, sizeof(r->why),
			       "cannot make a folder in TMPDIR or /tmp: %s",
			       error_text(errno));
		return -1;
	}
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

static int cpus_choose(const struct plan *p, struct result *r,
		       struct cpulist *cpus, struct cpulist *cores)
{
	const unsigned int have = cpulist_count(&p->cpus);
	const unsigned int need = r->c->cpus < 0 ? 2 : (unsigned int)r->c->cpus;

	if (have < need) {
		(void)snprintf(r->why, sizeof(r->why),
			       "needs %u CPUs, and has %u", need, have);
		return -1;
	}
	cpus_last(&p->cpus, r->c->cpus < 0 ? have : need, cpus);
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

/*
 * A first round does not count: it finds nothing in any cache, and gets memory
 * that nobody has used since the machine was started, which in a virtual
 * machine costs ten times as much. It would not matter for noise and idling.
 */
static int rounds_run(const struct plan *p, struct result *r,
		      const struct cpulist *cpus, const struct cpulist *cores)
{
	int rounds = p->rounds ? p->rounds : r->bench->rounds, i, err = 0;

	if (r->c->how == HOW_WALL || r->c->how == HOW_SAMPLES) {
		err = run_side(p, r, 0, cpus, cores);
		if (!err)
			err = run_side(p, r, 1, cpus, cores);
		for (i = 0; i < 2; i++)
			r->side[i].samples.n = r->side[i].cpu.n = 0;
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
