/* SPDX-License-Identifier: MIT */
/*
 * neighbour.c - who must not notice anything of what is done beside it.
 *
 * Computes the same thing again and again, over memory and in vector
 * registers, and looks whether the result is what it was. Answers each line on
 * standard input with "N right", N being the rounds, of which one at least was
 * whole since it was asked. Ends with standard input.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WORDS 16384

static uint64_t memory[WORDS];

static uint64_t once(void)
{
	uint64_t x = 88172645463325252ULL, sum = 0;
	double f = 1.0;

	for (int i = 0; i < WORDS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memory[i] = x;
		f = f * 1.0000001 + (double)(x & 0xff) * 1e-9;
	}
	for (int i = WORDS; i-- > 0;)
		sum = (sum ^ memory[i]) * 1099511628211ULL;
	memcpy(&x, &f, sizeof(x));
	return sum ^ x;
}

int main(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	const uint64_t right = once();
	uint64_t rounds = 0;
	char line[64];
	int asked = 0;

	for (;;) {
		if (once() != right) {
			printf("WRONG in round %llu\n",
			       (unsigned long long)rounds);
			return 1;
		}
		rounds++;
		if (asked) {
			printf("%llu right\n", (unsigned long long)rounds);
			fflush(stdout);
		}
		asked = poll(&in, 1, 0) > 0;
		if (asked && read(0, line, sizeof(line)) <= 0)
			return 0;
	}
}
