/* SPDX-License-Identifier: MIT */
/*
 * stats.h - what a set of samples says.
 */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stddef.h>

struct stats {
	size_t n;
	double min, max, median, p99, mean;
	double deviation; /* standard, of the population */
	double skewness;
	double kurtosis; /* 3 for a normal distribution; 0 if all are equal */
};

/*
 * stats_make - of n >= 1 finite samples, in any order, which get sorted.
 * p99 is the smallest sample that 99 % do not exceed.
 */
void stats_make(double *sample, size_t n, struct stats *out);

#endif
