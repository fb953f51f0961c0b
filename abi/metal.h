/* SPDX-License-Identifier: MIT */
/*
 * metal.h - what azalea.ko, the owner and a unikernel on bare cores share.
 *
 * Three parts. The ioctls of /dev/azalea, for the owner and the manager. The
 * monitor page of each core, a part of its per-core block (AZ_CORE_PLAT),
 * which the owner, the unikernel and the stub all see. The monitor calls: a
 * `syscall` instruction inside the unikernel's text, number in %rax.
 *
 * On a core, the stub is all that runs privileged. It upcalls
 *
 *	image->metal_syscall	a program's `syscall`: %rcx is the address after
 *				it, %r11 its flags, all else the program's own
 *	image->metal_trap	anything else; %rdi is the monitor page, which
 *				holds the registers; stack AZM_TRAP_STACK
 *
 * both with %gs pointing to the core's block, and all flags but IF clear.
 *
 * A kick or a timer that finds the core inside the unikernel's text changes
 * nothing but az_core.pending, unless the core is in one of image->restart:
 * then it goes on at that range's target.
 */
#ifndef AZ_METAL_H
#define AZ_METAL_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

#include "monitor.h"

#define AZM_DEVICE  "/dev/azalea"
#define AZM_VERSION 1

/* Top of the stack that metal_trap runs on, in the per-core block. */
#define AZM_TRAP_STACK 0x38000ULL

/* --- the monitor page ---------------------------------------------------- */

/* Written by its own core only, but for call.result: by the core's thread. */
struct azm_page {
	/* The stub, before it goes to metal_trap. */
	struct az_frame frame; /* orig_rax is ~0 */
	uint64_t error, addr;
	uint32_t vec;
	uint32_t timer_fired; /* set to 1 with az_core.pending */
	/* The unikernel, before AZM_CALL_HOST and AZM_CALL_EXIT. */
	struct {
		uint64_t nr;
		uint64_t arg[6];
		int64_t result;
	} call;
	int32_t exit_status; /* as wait4 encodes it */
	/*
	 * The core's thread, beside a call's result: the signal that the call
	 * raised, if the core is a child of vfork's; and, when that child has
	 * become another program or ended, its pid. From then on calls fail, but
	 * for those about the memory that both have, until the unikernel goes on
	 * as the parent and clears it.
	 */
	uint32_t raised, over;
	uint32_t pad;
	/* kvm.h: of a monitor call, which has no registers there. */
	uint64_t arg, value;
	struct az_clocks clocks;
};

/*
 * The calls that the core's thread makes are those that come by a ring, and
 * three for it alone:
 *
 *	clone		flags, address of a pid, or 0: with CLONE_VM and
 *			CLONE_VFORK. A process that shares the memory is this
 *			core's thread from then on, and the result 0; or -errno.
 *	execveat	descriptor of the program, two counts, address of as many
 *			pointers and a null each: the owner executes itself,
 *			with these arguments and environment. Returns -errno.
 *	exit_group	status as wait4 encodes it: the end of a child of vfork's
 */

/* --- monitor calls: %rax number, %rdi argument; result in %rax ------------ */

/* %rcx and %r11 are lost, as always with `syscall`. */
#define AZM_CALL_HALT  0x415a0000U /* until kicked, or the TSC reaches %rdi */
#define AZM_CALL_TIMER 0x415a0001U /* kick me at TSC %rdi; ~0: never */
#define AZM_CALL_KICK  0x415a0002U /* interrupt core %rdi */
#define AZM_CALL_HOST  0x415a0003U /* the core's thread makes page->call */
#define AZM_CALL_EXIT  0x415a0004U /* the instance ends; does not return */
#define AZM_CALL_SYNC  0x415a0005U /* serialize all cores: see mon_sync_cores */
#define AZM_CALL_SETFS 0x415a0006U /* %fs base := %rdi, without FSGSBASE */
#define AZM_CALL_GETFS 0x415a0007U

/* --- ioctls --------------------------------------------------------------- */

/* AZM_CREATE - this file becomes an instance in the caller's memory. */
struct azm_create {
	uint32_t version; /* AZM_VERSION */
	uint32_t ncores;
	uint64_t core_base;   /* of the per-core blocks, AZ_CORE_BASE */
	uint64_t core_stride; /* bytes from one to the next */
	uint64_t page_offset; /* of the monitor page in a block; page-aligned */
	uint64_t trap_stack;  /* offset of that stack's top in a block */
	uint64_t guest_end;   /* what the cores can see: 512 GiB-aligned */
	uint64_t text, text_end;
	uint64_t entry; /* %rdi: block; stack: end of the block */
	uint64_t trap, syscall;
	struct az_restart restart[AZ_NRESTART];
};

/*
 * AZM_START - run core `core` on CPU `cpu`. The CPU is one reserved for the
 * caller and free, or the caller may administer cores (CAP_SYS_ADMIN) and it
 * is taken from Linux now, until the instance ends. EBUSY: in use. EPERM:
 * somebody else's. ENODEV: no such CPU, or one that cannot go off-line.
 */
struct azm_start {
	uint32_t core;
	uint32_t cpu; /* AZM_ANY_CPU: any reserved for the caller and free */
	uint64_t offline_ns, enter_ns; /* out: what it took */
	int32_t node; /* out: the CPU's, or -1; Linux forgets it meanwhile */
	uint32_t pad;
};
#define AZM_ANY_CPU 0xffffffffU

/*
 * AZM_RUN - what the thread of a core does all the time: serves its page
 * faults inside, and returns for the rest. EINTR: a signal; run again.
 */
struct azm_run {
	uint32_t core;
	uint32_t reason; /* out: AZM_RUN_ */
};
#define AZM_RUN_CALL 1U /* make page->call, set result, run again */
#define AZM_RUN_EXIT 2U /* page->exit_status */
#define AZM_RUN_LOST 3U /* the core was taken away: the instance must end */

/* AZM_RESERVE, AZM_RELEASE - CAP_SYS_ADMIN only. */
struct azm_reserve {
	uint32_t cpu;
	uint32_t uid, gid; /* who may use it; AZM_NOBODY: root only */
	uint32_t pad;
	uint64_t took_ns; /* out */
};
#define AZM_NOBODY 0xffffffffU

enum azm_state {
	AZM_LINUX,    /* on-line, or off-line by other hands */
	AZM_MOVING,   /* being taken or given back */
	AZM_RESERVED, /* parked, free for its user */
	AZM_RUNNING,
	AZM_STUCK, /* Linux refused to take it back; try again */
};

/* AZM_INFO - about one CPU; anybody may ask. */
struct azm_info {
	uint32_t cpu; /* in */
	uint32_t state;
	uint32_t uid, gid;
	int32_t pid;     /* of the owner, or 0 */
	uint32_t core;   /* which of its cores */
	uint32_t forced; /* reserved by AZM_START for one instance */
	/*
	 * Where it is: topology_physical_package_id, topology_core_id. Linux
	 * forgets them when a CPU goes off-line, so they are noted before;
	 * -1 for a CPU in state AZM_LINUX.
	 */
	int32_t package, package_core;
	uint32_t pad;
	/* Since it was reserved. */
	uint64_t reserved_ns, busy_ns, instances;
	/* Of this instance, or the last one. */
	uint64_t interrupts; /* taken in all, of which: */
	uint64_t kicks, flushes, timers, nmis;
	uint64_t faults, calls, halts, traps;
};

#define AZM_IOC(nr, type) _IOWR(0xa5, nr, type)
#define AZM_CREATE        AZM_IOC(1, struct azm_create)
#define AZM_START         AZM_IOC(2, struct azm_start)
#define AZM_RUN           AZM_IOC(3, struct azm_run)
#define AZM_KICK          _IO(0xa5, 4) /* argument: core */
#define AZM_RESERVE       AZM_IOC(5, struct azm_reserve)
#define AZM_RELEASE       AZM_IOC(6, struct azm_reserve)
#define AZM_INFO          AZM_IOC(7, struct azm_info)
/*
 * AZM_MEMORY - CAP_SYS_ADMIN: hold pages of a node back for instances on
 * reserved cores. ENOMEM: not so much is free; EBUSY: less than what is lent.
 */
struct azm_memory {
	uint32_t node;
	uint32_t set;   /* 1: bytes is the new amount */
	uint64_t bytes; /* in: multiple of 2 MiB; out: what there is of it */
	uint64_t lent;  /* out: of these, in use by instances */
};
#define AZM_MEMORY AZM_IOC(8, struct azm_memory)

#endif
