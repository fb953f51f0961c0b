/* SPDX-License-Identifier: MIT */
/*
 * plot.c - results as a picture, drawn by gnuplot.
 *
 * gnuplot reads a script that has all data in it, and writes the picture to its
 * standard output.
 */
#include "bench/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/child.h"
#include "lib/env.h"
#include "lib/error.h"

#define WIDTH        1000 /* of the picture */
#define ROW          340  /* height of a panel */
#define COLUMNS      900 /* of a series over time: more points would coincide */
#define BINS         10  /* of a histogram: for a power of ten */
#define BIN_FIRST    (-10) /* 0.1 us */
#define BIN_LAST     70    /* 10 s */
#define LABEL_WIDTH  7     /* of names under bars, at least */
#define DRAW_SECONDS 120

static const char *const sides[] = { "Linux", "Azalea" };
static const char *const colours[] = { "#888888", "#0080ff" };

/* The smallest and the largest of something, over both sides. */
struct range {
	double low, high;
};

static void range_widen(struct range *r, double value)
{
	if (value < r->low)
		r->low = value;
	if (value > r->high)
		r->high = value;
}

static bool drawable(const struct result *r)
{
	return !*r->why;
}

/* --- bars --- */

/* Results i to the end of its bench are one panel: how many these are. */
static size_t panel_results(const struct result *r, size_t n)
{
	size_t k = 1;

	if (case_is_noise(r->c))
		return 1;
	while (k < n && r[k].bench == r->bench && !case_is_noise(r[k].c))
		k++;
	return k;
}

/* A name in lines, broken where a word ends after LABEL_WIDTH. */
static void label_print(FILE *f, const struct bench_case *c)
{
	const char *s;
	int column = 0;

	(void)fputc('"', f);
	for (s = c->name; *s; s++, column++) {
		if (*s == ' ' && column >= LABEL_WIDTH) {
			(void)fputs("\\n", f);
			column = -1;
		} else {
			(void)fputc(*s, f);
		}
	}
	(void)fprintf(f, "\\n%s\"", c->unit);
}

static void bars_data(FILE *f, const struct result *r, size_t n, size_t id)
{
	const struct stats *s;
	size_t i, side;

	(void)fprintf(f, "$bars%zu << EOD\n", id);
	for (i = 0; i < n; i++) {
		if (!drawable(&r[i]))
			continue;
		label_print(f, r[i].c);
		for (side = 0; side < 2; side++) {
			s = &r[i].side[side].stats;
			(void)fprintf(f, " %.9g %.9g %.9g", s->median, s->min,
				      s->p99);
		}
		(void)fprintf(f, "\n");
	}
	(void)fprintf(f, "EOD\n");
}

/* The scale is logarithmic: what is 0 is not drawn. */
static struct range bars_range(const struct result *r, size_t n)
{
	struct range range = { INFINITY, 0 };
	size_t i, side;

	for (i = 0; i < n; i++) {
		for (side = 0; drawable(&r[i]) && side < 2; side++) {
			if (r[i].side[side].stats.median <= 0)
				continue;
			range_widen(&range, r[i].side[side].stats.median);
			range_widen(&range, r[i].side[side].stats.p99);
		}
	}
	return range;
}

static void bars_plot(FILE *f, const struct result *r, size_t n, size_t id)
{
	const struct range range = bars_range(r, n);

	if (range.high <= 0)
		return;
	(void)fprintf(f,
		      "set title \"%s: %s\"\n"
		      "set style data histograms\n"
		      "set style histogram errorbars gap 1 lw 1\n"
		      "set style fill solid 0.9 noborder\n"
		      "set logscale y\nunset logscale x\nset key top right\n"
		      "unset xlabel\nset ylabel \"median, to p99\"\n"
		      "set xtics norotate scale 0\nset xrange [*:*]\n"
		      "set yrange [%.9g:%.9g]\n"
		      "plot $bars%zu using 2:3:4:xtic(1) title \"%s\" "
		      "lc rgb \"%s\", '' using 5:6:7 title \"Azalea\" "
		      "lc rgb \"%s\"\nset xtics autofreq\n",
		      r->bench->name, r->bench->question, range.low / 3,
		      range.high * 5, id, r->c->base ? r->c->base : "Linux",
		      colours[0], colours[1]);
}

/* --- noise over time --- */

/*
 * Of all points that fall into a column, the lowest and the highest: joined by
 * lines, they look as all would.
 */
static void series_data(FILE *f, const struct side *s)
{
	const double width = s->seconds * 1e6 / COLUMNS;
	const struct samples *p = &s->samples;
	size_t i = 0, low, high;
	double end;

	while (i < p->n) {
		end = p->when[i] + width;
		for (low = high = i; i < p->n && p->when[i] < end; i++) {
			low = p->value[i] < p->value[low] ? i : low;
			high = p->value[i] > p->value[high] ? i : high;
		}
		(void)fprintf(f, "%.6f %.9g\n", p->when[low] / 1e6,
			      p->value[low]);
		if (high != low)
			(void)fprintf(f, "%.6f %.9g\n", p->when[high] / 1e6,
				      p->value[high]);
		if (end <= p->when[low]) /* a width of 0 */
			i++;
	}
}

static void series_axes(FILE *f, const struct result *r)
{
	struct range range = { INFINITY, 0 };
	int side;

	for (side = 0; side < 2; side++) {
		range_widen(&range, r->side[side].stats.min);
		range_widen(&range, r->side[side].stats.max);
	}
	(void)fprintf(f,
		      "unset logscale\nunset key\nset xlabel \"s\"\n"
		      "set ylabel \"%s, %s\"\nset xrange [0:*]\n",
		      r->c->name, r->c->unit);
	if (r->c->how == HOW_WORK)
		(void)fprintf(f, "set logscale y\nset yrange [%.9g:%.9g]\n",
			      range.low * 0.95, range.high * 1.1);
	else
		(void)fprintf(f, "set yrange [0:%.9g]\n", range.high * 1.05);
}

/* --- detours --- */

static void histogram(const struct side *s, double bin[BIN_LAST - BIN_FIRST])
{
	size_t i;
	int b;

	memset(bin, 0, (BIN_LAST - BIN_FIRST) * sizeof(*bin));
	for (i = 0; i < s->samples.n; i++) {
		b = (int)floor(log10(s->samples.value[i]) * BINS) - BIN_FIRST;
		if (b >= 0 && b < BIN_LAST - BIN_FIRST)
			bin[b] += 1 / s->seconds;
	}
}

static void histogram_data(FILE *f, const struct side *s)
{
	double bin[BIN_LAST - BIN_FIRST];
	int b;

	histogram(s, bin);
	for (b = 0; b < BIN_LAST - BIN_FIRST; b++)
		if (bin[b] > 0)
			(void)fprintf(f, "%.6g %.6g %.6g %.6g\n",
				      pow(10, (b + BIN_FIRST + 0.5) / BINS),
				      bin[b],
				      pow(10, (double)(b + BIN_FIRST) / BINS),
				      pow(10, (b + BIN_FIRST + 1.0) / BINS));
	/* gnuplot refuses a plot without any point. */
	(void)fprintf(f, "0.1 1e-9 0.1 0.1\n");
}

static void histogram_axes(FILE *f, const struct result *r)
{
	struct range length = { 0.3, 100 }, often = { 0.1, 10 };
	double bin[BIN_LAST - BIN_FIRST];
	int side, b;

	for (side = 0; side < 2; side++) {
		/* There may be no detour at all. */
		if (r->side[side].stats.n)
			range_widen(&length, r->side[side].stats.max);
		histogram(&r->side[side], bin);
		for (b = 0; b < BIN_LAST - BIN_FIRST; b++)
			if (bin[b] > 0)
				range_widen(&often, bin[b]);
	}
	(void)fprintf(f,
		      "set logscale xy\nunset key\n"
		      "set xlabel \"length of the detour, %s\"\n"
		      "set ylabel \"detours a second\"\n"
		      "set xrange [%.6g:%.6g]\nset yrange [%.6g:%.6g]\n"
		      "set style fill solid 0.9 noborder\n",
		      r->c->unit, length.low, length.high * 2, often.low / 2,
		      often.high * 2);
}

/* --- both --- */

static void noise_data(FILE *f, const struct result *r, size_t id)
{
	int side;

	for (side = 0; side < 2; side++) {
		(void)fprintf(f, "$noise%zu_%d << EOD\n", id, side);
		if (r->c->how == HOW_DETOUR)
			histogram_data(f, &r->side[side]);
		else
			series_data(f, &r->side[side]);
		(void)fprintf(f, "EOD\n");
	}
}

static void noise_title(FILE *f, const struct result *r, int side)
{
	const struct side *s = &r->side[side];
	const bool work = r->c->how == HOW_QUANTUM;

	(void)fprintf(f,
		      "set title \"%s, %s: overhead %.3f %%, %s %.5g, "
		      "kurtosis %.4g\"\n",
		      r->bench->name, sides[side], s->overhead,
		      work ? "least" : "most",
		      work ? s->stats.min : s->stats.max, s->stats.kurtosis);
}

static void noise_plot(FILE *f, const struct result *r, size_t id, double y,
		       double height)
{
	int i;

	if (r->c->how == HOW_DETOUR)
		histogram_axes(f, r);
	else
		series_axes(f, r);
	for (i = 0; i < 2; i++) {
		(void)fprintf(f, "set origin %.6f,%.6f\nset size 0.5,%.6f\n",
			      i / 2.0, y, height);
		noise_title(f, r, i);
		if (r->c->how == HOW_DETOUR)
			(void)fprintf(f,
				      "plot $noise%zu_%d using 1:2:3:4 "
				      "with boxes lc rgb \"%s\"\n",
				      id, i, colours[i]);
		else
			(void)fprintf(f,
				      "plot $noise%zu_%d using 1:2 with lines "
				      "lw 0.7 lc rgb \"%s\"\n",
				      id, i, colours[i]);
	}
}

static void script(FILE *f, const struct result *r, size_t n)
{
	size_t rows = 0, row = 0, i, k;
	double height;

	for (i = 0; i < n; i += panel_results(&r[i], n - i)) {
		rows++;
		if (!case_is_noise(r[i].c))
			bars_data(f, &r[i], panel_results(&r[i], n - i), i);
		else if (drawable(&r[i]))
			noise_data(f, &r[i], i);
	}
	height = 1.0 / (double)rows;
	(void)fprintf(f,
		      "set terminal svg noenhanced size %d,%zu font "
		      "\"sans,11\" background \"white\"\n"
		      "set multiplot\nset grid y\nset bmargin 5\n"
		      "set errorbars 1 lc rgb \"#404040\"\n",
		      WIDTH, rows * ROW);
	for (i = 0; i < n; i += k) {
		const double y = 1 - (double)++row * height;

		k = panel_results(&r[i], n - i);
		(void)fprintf(f, "set origin 0,%.6f\nset size 1,%.6f\n", y,
			      height);
		if (!case_is_noise(r[i].c))
			bars_plot(f, &r[i], k, i);
		else if (drawable(&r[i]))
			noise_plot(f, &r[i], i, y, height);
	}
	(void)fprintf(f, "unset multiplot\n");
}

/* --- gnuplot --- */

static char *gnuplot_find(void)
{
	const char *path = env_get(environ, "PATH");
	char *found;
	size_t len;

	for (; path && *path; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		if (asprintf(&found, "%.*s/gnuplot", (int)len, path) < 0)
			return NULL;
		if (access(found, X_OK) == 0)
			return found;
		free(found);
	}
	return NULL;
}

int plot_check(const char *path)
{
	const char *dot = strrchr(path, '.');
	char *gnuplot;
	int fd;

	if (!dot || strcmp(dot, ".svg") != 0)
		return error_fail(EXIT_AZALEA,
				  "--plot %s: the picture is SVG: name a file "
				  "that ends with .svg",
				  path);
	gnuplot = gnuplot_find();
	free(gnuplot);
	if (!gnuplot)
		return error_fail(EXIT_AZALEA, "--plot: gnuplot is not in PATH:"
					       " apt-get install gnuplot-nox");
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return error_fail(EXIT_AZALEA, "--plot %s: cannot write it: %s",
				  path, error_text(errno));
	close(fd);
	return 0;
}

/* What gnuplot makes of the script. 0, or 1 after a message. */
static int draw(FILE *f, const char *path)
{
	char *gnuplot = gnuplot_find(), script_path[64];
	char *argv[] = { gnuplot, script_path, NULL };
	struct child c = { .out_fd = -1, .err_fd = -1 };
	int status = 0;
	FILE *out = NULL;

	(void)snprintf(script_path, sizeof(script_path), "/proc/%d/fd/%d",
		       getpid(), fileno(f));
	if (fflush(f) || !gnuplot ||
	    child_run(argv, NULL, DRAW_SECONDS, &c) != 0 || !c.out ||
	    !strstr(c.out, "</svg>"))
		status =
		    error_fail(1, "--plot: gnuplot drew nothing: %s", c.why);
	if (!status)
		out = fopen(path, "we");
	if (!status && (!out || fputs(c.out, out) == EOF || fclose(out)))
		status = error_fail(1, "--plot %s: cannot write it: %s", path,
				    error_text(errno));
	child_free(&c);
	free(gnuplot);
	return status;
}

int plot_write(const char *path, const struct result *r, size_t n)
{
	FILE *f = tmpfile();
	int status;

	if (!f)
		return error_fail(1, "--plot: no temporary file: %s",
				  error_text(errno));
	script(f, r, n);
	status = draw(f, path);
	(void)fclose(f);
	return status;
}
