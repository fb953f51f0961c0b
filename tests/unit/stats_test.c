/* SPDX-License-Identifier: MIT */
/* stats_test.c - host/bench/stats.c: what a set of samples says. */
/* links: host/bench/stats.c */
/* ldlibs: -lm */
#include "bench/stats.h"

#include <math.h>
#include <stdio.h>

static int ntests, nfailed;

static void ok(int good, const char *what)
{
	printf("%s %d - %s\n", good ? "ok" : "not ok", ++ntests, what);
	nfailed += !good;
}

static int near(double a, double b)
{
	return fabs(a - b) < 1e-9 * (1 + fabs(b));
}

static void test_one(void)
{
	double v[] = { 7 };
	struct stats s;

	stats_make(v, 1, &s);
	ok(s.n == 1 && s.min == 7 && s.max == 7 && s.median == 7 &&
	       s.p99 == 7 && s.mean == 7,
	   "one sample is all of its statistics");
	ok(s.deviation == 0 && s.skewness == 0 && s.kurtosis == 0,
	   "one sample has no spread");
}

static void test_equal(void)
{
	double v[] = { 3, 3, 3, 3 };
	struct stats s;

	stats_make(v, 4, &s);
	ok(s.median == 3 && s.deviation == 0 && s.kurtosis == 0,
	   "equal samples have no spread, and nothing is divided by it");
}

static void test_known(void)
{
	/* A die: mean 3.5, variance 35/12, kurtosis 303/175. */
	double v[] = { 6, 1, 5, 2, 4, 3 };
	struct stats s;

	stats_make(v, 6, &s);
	ok(s.min == 1 && s.max == 6, "samples may come in any order");
	ok(near(s.median, 3.5), "the median of an even number lies between");
	ok(near(s.mean, 3.5) && near(s.deviation, sqrt(35.0 / 12)),
	   "mean and deviation of a die");
	ok(fabs(s.skewness) < 1e-9 && near(s.kurtosis, 303.0 / 175),
	   "skewness and kurtosis of a die");
}

static void test_skewed(void)
{
	/* 0 with p = 0.9, 1 with q = 0.1: Bernoulli's moments. */
	double v[10] = { 0, 0, 0, 0, 1 };
	const double p = 0.1, q = 0.9;
	struct stats s;

	stats_make(v, 10, &s);
	ok(near(s.skewness, (1 - 2 * p) / sqrt(p * q)), "skewness of a coin");
	ok(near(s.kurtosis, 3 + (1 - 6 * p * q) / (p * q)),
	   "kurtosis of a coin");
}

static void test_far_from_zero(void)
{
	double v[] = { 1e9 + 1, 1e9 + 2, 1e9 + 3 };
	struct stats s;

	stats_make(v, 3, &s);
	ok(fabs(s.deviation - sqrt(2.0 / 3)) < 1e-6,
	   "large values with a small spread keep it");
}

static void test_p99(void)
{
	static const struct {
		size_t n, rank; /* of 1 ... n */
	} cases[] = { { 1, 1 },     { 2, 2 },     { 99, 99 },
		      { 100, 99 },  { 101, 100 }, { 150, 149 },
		      { 199, 198 }, { 200, 198 }, { 1000, 990 } };
	static double v[1000];
	struct stats s;
	size_t i, k;
	int good = 1;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (k = 0; k < cases[i].n; k++)
			v[k] = (double)(cases[i].n - k);
		stats_make(v, cases[i].n, &s);
		good &= s.p99 == (double)cases[i].rank;
	}
	ok(good, "p99 is the smallest that 99 % do not exceed");
}

int main(void)
{
	test_one();
	test_equal();
	test_known();
	test_skewed();
	test_far_from_zero();
	test_p99();
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
