/* SPDX-License-Identifier: MIT */
/*
 * steady.c - say "ready" and compute until a signal comes, in memory that has
 * been touched, without a call.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define WORDS (1 << 18)

static uint64_t memory[WORDS];

int main(void)
{
	uint64_t x = 1;

	memset(memory, 1, sizeof(memory));
	puts("ready");
	fflush(stdout);
	for (;;) {
		x = x * 6364136223846793005 + 1442695040888963407;
		((volatile uint64_t *)memory)[x >> 46] += x;
	}
}
