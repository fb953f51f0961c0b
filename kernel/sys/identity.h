/* SPDX-License-Identifier: MIT */
/* identity.h - what the instance cannot do yet, said once. */
#ifndef SYS_IDENTITY_H
#define SYS_IDENTITY_H

/*
 * process_refused - for calls that would make another process or program:
 * -ENOSYS, and the first time a message on fd 2 that names the call.
 */
int process_refused(const char *call);

#endif
