/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * compat.h - what differs between Linux 5.15 and 6.12, and what Linux does not
 * export.
 */
#ifndef AZM_COMPAT_H
#define AZM_COMPAT_H

#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/version.h>

struct cgroup;

/* Functions and variables that azm_compat_init looks up. */
struct azm_symbols {
	void (*play_dead_common)(void);
	void (**platform_ipi)(void);
	/* These may be missing. */
	struct cpumask *booted_once;
	void (*cgroup_time)(struct cgroup *, u64);
	void (*cgroup_field)(struct cgroup *, int, u64);
};
extern struct azm_symbols azm_sym;

/* azm_compat_init - 0; or -EOPNOTSUPP, and the log says what is missing. */
int azm_compat_init(void);

/*
 * When Linux has invalidated TLBs, secondary ones included. Renamed by "mmu_
 * notifiers: rename invalidate_range notifier" (6.6).
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define AZM_INVALIDATE arch_invalidate_secondary_tlbs
#else
#define AZM_INVALIDATE invalidate_range
#endif

/* mmap_lock was dropped, the fault is done (6.0). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 0, 0)
#define AZM_FAULT_COMPLETED VM_FAULT_COMPLETED
#else
#define AZM_FAULT_COMPLETED 0
#endif

/* pin_user_pages lost its last argument (6.5). */
static inline long azm_pin(unsigned long addr, struct page **page)
{
	unsigned int flags = FOLL_WRITE | FOLL_LONGTERM;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return pin_user_pages(addr, 1, flags, page);
#else
	return pin_user_pages(addr, 1, flags, page, NULL);
#endif
}

/*
 * The VMA of addr, or NULL; a stack grows. mmap_lock is held for reading.
 * From 6.5 on growing wants it for writing, and is not exported: a stack of
 * that kind then grows only from calls that Linux makes.
 */
static inline struct vm_area_struct *azm_find_vma(struct mm_struct *mm,
						  unsigned long addr)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return vma_lookup(mm, addr);
#else
	struct vm_area_struct *vma = find_vma(mm, addr);

	return vma && vma->vm_start <= addr ? vma : NULL;
#endif
}

#endif
