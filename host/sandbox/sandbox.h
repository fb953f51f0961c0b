/* SPDX-License-Identifier: MIT */
/* sandbox.h - what the owner and all that runs in it may ask of Linux. */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

/*
 * sandbox_enter - install the seccomp filter on every thread of this process,
 * for ever; see tools/genseccomp.c for what it allows. After all set-up that
 * needs more, before the program starts. 0 or -errno.
 */
int sandbox_enter(void);

#endif
