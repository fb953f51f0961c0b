/* SPDX-License-Identifier: MIT */
/*
 * crew.c - threads that take photographs through the steps of edge detection.
 *
 * A step of one photograph is cut into pieces, bands of rows, that any idle
 * threads take; the thread that ends the last piece opens the next step. A
 * thread that finds no piece begins another photograph, as long as there are
 * not more under way than threads: that bounds the memory.
 *
 * crew.lock guards all of struct crew and, in struct photo, step, pieces,
 * begun, ended and failed. Pixels belong to the piece being worked on.
 */
#include "crew.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Some 0.3 megapixels of a 12-megapixel picture: a millisecond of work. */
#define BAND_ROWS 64
/* The share of pixels, in 1/1000, that Canny takes for certain edges. */
#define STRONG_PERMILLE 60

struct crew {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a step was opened or a photo is done */
	struct photo *photos;
	uint32_t count;
	uint32_t threads;
	uint32_t first; /* all before are done */
	uint32_t next;  /* the first that has not begun */
	uint32_t done;
	uint32_t steps; /* completed, of all photos */
};

static int photo_alloc(struct photo *p)
{
	struct filter *f = &p->filter;
	size_t pixels = (size_t)p->image.width * p->image.height;

	f->width = p->image.width;
	f->height = p->image.height;
	f->grey = p->image.pixel;
	f->gradient = malloc(pixels * 5);
	if (!f->gradient) {
		fprintf(stderr, "edge: %s: %m\n", p->path);
		return -1;
	}
	f->blur = (uint8_t *)f->gradient + 2 * pixels;
	f->sobel = f->blur + pixels;
	f->sector = f->sobel + pixels;
	return 0;
}

static void photo_free(struct photo *p)
{
	free(p->filter.gradient);
	p->filter.gradient = NULL;
	image_free(&p->image);
}

static int photo_write(struct photo *p, uint32_t piece)
{
	struct image out = p->image;

	if (piece == 0) {
		out.pixel = p->filter.sobel;
		return image_write(&out, p->sobel);
	}
	if (filter_trace(&p->filter)) {
		fprintf(stderr, "edge: %s: %m\n", p->path);
		return -1;
	}
	out.pixel = p->filter.blur;
	return image_write(&out, p->canny);
}

/* photo_work - do one piece of a step, without the lock. 0 or -1. */
static int photo_work(struct photo *p, enum step step, uint32_t piece)
{
	uint32_t first = piece * BAND_ROWS;
	uint32_t last = first + BAND_ROWS;

	if (last > p->filter.height)
		last = p->filter.height;
	switch (step) {
	case STEP_READ:
		if (image_read(&p->image, p->path))
			return -1;
		return photo_alloc(p);
	case STEP_BLUR:
		filter_blur(&p->filter, first, last);
		return 0;
	case STEP_GRADIENT:
		filter_gradient(&p->filter, first, last);
		return 0;
	case STEP_THIN:
		filter_thin(&p->filter, first, last);
		return 0;
	case STEP_WRITE:
		return photo_write(p, piece);
	case STEP_WAIT:
	case STEP_DONE:
		break;
	}
	return -1;
}

/* photo_open - begin the step after the one that has ended. */
static void photo_open(struct crew *crew, struct photo *p)
{
	static const uint32_t whole[STEP_DONE + 1] = {
		[STEP_READ] = 1, [STEP_WRITE] = 2
	};
	uint32_t skipped = STEP_DONE - p->step;

	if (p->step != STEP_WAIT)
		crew->steps += p->failed ? skipped : 1;
	p->step = p->failed ? STEP_DONE : p->step + 1;
	p->begun = p->ended = 0;
	p->pieces = whole[p->step];
	if (p->step == STEP_DONE) {
		photo_free(p);
		crew->done++;
	} else if (!p->pieces) {
		p->pieces = (p->filter.height + BAND_ROWS - 1) / BAND_ROWS;
	}
	if (p->step == STEP_THIN)
		filter_threshold(&p->filter, STRONG_PERMILLE);
	pthread_cond_broadcast(&crew->changed);
}

/* crew_choose - a photo with a piece to take, oldest first, or NULL. */
static struct photo *crew_choose(struct crew *crew)
{
	struct photo *p;

	while (crew->first < crew->next &&
	       crew->photos[crew->first].step == STEP_DONE)
		crew->first++;
	for (uint32_t i = crew->first; i < crew->next; i++) {
		p = crew->photos + i;
		if (p->begun < p->pieces)
			return p;
	}
	if (crew->next == crew->count ||
	    crew->next - crew->done >= crew->threads)
		return NULL;
	p = crew->photos + crew->next++;
	photo_open(crew, p);
	return p;
}

static void *crew_member(void *arg)
{
	struct crew *crew = arg;
	struct photo *p;

	pthread_mutex_lock(&crew->lock);
	while (crew->done < crew->count) {
		uint32_t piece;
		int failed;

		p = crew_choose(crew);
		if (!p) {
			pthread_cond_wait(&crew->changed, &crew->lock);
			continue;
		}
		piece = p->begun++;
		pthread_mutex_unlock(&crew->lock);
		failed = photo_work(p, p->step, piece);
		pthread_mutex_lock(&crew->lock);
		p->failed |= failed != 0;
		if (++p->ended == p->pieces)
			photo_open(crew, p);
	}
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

/* crew_watch - until all is done, draw a bar five times a second. */
static void crew_watch(struct crew *crew)
{
	static const char bar[] = "########################################";
	const int wide = (int)sizeof(bar) - 1;
	const uint32_t all = crew->count * (STEP_DONE - 1);
	struct timespec until;

	pthread_mutex_lock(&crew->lock);
	while (crew->done < crew->count) {
		int filled = (int)((uint64_t)crew->steps * wide / all);

		fprintf(stderr, "\r[%-*.*s] %u of %u photographs", wide, filled,
			bar, crew->done, crew->count);
		fflush(stderr);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 200000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		while (crew->done < crew->count &&
		       !pthread_cond_timedwait(&crew->changed, &crew->lock,
					       &until))
			;
	}
	pthread_mutex_unlock(&crew->lock);
	fprintf(stderr, "\r%*s\r", wide + 40, "");
}

int crew_run(struct photo *photos, uint32_t count, uint32_t threads, int show)
{
	struct crew crew = { .lock = PTHREAD_MUTEX_INITIALIZER,
			     .changed = PTHREAD_COND_INITIALIZER,
			     .photos = photos,
			     .count = count,
			     .threads = threads };
	pthread_t *thread = calloc(threads, sizeof(*thread));
	uint32_t started = 0;
	int error = thread ? 0 : ENOMEM;

	while (!error && started < threads) {
		error =
		    pthread_create(thread + started, NULL, crew_member, &crew);
		if (!error)
			started++;
	}
	if (error)
		fprintf(stderr, "edge: only %u of %u threads: %s\n", started,
			threads, strerror(error));
	if (show && started)
		crew_watch(&crew);
	for (uint32_t i = 0; i < started; i++)
		pthread_join(thread[i], NULL);
	free(thread);
	return started ? 0 : -1;
}
