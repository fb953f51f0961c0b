/* SPDX-License-Identifier: MIT */
/* hits.h - how often rewritten call sites were used. */
#ifndef PATCH_HITS_H
#define PATCH_HITS_H

#include <stdint.h>

/*
 * hits_collect - bring az_site.hits up to date, in the owner; cores 0 ..
 * ncores-1 have been started.
 */
void hits_collect(uint32_t ncores);

#endif
