/* SPDX-License-Identifier: MIT */
/* clock.h - what time it is. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdint.h>
#include <time.h>

/* clock_mono_ns - CLOCK_MONOTONIC, nanoseconds. */
static inline uint64_t clock_mono_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#endif
