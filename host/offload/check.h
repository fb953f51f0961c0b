/* SPDX-License-Identifier: MIT */
/*
 * check.h - may a call that came through a ring be made, and with what?
 *
 * Worker:
 *	err = check_call(&slot->call, &c);
 *	result = err ? err : checked_make(&c);
 *	if (!err)
 *		result = check_done(&c, result);
 *
 * A pointer that the program may not name, or a descriptor of the owner, does
 * not end the call here: it is replaced by one that no process can have, so
 * that Linux finds the error, in Linux's order.
 */
#ifndef OFFLOAD_CHECK_H
#define OFFLOAD_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "boot.h"
#include "call.h"
#include "ring.h"

#define CHECK_SPACE       4096 /* for what is copied; more comes by malloc */
#define CHECK_MAX         0x400000 /* bytes that one call may have copied */
#define CHECK_CONTROL_MAX 0x20000  /* ancillary data of one message */

/* How to reach program memory: 0, or -EFAULT if it is not there. */
struct check_memory {
	int (*read)(void *dst, uint64_t src, size_t n);
	int (*write)(uint64_t dst, const void *src, size_t n);
};

struct check_chunk;

/* A worker has one of these, and uses it again for each call. */
struct checked_call {
	uint32_t nr;
	uint32_t flags; /* az_call.flags, as copied */
	uint32_t attrs; /* AZ_ATTR_ of the table */
	uint32_t takes; /* CHECK_TAKES_ */
	uint64_t arg[6];

	/* check.c's own */
	uint32_t internal;
	uint32_t undo;     /* what check_done has to write back */
	uint64_t undo_dst; /* where to, in program memory */
	uint8_t *undo_src;
	uint32_t undo_count;
	uint32_t used;  /* of space */
	uint32_t total; /* bytes copied, in space and chunks */
	struct check_chunk *chunks;
	_Alignas(16) uint8_t space[CHECK_SPACE];
};

/*
 * check_init - before the first call; again in the child of a fork. Takes two
 * descriptors in the hidden range. mem: NULL for the real memory. 0 or -errno.
 */
int check_init(const struct az_boot *boot, const struct check_memory *mem);

/*
 * check_peek - n bytes of the program's memory at src, as it is now. 0, or
 * -EFAULT if they are not there, or not the program's.
 */
int check_peek(void *dst, uint64_t src, size_t n);

/*
 * check_call - copy the call out of the ring and check it. 0: make the call
 * as *out says, then check_done. -errno: this is the answer, and nothing is
 * to be done.
 */
int check_call(const struct az_call *in, struct checked_call *out);

/* The call itself: -errno, not errno, which signals disturb. */
static inline long checked_raw(const struct checked_call *c)
{
	const uint64_t *a = c->arg;
	uint64_t a3 = a[3], a4 = a[4], a5 = a[5];
	register uint64_t r10 __asm__("r10") = a3;
	register uint64_t r8 __asm__("r8") = a4;
	register uint64_t r9 __asm__("r9") = a5;
	long r = (long)c->nr;

	__asm__ volatile("syscall"
			 : "+a"(r)
			 : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

/*
 * A platform's own way to make calls that take something away: what is mapped
 * where the program can see it, or a descriptor's number. It ends in
 * checked_raw. NULL: none.
 */
#define CHECK_TAKES_MEMORY 1U
#define CHECK_TAKES_FD     2U
extern long (*checked_by_plat)(const struct checked_call *c);

/* checked_make - make the call: its result, or -errno. */
static inline long checked_make(const struct checked_call *c)
{
	return c->takes && checked_by_plat ? checked_by_plat(c)
					   : checked_raw(c);
}

/* check_desc - what the table says of a call, or NULL. */
const struct az_call_desc *check_desc(uint32_t nr);

/* check_done - write back what Linux answered; gives the result to report. */
long check_done(struct checked_call *c, long result);

#endif
