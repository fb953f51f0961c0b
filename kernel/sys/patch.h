/* SPDX-License-Identifier: MIT */
/*
 * patch.h - call sites of the program that were rewritten to jump.
 */
#ifndef SYS_PATCH_H
#define SYS_PATCH_H

#include "lib/types.h"

struct az_frame;

/*
 * patch_trap - the call in frame came by a trap: note its site, and rewrite it
 * if it is worth it. Before the call is made.
 */
void patch_trap(const struct az_frame *frame);

/*
 * patch_rip - frame was interrupted where the program does not know that it
 * is, in a stub: show it at the program's own instruction instead, where it
 * may go on as well.
 */
void patch_rip(struct az_frame *frame);

/*
 * patch_step - the program steps through its code (EFLAGS.TF) and has come into
 * a stub: the site is what it was, for good. Before patch_rip.
 */
void patch_step(struct az_frame *frame);

/*
 * patch_int3 - the program ran into int3 while a site was being written: true,
 * and frame goes back to try again. False: it is the program's own.
 */
bool patch_int3(struct az_frame *frame);

/*
 * text_changed - executable memory of the program in [lo, hi) is about to be
 * unmapped, replaced, moved, reprotected or dropped, or is a stub area
 * (mm_stub_area) that goes. Called with the lock of mm held, before the host
 * changes anything; what lies there is still readable and executable. Gives
 * the program its own bytes back and forgets the sites.
 */
void text_changed(uint64_t lo, uint64_t hi);

/* patch_publish - bring the counters that tools read up to date. */
void patch_publish(void);

/* patch_fork_child - the child has its parent's text, and counts anew. */
void patch_fork_child(void);

#endif
