/* SPDX-License-Identifier: MIT */
/* strace.h - decoded system calls on fd 2, for `azalea run --strace`. */
#ifndef SYS_STRACE_H
#define SYS_STRACE_H

#include "lib/types.h"
#include "monitor.h"

/*
 * strace_enter - before a call is made: prints those that do not return, and
 * keeps nothing of the others.
 */
void strace_enter(const struct az_frame *args, uint32_t nr);

/* strace_last - the same for a call that will not return after all. */
void strace_last(const struct az_frame *args, uint32_t nr);

/*
 * strace_call - after a call returned: prints
 *	[tid] name(args...) = result [ERRNO] <class> 12.3us [trap]
 * args: the registers as the call found them. class: who did it. trapped: it
 * came by a trap, not by a jump. Reads program memory; no lock may be held.
 */
void strace_call(const struct az_frame *args, uint32_t nr, long result,
		 const char *class, uint64_t ns, bool trapped);

#endif
