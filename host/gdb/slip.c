/* SPDX-License-Identifier: MIT */
/* slip.c - the slips of vCPUs (kvm_debug.h), in the owner's memory. */
#include "gdb/slip.h"

#include <errno.h>
#include <string.h>

#include "gdb/proc.h"

void slip_put(uint64_t at, uint32_t v)
{
	(void)proc_write(at, &v, sizeof(v));
}

uint32_t slip_get(uint64_t at)
{
	uint32_t v;

	return proc_read(at, &v, sizeof(v)) == sizeof(v) ? v : 0;
}

void slip_watch(uint32_t i, const uint64_t addr[4], uint64_t dr7)
{
	(void)proc_write(SLIP(i, dr), addr, 4 * sizeof(*addr));
	(void)proc_write(SLIP(i, dr7), &dr7, sizeof(dr7));
	slip_put(SLIP(i, new_watch), 1);
}

uint64_t slip_rip(uint32_t i)
{
	uint64_t rip;

	return proc_read(SLIP(i, frame.rip), &rip, sizeof(rip)) == sizeof(rip)
		   ? rip
		   : 0;
}

void slip_back(uint32_t i)
{
	uint64_t rip = slip_rip(i) - 1;

	(void)proc_write(SLIP(i, frame.rip), &rip, sizeof(rip));
	slip_put(SLIP(i, changed), 1);
}

static int whole(uint32_t i, struct kvm_slip *s)
{
	return proc_read(KVM_SLIPS + i * KVM_SLIP_SIZE, s, sizeof(*s)) ==
		       (ssize_t)sizeof(*s)
		   ? 0
		   : -EFAULT;
}

int slip_regs(uint32_t i, struct gdb_regs *r)
{
	static struct kvm_slip s;
	int err = whole(i, &s);

	memset(r, 0, sizeof(*r));
	if (err)
		return err;
	regs_frame(r, &s.frame);
	r->fs_base = s.fs_base;
	r->gs_base = s.gs_base;
	memcpy(r->xsave, s.xsave, REGS_XSAVE);
	r->known = REGS_ALL;
	return 0;
}

int slip_set_regs(uint32_t i, const struct gdb_regs *r)
{
	static struct kvm_slip s;
	int err = whole(i, &s);

	if (err)
		return err;
	regs_to_frame(&s.frame, r);
	s.fs_base = r->fs_base;
	s.gs_base = r->gs_base;
	memcpy(s.xsave, r->xsave, REGS_XSAVE);
	s.changed = 1;
	return proc_write(KVM_SLIPS + i * KVM_SLIP_SIZE, &s, sizeof(s)) ==
		       (ssize_t)sizeof(s)
		   ? 0
		   : -EFAULT;
}
