/* SPDX-License-Identifier: MIT */
/*
 * plot.h - results as a picture, drawn by gnuplot.
 */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include <stddef.h>

#include "bench/measure.h"

/*
 * plot_check - can a picture be written to path? To be asked before hours of
 * measuring. 0, or EXIT_AZALEA after a message.
 */
int plot_check(const char *path);

/*
 * plot_write - one SVG: for each bench a panel of bars, medians with lines
 * from the least to p99; noise has Linux and Azalea side by side, the time or
 * work of each quantum over time, or the histogram of detours. 0, or 1 after a
 * message.
 */
int plot_write(const char *path, const struct result *r, size_t n);

#endif
