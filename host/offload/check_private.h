/* SPDX-License-Identifier: MIT */
/* check_private.h - what the parts of the checker share. */
#ifndef OFFLOAD_CHECK_PRIVATE_H
#define OFFLOAD_CHECK_PRIVATE_H

#include <stdbool.h>

#include "call.h"
#include "offload/check.h"

/*
 * Linux faults on this address in every process: it is not canonical, and
 * stays so with five-level page tables.
 */
#define CHECK_BAD_ADDR (1ULL << 63)
/* No descriptor is this large: Linux's limit is far below. */
#define CHECK_BAD_FD 0x7fffffffU
/* Linux moves no more than this in a call (MAX_RW_COUNT). */
#define CHECK_MAX_COUNT 0x7ffff000ULL
#define CHECK_IOV_MAX   1024 /* UIO_MAXIOV */

/* checked_call.undo */
#define CHECK_UNDO_NONE      0
#define CHECK_UNDO_MSG       1 /* recvmsg: the header's results */
#define CHECK_UNDO_MMSG_IN   2 /* sendmmsg: msg_len */
#define CHECK_UNDO_MMSG_OUT  3
#define CHECK_UNDO_POLL      4 /* revents */
#define CHECK_UNDO_EXE_CLOSE 5 /* the program's file is closed */

struct check_env {
	uint32_t fd_lo, fd_hi;
	int32_t exe_fd;   /* hidden, but for the unikernel itself to load */
	int32_t mem_fd;   /* hidden, but for the unikernel to write text */
	int32_t trace_fd; /* hidden, but for the unikernel to write to */
	bool guarded;     /* the owner must stay closed to its program: kvm */
	struct check_memory mem;
};
extern struct check_env check_env;

/* One past the last address that this call may name. */
static inline uint64_t check_limit(const struct checked_call *c)
{
	return c->internal ? AZ_HEAP_BASE + AZ_HEAP_SIZE : AZ_GUEST_END;
}

/* check_range - may the call name len bytes at addr? */
bool check_range(const struct checked_call *c, uint64_t addr, uint64_t len);

/*
 * check_addr - addr if the call may name len bytes there, else one that
 * faults. The unikernel's own range, a TiB, lies between the program's and
 * the owner's: a start below the limit with any 32-bit length is safe.
 */
uint64_t check_addr(const struct checked_call *c, uint64_t addr, uint64_t len);

/*
 * check_word - for what may be a pointer or a number: replaced only if it is
 * an address in the owner's part.
 */
uint64_t check_word(const struct checked_call *c, uint64_t word);

bool check_fd_hidden(const struct checked_call *c, uint64_t fd);
uint64_t check_fd(const struct checked_call *c, uint64_t fd);

/* check_alloc - room that lives until check_done; NULL: there is none. */
void *check_alloc(struct checked_call *c, size_t n);

/* check_copy - copy from the program: NULL with *err -EFAULT or -ENOMEM. */
void *check_copy(struct checked_call *c, uint64_t src, size_t n, int *err);

/*
 * Copies that replace argument i of the call, each with all that it points
 * to. Contents that cannot be read become an address that faults. 0 or -errno.
 */
int check_iov(struct checked_call *c, unsigned int i, uint64_t count);
int check_msg(struct checked_call *c, unsigned int i, bool out);
int check_mmsg(struct checked_call *c, unsigned int i, unsigned int len,
	       bool out);
int check_sigmask(struct checked_call *c, unsigned int i);
int check_poll(struct checked_call *c, unsigned int i, uint32_t count);
int check_fdset(struct checked_call *c, unsigned int i, int count);

long check_undo_msg(struct checked_call *c, long result);

/* check_named - what depends on the call rather than on the argument. */
int check_named(struct checked_call *c);

/* check_is_number - special argument i is no pointer in this call. */
bool check_is_number(const struct checked_call *c, unsigned int i);

/* check_internal - may the unikernel make this call for itself? 0 or -errno */
int check_internal(struct checked_call *c);

/* guestmem - program memory by Linux's own copying, see guestmem.c. */
int guestmem_init(uint32_t fd_lo, uint32_t fd_hi);
int guestmem_read(void *dst, uint64_t src, size_t n);
int guestmem_write(uint64_t dst, const void *src, size_t n);

#endif
