/* SPDX-License-Identifier: MIT */
/*
 * kvm_pages.h - the page tables of the virtual machine, and what backs them.
 *
 * The guest sees its owner's memory below AZ_OWNER_BASE at the same addresses
 * and with the protection that Linux has for it; entries are made when they
 * are missed. Who changes mappings there does so between kvm_pages_lock and
 * kvm_pages_unlock, and says kvm_pages_clear first: what Linux then does to
 * the mappings makes KVM forget the rest (its MMU notifier), so no entry needs
 * to be flushed by hand.
 */
#ifndef PLAT_KVM_PAGES_H
#define PLAT_KVM_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * kvm_pages_init - for the virtual machine *vm, whose addresses of memory have
 * `bits` bits; *maps: vmas_open. Both may get other numbers. Again in the child
 * of a fork. 0 or -errno.
 */
int kvm_pages_init(const int *vm, const int *maps, uint32_t bits,
		   uint32_t slots);

/* kvm_pages_root - CR3. */
uint64_t kvm_pages_root(void);

/*
 * kvm_pages_alloc - a page of zeroes that the guest does not see; NULL: no
 * more. Never freed.
 */
void *kvm_pages_alloc(void);

/*
 * kvm_pages_private - map a page from kvm_pages_alloc at addr, which is at or
 * above AZ_OWNER_BASE; prot: as for mmap(2). For CPL 0 only, unless user is
 * set. 0 or -errno.
 */
int kvm_pages_private(uint64_t addr, void *page, uint32_t prot, bool user);

/* What came of a page fault. */
#define KVM_PAGES_MAPPED 0 /* go on */
#define KVM_PAGES_FAULT  1 /* the program's: nothing mapped, or not so */
#define KVM_PAGES_BUS    2 /* mapped, but there is no page to be had */

/*
 * kvm_pages_fault - addr was missed; error: as the CPU gives it (Intel SDM 3,
 * 4.7). KVM_PAGES_ or -errno.
 */
int kvm_pages_fault(uint64_t addr, uint64_t error);

/*
 * kvm_pages_suspect - KVM found no page behind an entry, and cannot say which:
 * forget them all, and look behind each that is made next.
 */
void kvm_pages_suspect(void);

/* kvm_pages_address - of the guest memory at gpa; 0: none is there. */
uint64_t kvm_pages_address(uint64_t gpa);

void kvm_pages_lock(void);
void kvm_pages_unlock(void);
void kvm_pages_clear(uint64_t addr, uint64_t len);
/* kvm_pages_fill - make the entries of a new mapping before they are missed. */
void kvm_pages_fill(uint64_t addr);

#endif
