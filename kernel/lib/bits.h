/* SPDX-License-Identifier: MIT */
/* bits.h - sets of small numbers as arrays of 64-bit words. */
#ifndef LIB_BITS_H
#define LIB_BITS_H

#include "lib/types.h"

/* bits_mask - those bits of word w that [at, at + n) holds. */
static inline uint64_t bits_mask(uint32_t w, uint32_t at, uint32_t n)
{
	uint32_t lo = w * 64, hi = lo + 64, end = at + n;
	uint64_t mask = ~0ULL;

	if (end <= lo || at >= hi)
		return 0;
	if (at > lo)
		mask <<= at - lo;
	if (end < hi)
		mask &= ~0ULL >> (hi - end);
	return mask;
}

static inline bool bits_has(const uint64_t *map, uint32_t i)
{
	return map[i / 64] >> (i % 64) & 1;
}

/* bits_next - the first i in [at, size) whose bit is `set`, else size. */
static inline uint32_t bits_next(const uint64_t *map, uint32_t size,
				 uint32_t at, bool set)
{
	while (at < size) {
		uint64_t word = set ? map[at / 64] : ~map[at / 64];

		word >>= at % 64;
		if (word)
			return MIN(size, at + (uint32_t)__builtin_ctzll(word));
		at = (at / 64 + 1) * 64;
	}
	return size;
}

/*
 * bits_room - the first of n numbers in a row below size that are not in map;
 * size: there are none.
 */
static inline uint32_t bits_room(const uint64_t *map, uint32_t size, uint32_t n)
{
	uint32_t at = bits_next(map, size, 0, false);

	while (at < size) {
		uint32_t end = bits_next(map, size, at, true);

		if (end - at >= n)
			return at;
		at = bits_next(map, size, end, false);
	}
	return size;
}

#endif
