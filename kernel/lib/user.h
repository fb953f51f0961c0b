/* SPDX-License-Identifier: MIT */
/*
 * user.h - reading and writing program memory.
 *
 * Program memory may be unmapped, protected or changed by another core at any
 * time: only these functions touch it. All return 0 or -EFAULT and check that
 * the range lies below AZ_GUEST_END. They must not be called with a spinlock
 * held, except the user_*_32 ones on an address just checked by the caller
 * (futex words), which never block.
 */
#ifndef LIB_USER_H
#define LIB_USER_H

#include "layout.h"
#include "lib/types.h"

static inline bool user_range_ok(uint64_t addr, uint64_t len)
{
	return addr <= AZ_GUEST_END && len <= AZ_GUEST_END - addr;
}

int copy_from_user(void *dst, uint64_t src, size_t n);
int copy_to_user(uint64_t dst, const void *src, size_t n);
/* copy_in_user - both are the program's; they do not overlap. */
int copy_in_user(uint64_t dst, uint64_t src, size_t n);
int zero_user(uint64_t dst, size_t n);

/*
 * user_string - copy a NUL-terminated string of at most size-1 bytes.
 * Returns its length, -EFAULT, or -ENAMETOOLONG.
 */
long user_string(char *dst, uint64_t src, size_t size);

int user_load_32(uint32_t *val, uint64_t addr);
int user_store_32(uint64_t addr, uint32_t val);
/*
 * user_cmpxchg_32 - atomically: if *addr == *old, *addr = val; else
 * *old = *addr. 0 in both cases, or -EFAULT.
 */
int user_cmpxchg_32(uint64_t addr, uint32_t *old, uint32_t val);

/*
 * user_xsave, user_xrstor - XSAVE to and XRSTOR from program memory, 64-byte
 * aligned, with the given feature mask (fxsave/fxrstor without XSAVE).
 * 0 or -EFAULT; -EFAULT as well if the image is malformed.
 */
long user_xsave(uint64_t dst, uint64_t mask);
long user_xrstor(uint64_t src, uint64_t mask);

#endif
