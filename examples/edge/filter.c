/* SPDX-License-Identifier: MIT */
/*
 * filter.c - Sobel and Canny over bands of rows (J. Canny, "A computational
 * approach to edge detection", IEEE PAMI 8, 1986).
 *
 * Outside of the picture stands the nearest pixel inside. Only integers and
 * one correctly rounded square root: no result depends on the CPU's choice.
 * Bands share nothing but the histogram, which they add to atomically.
 */
#include "filter.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

#define CLASS_NONE   0
#define CLASS_WEAK   1
#define CLASS_STRONG 2
#define CLASS_EDGE   255 /* white in the picture */

/* exp(-d * d / (2 * 1.4 * 1.4)) for d = -2 .. 2, scaled to a sum of 256. */
static const uint32_t kernel[5] = { 28, 61, 78, 61, 28 };

static const uint8_t *grey_row(const struct filter *f, int64_t y)
{
	if (y < 0)
		y = 0;
	else if (y >= f->height)
		y = f->height - 1;
	return f->grey + (size_t)y * f->width;
}

/* blur_down - column sums around row y, times 256, with two more each end. */
static void blur_down(const struct filter *f, uint32_t y, uint16_t *sum)
{
	const uint8_t *a = grey_row(f, (int64_t)y - 2);
	const uint8_t *b = grey_row(f, (int64_t)y - 1);
	const uint8_t *c = grey_row(f, y);
	const uint8_t *d = grey_row(f, (int64_t)y + 1);
	const uint8_t *e = grey_row(f, (int64_t)y + 2);
	uint32_t width = f->width;

	for (uint32_t x = 0; x < width; x++)
		sum[x + 2] = (uint16_t)(kernel[0] * a[x] + kernel[1] * b[x] +
					kernel[2] * c[x] + kernel[3] * d[x] +
					kernel[4] * e[x]);
	/* A photograph is at least one pixel wide. */
	/* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign) */
	sum[0] = sum[1] = sum[2];
	sum[width + 2] = sum[width + 3] = sum[width + 1];
}

void filter_blur(struct filter *f, uint32_t first, uint32_t last)
{
	uint16_t sum[IMAGE_MAX_SIDE + 4];

	for (uint32_t y = first; y < last; y++) {
		uint8_t *out = f->blur + (size_t)y * f->width;

		blur_down(f, y, sum);
		for (uint32_t x = 0; x < f->width; x++) {
			const uint16_t *s = sum + x;

			out[x] =
			    (uint8_t)((kernel[0] * s[0] + kernel[1] * s[1] +
				       kernel[2] * s[2] + kernel[3] * s[3] +
				       kernel[4] * s[4] + 32768) >>
				      16);
		}
	}
}

/* sector - which neighbours lie across an edge: 0 beside, 2 above, 1, 3 the
 * diagonals. tan(22.5 degrees) is 12 / 29 within 0.1 %. */
static uint8_t sector(int32_t gx, int32_t gy)
{
	int32_t ax = abs(gx), ay = abs(gy);

	if (29 * ay < 12 * ax)
		return 0;
	if (29 * ax < 12 * ay)
		return 2;
	return (gx > 0) == (gy > 0) ? 1 : 3;
}

static void gradient_row(struct filter *f, uint32_t y, uint32_t *histogram)
{
	uint32_t width = f->width;
	size_t at = (size_t)y * width;
	const uint8_t *b = f->blur + at;
	const uint8_t *a = y ? b - width : b;
	const uint8_t *c = y + 1 < f->height ? b + width : b;

	for (uint32_t x = 0; x < width; x++) {
		uint32_t l = x ? x - 1 : x;
		uint32_t r = x + 1 < width ? x + 1 : x;
		int32_t gx = a[r] + 2 * b[r] + c[r] - a[l] - 2 * b[l] - c[l];
		int32_t gy = c[l] + 2 * c[x] + c[r] - a[l] - 2 * a[x] - a[r];
		float length = sqrtf((float)(gx * gx + gy * gy));
		uint32_t g = (uint32_t)(length + 0.5F);

		f->gradient[at + x] = (uint16_t)g;
		f->sobel[at + x] = (uint8_t)(g < 255 ? g : 255);
		f->sector[at + x] = sector(gx, gy);
		histogram[g]++;
	}
}

void filter_gradient(struct filter *f, uint32_t first, uint32_t last)
{
	uint32_t histogram[FILTER_LEVELS] = { 0 };

	for (uint32_t y = first; y < last; y++)
		gradient_row(f, y, histogram);
	for (uint32_t g = 0; g < FILTER_LEVELS; g++)
		if (histogram[g])
			__atomic_fetch_add(&f->histogram[g], histogram[g],
					   __ATOMIC_RELAXED);
}

void filter_threshold(struct filter *f, uint32_t permille)
{
	uint64_t above = (uint64_t)f->width * f->height * permille / 1000;
	uint64_t seen = 0;
	uint32_t g = FILTER_LEVELS - 1;

	while (g > 1 && seen + f->histogram[g] <= above)
		seen += f->histogram[g--];
	f->high = g;
	f->low = g * 2 / 5 ? g * 2 / 5 : 1;
}

/* thin_row - row y is neither the first nor the last. */
static void thin_row(struct filter *f, uint32_t y)
{
	const ptrdiff_t width = f->width;
	const ptrdiff_t across[4] = { 1, width + 1, width, width - 1 };
	size_t at = (size_t)y * f->width;

	for (uint32_t x = 1; x + 1 < f->width; x++) {
		const uint16_t *g = f->gradient + at + x;
		ptrdiff_t step = across[f->sector[at + x]];
		uint8_t class = CLASS_NONE;

		/* Of two equal neighbours one stays. */
		if (*g >= f->low && *g > g[-step] && *g >= g[step])
			class = *g >= f->high ? CLASS_STRONG : CLASS_WEAK;
		f->blur[at + x] = class;
	}
	f->blur[at] = f->blur[at + f->width - 1] = CLASS_NONE;
}

void filter_thin(struct filter *f, uint32_t first, uint32_t last)
{
	for (uint32_t y = first; y < last; y++) {
		if (y == 0 || y + 1 == f->height)
			memset(f->blur + (size_t)y * f->width, CLASS_NONE,
			       f->width);
		else
			thin_row(f, y);
	}
}

/* Pixels marked as edges whose neighbours are still to be looked at. */
struct front {
	uint32_t *at;
	size_t len;
	size_t size;
};

static int front_push(struct front *front, uint32_t at)
{
	if (front->len == front->size) {
		size_t size = front->size ? 2 * front->size : 65536;
		uint32_t *p = realloc(front->at, size * sizeof(*p));

		if (!p)
			return -1;
		front->at = p;
		front->size = size;
	}
	front->at[front->len++] = at;
	return 0;
}

/* front_spread - mark all that is connected to what the front holds. Classes
 * are none on the border: no neighbour lies outside. */
static int front_spread(struct front *front, struct filter *f)
{
	const ptrdiff_t w = f->width;
	const ptrdiff_t around[8] = {
		-w - 1, -w, -w + 1, -1, 1, w - 1, w, w + 1
	};

	while (front->len) {
		uint32_t at = front->at[--front->len];

		f->edges++;
		for (int k = 0; k < 8; k++) {
			uint8_t *class = f->blur + at + around[k];

			if (*class != CLASS_WEAK && *class != CLASS_STRONG)
				continue;
			*class = CLASS_EDGE;
			if (front_push(front,
				       (uint32_t)((ptrdiff_t)at + around[k])))
				return -1;
		}
	}
	return 0;
}

int filter_trace(struct filter *f)
{
	uint32_t pixels = f->width * f->height;
	struct front front = { 0 };
	int result = 0;

	f->edges = 0;
	for (uint32_t at = 0; at < pixels && !result; at++) {
		if (f->blur[at] != CLASS_STRONG)
			continue;
		f->blur[at] = CLASS_EDGE;
		result = front_push(&front, at);
		if (!result)
			result = front_spread(&front, f);
	}
	for (uint32_t at = 0; at < pixels; at++)
		f->blur[at] = f->blur[at] == CLASS_EDGE ? CLASS_EDGE : 0;
	free(front.at);
	return result;
}
