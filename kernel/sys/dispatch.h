/* SPDX-License-Identifier: MIT */
/* dispatch.h - what the table says of a call. */
#ifndef SYS_DISPATCH_H
#define SYS_DISPATCH_H

#include "call.h"
#include "lib/types.h"
#include "monitor.h"

/* call_desc - the table's entry for nr; one of class NONE if there is none. */
const struct az_call_desc *call_desc(uint64_t nr);

/* dispatch_init - once, before the first call. */
void dispatch_init(void);

/* syscall_finish - settle signals after a call; frame may change. */
void syscall_finish(struct az_frame *frame);

/* syscall_jumped - a call that came through syscall_entry and needs a frame. */
void syscall_jumped(struct az_frame *frame);

#endif
