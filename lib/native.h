/* SPDX-License-Identifier: MIT */
/*
 * native.h - Azalea's gates, as functions.
 *
 * As azalea/ipc.h has them; only for processes with azalea_ipc_native.
 */
#ifndef LIB_NATIVE_H
#define LIB_NATIVE_H

#include <stdint.h>

struct azalea_msg;

/*
 * native_control - op: one of AZ_IPC_ in abi/gate.h. msg may be NULL if the
 * operation has no message.
 */
int native_control(uint64_t op, int endpoint, struct azalea_msg *msg);

#endif
