/* SPDX-License-Identifier: MIT */
/* nested.h - pointers inside what a call's arguments point to. */
#ifndef SYS_NESTED_H
#define SYS_NESTED_H

#include "call.h"
#include "lib/types.h"

/*
 * nested_ok - false if an iovec or message of the call names memory beyond the
 * program's. What cannot be read is left for Linux to refuse.
 */
bool nested_ok(const struct az_call_desc *d, const uint64_t a[6]);

#endif
