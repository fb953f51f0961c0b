/* SPDX-License-Identifier: MIT */
/* errno.h - Linux's error numbers (asm-generic), always used negated. */
#ifndef LIB_ERRNO_H
#define LIB_ERRNO_H

#include <asm/errno.h>

/*
 * Results that never reach the program: the call is made again, or ends with
 * EINTR, as signal_exit() decides (numbers as in Linux's <linux/errno.h>).
 */
#define ERESTARTSYS    512 /* again if SA_RESTART or no handler ran */
#define ERESTARTNOINTR 513 /* again in any case: it had not begun */
#define ERESTARTNOHAND 514 /* again only if no handler ran */
/* Linux's others are not used, but a result among these is looked at. */
#define AZ_ERESTART_FIRST 512
#define AZ_ERESTART_LAST  516

#endif
