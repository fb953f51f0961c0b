/* SPDX-License-Identifier: MIT */
/* portable.h - endpoints on plain Linux; as azalea/ipc.h has them. */
#ifndef LIB_PORTABLE_H
#define LIB_PORTABLE_H

struct azalea_msg;

int portable_create(void);
int portable_close(int endpoint);
int portable_call(int endpoint, struct azalea_msg *msg);
int portable_receive(int endpoint, struct azalea_msg *msg);
int portable_reply(int endpoint, const struct azalea_msg *msg);
int portable_reply_wait(int endpoint, struct azalea_msg *msg);

#endif
