/* SPDX-License-Identifier: MIT */
/*
 * text.h - writing program text while other cores may run it.
 */
#ifndef PATCH_TEXT_H
#define PATCH_TEXT_H

#include "lib/types.h"

/* text_quiet - write n bytes that no core can be running. 0 or -errno. */
int text_quiet(uint64_t addr, const uint8_t *bytes, size_t n);

/*
 * text_write - write n bytes, 2 at least, over instructions the first of which
 * is where cores may be going; old is what is there. With the lock of mm held.
 * 0, or -errno: nothing has changed.
 */
int text_write(uint64_t addr, const uint8_t *old, const uint8_t *bytes,
	       size_t n);

/* text_was_written - has text_write been at addr of late? */
bool text_was_written(uint64_t addr);

/*
 * text_look_again - for a core that meets an int3 at addr again and again,
 * which is long gone.
 */
void text_look_again(uint64_t addr);

/*
 * text_leave - when it returns, no core is in code that nothing leads to any
 * more, nor will be before patch_rip has seen where it was.
 */
void text_leave(void);

#endif
