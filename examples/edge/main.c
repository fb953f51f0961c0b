/* SPDX-License-Identifier: MIT */
/*
 * main.c - edge: find the edges in photographs, in parallel.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crew.h"

#define MAX_THREADS 4096

static const char usage[] =
    "usage: edge [options] PHOTOGRAPH...\n"
    "\n"
    "Write NAME-sobel.png and NAME-canny.png for each JPEG or PNG file,\n"
    "and print a line about each. The results depend on the pictures only.\n"
    "\n"
    "  -t, --threads N     threads (default: the processors on line)\n"
    "  -o, --output DIR    where to write (default: .)\n"
    "  -f, --files FILE    read more names from FILE, one a line; - is\n"
    "                      standard input\n"
    "  -q, --quiet         no progress, even on a terminal\n"
    "  -h, --help          print this\n";

struct options {
	uint32_t threads;
	const char *output;
	int quiet;
	char **path;
	uint32_t count;
};

static void *xalloc(void *p)
{
	if (!p)
		err(1, "memory");
	return p;
}

static void path_add(struct options *o, const char *path)
{
	o->path = xalloc(realloc(o->path, (o->count + 1) * sizeof(char *)));
	o->path[o->count++] = xalloc(strdup(path));
}

static void path_add_list(struct options *o, const char *list)
{
	FILE *file = strcmp(list, "-") ? fopen(list, "r") : stdin;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (!file)
		err(2, "%s", list);
	while ((len = getline(&line, &size, file)) > 0) {
		if (line[len - 1] == '\n')
			line[--len] = '\0';
		if (len)
			path_add(o, line);
	}
	if (ferror(file))
		err(2, "%s", list);
	free(line);
	if (file != stdin)
		fclose(file);
}

static uint32_t parse_threads(const char *text)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || end == text || n < 1 || n > MAX_THREADS)
		errx(2, "--threads %s: not a number from 1 to %d", text,
		     MAX_THREADS);
	return (uint32_t)n;
}

static uint32_t online_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	if (n < 1)
		return 1;
	return n < MAX_THREADS ? (uint32_t)n : MAX_THREADS;
}

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{ "threads", required_argument, NULL, 't' },
		{ "output", required_argument, NULL, 'o' },
		{ "files", required_argument, NULL, 'f' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "t:o:f:qh", names, NULL)) != -1) {
		switch (c) {
		case 't':
			o->threads = parse_threads(optarg);
			break;
		case 'o':
			o->output = optarg;
			break;
		case 'f':
			path_add_list(o, optarg);
			break;
		case 'q':
			o->quiet = 1;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs("see edge --help\n", stderr);
			exit(2);
		}
	}
	while (optind < argc)
		path_add(o, argv[optind++]);
}

/* file_name - what comes after the last slash. */
static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* output_path - DIR/NAME-kind.png, NAME without its extension. */
static char *output_path(const char *dir, const char *path, const char *kind)
{
	const char *name = file_name(path);
	const char *dot = strrchr(name, '.');
	size_t len = dot && dot != name ? (size_t)(dot - name) : strlen(name);
	char *out;

	if (asprintf(&out, "%s/%.*s-%s.png", dir, (int)len, name, kind) < 0)
		err(1, "memory");
	return out;
}

static int compare_output(const void *a, const void *b)
{
	const struct photo *const *p = a;
	const struct photo *const *q = b;

	return strcmp((*p)->sobel, (*q)->sobel);
}

/* photos_check - no two photographs may write the same file. */
static void photos_check(struct photo *photos, uint32_t count)
{
	/* Pointers are what is sorted. NOLINTNEXTLINE(*-sizeof-expression) */
	struct photo **by_name = xalloc(calloc(count, sizeof(*by_name)));

	for (uint32_t i = 0; i < count; i++)
		by_name[i] = photos + i;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): as above */
	qsort(by_name, count, sizeof(*by_name), compare_output);
	for (uint32_t i = 1; i < count; i++)
		if (!strcmp(by_name[i]->sobel, by_name[i - 1]->sobel))
			errx(2, "%s and %s would both write %s",
			     by_name[i - 1]->path, by_name[i]->path,
			     by_name[i]->sobel);
	free(by_name);
}

static struct photo *photos_make(const struct options *o)
{
	struct photo *photos = xalloc(calloc(o->count, sizeof(*photos)));

	for (uint32_t i = 0; i < o->count; i++) {
		photos[i].path = o->path[i];
		photos[i].sobel = output_path(o->output, o->path[i], "sobel");
		photos[i].canny = output_path(o->output, o->path[i], "canny");
	}
	photos_check(photos, o->count);
	return photos;
}

/* photos_report - a line for each; returns how many failed. */
static uint32_t photos_report(const struct photo *photos, uint32_t count)
{
	uint32_t failed = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct filter *f = &photos[i].filter;
		const char *name = file_name(photos[i].path);

		if (photos[i].failed) {
			failed++;
			printf("%s: failed\n", name);
			continue;
		}
		printf("%s: %ux%u, thresholds %u and %u, %u edge pixels\n",
		       name, f->width, f->height, f->low, f->high, f->edges);
	}
	return failed;
}

static void photos_free(struct photo *photos, struct options *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		free(photos[i].sobel);
		free(photos[i].canny);
		free(o->path[i]);
	}
	free(photos);
	free(o->path);
}

int main(int argc, char **argv)
{
	struct options o = { .threads = online_cpus(), .output = "." };
	struct photo *photos;
	uint32_t failed;

	parse(&o, argc, argv);
	if (!o.count)
		errx(2, "no photographs given; see edge --help");
	if (mkdir(o.output, 0777) && errno != EEXIST)
		err(2, "%s", o.output);
	photos = photos_make(&o);
	if (crew_run(photos, o.count, o.threads, !o.quiet && isatty(2))) {
		photos_free(photos, &o);
		return 1;
	}
	failed = photos_report(photos, o.count);
	photos_free(photos, &o);
	if (fflush(stdout))
		err(1, "standard output");
	if (failed)
		errx(1, "%u of %u photographs failed", failed, o.count);
	return 0;
}
