/* SPDX-License-Identifier: MIT */
/*
 * spin.h - spinlocks between the cores of an instance.
 *
 * Code that holds one neither blocks nor touches program memory. A core may
 * lose its CPU to Linux while it holds one (pico), so waiting ends in
 * mon_relax.
 */
#ifndef LIB_SPIN_H
#define LIB_SPIN_H

#include <stdint.h>

struct spinlock {
	uint32_t held;
};

void spin_wait(struct spinlock *l); /* the slow path of spin_lock */

static inline void spin_lock(struct spinlock *l)
{
	if (__builtin_expect(__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE),
			     0))
		spin_wait(l);
}

static inline int spin_trylock(struct spinlock *l)
{
	return !__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE);
}

static inline void spin_unlock(struct spinlock *l)
{
	__atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}

#endif
