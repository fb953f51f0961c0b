/* SPDX-License-Identifier: MIT */
/*
 * steady.c - computes as a well-behaved program of a core's does: it touches
 * its memory first, and then neither calls, nor faults, nor waits.
 *
 * Says "steady" when it has begun with that, and goes on until it is killed.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define WORDS (1 << 18)

static uint64_t memory[WORDS];

int main(void)
{
	volatile uint64_t sink;
	uint64_t x = 1;

	memset(memory, 1, sizeof(memory));
	puts("steady");
	fflush(stdout);
	for (;;) {
		for (int i = 0; i < WORDS; i++) {
			x = x * 6364136223846793005ULL + memory[i];
			memory[i] ^= x;
		}
		sink = x;
		(void)sink;
	}
}
