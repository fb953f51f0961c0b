/* SPDX-License-Identifier: MIT */
/*
 * vdso.c - the functions that a C library finds through AT_SYSINFO_EHDR.
 *
 * Runs as part of the program: on its stack, with its signals, with nothing of
 * its own but the address in vvar_slot. What it cannot tell, because the
 * parameters of the clock are due to be renewed or the clock is not one of
 * ours, it asks with an ordinary system call, which renews them
 * (clock.c:clock_resync).
 */
#include "vdso/vdso.h"

#include <asm/unistd.h>
#include <linux/time.h>
#include <stddef.h>

#include "core.h"

#define STRING_(x) #x
#define STRING(x)  STRING_(x)

/* For vdso.lds to check. */
__asm__(".globl vvar_slot_offset\n"
	".hidden vvar_slot_offset\n"
	".set vvar_slot_offset, " STRING(VDSO_VVAR_SLOT) "\n");

/* Filled in by exec.c:map_vdso. */
static const struct az_vvar *const volatile vvar_slot
    __attribute__((section(".vvar_slot"), used)) = NULL;

struct vdso_timespec {
	int64_t sec, nsec;
};
struct vdso_timeval {
	int64_t sec, usec;
};

/* What is exported has Linux's names. */
#define EXPORT(name) __asm__(name)

int vdso_clock_gettime(int clock, struct vdso_timespec *ts)
    EXPORT("__vdso_clock_gettime");
int vdso_clock_getres(int clock, struct vdso_timespec *ts)
    EXPORT("__vdso_clock_getres");
int vdso_gettimeofday(struct vdso_timeval *tv, void *tz)
    EXPORT("__vdso_gettimeofday");
int64_t vdso_time(int64_t *t) EXPORT("__vdso_time");
long vdso_getcpu(unsigned int *cpu, unsigned int *node, void *unused)
    EXPORT("__vdso_getcpu");

static long system_call(long nr, long a0, long a1)
{
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "0"(nr), "D"(a0), "S"(a1)
			 : "rcx", "r11", "memory");
	return r;
}

static inline uint64_t field(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* A clock's distance from CLOCK_MONOTONIC; 0 if it is not one of ours. */
static inline int clock_offset(const struct az_vvar *v, int clock,
			       uint64_t *off)
{
	switch (clock) {
	case CLOCK_REALTIME:
		*off = field(&v->real_off);
		return 1;
	case CLOCK_REALTIME_COARSE:
		*off = field(&v->real_off) - field(&v->coarse_lag);
		return 1;
	case CLOCK_MONOTONIC:
		*off = 0;
		return 1;
	case CLOCK_MONOTONIC_COARSE:
		*off = -field(&v->coarse_lag);
		return 1;
	case CLOCK_BOOTTIME:
		*off = field(&v->boot_off);
		return 1;
	default:
		return 0;
	}
}

/* 1 with the time in *ns; 0: ask the unikernel. */
static inline int clock_read(int clock, uint64_t *ns)
{
	const struct az_vvar *v = vvar_slot;
	uint64_t ticks, off;
	uint32_t seq;

	do {
		seq = vdso_read_begin(v);
		if (!clock_offset(v, clock, &off))
			return 0;
		ticks = vdso_tsc() - field(&v->tsc_base);
		if (ticks >= field(&v->span))
			return 0;
		*ns = field(&v->mono_base) + off +
		      vdso_scale(ticks, field(&v->mult));
	} while (vdso_read_retry(v, seq));
	return 1;
}

/* A coarse clock is the fine one with a lag, also when asked for. */
static __attribute__((noinline)) int clock_ask(int clock,
					       struct vdso_timespec *ts)
{
	int fine = clock;
	long r;

	if (clock == CLOCK_REALTIME_COARSE)
		fine = CLOCK_REALTIME;
	else if (clock == CLOCK_MONOTONIC_COARSE)
		fine = CLOCK_MONOTONIC;
	r = system_call(__NR_clock_gettime, fine, (long)ts);
	if (r == 0 && fine != clock) {
		/* Filled when loaded. NOLINTNEXTLINE(*-core.NullDereference) */
		ts->nsec -= (int64_t)vvar_slot->coarse_lag;
		if (ts->nsec < 0) {
			ts->nsec += (int64_t)NSEC_PER_SEC;
			ts->sec--;
		}
	}
	return (int)r;
}

int vdso_clock_gettime(int clock, struct vdso_timespec *ts)
{
	uint64_t ns;

	if (!clock_read(clock, &ns))
		return clock_ask(clock, ts);
	ts->sec = (int64_t)(ns / NSEC_PER_SEC);
	ts->nsec = (int64_t)(ns % NSEC_PER_SEC);
	return 0;
}

int vdso_gettimeofday(struct vdso_timeval *tv, void *tz)
{
	uint64_t ns;

	/* The time zone is Linux's to tell. */
	if (!tv || tz || !clock_read(CLOCK_REALTIME, &ns))
		return (int)system_call(__NR_gettimeofday, (long)tv, (long)tz);
	tv->sec = (int64_t)(ns / NSEC_PER_SEC);
	tv->usec = (int64_t)(ns % NSEC_PER_SEC / 1000);
	return 0;
}

int64_t vdso_time(int64_t *t)
{
	struct vdso_timespec ts = { 0 };
	uint64_t ns;

	if (clock_read(CLOCK_REALTIME_COARSE, &ns))
		ts.sec = (int64_t)(ns / NSEC_PER_SEC);
	else
		clock_ask(CLOCK_REALTIME_COARSE, &ts);
	if (t)
		*t = ts.sec;
	return ts.sec;
}

int vdso_clock_getres(int clock, struct vdso_timespec *ts)
{
	int64_t res = 1;

	switch (clock) {
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
		/* Filled when loaded. NOLINTNEXTLINE(*-core.NullDereference) */
		res = (int64_t)vvar_slot->coarse_lag;
		break;
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		break;
	default:
		return (int)system_call(__NR_clock_getres, clock, (long)ts);
	}
	if (ts) {
		ts->sec = 0;
		ts->nsec = res;
	}
	return 0;
}

long vdso_getcpu(unsigned int *cpu, unsigned int *node, void *unused)
{
	unsigned int index;

	(void)unused;
	__asm__ volatile("movl %%gs:%c1, %0" : "=r"(index) : "i"(CORE_INDEX));
	if (cpu)
		*cpu = index;
	if (node)
		*node = 0;
	return 0;
}

/* As Linux names them: weak, beside the __vdso_ ones. */
#define WEAK_ALIAS(target) __attribute__((weak, alias(target)))

int clock_gettime(int clock, struct vdso_timespec *ts)
    WEAK_ALIAS("__vdso_clock_gettime");
int clock_getres(int clock, struct vdso_timespec *ts)
    WEAK_ALIAS("__vdso_clock_getres");
int gettimeofday(struct vdso_timeval *tv, void *tz)
    WEAK_ALIAS("__vdso_gettimeofday");
int64_t time(int64_t *t) WEAK_ALIAS("__vdso_time");
long getcpu(unsigned int *cpu, unsigned int *node, void *unused)
    WEAK_ALIAS("__vdso_getcpu");

/*
 * __azalea_syscall - a system call as a function call into the unikernel:
 * from C's convention to that of the syscall instruction, then through
 * core.entry (entry.S:syscall_entry), which returns to %rcx.
 */
__asm__(".text\n"
	".balign 16\n"
	".globl __azalea_syscall\n"
	".type __azalea_syscall, @function\n"
	"__azalea_syscall:\n"
	".cfi_startproc\n"
	"	movq %rdi, %rax\n"
	"	movq %rsi, %rdi\n"
	"	movq %rdx, %rsi\n"
	"	movq %rcx, %rdx\n"
	"	movq %r8, %r10\n"
	"	movq %r9, %r8\n"
	"	movq 8(%rsp), %r9\n"
	"	leaq 1f(%rip), %rcx\n"
	"	jmp *%gs:" STRING(
	    CORE_ENTRY) "\n"
			/* Never run but to make the call again: sigexit.c. */
			"	syscall\n"
			"1:	ret\n"
			".cfi_endproc\n"
			".size __azalea_syscall, . - __azalea_syscall\n");

/* __azalea_ipc - the gates of gate.h are there; the word is their version. */
__asm__(".section .rodata\n"
	".balign 4\n"
	".globl __azalea_ipc\n"
	".type __azalea_ipc, @object\n"
	".size __azalea_ipc, 4\n"
	"__azalea_ipc:	.long " STRING(AZ_GATE_VERSION) "\n"
							".text\n");
