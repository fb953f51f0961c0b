/* SPDX-License-Identifier: MIT */
/*
 * patch.h - call sites of the program that were rewritten to jump.
 */
#ifndef SYS_PATCH_H
#define SYS_PATCH_H

#include "lib/types.h"

/*
 * text_changed - executable memory of the program in [lo, hi) is about to be
 * unmapped, replaced, moved, reprotected or dropped, or is a stub area
 * (mm_stub_area) that goes. Called with the lock of mm held, before the host
 * changes anything; what lies there is still readable and executable.
 */
static inline void text_changed(uint64_t lo, uint64_t hi)
{
	(void)lo;
	(void)hi;
}

#endif
