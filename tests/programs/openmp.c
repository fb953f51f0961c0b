/* SPDX-License-Identifier: MIT */
/* openmp.c - sums, a stencil, tasks and locks by OpenMP, in whole numbers. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#define N 1024

static long grid[2][N][N];

static long stencil(int steps)
{
	long sum = 0;

	for (int s = 0; s < steps; s++)
#pragma omp parallel for schedule(dynamic, 16)
		for (int i = 1; i < N - 1; i++)
			for (int k = 1; k < N - 1; k++)
				grid[!(s & 1)][i][k] = (grid[s & 1][i - 1][k] +
							grid[s & 1][i + 1][k] +
							grid[s & 1][i][k - 1] +
							grid[s & 1][i][k + 1]) /
							   4 +
						       i % 7;
#pragma omp parallel for reduction(+ : sum)
	for (int i = 0; i < N; i++)
		for (int k = 0; k < N; k++)
			sum += grid[steps & 1][i][k] * (i ^ k);
	return sum;
}

static long fib(int n)
{
	long a, b;

	if (n < 2)
		return n;
	if (n < 12)
		return fib(n - 1) + fib(n - 2);
#pragma omp task shared(a)
	a = fib(n - 1);
#pragma omp task shared(b)
	b = fib(n - 2);
#pragma omp taskwait
	return a + b;
}

int main(void)
{
	long count = 0, locked = 0, f = 0, order = 0;
	omp_lock_t lock;

	for (int i = 0; i < N; i++)
		for (int k = 0; k < N; k++)
			grid[0][i][k] = (long)i * k % 1009;
	printf("stencil %ld\n", stencil(20));
#pragma omp parallel
#pragma omp single
	f = fib(24);
	printf("tasks %ld\n", f);
	omp_init_lock(&lock);
#pragma omp parallel for
	for (int i = 0; i < 20000; i++) {
#pragma omp atomic
		count += i;
		omp_set_lock(&lock);
		locked += i;
		omp_unset_lock(&lock);
	}
	printf("locks %ld %ld\n", count, locked);
#pragma omp parallel for ordered
	for (int i = 0; i < 500; i++)
#pragma omp ordered
		order = order * 31 + i;
	printf("ordered %ld\n", order);
	for (int i = 0; i < 2000; i++)
#pragma omp parallel
	{
#pragma omp barrier
	}
	printf("two thousand regions\n");
	return 0;
}
