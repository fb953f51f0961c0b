/* SPDX-License-Identifier: MIT */
/*
 * vdso.h - what the unikernel and the code in its vDSO share.
 *
 * One struct az_vvar, in the unikernel's data, which the program can read like
 * all of the unikernel (DESIGN: one privilege level). It is not a page before
 * the vDSO as on Linux: a program may unmap or overwrite anything below
 * AZ_GUEST_END, and the unikernel's own clock must survive that. Its address
 * is put into each copy of the vDSO, at VDSO_VVAR_SLOT.
 *
 * Time is linear in the TSC between two resyncs with the owner's clock:
 *
 *	mono = mono_base + ((tsc - tsc_base) * mult >> 32)
 *
 * seq makes a reader's set of parameters consistent: odd while they change.
 * kernel/sched/clock.c writes, under its lock.
 */
#ifndef VDSO_VDSO_H
#define VDSO_VDSO_H

#include <stdint.h>

/* Offset in the vDSO image of the word that holds the address of az_vvar. */
#define VDSO_VVAR_SLOT 0x200

#ifndef __ASSEMBLER__

struct az_vvar {
	_Alignas(64) uint32_t seq;
	uint32_t generation; /* resyncs so far */
	uint64_t tsc_base;
	uint64_t span; /* ticks after tsc_base for which this holds; 0: none */
	uint64_t mult; /* ns per tick, 32.32 fixed point */
	uint64_t mono_base; /* ns at tsc_base */
	uint64_t real_off;  /* CLOCK_REALTIME - CLOCK_MONOTONIC, ns */
	uint64_t boot_off;  /* CLOCK_BOOTTIME - CLOCK_MONOTONIC, ns */
	/*
	 * How far the coarse clocks and time() are behind: one tick of Linux's.
	 * Its own are up to that far behind, and so are its files' times; what
	 * a program reads of ours before it writes a file is never later.
	 */
	uint64_t coarse_lag; /* ns */
};

_Static_assert(sizeof(struct az_vvar) == 64, "one cache line");

/*
 * vdso_tsc - the TSC, not read before earlier loads are done (Intel SDM, RDTSC;
 * AMD64 APM 3 with lfence serialising dispatch, which Linux sets on all).
 */
static inline uint64_t vdso_tsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* vdso_scale - ticks in ns. */
static inline uint64_t vdso_scale(uint64_t ticks, uint64_t mult)
{
	return (uint64_t)(((unsigned __int128)ticks * mult) >> 32);
}

/* vdso_read_begin - wait for an even seq and return it. */
static inline uint32_t vdso_read_begin(const struct az_vvar *v)
{
	uint32_t seq;

	/* Acquire: pairs with the release of seq in clock.c:vvar_publish. */
	while ((seq = __atomic_load_n(&v->seq, __ATOMIC_ACQUIRE)) & 1)
		__builtin_ia32_pause();
	return seq;
}

/* vdso_read_retry - the parameters changed since vdso_read_begin. */
static inline int vdso_read_retry(const struct az_vvar *v, uint32_t seq)
{
	/* Pairs with the fence in clock.c:vvar_publish. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&v->seq, __ATOMIC_RELAXED) != seq;
}

#endif
#endif
