/* SPDX-License-Identifier: MIT */
/*
 * kvm_debug.c - how the threads of vCPUs let a debugger have their registers.
 *
 * Breakpoints and steps need nothing of KVM's: the exceptions that they make
 * come to the monitor as all others do.
 */
#include "plat/kvm_debug.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "plat/kvm_vm.h"

#define FLAG_TF    0x100ULL
#define DR7_ONE    0x400ULL /* always set */
#define DR6_CAUSES 0xe00fULL
#define SLIPS_SIZE (AZ_MAX_CORES * KVM_SLIP_SIZE)

/* Of the debugged process: a child of vfork runs in its memory. */
static pid_t self;

static bool debugged(void)
{
	return kvm_debugged() && getpid() == self;
}

int kvm_debug_create(bool expected)
{
	/* A child of fork has its parent's: its debugger is not this one's. */
	void *at = mmap((void *)KVM_SLIPS, SLIPS_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
			-1, 0);

	if (at == MAP_FAILED)
		return -errno;
	self = getpid();
	if (expected)
		kvm_slip(0)->attached = 1;
	return 0;
}

/* --- registers --- */

static struct kvm_regs *regs_of(const struct kvm_debugged *c)
{
	c->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	return &c->run->s.regs.regs;
}

static void frame_get(const struct kvm_regs *r, struct az_frame *f)
{
	f->r15 = r->r15, f->r14 = r->r14, f->r13 = r->r13, f->r12 = r->r12;
	f->rbp = r->rbp, f->rbx = r->rbx, f->r11 = r->r11, f->r10 = r->r10;
	f->r9 = r->r9, f->r8 = r->r8, f->rax = r->rax, f->rcx = r->rcx;
	f->rdx = r->rdx, f->rsi = r->rsi, f->rdi = r->rdi;
	f->orig_rax = ~0ULL;
	f->rip = r->rip, f->rflags = r->rflags, f->rsp = r->rsp;
}

static void frame_set(struct kvm_regs *r, const struct az_frame *f)
{
	r->r15 = f->r15, r->r14 = f->r14, r->r13 = f->r13, r->r12 = f->r12;
	r->rbp = f->rbp, r->rbx = f->rbx, r->r11 = f->r11, r->r10 = f->r10;
	r->r9 = f->r9, r->r8 = f->r8, r->rax = f->rax, r->rcx = f->rcx;
	r->rdx = f->rdx, r->rsi = f->rsi, r->rdi = f->rdi;
	r->rip = f->rip, r->rflags = f->rflags, r->rsp = f->rsp;
}

static void fill(const struct kvm_debugged *c, struct kvm_slip *s)
{
	struct kvm_sregs sregs;

	frame_get(&c->run->s.regs.regs, &s->frame);
	if (!ioctl(c->fd, KVM_GET_SREGS, &sregs)) {
		s->fs_base = sregs.fs.base;
		s->gs_base = sregs.gs.base;
		/* Here they may be the monitor's. */
		s->frame.cs = KVM_USER_CS;
		s->frame.ss = KVM_USER_SS;
	}
	(void)ioctl(c->fd, KVM_GET_XSAVE, s->xsave);
}

static void take_over(const struct kvm_debugged *c, struct kvm_slip *s)
{
	struct kvm_sregs sregs;

	frame_set(regs_of(c), &s->frame);
	if (!ioctl(c->fd, KVM_GET_SREGS, &sregs)) {
		sregs.fs.base = s->fs_base;
		sregs.gs.base = s->gs_base;
		(void)ioctl(c->fd, KVM_SET_SREGS, &sregs);
	}
	(void)ioctl(c->fd, KVM_SET_XSAVE, s->xsave);
	s->changed = 0;
}

static void watch(const struct kvm_debugged *c, struct kvm_slip *s)
{
	struct kvm_guest_debug d = { .control = 0 };

	if (s->dr7)
		d.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
	memcpy(d.arch.debugreg, s->dr, sizeof(s->dr));
	d.arch.debugreg[7] = s->dr7 | DR7_ONE;
	(void)ioctl(c->fd, KVM_SET_GUEST_DEBUG, &d);
	s->new_watch = 0;
}

static void dr6_clear(const struct kvm_debugged *c)
{
	struct kvm_debugregs d;

	if (ioctl(c->fd, KVM_GET_DEBUGREGS, &d))
		return;
	d.dr6 &= ~DR6_CAUSES;
	(void)ioctl(c->fd, KVM_SET_DEBUGREGS, &d);
}

/* --- stopping --- */

static void step_arm(const struct kvm_debugged *c, const struct kvm_slip *s)
{
	struct kvm_regs *r = regs_of(c);

	if (s->step)
		r->rflags |= FLAG_TF;
	else
		r->rflags &= ~FLAG_TF;
}

/* The debugger holds this thread in here. */
static void call_debugger(const struct kvm_debugged *c, uint32_t why)
{
	struct kvm_slip *s = kvm_slip(c->index);
	siginfo_t si = { .si_signo = AZ_SIG_KICK, .si_code = SI_QUEUE };
	bool stepped = s->step;

	s->why = why;
	s->ours = 0;
	s->step = 0;
	if (stepped)
		step_arm(c, s);
	fill(c, s);
	si.si_pid = getpid();
	si.si_value.sival_int = (int)(KVM_SLIP_MARK | c->index);
	(void)syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid),
		      AZ_SIG_KICK, &si);
	if (s->changed)
		take_over(c, s);
	if (s->new_watch)
		watch(c, s);
	if (s->step)
		step_arm(c, s);
	/* A kick that a step has put off. */
	else if (stepped)
		c->run->immediate_exit = 1;
}

void kvm_debug_begin(const struct kvm_debugged *c, bool watches)
{
	if (c->index == 0)
		kvm_slip(0)->no_watch = !watches;
	if (debugged())
		call_debugger(c, KVM_SLIP_BEGIN);
}

void kvm_debug_hold(const struct kvm_debugged *c)
{
	if (!debugged())
		return;
	if (__atomic_load_n(&kvm_slip(c->index)->hold, __ATOMIC_ACQUIRE))
		call_debugger(c, KVM_SLIP_HELD);
}

static bool debug_exception(const struct kvm_debugged *c)
{
	struct kvm_slip *s = kvm_slip(c->index);

	if (!s->step)
		return false;
	dr6_clear(c);
	call_debugger(c, KVM_SLIP_STEP);
	return true;
}

void kvm_debug_exit(const struct kvm_debugged *c)
{
	struct kvm_slip *s = kvm_slip(c->index);

	s->dr6 = (uint32_t)c->run->debug.arch.dr6;
	call_debugger(c, KVM_SLIP_WATCH);
}

bool kvm_debug_trap(const struct kvm_debugged *c, uint32_t vec)
{
	if (!debugged())
		return false;
	if (vec == AZ_VEC_DB)
		return debug_exception(c);
	if (vec != AZ_VEC_BP)
		return false;
	call_debugger(c, KVM_SLIP_BREAK);
	return kvm_slip(c->index)->ours;
}

void kvm_debug_upcall(const struct kvm_debugged *c)
{
	if (kvm_debug_steps(c->index))
		call_debugger(c, KVM_SLIP_DIVERT);
}
