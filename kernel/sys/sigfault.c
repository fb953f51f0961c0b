/* SPDX-License-Identifier: MIT */
/*
 * sigfault.c - from a fault of the CPU to the signal that Linux sends for it
 * (arch/x86/kernel/traps.c, mm/fault.c).
 */
#include "core.h"
#include "lib/errno.h"
#include "mm/mm.h"
#include "sched/thread.h"
#include "sys/signal.h"

/* Vectors that monitor.h does not name, Intel SDM 3 §6.15. */
#define VEC_NP 11
#define VEC_SS 12

/* Error code of a page fault, Intel SDM 3 §4.7. */
#define PF_WRITE 2
#define PF_EXEC  0x10
#define PF_KEY   0x20

/* siginfo.code, <asm-generic/siginfo.h>. */
#define ILL_ILLOPN  2
#define FPE_INTDIV  1
#define FPE_FLTDIV  3
#define FPE_FLTOVF  4
#define FPE_FLTUND  5
#define FPE_FLTRES  6
#define FPE_FLTINV  7
#define SEGV_MAPERR 1
#define SEGV_ACCERR 2
#define SEGV_PKUERR 4
#define BUS_ADRALN  1
#define BUS_ADRERR  2
#define TRAP_BRKPT  1
#define TRAP_TRACE  2

/* Exceptions in MXCSR and in x87's status word, Intel SDM 1 §8.1.3, §10.2.3. */
#define FP_INVALID       0x01U
#define FP_DENORMAL      0x02U
#define FP_DIVIDE        0x04U
#define FP_OVERFLOW      0x08U
#define FP_UNDERFLOW     0x10U
#define FP_PRECISION     0x20U
#define MXCSR_MASK_SHIFT 7

static int float_code(uint32_t raised)
{
	if (raised & FP_INVALID)
		return FPE_FLTINV;
	if (raised & FP_DIVIDE)
		return FPE_FLTDIV;
	if (raised & FP_OVERFLOW)
		return FPE_FLTOVF;
	if (raised & (FP_DENORMAL | FP_UNDERFLOW))
		return FPE_FLTUND;
	if (raised & FP_PRECISION)
		return FPE_FLTRES;
	return 0;
}

/* The vector registers are the program's. */
static int simd_code(void)
{
	uint32_t mxcsr;

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	return float_code(mxcsr & ~(mxcsr >> MXCSR_MASK_SHIFT));
}

static int x87_code(void)
{
	uint16_t control, status;

	__asm__ volatile("fnstcw %0" : "=m"(control));
	__asm__ volatile("fnstsw %0" : "=m"(status));
	return float_code(status & ~(uint32_t)control);
}

/* 0: the access may be tried again. */
static int segv_code(uint64_t error, uint64_t addr)
{
	int err;

	if (error & PF_KEY)
		return SEGV_PKUERR;
	err = mm_fault(addr, error & PF_WRITE, error & PF_EXEC);
	if (!err)
		return 0;
	return err == -EACCES ? SEGV_ACCERR : SEGV_MAPERR;
}

/* Signal, code and address of a fault; false: none. */
static bool fault_info(uint32_t vec, uint64_t error, uint64_t addr,
		       uint64_t rip, struct siginfo *si)
{
	si->signo = SIGFPE;
	si->fault.addr = rip;
	switch (vec) {
	case AZ_VEC_DE:
		si->code = FPE_INTDIV;
		return true;
	case AZ_VEC_MF:
		si->code = x87_code();
		return si->code;
	case AZ_VEC_XM:
		si->code = simd_code();
		return si->code;
	case AZ_VEC_DB:
		si->signo = SIGTRAP;
		si->code = error == AZ_DB_ICEBP ? TRAP_BRKPT : TRAP_TRACE;
		return true;
	case AZ_VEC_UD:
		si->signo = SIGILL;
		si->code = ILL_ILLOPN;
		return true;
	case AZ_VEC_PF:
		si->signo = SIGSEGV;
		si->code = segv_code(error, addr);
		si->fault.addr = addr;
		return si->code;
	case AZ_VEC_BUS:
		si->signo = SIGBUS;
		si->code = BUS_ADRERR;
		si->fault.addr = addr;
		return true;
	default:
		break;
	}
	si->fault.addr = 0;
	si->code = vec == AZ_VEC_AC ? BUS_ADRALN : SI_KERNEL;
	si->signo = SIGSEGV;
	if (vec == AZ_VEC_AC || vec == VEC_NP || vec == VEC_SS)
		si->signo = SIGBUS;
	else if (vec == AZ_VEC_BP)
		si->signo = SIGTRAP;
	return true;
}

void signal_fault(uint32_t vec, uint64_t error, uint64_t addr,
		  struct az_frame *frame)
{
	struct thread_signals *s = &thread_self()->sig;
	struct siginfo si = { 0 };

	if (!fault_info(vec, error, addr, frame->rip, &si))
		return;
	s->trap_nr = vec == AZ_VEC_BUS ? AZ_VEC_PF : vec;
	s->trap_error = vec == AZ_VEC_DB ? 0 : error;
	if (vec == AZ_VEC_PF || vec == AZ_VEC_BUS)
		s->trap_addr = addr;
	signal_force(&si);
}
