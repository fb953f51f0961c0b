/* SPDX-License-Identifier: MIT */
/* creds.h - credentials of the owner, which Linux keeps per thread. */
#ifndef OFFLOAD_CREDS_H
#define OFFLOAD_CREDS_H

#include <stdint.h>

/*
 * creds_change - make the call that az_boot.creds_want asks for: here, and if
 * it succeeds, on every other thread of this process. Main thread only.
 */
void creds_change(void);

/*
 * creds_seq - how many changes there were: what a new thread has.
 * creds_follow - *seq is what the calling thread has: repeat the last change if
 * it lacks that, and answer creds_change. Called from the handler of
 * AZ_SIG_KICK, and when a thread begins.
 */
uint32_t creds_seq(void);
void creds_follow(uint32_t *seq);

#endif
