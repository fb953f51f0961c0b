/* SPDX-License-Identifier: MIT */
/*
 * filter.h - Sobel and Canny over bands of rows.
 *
 * Every step works on rows [first, last) of the whole picture, reads what the
 * step before has completed for all rows, and writes these rows only: bands
 * of one step may run at the same time, in any order, on any threads, and
 * give the same bytes.
 */
#ifndef EDGE_FILTER_H
#define EDGE_FILTER_H

#include <stdint.h>

/* Largest gradient of 8-bit pixels: 4 * 255 in both directions, rounded up. */
#define FILTER_LEVELS 1443

struct filter {
	uint32_t width;
	uint32_t height;
	const uint8_t *grey; /* the photograph */
	uint8_t *blur;       /* after filter_blur; later classes, then Canny */
	uint16_t *gradient;  /* after filter_gradient: magnitude */
	uint8_t *sobel;      /* after filter_gradient: magnitude as a picture */
	uint8_t *sector;     /* after filter_gradient: direction, 0..3 */
	/* Pixels per magnitude; bands add to it atomically. */
	uint32_t histogram[FILTER_LEVELS];
	uint32_t low, high; /* after filter_threshold */
	uint32_t edges;     /* after filter_trace: pixels on an edge */
};

/* filter_blur - Gaussian of 5x5, sigma 1.4. */
void filter_blur(struct filter *f, uint32_t first, uint32_t last);

/* filter_gradient - Sobel's operator on the blurred picture. */
void filter_gradient(struct filter *f, uint32_t first, uint32_t last);

/*
 * filter_threshold - choose the thresholds of the hysteresis from the
 * histogram: high so that the given share (in 1/1000) of pixels is above, low
 * at 40 % of it.
 */
void filter_threshold(struct filter *f, uint32_t permille);

/* filter_thin - keep ridges only; blur becomes none, weak or strong. */
void filter_thin(struct filter *f, uint32_t first, uint32_t last);

/*
 * filter_trace - keep the weak pixels that strong ones reach; blur becomes
 * Canny's picture. The whole picture at once. 0, or -1: no memory.
 */
int filter_trace(struct filter *f);

#endif
