/* SPDX-License-Identifier: MIT */
/* creds.h - credentials of the owner, which Linux keeps per thread. */
#ifndef OFFLOAD_CREDS_H
#define OFFLOAD_CREDS_H

/*
 * creds_change - make the call that az_boot.creds_want asks for: here, and if
 * it succeeds, on every other thread of this process. Main thread only.
 */
void creds_change(void);

#endif
