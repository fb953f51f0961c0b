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

/*
 * What azm_compat_init looks up. Functions are for azm_call alone.
 */
struct azm_symbols {
	u64 play_dead_common;
	void (**platform_ipi)(void);
	/* These may be missing. */
	struct cpumask *booted_once;
	u64 cgroup_time, cgroup_field;
	u64 lock_vma, expand_stack;
};
extern struct azm_symbols azm_sym;

/*
 * azm_call - fn(a, b, c), for functions that nothing in Linux calls by pointer:
 * an indirect branch there is a #CP with CONFIG_X86_KERNEL_IBT (SDM 1, 17.3).
 */
u64 azm_call(u64 fn, u64 a, u64 b, u64 c);

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
#define AZM_TELLS_LATE /* of mremap: instance.c:on_range_begin */
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
 * The VMA of addr with mmap_lock held for reading, or NULL without it. A stack
 * grows. How has changed with "mm: always expand the stack with the mmap write
 * lock held" (6.5, and most stable series before it), so not by version.
 */
static inline struct vm_area_struct *azm_lock_vma(struct mm_struct *mm,
						  unsigned long addr)
{
	struct vm_area_struct *vma;

	if (azm_sym.lock_vma)
		return (void *)azm_call(azm_sym.lock_vma, (u64)mm, addr, 0);
	if (mmap_read_lock_killable(mm))
		return NULL;
	vma = find_vma(mm, addr);
	if (vma && vma->vm_start > addr &&
	    (!(vma->vm_flags & VM_GROWSDOWN) || !azm_sym.expand_stack ||
	     (int)azm_call(azm_sym.expand_stack, (u64)vma, addr, 0)))
		vma = NULL;
	if (!vma)
		mmap_read_unlock(mm);
	return vma;
}

#endif
