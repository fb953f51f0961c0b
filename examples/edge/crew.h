/* SPDX-License-Identifier: MIT */
/*
 * crew.h - threads that take photographs through the steps of edge detection.
 */
#ifndef EDGE_CREW_H
#define EDGE_CREW_H

#include <stdint.h>

#include "filter.h"
#include "image.h"

enum step {
	STEP_WAIT, /* not begun */
	STEP_READ,
	STEP_BLUR,
	STEP_GRADIENT,
	STEP_THIN,
	STEP_WRITE,
	STEP_DONE
};

/* One photograph. Written by the crew while it runs. */
struct photo {
	const char *path;    /* given by the caller, and kept */
	char *sobel, *canny; /* files to write, likewise */
	enum step step;
	uint32_t pieces;       /* of this step */
	uint32_t begun, ended; /* of these */
	int failed;
	struct image image;
	struct filter filter;
};

/*
 * crew_run - take all photos through all steps on the given number of
 * threads, or as many as can be had, showing progress on stderr if show is set.
 * 0, or -1 after saying why there are no threads. Photos that failed are
 * marked.
 */
int crew_run(struct photo *photos, uint32_t count, uint32_t threads, int show);

#endif
