/* SPDX-License-Identifier: MIT */
/* files.h - descriptors that the program must not reach. */
#ifndef SYS_FILES_H
#define SYS_FILES_H

#include "core.h"
#include "lib/types.h"

/* fd_hidden - is fd one of the owner's own? The program finds it closed. */
static inline bool fd_hidden(uint64_t fd)
{
	return (uint32_t)fd >= BOOT->fd_hidden_lo &&
	       (uint32_t)fd < BOOT->fd_hidden_hi;
}

#endif
