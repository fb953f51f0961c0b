/* SPDX-License-Identifier: MIT */
/*
 * stats.c - what a set of samples says.
 */
#include "bench/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Central moments about the mean, in a pass of their own: cancellation. */
static void moments(const double *sample, struct stats *s)
{
	double m2 = 0, m3 = 0, m4 = 0, d, n = (double)s->n;
	size_t i;

	for (i = 0; i < s->n; i++) {
		d = sample[i] - s->mean;
		m2 += d * d;
		m3 += d * d * d;
		m4 += d * d * d * d;
	}
	m2 /= n;
	s->deviation = sqrt(m2);
	if (m2 > 0) {
		s->skewness = m3 / n / (m2 * s->deviation);
		s->kurtosis = m4 / n / (m2 * m2);
	}
}

void stats_make(double *sample, size_t n, struct stats *out)
{
	size_t i, high = n - n / 100; /* rounded up: 99 % of n */
	double sum = 0;

	memset(out, 0, sizeof(*out));
	qsort(sample, n, sizeof(*sample), compare);
	for (i = 0; i < n; i++)
		sum += sample[i];
	out->n = n;
	out->min = sample[0];
	out->max = sample[n - 1];
	out->median =
	    n % 2 ? sample[n / 2] : (sample[n / 2 - 1] + sample[n / 2]) / 2;
	out->p99 = sample[high - 1];
	out->mean = sum / (double)n;
	moments(sample, out);
}
