/* SPDX-License-Identifier: MIT */
/*
 * image.h - photographs in, grey pictures out.
 */
#ifndef EDGE_IMAGE_H
#define EDGE_IMAGE_H

#include <stdint.h>

/* Rows of width bytes, no padding, 0 is black. */
struct image {
	uint32_t width;
	uint32_t height;
	uint8_t *pixel;
};

/* Larger than any camera's, and what JPEG can say: the rest is garbage. */
#define IMAGE_MAX_SIDE   65535U
#define IMAGE_MAX_PIXELS (1U << 28)

/*
 * image_read - read the luminance of a JPEG or PNG file, told apart by their
 * first bytes. 0, or -1 after saying on stderr what is wrong with it.
 * image_free takes the result.
 */
int image_read(struct image *img, const char *path);

/*
 * image_write - write img as an 8-bit grey PNG. The same pixels give the same
 * bytes. 0, or -1 after saying why; no partial file is left.
 */
int image_write(const struct image *img, const char *path);

void image_free(struct image *img);

#endif
