/* SPDX-License-Identifier: MIT */
/* slip.h - the slips of vCPUs (kvm_debug.h), in the owner's memory. */
#ifndef GDB_SLIP_H
#define GDB_SLIP_H

#include <stdint.h>

#include "gdb/regs.h"
#include "plat/kvm_debug.h"

/* Where a field of core i's is. */
#define SLIP(i, field) \
	(KVM_SLIPS + (i)*KVM_SLIP_SIZE + offsetof(struct kvm_slip, field))

/* slip_put, slip_get - a field of 32 bits; 0 if it cannot be read. */
void slip_put(uint64_t at, uint32_t v);
uint32_t slip_get(uint64_t at);

/* slip_regs, slip_set_regs - of a core that is held. 0 or -errno. */
int slip_regs(uint32_t i, struct gdb_regs *r);
int slip_set_regs(uint32_t i, const struct gdb_regs *r);

/* slip_watch - debug registers, from its next resume. */
void slip_watch(uint32_t i, const uint64_t addr[4], uint64_t dr7);

/* slip_rip - where it is; slip_back - one byte further back. */
uint64_t slip_rip(uint32_t i);
void slip_back(uint32_t i);

#endif
