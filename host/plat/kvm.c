/* SPDX-License-Identifier: MIT */
/*
 * kvm.c - the host half of platform kvm: a core is a virtual CPU.
 *
 * The virtual machine has no firmware, no devices and no interrupts. A vCPU
 * begins at CPL 3 in the unikernel and stays there: all that runs at CPL 0 is
 * one `out` for each exception, after which its thread here (apart.h) does what
 * is to be done, and, where the CPU enters CPL 0 at a `syscall`, a few
 * instructions that go on in image->metal_syscall. On hosts whose KVM is based
 * on paging (PVM) a `syscall` stays at CPL 3, and goes there directly. Which
 * kind of KVM it is, the first vCPU finds out by making one (kvm_vm.c).
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "boot.h"
#include "calls.h"
#include "kvm.h"
#include "lib/error.h"
#include "offload/check.h"
#include "plat/apart.h"
#include "plat/kvm_debug.h"
#include "plat/kvm_pages.h"
#include "plat/kvm_vm.h"
#include "plat/plat.h"
#include "plat/process.h"

#define BOOT    ((struct az_boot *)AZ_BOOT_BASE)
#define WHY_MAX 200

#ifndef SIGEV_THREAD_ID
#define SIGEV_THREAD_ID 4
#endif

#define FLAGS_RF   0x10000ULL
#define DR6_CAUSES 0xe00fULL

#define PF_PRESENT 1ULL
#define INT3       0xcc
#define AGAIN_NS   200000 /* some exits take 40 us */
#define END_TRIES  1000   /* to have the other cores out of KVM */
#define PF_REPEATS 1000   /* of one fault, without getting on */

static struct plat_instance *instance;
/* Held while a descriptor is open that is to be hidden, but is not yet. */
static pthread_mutex_t fds_lock = PTHREAD_MUTEX_INITIALIZER;
static bool the_end;
static uint32_t nrunning; /* cores that use the machine, or are about to */

/* --- a core runs --- */

static bool in_text(uint64_t rip)
{
	return rip >= instance->image->text && rip < instance->image->text_end;
}

static uint64_t restarted(uint64_t rip)
{
	for (int i = 0; i < AZ_NRESTART; i++) {
		const struct az_restart *r = &instance->image->restart[i];

		if (rip >= r->begin && rip < r->end)
			return r->target;
	}
	return rip;
}

static struct kvm_regs *regs(uint32_t i)
{
	kvm_cores[i].run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	return &kvm_cores[i].run->s.regs.regs;
}

/* Back to CPL 3; what it needs other than general registers. */
static void to_user(uint32_t i)
{
	int err = kvm_vcpu_user(i);

	if (err)
		apart_lost(i, error_text(err));
}

static void frame_get(const struct kvm_regs *r, struct az_frame *f)
{
	*f = (struct az_frame){
		.r15 = r->r15,
		.r14 = r->r14,
		.r13 = r->r13,
		.r12 = r->r12,
		.rbp = r->rbp,
		.rbx = r->rbx,
		.r11 = r->r11,
		.r10 = r->r10,
		.r9 = r->r9,
		.r8 = r->r8,
		.rax = r->rax,
		.rcx = r->rcx,
		.rdx = r->rdx,
		.rsi = r->rsi,
		.rdi = r->rdi,
		.orig_rax = ~0ULL,
		.rip = r->rip,
		.cs = KVM_USER_CS,
		.rflags = r->rflags,
		.rsp = r->rsp,
		.ss = KVM_USER_SS,
	};
}

/* As a debugger has it. */
static struct kvm_debugged debugged(uint32_t i)
{
	return (struct kvm_debugged){ i, kvm_cores[i].fd, kvm_cores[i].run };
}

/* The core goes on in image->metal_trap; its registers are where it was. */
static void upcall(uint32_t i, uint32_t vec, uint64_t error, uint64_t addr)
{
	struct azm_page *page = apart_page(i);
	struct kvm_debugged d = debugged(i);
	struct kvm_regs *r = regs(i);

	kvm_debug_upcall(&d);
	frame_get(r, &page->frame);
	page->vec = vec;
	page->error = error;
	page->addr = addr;
	r->rip = instance->image->metal_trap;
	r->rsp = (uint64_t)plat_core(i) + AZM_TRAP_STACK;
	r->rdi = (uint64_t)page;
	r->rflags = KVM_FLAGS;
	/* It looks at az_core.pending before it returns. */
	kvm_cores[i].kick_late = false;
	to_user(i);
}

/* The core is to look at az_core.pending. */
static void kick(uint32_t i)
{
	uint64_t rip = kvm_cores[i].run->s.regs.regs.rip;
	uint64_t to;

	if (rip >= AZ_OWNER_BASE)
		return; /* in the monitor: bound for where it is looked at */
	if (kvm_debug_steps(i))
		return; /* again after the step */
	if (!in_text(rip)) {
		if (__atomic_load_n(&plat_core(i)->pending, __ATOMIC_SEQ_CST))
			upcall(i, AZ_VEC_KICK, 0, 0);
		return;
	}
	to = restarted(rip);
	if (to != rip)
		regs(i)->rip = to;
}

static void late_kick(uint32_t i)
{
	bool late = kvm_cores[i].kick_late;

	kvm_cores[i].kick_late = false;
	if (late)
		kick(i);
}

/* --- exceptions --- */

#define VECTORS_WITH_ERROR \
	(1U << 8 | 0x7c00U | 1U << 17 | 1U << 21 | 1U << 29 | 1U << 30)

/*
 * The core stands behind a stub's `out`: give it the registers back that the
 * exception has left on its private stack. Returns the error code.
 */
static uint64_t unwind(uint32_t i, uint32_t vec)
{
	bool has_error = VECTORS_WITH_ERROR >> vec & 1;
	const uint64_t *top = kvm_cores[i].stack;
	struct kvm_regs *r = regs(i);

	if (r->rsp != KVM_STACK_TOP(i) - (has_error ? 48 : 40) ||
	    (top[-4] & 3) != 3)
		apart_lost(i, "an exception in the monitor");
	r->rip = top[-5];
	r->rflags = top[-3] & ~FLAGS_RF;
	r->rsp = top[-2];
	return has_error ? top[-6] : 0;
}

static uint64_t debug_error(uint32_t i)
{
	struct kvm_debugregs d;
	uint64_t causes;

	if (ioctl(kvm_cores[i].fd, KVM_GET_DEBUGREGS, &d))
		return 0;
	causes = d.dr6 & DR6_CAUSES;
	d.dr6 &= ~DR6_CAUSES;
	(void)ioctl(kvm_cores[i].fd, KVM_SET_DEBUGREGS, &d);
	return causes ? 0 : AZ_DB_ICEBP;
}

static uint64_t fault_address(uint32_t i)
{
	struct kvm_sregs s;

	if (ioctl(kvm_cores[i].fd, KVM_GET_SREGS, &s))
		apart_lost(i, error_text(-errno));
	return s.cr2;
}

static void page_fault(uint32_t i, uint64_t error)
{
	uint64_t addr = fault_address(i);
	struct kvm_core *c = &kvm_cores[i];
	int r;

	if (addr == c->fault_addr)
		c->fault_repeats++;
	else
		c->fault_repeats = 0;
	c->fault_addr = addr;
	if (c->fault_repeats > PF_REPEATS)
		apart_lost(i, "a page fault that does not end");
	r = kvm_pages_fault(addr, error);
	/* Of what is private to the monitor, the program learns nothing. */
	if (addr >= AZ_OWNER_BASE)
		error &= ~PF_PRESENT;
	switch (r) {
	case KVM_PAGES_MAPPED:
		to_user(i);
		late_kick(i);
		break;
	case KVM_PAGES_FAULT:
		upcall(i, AZ_VEC_PF, error, addr);
		break;
	case KVM_PAGES_BUS:
		upcall(i, AZ_VEC_BUS, error, addr);
		break;
	default:
		apart_lost(i, error_text(r));
	}
}

/*
 * `int n` for a gate that is not the program's is #GP (Intel SDM 2A, INT n).
 * KVM on paging does not know the instruction. The error code, or 0.
 */
static uint64_t interrupt_error(uint64_t rip)
{
	uint8_t code[2];

	if (check_peek(code, rip, sizeof(code)) || code[0] != 0xcd)
		return 0;
	return code[1] * 8U + 2;
}

static void exception(uint32_t i, uint32_t vec)
{
	uint64_t error = unwind(i, vec);
	struct kvm_debugged d = debugged(i);

	if (kvm_debug_trap(&d, vec)) {
		to_user(i);
		late_kick(i);
		return;
	}
	if (vec == AZ_VEC_UD && kvm_on_paging()) {
		error = interrupt_error(kvm_cores[i].run->s.regs.regs.rip);
		if (error)
			vec = AZ_VEC_GP;
	}
	if (vec == AZ_VEC_PF)
		page_fault(i, error);
	else if (vec == AZ_VEC_DB)
		upcall(i, vec, debug_error(i), 0);
	else
		upcall(i, vec, error, 0);
}

/* --- monitor calls --- */

static void halt(uint32_t i, uint64_t deadline)
{
	struct az_core *az = plat_core(i);
	struct timespec ts = { .tv_sec = (time_t)(deadline / 1000000000),
			       .tv_nsec = (long)(deadline % 1000000000) };

	syscall(SYS_futex, &az->pending, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
		0, deadline == AZ_NO_DEADLINE ? NULL : &ts, NULL,
		FUTEX_BITSET_MATCH_ANY);
}

/* A timer that kicks the calling thread: 0, or -1 and errno. */
static long timer_make(int32_t *id)
{
	struct { /* of the kernel: libc's have no names in common */
		uint64_t value;
		int32_t signo, notify, tid, pad[11];
	} ev = {
		.signo = AZ_SIG_KICK,
		.notify = SIGEV_THREAD_ID,
		.tid = (int32_t)syscall(SYS_gettid),
	};

	return syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, id);
}

static void timer(uint32_t i, uint64_t deadline)
{
	struct kvm_core *c = &kvm_cores[i];
	struct itimerspec its = { { 0, 0 }, { 0, 0 } };

	if (!c->has_timer) {
		if (timer_make(&c->timer))
			apart_lost(i, "no timer can be had");
		c->has_timer = true;
	}
	if (deadline != AZ_NO_DEADLINE) {
		its.it_value.tv_sec = (time_t)(deadline / 1000000000);
		its.it_value.tv_nsec = (long)(deadline % 1000000000);
		if (!deadline)
			its.it_value.tv_nsec = 1;
	}
	syscall(SYS_timer_settime, c->timer, TIMER_ABSTIME, &its, NULL);
}

/* az_core.pending of core i has been set: wake it, or interrupt it. */
static void interrupt(uint32_t i)
{
	struct az_core *az = plat_core(i);

	/* Pairs with kernel/plat/metal.c:metal_halt. */
	if (__atomic_load_n(&az->halted, __ATOMIC_SEQ_CST) == AZ_CORE_HALTED)
		syscall(SYS_futex, &az->pending,
			FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
	else
		apart_signal(i);
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void clocks(struct az_clocks *c)
{
	c->tsc = __builtin_ia32_rdtsc();
	c->mono = clock_ns(CLOCK_MONOTONIC);
	c->tsc2 = __builtin_ia32_rdtsc();
	c->real = clock_ns(CLOCK_REALTIME);
	c->boot = clock_ns(CLOCK_BOOTTIME);
	c->mono2 = clock_ns(CLOCK_MONOTONIC);
}

static void monitor_call(uint32_t i, uint32_t nr)
{
	struct azm_page *page = apart_page(i);
	uint64_t arg = page->arg;

	switch (nr) {
	case AZM_CALL_HALT:
		halt(i, arg);
		break;
	case AZM_CALL_TIMER:
		timer(i, arg);
		break;
	case AZM_CALL_KICK:
		if (arg < instance->ncores)
			interrupt((uint32_t)arg);
		break;
	case AZM_CALL_HOST:
		apart_call(i);
		break;
	case AZM_CALL_EXIT:
		apart_end(i, page->exit_status);
	case AZM_CALL_SYNC:
		page->value = (uint64_t)syscall(
		    SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
		    0, 0);
		break;
	case AZK_CALL_CLOCKS:
		clocks(&page->clocks);
		break;
	case AZK_CALL_YIELD:
		sched_yield();
		break;
	default:
		apart_lost(i, "an unknown monitor call");
	}
}

/*
 * Calls that change what the guest sees: nobody looks meanwhile; and that could
 * have a vCPU's descriptor, before it is hidden.
 */
static long make_call(const struct checked_call *c)
{
	const uint64_t *a = c->arg;
	long r;

	if (c->takes & CHECK_TAKES_FD) {
		pthread_mutex_lock(&fds_lock);
		r = checked_raw(c);
		pthread_mutex_unlock(&fds_lock);
		return r;
	}
	kvm_pages_lock();
	if (c->nr == AZ_SYS_shmat || c->nr == AZ_SYS_shmdt)
		kvm_pages_clear(0, AZ_OWNER_BASE); /* of unknown length */
	else
		kvm_pages_clear(a[0], a[1]);
	if (c->nr == AZ_SYS_mremap && a[3] & MREMAP_FIXED)
		kvm_pages_clear(a[4], a[2]);
	r = checked_raw(c);
	if (r >= 0 && (c->nr == AZ_SYS_mmap || c->nr == AZ_SYS_mprotect))
		kvm_pages_fill(a[0]);
	kvm_pages_unlock();
	return r;
}

/* --- exits --- */

/*
 * The last of a process waits for KVM to let go of its memory, and then for
 * who watches the memory to have seen that: the second wait is long if it comes
 * right after the first. So have KVM let go before that, if it can be had.
 */
static void ending(uint32_t i)
{
	if (process_lends())
		return; /* the memory stays */
	__atomic_store_n(&the_end, true, __ATOMIC_SEQ_CST);
	for (uint32_t k = 0; k < instance->ncores; k++)
		if (k != i && plat_core(k)->host_tid)
			syscall(SYS_tgkill, getpid(), plat_core(k)->host_tid,
				AZ_SIG_KICK);
	for (int n = 0; n < END_TRIES; n++) {
		if (__atomic_load_n(&nrunning, __ATOMIC_SEQ_CST) == 1) {
			kvm_vm_close();
			return;
		}
		sched_yield();
	}
}

/* Another core ends the process. */
_Noreturn static void wait_for_end(void)
{
	__atomic_fetch_sub(&nrunning, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
}

static void kicked_in(uint32_t i, const siginfo_t *si)
{
	if (si->si_code == SI_TIMER) {
		apart_page(i)->timer_fired = 1;
		__atomic_store_n(&plat_core(i)->pending, 1, __ATOMIC_SEQ_CST);
	}
	if (!__atomic_load_n(&the_end, __ATOMIC_SEQ_CST))
		kvm_cores[i].run->immediate_exit = 1;
}

/* KVM has found an exception, and not yet taken the core to it. */
static bool exception_due(uint32_t i)
{
	struct kvm_vcpu_events e;

	if (ioctl(kvm_cores[i].fd, KVM_GET_VCPU_EVENTS, &e))
		apart_lost(i, error_text(-errno));
	return e.exception.injected || e.exception.pending;
}

static bool is_int3(uint64_t at)
{
	uint8_t code;

	return check_peek(&code, at, 1) == 0 && code == INT3;
}

/*
 * May an int3 be due? KVM leaves those out of KVM_GET_VCPU_EVENTS (Linux,
 * arch/x86/kvm/x86.c). There is one where a site is being rewritten.
 */
static bool int3_due(uint32_t i)
{
	uint64_t rip = kvm_cores[i].run->s.regs.regs.rip;

	return !kvm_debug_steps(i) && rip < AZ_GUEST_END &&
	       (is_int3(rip) || is_int3(rip - 1));
}

/*
 * Have the calling thread kicked again in a moment. It looks like the core's
 * timer, which may come too early.
 */
static void kick_again(void)
{
	static __thread bool made;
	static __thread int32_t again;
	const struct itimerspec soon = { .it_value.tv_nsec = AGAIN_NS };

	if (!made && timer_make(&again))
		return;
	made = true;
	syscall(SYS_timer_settime, again, 0, &soon, NULL);
}

/*
 * A signal has come. KVM would take the core from wherever it is then to an
 * exception that is due, so that goes first.
 */
static void signalled(uint32_t i)
{
	kvm_cores[i].run->immediate_exit = 0;
	if (exception_due(i)) {
		kvm_cores[i].kick_late = true;
	} else if (int3_due(i)) {
		kvm_cores[i].kick_late = true;
		kick_again();
	} else {
		kick(i);
	}
}

static void io(uint32_t i)
{
	const struct kvm_run *run = kvm_cores[i].run;
	const char *data = (const char *)run + run->io.data_offset;
	uint32_t nr;

	if (run->io.port < 32) {
		exception(i, run->io.port);
		return;
	}
	if (run->io.port != AZK_PORT || run->io.direction != KVM_EXIT_IO_OUT)
		apart_lost(i, "I/O of the monitor's that is not its own");
	if (!in_text(run->s.regs.regs.rip) || run->io.size != 4) {
		upcall(i, AZ_VEC_GP, 0, 0);
		return;
	}
	memcpy(&nr, data, sizeof(nr));
	monitor_call(i, nr);
}

/* KVM has found no page: where an entry says that there is one. */
static void no_page(uint32_t i)
{
	kvm_pages_suspect();
	(void)i;
}

static void failed(uint32_t i)
{
	static char text[WHY_MAX];
	const struct kvm_run *run = kvm_cores[i].run;

	/* Where CPL 0 is emulated, so is what the program must not do. */
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
	    run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
	    run->s.regs.regs.rip < AZ_GUEST_END) {
		upcall(i, AZ_VEC_UD, 0, 0);
		return;
	}

	(void)snprintf(text, sizeof(text),
		       "KVM stopped it: exit %u, %u, at %#llx",
		       run->exit_reason, run->internal.suberror,
		       run->s.regs.regs.rip);
	apart_lost(i, text);
}

/*
 * A kick may have gone to the process that stood for this core before. And if
 * that was killed while it handled an exit: do it again.
 */
static void resume(uint32_t i)
{
	struct kvm_core *c = &kvm_cores[i];

	c->run->immediate_exit = 1;
	if (!c->handling || c->run->io.port >= 32)
		return;
	*regs(i) = c->found;
	exception(i, c->run->io.port);
}

static void core_run(uint32_t i)
{
	struct kvm_core *c = &kvm_cores[i];
	struct kvm_debugged d = debugged(i);

	kvm_debug_begin(&d, !kvm_on_paging());
	for (;;) {
		int r, err;

		c->handling = false;

		kvm_debug_hold(&d);
		r = ioctl(c->fd, KVM_RUN, 0);
		err = errno;
		if (__atomic_load_n(&the_end, __ATOMIC_SEQ_CST))
			wait_for_end();
		c->run->kvm_dirty_regs = 0;
		if (r && err == EINTR)
			signalled(i);
		else if (r && err == EFAULT)
			no_page(i);
		else if (r && err != EAGAIN)
			apart_lost(i, error_text(err));
		else if (r)
			continue;
		else if (c->run->exit_reason == KVM_EXIT_IO) {
			c->found = c->run->s.regs.regs;
			c->handling = true;
			io(i);
		} else if (c->run->exit_reason == KVM_EXIT_DEBUG)
			kvm_debug_exit(&d);
		else if (c->run->exit_reason != KVM_EXIT_INTR)
			failed(i);
	}
}

/* --- the contract --- */

static int core_begin(uint32_t i, const char **why)
{
	cpu_set_t cpu;
	int err;

	CPU_ZERO(&cpu);
	CPU_SET(instance->host_cpu[i], &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		return -errno;
	err = kvm_vcpu_init(i);
	if (err)
		*why = error_text(err);
	return err;
}

static int core_start(uint32_t i, const char **why)
{
	int fd, err = 0;

	/* Pairs with ending: who comes later finds no machine. */
	__atomic_fetch_add(&nrunning, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&the_end, __ATOMIC_SEQ_CST))
		wait_for_end();
	if (i) {
		pthread_mutex_lock(&fds_lock);
		err = kvm_vcpu_create(i, &fd);
		if (!err)
			err = instance->hide_fd(&fd);
		pthread_mutex_unlock(&fds_lock);
	} else {
		fd = kvm_fds[KVM_NFDS - 1]; /* has been hidden */
	}
	kvm_cores[i].fd = fd;
	if (!err)
		err = apart_start(i, why);
	if (err)
		__atomic_fetch_sub(&nrunning, 1, __ATOMIC_SEQ_CST);
	return err;
}

static void kvm_kick_core(uint32_t i);

static const struct apart threads = {
	.begin = core_begin,
	.run = core_run,
	.kicked = kicked_in,
	.ending = ending,
	.kick = kvm_kick_core,
	.resume = resume,
};

static int kvm_create(struct plat_instance *p, const char **why)
{
	uint64_t xcr0 = BOOT->flags & AZ_BOOT_XSAVE ? BOOT->xsave_mask : 0;
	int err;

	if (instance)
		kvm_vm_close(); /* of a fork's parent */
	instance = p;
	the_end = false;
	nrunning = 0;
	pthread_mutex_init(&fds_lock, NULL);
	err = kvm_vm_create(p, &xcr0, why);
	if (err)
		return err;
	if (xcr0)
		BOOT->xsave_mask = xcr0;
	err = kvm_debug_create(p->debugged);
	if (err)
		return err;
	checked_by_plat = make_call;
	return apart_create(p, &threads);
}

static void kvm_kick_core(uint32_t i)
{
	struct az_core *az = plat_core(i);

	if (__atomic_exchange_n(&az->pending, 1, __ATOMIC_SEQ_CST))
		return;
	/* Pairs with sched.c:idle_spin: such a core finds it by itself. */
	if (__atomic_load_n(&az->halted, __ATOMIC_SEQ_CST) != AZ_CORE_LOOKS)
		interrupt(i);
}

const struct plat plat_kvm = {
	.id = AZ_PLAT_KVM,
	.name = "kvm",
	.fds = kvm_fds,
	.nfds = KVM_NFDS,
	.nshared = 1,
	.probe = kvm_probe,
	.create = kvm_create,
	.start_core = core_start,
	.kick_core = kvm_kick_core,
};
