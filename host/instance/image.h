/* SPDX-License-Identifier: MIT */
/* image.h - the unikernel that this binary carries. */
#ifndef INSTANCE_IMAGE_H
#define INSTANCE_IMAGE_H

#include "monitor.h"

/* SHA-256 of azalea.elf as it is in this binary, in hexadecimal digits. */
extern const char azalea_image_id[64];

/*
 * image_map - put azalea.elf at its addresses, with its protections. Its pages
 * stay those of the binary's file until they are written. Can be done once in
 * a process. 0 and the header in *out, or -errno.
 */
int image_map(const struct az_image_header **out);

/*
 * image_anonymous - have its text be no file's, so that perf looks for names
 * elsewhere than in this binary's. 0 or -errno.
 */
int image_anonymous(const struct az_image_header *header);

/*
 * image_header_at - where its header is going to be. Before image_map only,
 * which moves away what tells.
 */
uint64_t image_header_at(void);

#endif
