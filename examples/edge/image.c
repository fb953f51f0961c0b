/* SPDX-License-Identifier: MIT */
/*
 * image.c - photographs in by libjpeg and libpng, grey pictures out as PNG.
 *
 * Nothing is shared: any number of threads may read and write at once.
 */
#include "image.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>
#include <png.h>

/* libjpeg calls error_exit, which must not return. */
struct jpeg_failure {
	struct jpeg_error_mgr mgr;
	jmp_buf back;
	const char *path;
	char why[JMSG_LENGTH_MAX];
};

static void jpeg_fail(j_common_ptr info)
{
	struct jpeg_failure *failure = (struct jpeg_failure *)info->err;

	info->err->format_message(info, failure->why);
	longjmp(failure->back, 1);
}

/* Garbled or missing data is made up by libjpeg: tolerable, but not silent. */
static void jpeg_warn(j_common_ptr info, int level)
{
	struct jpeg_failure *failure = (struct jpeg_failure *)info->err;

	if (level >= 0 || info->err->num_warnings++)
		return;
	info->err->format_message(info, failure->why);
	fprintf(stderr, "edge: %s: going on: %s\n", failure->path,
		failure->why);
}

static int image_alloc(struct image *img)
{
	uint64_t pixels = (uint64_t)img->width * img->height;

	if (pixels == 0 || pixels > IMAGE_MAX_PIXELS ||
	    img->width > IMAGE_MAX_SIDE || img->height > IMAGE_MAX_SIDE) {
		errno = EFBIG;
		return -1;
	}
	img->pixel = malloc(pixels);
	return img->pixel ? 0 : -1;
}

static int jpeg_scan(struct jpeg_decompress_struct *info, struct image *img,
		     FILE *file)
{
	jpeg_create_decompress(info);
	jpeg_stdio_src(info, file);
	jpeg_read_header(info, TRUE);
	/* The Y of YCbCr is the luminance: chroma need not be decoded. */
	info->out_color_space = JCS_GRAYSCALE;
	/* Exact on every CPU, unlike the fast transforms. */
	info->dct_method = JDCT_ISLOW;
	jpeg_start_decompress(info);
	img->width = info->output_width;
	img->height = info->output_height;
	if (image_alloc(img))
		return -1;
	while (info->output_scanline < info->output_height) {
		JSAMPROW row =
		    img->pixel + (size_t)info->output_scanline * img->width;

		jpeg_read_scanlines(info, &row, 1);
	}
	jpeg_finish_decompress(info);
	return 0;
}

static int jpeg_read(struct image *img, FILE *file, const char *path)
{
	struct jpeg_decompress_struct info;
	struct jpeg_failure failure;
	volatile int result = -1; /* survives the longjmp */

	memset(&info, 0, sizeof(info));
	info.err = jpeg_std_error(&failure.mgr);
	failure.path = path;
	failure.mgr.error_exit = jpeg_fail;
	failure.mgr.emit_message = jpeg_warn;
	if (setjmp(failure.back))
		fprintf(stderr, "edge: %s: %s\n", path, failure.why);
	else if (jpeg_scan(&info, img, file))
		fprintf(stderr, "edge: %s: %m\n", path);
	else
		result = 0;
	jpeg_destroy_decompress(&info);
	return result;
}

static int png_read(struct image *img, FILE *file, const char *path)
{
	const png_color black = { 0, 0, 0 };
	png_image png;

	memset(&png, 0, sizeof(png));
	png.version = PNG_IMAGE_VERSION;
	if (!png_image_begin_read_from_stdio(&png, file))
		goto fail;
	/* Without the alpha flag, transparent parts are put on black. */
	png.format = PNG_FORMAT_GRAY;
	img->width = png.width;
	img->height = png.height;
	if (image_alloc(img)) {
		png_image_free(&png);
		fprintf(stderr, "edge: %s: %m\n", path);
		return -1;
	}
	if (png_image_finish_read(&png, &black, img->pixel, 0, NULL))
		return 0;
fail:
	fprintf(stderr, "edge: %s: %s\n", path, png.message);
	return -1;
}

int image_read(struct image *img, const char *path)
{
	static const uint8_t png_magic[4] = { 0x89, 'P', 'N', 'G' };
	static const uint8_t jpeg_magic[2] = { 0xff, 0xd8 };
	uint8_t magic[4] = { 0 };
	int result = -1;
	FILE *file;

	memset(img, 0, sizeof(*img));
	file = fopen(path, "rb");
	if (!file || (fread(magic, 1, 4, file) < 4 && ferror(file))) {
		fprintf(stderr, "edge: %s: %m\n", path);
		goto out;
	}
	rewind(file);
	if (!memcmp(magic, jpeg_magic, sizeof(jpeg_magic)))
		result = jpeg_read(img, file, path);
	else if (!memcmp(magic, png_magic, sizeof(png_magic)))
		result = png_read(img, file, path);
	else
		fprintf(stderr, "edge: %s: neither a JPEG nor a PNG file\n",
			path);
	if (result)
		image_free(img);
out:
	if (file)
		fclose(file);
	return result;
}

int image_write(const struct image *img, const char *path)
{
	png_image png;

	memset(&png, 0, sizeof(png));
	png.version = PNG_IMAGE_VERSION;
	png.width = img->width;
	png.height = img->height;
	png.format = PNG_FORMAT_GRAY;
	/* Edges compress well without the search for the best filter. */
	png.flags = PNG_IMAGE_FLAG_FAST;
	if (png_image_write_to_file(&png, path, 0, img->pixel, 0, NULL))
		return 0;
	fprintf(stderr, "edge: %s: %s\n", path, png.message);
	unlink(path);
	return -1;
}

void image_free(struct image *img)
{
	free(img->pixel);
	img->pixel = NULL;
}
