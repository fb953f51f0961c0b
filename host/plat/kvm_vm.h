/* SPDX-License-Identifier: MIT */
/*
 * kvm_vm.h - a virtual machine and its virtual CPUs, up to their first step.
 */
#ifndef PLAT_KVM_VM_H
#define PLAT_KVM_VM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "plat/plat.h"

#define KVM_USER_SS 0x2b /* selectors, as Linux has them for programs */
#define KVM_USER_CS 0x33
#define KVM_FLAGS   0x202ULL

/* Addresses from here on are the guest's own: private to the monitor. */
#define KVM_PRIVATE      (AZ_OWNER_BASE + 0x200000000000ULL)
#define KVM_STACK_TOP(i) (KVM_PRIVATE + 0x11000 + (uint64_t)(i)*0x1000)

/* A virtual CPU. */
struct kvm_core {
	int fd;
	struct kvm_run *run;   /* NULL: there is none */
	const uint64_t *stack; /* end of what exceptions push to */
	/* kvm.c's own */
	int32_t timer;
	bool has_timer;
	uint64_t fault_addr;
	uint32_t fault_repeats;
	bool kick_late;        /* after the exception that is due */
	bool handling;         /* an exit, which began with these registers: */
	struct kvm_regs found; /* see kvm.c:resume */
};

extern struct kvm_core kvm_cores[AZ_MAX_CORES];

/*
 * The device, the virtual machine, the owner's list of mappings, the first
 * virtual CPU.
 */
#define KVM_NFDS 4
extern int kvm_fds[KVM_NFDS];

/* kvm_probe - struct plat's. */
int kvm_probe(const char **why);

/*
 * kvm_vm_create - a machine for p, with a virtual CPU. *vectors: the XCR0
 * that there is, or 0 without XSAVE; becomes what a guest can have of it. 0, or
 * -errno and perhaps *why.
 */
int kvm_vm_create(const struct plat_instance *p, uint64_t *vectors,
		  const char **why);

/*
 * kvm_vm_close - let go of it; at the end, or in the child of a fork. The
 * device stays open.
 */
void kvm_vm_close(void);

/* kvm_vcpu_create - the virtual CPU of core i > 0. *fd is its. 0 or -errno. */
int kvm_vcpu_create(uint32_t i, int *fd);

/*
 * kvm_vcpu_init - set up core i to begin at the image's entry. Core 0 finds
 * out what kind of KVM this is. By the thread that runs it. 0 or -errno.
 */
int kvm_vcpu_init(uint32_t i);

/*
 * kvm_on_paging - is this KVM one on paging (PVM)? Known once core 0 is set up.
 */
bool kvm_on_paging(void);

/* kvm_vcpu_user - put core i to CPL 3, but for registers. 0 or -errno. */
int kvm_vcpu_user(uint32_t i);

#endif
