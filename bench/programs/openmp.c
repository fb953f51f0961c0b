/* SPDX-License-Identifier: MIT */
/*
 * openmp.c - heat on a plate: a parallel loop, a barrier, and again.
 */
#include <stdio.h>
#include <stdlib.h>

#define SIDE  1024
#define STEPS 400

static float plate[2][SIDE][SIDE];

int main(void)
{
	double sum = 0;

	for (int x = 0; x < SIDE; x++)
		plate[0][0][x] = plate[1][0][x] = 100;
	for (int step = 0; step < STEPS; step++) {
		float(*from)[SIDE] = plate[step & 1];
		float(*to)[SIDE] = plate[~step & 1];

#pragma omp parallel for schedule(static)
		for (int y = 1; y < SIDE - 1; y++)
			for (int x = 1; x < SIDE - 1; x++)
				to[y][x] =
				    0.25F * (from[y - 1][x] + from[y + 1][x] +
					     from[y][x - 1] + from[y][x + 1]);
	}
	for (int y = 0; y < SIDE; y++)
		for (int x = 0; x < SIDE; x++)
			sum += (double)plate[0][y][x];
	printf("%.6f\n", sum);
	return 0;
}
