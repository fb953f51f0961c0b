/* SPDX-License-Identifier: MIT */
/*
 * sys.h - system calls of the program: dispatch, offload, calls to the host.
 *
 * Every local call is `long sys_<name>(const uint64_t a[6])`: raw arguments in,
 * result or -errno out. Prototypes and the table are generated from
 * abi/syscall.tbl.
 */
#ifndef SYS_SYS_H
#define SYS_SYS_H

#include "lib/errno.h"
#include "lib/types.h"
#include "monitor.h"

/*
 * offload - have Linux do a call of the program: on the core or by ring as
 * the policy says. Lets other threads run meanwhile. Raw result; -ERESTARTSYS
 * or -EINTR when a signal ended it.
 */
long offload(uint32_t nr, const uint64_t a[6]);

/*
 * offload_everywhere - a call that changes what Linux keeps for each of its
 * threads: made on all of the owner's, if the first one lets it pass.
 */
long offload_everywhere(uint32_t nr, const uint64_t a[6]);

/*
 * host_call - a call that the unikernel makes for itself: not checked, not
 * interrupted, must not block for long. Raw result. Pointers may be to the
 * unikernel's own memory. May be called without a thread context; not with a
 * spinlock held unless the comment at the lock says so.
 */
long host_call(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
	       uint64_t a4, uint64_t a5);

/* syscall_dispatch - run the call in frame, leaving the result in rax. */
void syscall_dispatch(struct az_frame *frame);

/* syscall_run - a call as the program might make it; not traced. */
long syscall_run(uint32_t nr, const uint64_t a[6]);

/* trap - the upcall of monitor.h, running on the current kernel stack. */
void trap(uint32_t vec, uint64_t error, uint64_t addr, struct az_frame *frame);

#endif
