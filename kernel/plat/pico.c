/* SPDX-License-Identifier: MIT */
/*
 * pico.c - the guest half of platform pico: a core is a thread of the owner.
 *
 * The monitor is Linux itself. Every signal that reaches a core runs
 * pico_signal on the core's trap stack; it never does the work there, but
 * saves the program's registers as the current thread's frame and goes on in
 * trap_entry on that thread's kernel stack, by sigreturn or (leave) without.
 * Vector registers come back from the signal frame and are live again when
 * trap_entry runs.
 *
 * System calls from the unikernel's text are not dispatched (PR_SET_SYSCALL_
 * USER_DISPATCH, Documentation/admin-guide/syscall-user-dispatch.rst); those
 * from anywhere else raise SIGSYS.
 */
#include <asm/prctl.h>
#include <asm/unistd.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/prctl.h>

#include "core.h"
#include "lib/string.h"
#include "plat/plat.h"
#include "sched/thread.h"
#include "sys/sys.h"
#include "sys/ucontext.h"

#define SIGILL  4
#define SIGTRAP 5
#define SIGBUS  7
#define SIGFPE  8
#define SIGSEGV 11
#define SIGPIPE 13
#define SIGXFSZ 25
#define SIGSYS  31

#define SA_RESTORER       0x04000000
#define SI_USER           0
#define SI_TIMER          (-2)
#define SYS_USER_DISPATCH 2
#define SIGEV_THREAD_ID   4
#define CLOCK_MONOTONIC   1
#define TIMER_ABSTIME     1
#define TRAP_BRKPT        1
#define SIG_SETMASK       2
#define SIG_UNBLOCK       1

/* What stays unblocked on a core. */
#define CORE_SIGNALS                                                          \
	(SIGBIT(SIGILL) | SIGBIT(SIGTRAP) | SIGBIT(SIGBUS) | SIGBIT(SIGFPE) | \
	 SIGBIT(SIGSEGV) | SIGBIT(SIGPIPE) | SIGBIT(SIGXFSZ) |                \
	 SIGBIT(SIGSYS) | SIGBIT(AZ_SIG_KICK))

struct pico_core {
	int32_t timer_id;
	uint32_t has_timer;
	uint32_t raised; /* by the call that the core makes: see pico_signal */
	uint32_t timer_over;
};

struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

struct kernel_timespec {
	int64_t sec, nsec;
};

typedef void owner_signal_fn(int, struct siginfo *, struct ucontext *);

/*
 * pico_call_now and pico_call load six arguments and make the call. A kick
 * that arrives at pico_gate_begin or later, but before the call has begun,
 * makes pico_call return -EINTR: pico_signal moves the core to the abort.
 */
__asm__(".macro load_arguments\n"
	"	movl %edi, %eax\n"
	"	movq %rsi, %r11\n"
	"	movq (%r11), %rdi\n"
	"	movq 8(%r11), %rsi\n"
	"	movq 16(%r11), %rdx\n"
	"	movq 24(%r11), %r10\n"
	"	movq 32(%r11), %r8\n"
	"	movq 40(%r11), %r9\n"
	".endm\n"
	"	.text\n"
	"	.hidden pico_call_now, pico_call, pico_vfork, pico_restorer\n"
	"	.globl pico_call_now, pico_call, pico_vfork, pico_restorer\n"
	"	.hidden vfork_entry\n"
	"	.globl vfork_entry\n"
	"	.hidden pico_gate_begin, pico_gate_end, pico_gate_abort\n"
	"	.globl pico_gate_begin, pico_gate_end, pico_gate_abort\n"
	"	.cfi_sections .debug_frame\n"
	"pico_call_now:\n"
	"	.cfi_startproc\n"
	"	load_arguments\n"
	"	syscall\n"
	"	ret\n"
	"pico_call:\n"
	"	load_arguments\n"
	"pico_gate_begin:\n"
	"	cmpl $0, %gs:16\n" /* az_core.pending */
	"	jne pico_gate_abort\n"
	"	syscall\n"
	"pico_gate_end:\n"
	"	ret\n"
	"pico_gate_abort:\n"
	"	movq $-513, %rax\n" /* -ERESTARTNOINTR */
	"	ret\n"
	"	.cfi_endproc\n"
	"pico_vfork:\n" /* the child has registers and %gs of its parent's */
	"	xorl %r10d, %r10d\n"
	"	xorl %r8d, %r8d\n"
	"	movl $56, %eax\n" /* clone */
	"	syscall\n"
	"	testq %rax, %rax\n"
	"	jz vfork_entry\n"
	"	ret\n"
	"vfork_entry:\n"
	"	xorl %ebp, %ebp\n"
	"	call vfork_arrived\n"
	"	jmp exit_to_program\n"
	"pico_restorer:\n"
	"	movl $15, %eax\n" /* rt_sigreturn */
	"	syscall\n");

_Static_assert(offsetof(struct az_core, pending) == 16, "pico_call");

static struct pico_core *pico(struct core *c)
{
	_Static_assert(sizeof(struct pico_core) <= sizeof(c->plat), "plat");
	return (struct pico_core *)c->plat;
}

static long call(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2,
		 uint64_t a3, uint64_t a4, uint64_t a5)
{
	const uint64_t a[6] = { a0, a1, a2, a3, a4, a5 };

	return pico_call_now(nr, a);
}

bool pico_timer_over(struct core *c)
{
	bool over = pico(c)->timer_over;

	if (over)
		pico(c)->timer_over = 0;
	return over;
}

uint32_t pico_signal_raised(void)
{
	struct pico_core *p = pico(core_self());
	uint32_t sig = p->raised;

	p->raised = 0;
	return sig;
}

/* --- the handler --- */

/*
 * Go on in trap_entry without a sigreturn, which costs as much as the signal.
 * What that would do, but for the registers in f: bring back the vector
 * registers, which Linux has reset for the handler. Nothing was masked for
 * these signals (host/plat/signals.c:signals_take), and the trap stack is free
 * again once the stack pointer has left it.
 */
_Noreturn static void leave(uint32_t vec, uint64_t err, uint64_t addr,
			    struct az_frame *f, uint64_t fpstate)
{
	uint32_t all = BOOT->xsave_mask ? ~0U : 0;

	/* vec is in its place already: addr may not be there. */
	__asm__ volatile("testl %%eax, %%eax\n"
			 "jz 1f\n"
			 "xrstor64 (%[fp])\n"
			 "jmp 2f\n"
			 "1: fxrstor64 (%[fp])\n"
			 "2: movq %%rcx, %%rsp\n"
			 "movq %[addr], %%rdx\n"
			 "pushq $0x202\n" /* AC is the program's */
			 "popfq\n"
			 "jmp trap_entry"
			 :
			 : "a"(all), "d"(all), "c"(f), "S"(err),
			   "D"(vec), [fp] "r"(fpstate), [addr] "r"(addr)
			 : "memory");
	__builtin_unreachable();
}

/* Save the program's registers and go on in trap_entry. */
static void upcall(struct core *c, struct sigcontext *sc, uint32_t vec,
		   uint64_t addr)
{
	struct az_frame *f = c->frame;

	*f = (struct az_frame){
		.r15 = sc->r15,
		.r14 = sc->r14,
		.r13 = sc->r13,
		.r12 = sc->r12,
		.rbp = sc->rbp,
		.rbx = sc->rbx,
		.r11 = sc->r11,
		.r10 = sc->r10,
		.r9 = sc->r9,
		.r8 = sc->r8,
		.rax = sc->rax,
		.rcx = sc->rcx,
		.rdx = sc->rdx,
		.rsi = sc->rsi,
		.rdi = sc->rdi,
		.orig_rax = sc->rax,
		.rip = sc->rip,
		.cs = sc->cs,
		.rflags = sc->eflags,
		.rsp = sc->rsp,
		.ss = sc->ss,
	};
	if (vec != AZ_VEC_KICK && sc->fpstate)
		leave(vec, sc->err, addr, f, sc->fpstate);
	sc->rip = (uint64_t)trap_entry;
	sc->rsp = (uint64_t)f;
	sc->rdi = vec;
	sc->rsi = sc->err;
	sc->rdx = addr;
	sc->rcx = (uint64_t)f;
	sc->eflags = 0x202; /* IF: DF, TF and AC are the program's */
}

/* The credentials of the process have changed: this thread's must, too. */
static void follow_creds(struct core *c)
{
	uint32_t seq = __atomic_load_n(&BOOT->creds_seq, __ATOMIC_ACQUIRE);

	if (c->az.creds_seq != seq) {
		c->az.creds_seq = seq;
		pico_call_now(BOOT->creds_nr, BOOT->creds_arg);
	}
	if (__atomic_load_n(&BOOT->creds_tid, __ATOMIC_RELAXED) ==
	    (uint32_t)c->az.host_tid)
		__atomic_store_n(&BOOT->creds_tid, 0, __ATOMIC_RELEASE);
}

static void on_kick(struct core *c, struct siginfo *si, struct sigcontext *sc)
{
	uint64_t rip = sc->rip;

	follow_creds(c);

	if (si->code == SI_TIMER) {
		pico(c)->timer_over = 1;
		__atomic_store_n(&c->az.pending, 1, __ATOMIC_RELAXED);
	}
	if (!plat_in_text(rip))
		upcall(c, sc, AZ_VEC_KICK, 0);
	else
		sc->rip = plat_restart(rip);
}

static uint32_t fault_vector(int sig, const struct siginfo *si,
			     const struct sigcontext *sc)
{
	if (sig == SIGBUS && sc->trapno == AZ_VEC_PF)
		return AZ_VEC_BUS;
	if (si->code > 0 && sc->trapno <= AZ_VEC_XM)
		return (uint32_t)sc->trapno;
	return AZ_VEC_GP;
}

static void on_fault(struct core *c, int sig, struct siginfo *si,
		     struct sigcontext *sc)
{
	uint32_t vec = fault_vector(sig, si, sc);

	if (!plat_in_text(sc->rip)) {
		if (sc->trapno == AZ_VEC_DB && si->code == TRAP_BRKPT)
			sc->err = AZ_DB_ICEBP;
		upcall(c, sc, vec, si->fault.addr);
		return;
	}
	if (sc->rip == (uint64_t)exit_iret) {
		sc->rip = (uint64_t)trap_entry;
		sc->rsp = sc->rcx = (uint64_t)c->frame;
		sc->rdi = AZ_VEC_GP;
		sc->rsi = sc->rdx = 0;
		sc->eflags = 0x202;
		return;
	}
	sc->rip = plat_fixup(vec, sc->rip, si->fault.addr);
}

/* The owner's threads have the same handler: theirs is elsewhere. */
static bool on_core(uint64_t sp)
{
	return sp >= AZ_CORE_BASE &&
	       sp < AZ_CORE_BASE + BOOT->ncores * AZ_CORE_STRIDE;
}

/* Somebody sent a signal that a core takes by chance: to the main thread. */
static void forward(int sig, struct siginfo *si)
{
	call(__NR_rt_tgsigqueueinfo, BOOT->pid, BOOT->owner_tid, (uint64_t)sig,
	     (uint64_t)si, 0, 0);
}

void pico_signal(int sig, struct siginfo *si, struct ucontext *uc)
{
	/* By the stack, since a program may have changed %gs. */
	uint64_t sp = (uint64_t)__builtin_frame_address(0);
	struct core *c = (struct core *)(sp & ~(AZ_CORE_STRIDE - 1));
	struct sigcontext *sc = &uc->mcontext;

	/* Linux leaves AC and NT as they were. */
	__asm__ volatile("pushq $0x202\n\tpopfq" ::: "cc", "memory");
	if (!on_core(sp))
		((owner_signal_fn *)BOOT->owner_signal)(sig, si, uc);
	else if (sig == SIGSYS && si->code == SYS_USER_DISPATCH)
		upcall(c, sc, AZ_VEC_SYSCALL, 0);
	else if (sig == AZ_SIG_KICK)
		on_kick(c, si, sc);
	else if ((sig == SIGPIPE || sig == SIGXFSZ) && plat_in_text(sc->rip) &&
		 si->code == SI_USER && si->rt.pid == (int32_t)BOOT->pid)
		pico(c)->raised = (uint32_t)sig;
	else if (si->code <= 0 || sig == SIGPIPE || sig == SIGXFSZ)
		forward(sig, si);
	else
		on_fault(c, sig, si, sc);
}

/* --- the contract --- */

void pico_set_fs(uint64_t base)
{
	if (BOOT->flags & AZ_BOOT_FSGSBASE)
		__asm__ volatile("wrfsbase %0" ::"r"(base));
	else
		call(__NR_arch_prctl, ARCH_SET_FS, base, 0, 0, 0, 0);
}

uint64_t pico_get_fs(void)
{
	uint64_t base = 0;

	if (BOOT->flags & AZ_BOOT_FSGSBASE)
		__asm__ volatile("rdfsbase %0" : "=r"(base));
	else
		call(__NR_arch_prctl, ARCH_GET_FS, (uint64_t)&base, 0, 0, 0, 0);
	return base;
}

void pico_core_init(struct core *c)
{
	struct {
		uint64_t sp;
		uint32_t flags, pad;
		uint64_t size;
	} stack = {
		.sp = (uint64_t)c + CORE_TRAP_STACK,
		.size = CORE_BOOT_STACK - CORE_TRAP_STACK,
	};
	uint64_t mask = ~CORE_SIGNALS;
	uint64_t text = (uint64_t)text_start;

	call(__NR_arch_prctl, ARCH_SET_GS, (uint64_t)c, 0, 0, 0, 0);
	call(__NR_sigaltstack, (uint64_t)&stack, 0, 0, 0, 0, 0);
	call(__NR_rt_sigprocmask, SIG_SETMASK, (uint64_t)&mask, 0, 8, 0, 0);
	AZ_ASSERT(call(__NR_prctl, PR_SET_SYSCALL_USER_DISPATCH,
		       PR_SYS_DISPATCH_ON, text, (uint64_t)text_end - text, 0,
		       0) == 0);
}

int pico_sync_cores(void)
{
	return (int)call(__NR_membarrier,
			 MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0, 0, 0,
			 0);
}

void pico_halt(uint64_t deadline)
{
	struct core *c = core_self();
	struct kernel_timespec ts = {
		.sec = (int64_t)(deadline / NSEC_PER_SEC),
		.nsec = (int64_t)(deadline % NSEC_PER_SEC),
	};
	uint64_t timeout = deadline == AZ_NO_DEADLINE ? 0 : (uint64_t)&ts;

	/* Pairs with mon_kick: it sets pending, then reads halted. */
	__atomic_store_n(&c->az.halted, AZ_CORE_HALTED, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&c->az.pending, __ATOMIC_SEQ_CST))
		call(__NR_futex, (uint64_t)&c->az.pending,
		     FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, timeout, 0,
		     FUTEX_BITSET_MATCH_ANY);
	__atomic_store_n(&c->az.halted, 0, __ATOMIC_SEQ_CST);
}

void pico_timer(uint64_t deadline)
{
	struct core *c = core_self();
	struct pico_core *p = pico(c);
	struct kernel_timespec its[2] = { { 0, 0 }, { 0, 0 } };

	if (!p->has_timer) {
		struct {
			uint64_t value;
			int32_t signo, notify, tid, pad[11];
		} ev = {
			.signo = AZ_SIG_KICK,
			.notify = SIGEV_THREAD_ID,
			.tid = (int32_t)c->az.host_tid,
		};

		if (call(__NR_timer_create, CLOCK_MONOTONIC, (uint64_t)&ev,
			 (uint64_t)&p->timer_id, 0, 0, 0))
			panic("no host timer for core %u", c->az.index);
		p->has_timer = 1;
	}
	if (deadline != AZ_NO_DEADLINE) {
		its[1].sec = (int64_t)(deadline / NSEC_PER_SEC);
		its[1].nsec = (int64_t)(deadline % NSEC_PER_SEC);
		if (!deadline)
			its[1].nsec = 1;
	}
	call(__NR_timer_settime, (uint64_t)p->timer_id, TIMER_ABSTIME,
	     (uint64_t)its, 0, 0, 0);
}

void pico_wake(uint32_t core)
{
	call(__NR_futex, (uint64_t)&core_at(core)->az.pending,
	     FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0);
}

void pico_upcall(uint32_t core)
{
	call(__NR_tgkill, BOOT->pid, core_at(core)->az.host_tid, AZ_SIG_KICK, 0,
	     0, 0);
}

void pico_relax(void)
{
	call(__NR_sched_yield, 0, 0, 0, 0, 0, 0);
}

void pico_exit(int status)
{
	struct core *c = core_self();
	uint32_t sig = (uint32_t)status & 0x7f;
	struct kernel_sigaction sa = { .flags = SA_RESTORER,
				       .restorer = (uint64_t)pico_restorer };
	uint64_t mask = SIGBIT(sig ? sig : 1);

	if (!sig) {
		for (;;)
			call(__NR_exit_group, (uint64_t)(status >> 8 & 0xff), 0,
			     0, 0, 0, 0);
	}
	/* Die of the signal itself, so that the parent sees it. */
	call(__NR_rt_sigaction, sig, (uint64_t)&sa, 0, 8, 0, 0);
	call(__NR_tgkill, c->up, c->vfork ? c->up : c->az.host_tid, sig, 0, 0,
	     0);
	call(__NR_rt_sigprocmask, SIG_UNBLOCK, (uint64_t)&mask, 0, 8, 0, 0);
	for (;;) /* not deadly here, as for pid 1 of a namespace */
		call(__NR_exit_group, 128 + sig, 0, 0, 0, 0, 0);
}
