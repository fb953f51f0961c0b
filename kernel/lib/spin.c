/* SPDX-License-Identifier: MIT */
/* spin.c - the slow path of spinlocks. */
#include "lib/spin.h"

#include "monitor.h"

/*
 * Spins before the CPU is offered to others: about 2 us, several times what
 * any critical section takes while its holder has a CPU.
 */
#define SPIN_LIMIT 500

void spin_wait(struct spinlock *l)
{
	for (;;) {
		for (int i = 0; i < SPIN_LIMIT; i++) {
			if (!__atomic_load_n(&l->held, __ATOMIC_RELAXED) &&
			    spin_trylock(l))
				return;
			__builtin_ia32_pause();
		}
		mon_relax();
	}
}
