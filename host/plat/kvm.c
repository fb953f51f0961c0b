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
 * kind of KVM it is, the first vCPU finds out by making one.
 *
 * The guest has page tables and these instructions in pages of its own
 * (kvm_pages.c), at addresses where its owner's memory would be.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
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
#include "plat/kvm_pages.h"
#include "plat/plat.h"
#include "plat/vmas.h"

#define BOOT    ((struct az_boot *)AZ_BOOT_BASE)
#define DEVICE  "/dev/kvm"
#define WHY_MAX 200
/* What a vCPU and KVM share: struct kvm_run, and the data of I/O. */
#define RUN_SIZE 0x2000

#ifndef SIGEV_THREAD_ID
#define SIGEV_THREAD_ID 4
#endif

/* Selectors, as Linux has them for programs; and the descriptors. */
#define KERNEL_CS 0x10
#define USER_SS   0x2b
#define USER_CS   0x33
#define TSS       0x40
#define CODE      0x00209b0000000000ULL /* 64-bit, accessed */
#define DATA      0x0000930000000000ULL
#define DPL3      0x0000600000000000ULL
#define TSS_BUSY  0x00008b0000000000ULL

/* Where the guest has what is private to the monitor. */
#define PRIVATE    (AZ_OWNER_BASE + 0x200000000000ULL)
#define P_IDT      PRIVATE
#define P_CODE     (PRIVATE + 0x1000)
#define P_CORE(i)  (PRIVATE + 0x10000 + (uint64_t)(i)*0x1000)
#define P_CORE_END P_CORE(AZ_MAX_CORES)

/* In a core's private page. */
#define C_GDT   0x000
#define C_TSS   0x080
#define C_GS    0x140 /* what the code at LSTAR works with: struct entry */
#define C_STACK 0x1000
/* TSS with a bitmap of I/O ports up to AZK_PORT (Intel SDM 3, 8.7; 1, 19.5). */
#define TSS_SIZE  0x68
#define TSS_RSP0  4
#define TSS_MAP   0x66
#define TSS_LIMIT (TSS_SIZE + (AZK_PORT + 4) / 8 + 1)

#define CR0_INIT    0x80050033ULL /* PG AM WP NE ET MP PE */
#define CR4_PAE     (1ULL << 5)
#define CR4_FXSR    (1ULL << 9)
#define CR4_XMM     (1ULL << 10)
#define CR4_FSGS    (1ULL << 16)
#define CR4_OSXSAVE (1ULL << 18)
#define CR4_PKE     (1ULL << 22)
/* In XCR0 (Intel SDM 1, 13.1) */
#define XFEATURE_PKRU (1ULL << 9)
#define EFER_INIT     0xd01ULL /* NXE LMA LME SCE */
#define FLAGS_INIT    0x202ULL
#define FLAGS_RF      0x10000ULL
#define DR6_CAUSES    0xe00fULL

#define MSR_STAR  0xc0000081U
#define MSR_LSTAR 0xc0000082U
#define MSR_FMASK 0xc0000084U
#define MSR_KGS   0xc0000102U
#define FMASK     0x44500U /* AC NT DF TF */

#define PF_PRESENT 1ULL
#define END_TRIES  1000 /* to have the other cores out of KVM */
#define PF_REPEATS 1000 /* of one fault, without getting on */

/* include/uapi/linux/kvm.h of Linux 6.8 */
#define EXIT_MEMORY_FAULT 39

struct core {
	int fd;
	struct kvm_run *run;
	char *page; /* private */
	int32_t timer;
	bool has_timer;
	uint64_t fault_addr;
	uint32_t fault_repeats;
	bool kick_late; /* after the exception that is due */
};

static struct plat_instance *instance;
static struct core cores[AZ_MAX_CORES];
static int fds[3] = { -1, -1, -1 };
#define vm_fd   (fds[0])
#define maps_fd (fds[1])
#define vcpu0   (fds[2])
static bool the_end;
static uint32_t nrunning;  /* cores in core_run */
static bool syscall_stays; /* at CPL 3 */
static struct {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entry[256];
} cpuid; /* what KVM can give to a guest here: all of it */

/* --- is there a KVM? --- */

static int device_open(const char **why)
{
	static char text[WHY_MAX];
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC), err;

	if (fd < 0) {
		err = -errno;
		(void)snprintf(
		    text, sizeof(text), "%s: %s%s", DEVICE, error_text(err),
		    err == -EACCES ? ": join the group that it belongs to"
		    : err == -ENOENT
			? ": load kvm_intel or kvm_amd, if this CPU has "
			  "virtualization and it is not disabled"
			: "");
		*why = text;
		return err;
	}
	if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		*why = DEVICE ": not the API of KVM that there has been since "
			      "Linux 2.6.22";
		close(fd);
		return -ENOTTY;
	}
	return fd;
}

static int kvm_probe(const char **why)
{
	uint32_t a, b = 0, c, d;
	int fd = device_open(why);

	if (fd < 0)
		return fd;
	close(fd);
	__cpuid_count(7, 0, a, b, c, d);
	if (!(b & 1)) {
		*why = "this CPU has no FSGSBASE instructions";
		return -ENODEV;
	}
	return 0;
}

/* --- what is private to the monitor --- */

static void put64(void *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* A gate for each vector, to an `out` to the port of that number. */
static void idt_fill(char *idt, char *code)
{
	for (unsigned int v = 0; v < 256; v++) {
		uint64_t at = P_CODE + 4ULL * v;
		uint64_t type = v == 3 || v == 4 ? 0xee : 0x8e; /* int3, into */

		put64(idt + v * 16, (at & 0xffff) | (uint64_t)KERNEL_CS << 16 |
					type << 40 | (at >> 16 & 0xffff) << 48);
		put64(idt + v * 16 + 8, at >> 32);
		memcpy(code + v * 4, "\xe6\x00\xeb\xfe", 4); /* out; jmp . */
		code[v * 4 + 1] = (char)v;
	}
}

/* What the code at LSTAR works with, by %gs. */
struct entry {
	uint64_t rsp, stack, target, block, scratch;
};

/*
 * Where a `syscall` enters CPL 0. The program's %rcx, %r11 and all others go
 * on to image->metal_syscall; not by sysret, which needs %rcx.
 */
extern const char kvm_syscall_begin[], kvm_syscall_end[];
__asm__("	.section .rodata\n"
	"	.hidden kvm_syscall_begin, kvm_syscall_end\n"
	"	.globl kvm_syscall_begin, kvm_syscall_end\n"
	"kvm_syscall_begin:\n"
	"	swapgs\n"
	"	movq %rsp, %gs:0\n"
	"	movq %gs:8, %rsp\n"
	"	pushq $0x2b\n" /* USER_SS */
	"	pushq %gs:0\n"
	"	pushq $0x202\n"
	"	pushq $0x33\n" /* USER_CS */
	"	pushq %gs:16\n"
	"	movq %r11, %gs:32\n"
	"	movq %gs:24, %r11\n" /* the program may have changed %gs */
	"	swapgs\n"
	"	wrgsbase %r11\n"
	"	swapgs\n"
	"	movq %gs:32, %r11\n"
	"	swapgs\n"
	"	iretq\n"
	"kvm_syscall_end:\n"
	"	.text\n");

/* Behind the stubs, in the same page. */
#define P_SYSCALL (P_CODE + 0x800)
/* For find_kind: a `syscall` for CPL 3, and where it leads, for CPL 0. */
#define P_TRY     (PRIVATE + 0x2000)
#define TRY_PORT  31
#define P_ARRIVED (P_CODE + 4 * TRY_PORT)

/* What KVM lets a guest have of the vector state; all of x86-64 has 3. */
static void vectors_limit(void)
{
	for (uint32_t i = 0; i < cpuid.head.nent; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid.entry[i];

		if (e->function == 0xd && e->index == 0)
			BOOT->xsave_mask &= 3 | e->eax | (uint64_t)e->edx << 32;
	}
}

static int private_pages(void)
{
	char *idt = kvm_pages_alloc(), *code = kvm_pages_alloc();

	if (!idt || !code)
		return -ENOMEM;
	idt_fill(idt, code);
	memcpy(code + (P_SYSCALL - P_CODE), kvm_syscall_begin,
	       (size_t)(kvm_syscall_end - kvm_syscall_begin));
	if (kvm_pages_private(P_IDT, idt, PROT_READ, false) ||
	    kvm_pages_private(P_CODE, code, PROT_READ | PROT_EXEC, false))
		return -ENOMEM;
	return 0;
}

static int private_core(uint32_t i)
{
	char *page = cores[i].page = kvm_pages_alloc();
	uint64_t tss = P_CORE(i) + C_TSS;
	struct entry entry = {
		.stack = P_CORE(i) + C_STACK,
		.target = instance->image->metal_syscall,
		.block = (uint64_t)plat_core(i),
	};

	if (!page ||
	    kvm_pages_private(P_CORE(i), page, PROT_READ | PROT_WRITE, false))
		return -ENOMEM;
	put64(page + C_GDT + KERNEL_CS, CODE);
	put64(page + C_GDT + (USER_SS & ~7), DATA | DPL3);
	put64(page + C_GDT + (USER_CS & ~7), CODE | DPL3);
	put64(page + C_GDT + TSS, TSS_LIMIT | (tss & 0xffffff) << 16 |
				      TSS_BUSY | (tss >> 24 & 0xff) << 56);
	put64(page + C_GDT + TSS + 8, tss >> 32);
	put64(page + C_TSS + TSS_RSP0, P_CORE(i) + C_STACK);
	page[C_TSS + TSS_MAP] = TSS_SIZE;
	memset(page + C_TSS + TSS_SIZE, 0xff, TSS_LIMIT + 1 - TSS_SIZE);
	page[C_TSS + TSS_SIZE + AZK_PORT / 8] = (char)0xf0;
	memcpy(page + C_GS, &entry, sizeof(entry));
	return 0;
}

/* --- registers --- */

static void segments_user(struct kvm_sregs *s, uint32_t i)
{
	struct kvm_segment data = {
		.limit = ~0U,
		.selector = USER_SS,
		.type = 3,
		.present = 1,
		.dpl = 3,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	uint64_t fs = s->fs.base;

	s->ss = s->cs = data;
	s->cs.selector = USER_CS;
	s->cs.type = 11;
	s->cs.db = 0;
	s->cs.l = 1;
	data.selector = 0;
	s->ds = s->es = s->fs = s->gs = data;
	s->fs.base = fs;
	s->gs.base = (uint64_t)plat_core(i);
}

/*
 * Busy, as Intel's CPUs want it; but AMD's have no such state, kvm_amd adds it
 * by itself, and QEMU's idea of an AMD CPU does without.
 */
static uint8_t tss_type(void)
{
	uint32_t a, b, c, d;

	__cpuid(0, a, b, c, d);
	return b == signature_INTEL_ebx ? 11 : 9;
}

static int sregs_init(uint32_t i)
{
	uint64_t tss = P_CORE(i) + C_TSS;
	struct kvm_sregs s;

	if (ioctl(cores[i].fd, KVM_GET_SREGS, &s))
		return -errno;
	s.cr0 = CR0_INIT;
	s.cr3 = kvm_pages_root();
	s.cr4 = CR4_PAE | CR4_FXSR | CR4_XMM | CR4_FSGS;
	if (BOOT->flags & AZ_BOOT_XSAVE)
		s.cr4 |= CR4_OSXSAVE;
	if (BOOT->xsave_mask & XFEATURE_PKRU)
		s.cr4 |= CR4_PKE; /* XCR0 and rdpkru go by it */
	s.efer = EFER_INIT;
	s.idt.base = P_IDT;
	s.idt.limit = 256 * 16 - 1;
	s.gdt.base = P_CORE(i) + C_GDT;
	s.gdt.limit = TSS + 15;
	s.tr = (struct kvm_segment){ .base = tss,
				     .limit = TSS_LIMIT,
				     .selector = TSS,
				     .type = tss_type(),
				     .present = 1 };
	segments_user(&s, i);
	return ioctl(cores[i].fd, KVM_SET_SREGS, &s) ? -errno : 0;
}

static int msrs_init(uint32_t i, uint64_t lstar)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[4];
	} m = {
		.head.nmsrs = 4,
		.entry = {
			{ .index = MSR_STAR,
			  .data = (uint64_t)KERNEL_CS << 32 |
				  (uint64_t)(USER_CS - 16) << 48 },
			{ .index = MSR_LSTAR, .data = lstar },
			{ .index = MSR_FMASK, .data = FMASK },
			{ .index = MSR_KGS, .data = P_CORE(i) + C_GS },
		},
	};
	int n = ioctl(cores[i].fd, KVM_SET_MSRS, &m);

	return n < 0 ? -errno : n < 4 ? -EINVAL : 0;
}

static int xcr_init(uint32_t i)
{
	struct kvm_xcrs x = { .nr_xcrs = 1 };

	if (!(BOOT->flags & AZ_BOOT_XSAVE))
		return 0;
	x.xcrs[0].value = BOOT->xsave_mask;
	return ioctl(cores[i].fd, KVM_SET_XCRS, &x) ? -errno : 0;
}

/* The guest's time stamps are this machine's, since the unikernel's clock is. */
static int tsc_init(uint32_t i)
{
	uint64_t zero = 0;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL,
					.attr = KVM_VCPU_TSC_OFFSET,
					.addr = (uint64_t)&zero };

	return ioctl(cores[i].fd, KVM_SET_DEVICE_ATTR, &attr) ? -errno : 0;
}

static int cpuid_init(uint32_t i)
{
	return ioctl(cores[i].fd, KVM_SET_CPUID2, &cpuid) ? -errno : 0;
}

/* --- making a core --- */

static int vcpu_create(uint32_t i, int *fd)
{
	*fd = ioctl(vm_fd, KVM_CREATE_VCPU, i);
	if (*fd < 0)
		return -errno;
	cores[i].fd = *fd;
	cores[i].run =
	    mmap(NULL, RUN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (cores[i].run == MAP_FAILED)
		return -errno;
	return 0;
}

static int registers_init(uint32_t i, uint64_t lstar)
{
	struct kvm_regs *r = &cores[i].run->s.regs.regs;
	int err = sregs_init(i);

	if (!err)
		err = xcr_init(i);
	if (!err)
		err = msrs_init(i, lstar);
	if (!err)
		err = tsc_init(i);
	memset(r, 0, sizeof(*r));
	r->rip = instance->image->entry;
	r->rsp = plat_core_stack(instance, i);
	r->rdi = (uint64_t)plat_core(i);
	r->rflags = FLAGS_INIT;
	cores[i].run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	cores[i].run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	return err;
}

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
	cores[i].run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	return &cores[i].run->s.regs.regs;
}

/* Back to CPL 3; what it needs other than general registers. */
static void to_user(uint32_t i)
{
	struct kvm_sregs s;

	if (ioctl(cores[i].fd, KVM_GET_SREGS, &s))
		apart_lost(i, error_text(-errno));
	segments_user(&s, i);
	s.tr.type = tss_type();
	if (ioctl(cores[i].fd, KVM_SET_SREGS, &s))
		apart_lost(i, error_text(-errno));
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
		.cs = USER_CS,
		.rflags = r->rflags,
		.rsp = r->rsp,
		.ss = USER_SS,
	};
}

/* The core goes on in image->metal_trap; its registers are where it was. */
static void upcall(uint32_t i, uint32_t vec, uint64_t error, uint64_t addr)
{
	struct azm_page *page = apart_page(i);
	struct kvm_regs *r = regs(i);

	frame_get(r, &page->frame);
	page->vec = vec;
	page->error = error;
	page->addr = addr;
	r->rip = instance->image->metal_trap;
	r->rsp = (uint64_t)plat_core(i) + AZM_TRAP_STACK;
	r->rdi = (uint64_t)page;
	r->rflags = FLAGS_INIT;
	/* It looks at az_core.pending before it returns. */
	cores[i].kick_late = false;
	to_user(i);
}

/* The core is to look at az_core.pending. */
static void kick(uint32_t i)
{
	uint64_t rip = cores[i].run->s.regs.regs.rip;
	uint64_t to;

	if (rip >= AZ_OWNER_BASE)
		return; /* in the monitor: bound for where it is looked at */
	if (!in_text(rip)) {
		if (__atomic_load_n(&plat_core(i)->pending, __ATOMIC_SEQ_CST))
			upcall(i, AZ_VEC_KICK, 0, 0);
		return;
	}
	to = restarted(rip);
	if (to != rip)
		regs(i)->rip = to;
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
	const uint64_t *top = (uint64_t *)(cores[i].page + C_STACK);
	struct kvm_regs *r = regs(i);

	if (r->rsp != P_CORE(i) + C_STACK - (has_error ? 48 : 40) ||
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

	if (ioctl(cores[i].fd, KVM_GET_DEBUGREGS, &d))
		return 0;
	causes = d.dr6 & DR6_CAUSES;
	d.dr6 &= ~DR6_CAUSES;
	(void)ioctl(cores[i].fd, KVM_SET_DEBUGREGS, &d);
	return causes ? 0 : AZ_DB_ICEBP;
}

static uint64_t fault_address(uint32_t i)
{
	struct kvm_sregs s;

	if (ioctl(cores[i].fd, KVM_GET_SREGS, &s))
		apart_lost(i, error_text(-errno));
	return s.cr2;
}

static void page_fault(uint32_t i, uint64_t error)
{
	uint64_t addr = fault_address(i);
	struct core *c = &cores[i];
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
		if (c->kick_late)
			kick(i);
		c->kick_late = false;
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

	if (vec == AZ_VEC_UD && syscall_stays) {
		error = interrupt_error(cores[i].run->s.regs.regs.rip);
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

static void timer(uint32_t i, uint64_t deadline)
{
	struct core *c = &cores[i];
	struct itimerspec its = { { 0, 0 }, { 0, 0 } };

	if (!c->has_timer) {
		struct { /* of the kernel: libc's have no names in common */
			uint64_t value;
			int32_t signo, notify, tid, pad[11];
		} ev = {
			.signo = AZ_SIG_KICK,
			.notify = SIGEV_THREAD_ID,
			.tid = (int32_t)syscall(SYS_gettid),
		};

		if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &c->timer))
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
		syscall(SYS_tgkill, getpid(), az->host_tid, AZ_SIG_KICK);
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

/* Calls that change what the guest sees: nobody looks meanwhile. */
static long remap(const struct checked_call *c)
{
	const uint64_t *a = c->arg;
	long r;

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
	__atomic_store_n(&the_end, true, __ATOMIC_SEQ_CST);
	for (uint32_t k = 0; k < instance->ncores; k++)
		if (k != i && plat_core(k)->host_tid)
			syscall(SYS_tgkill, getpid(), plat_core(k)->host_tid,
				AZ_SIG_KICK);
	for (int n = 0; n < END_TRIES; n++) {
		if (__atomic_load_n(&nrunning, __ATOMIC_SEQ_CST) == 1)
			break;
		sched_yield();
	}
	for (uint32_t k = 0; k < instance->ncores; k++) {
		if (!cores[k].run)
			continue;
		munmap(cores[k].run, RUN_SIZE);
		close(cores[k].fd);
	}
	close(vm_fd);
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
		cores[i].run->immediate_exit = 1;
}

/* KVM has found an exception, and not yet taken the core to it. */
static bool exception_due(uint32_t i)
{
	struct kvm_vcpu_events e;

	if (ioctl(cores[i].fd, KVM_GET_VCPU_EVENTS, &e))
		apart_lost(i, error_text(-errno));
	return e.exception.injected || e.exception.pending;
}

/*
 * A signal has come. KVM would take the core from wherever it is then to an
 * exception that is due, so that goes first.
 */
static void signalled(uint32_t i)
{
	cores[i].run->immediate_exit = 0;
	if (exception_due(i))
		cores[i].kick_late = true;
	else
		kick(i);
}

static void io(uint32_t i)
{
	const struct kvm_run *run = cores[i].run;
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
	const struct kvm_run *run = cores[i].run;

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

static void core_run(uint32_t i)
{
	struct core *c = &cores[i];

	__atomic_fetch_add(&nrunning, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		int r = ioctl(c->fd, KVM_RUN, 0), err = errno;

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
		else if (c->run->exit_reason == KVM_EXIT_IO)
			io(i);
		else if (c->run->exit_reason != KVM_EXIT_INTR)
			failed(i);
	}
}

/* --- the contract --- */

/*
 * Where does a `syscall` at CPL 3 lead to? To code that only CPL 0 may execute:
 * who is still at CPL 3 has a page fault there.
 */
static int find_kind(bool *stays)
{
	struct core *c = &cores[0];
	char *code = kvm_pages_alloc();
	int err;

	if (!code ||
	    kvm_pages_private(P_TRY, code, PROT_READ | PROT_EXEC, true))
		return -ENOMEM;
	memcpy(code, "\x0f\x05", 2);
	err = registers_init(0, P_ARRIVED);
	if (err)
		return err;
	regs(0)->rip = P_TRY;
	while (ioctl(c->fd, KVM_RUN, 0))
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	if (c->run->exit_reason != KVM_EXIT_IO ||
	    (c->run->io.port != TRY_PORT && c->run->io.port != AZ_VEC_PF))
		return -EPROTO;
	*stays = c->run->io.port == AZ_VEC_PF;
	return 0;
}

static uint64_t lstar(void)
{
	return syscall_stays ? instance->image->metal_syscall : P_SYSCALL;
}

static int core_begin(uint32_t i, const char **why)
{
	cpu_set_t cpu;
	int err;

	CPU_ZERO(&cpu);
	CPU_SET(instance->host_cpu[i], &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		return -errno;
	err = private_core(i);
	if (!err)
		err = cpuid_init(i);
	if (!err && i == 0)
		err = find_kind(&syscall_stays);
	if (!err)
		err = registers_init(i, lstar());
	if (err)
		*why = error_text(err);
	return err;
}

static int core_start(uint32_t i, const char **why)
{
	int fd, err;

	if (i) {
		err = vcpu_create(i, &fd);
		if (!err)
			err = instance->hide_fd(&fd);
		cores[i].fd = fd;
	} else {
		cores[0].fd = vcpu0;
		err = 0;
	}
	return err ? err : apart_start(i, why);
}

static const struct apart threads = {
	.begin = core_begin,
	.run = core_run,
	.kicked = kicked_in,
	.ending = ending,
};

/* What every core looks at first. */
static void prefill(void)
{
	static const uint64_t at[] = { AZ_IMAGE_BASE, AZ_BOOT_BASE,
				       AZ_STATS_BASE, AZ_CORE_BASE,
				       AZ_RING_BASE,  AZ_HEAP_BASE };

	kvm_pages_lock();
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		kvm_pages_fill(at[i]);
	kvm_pages_unlock();
}

static int machine_create(const char **why)
{
	int kvm = device_open(why), slots, err;
	uint32_t a, b, c, d;

	if (kvm < 0)
		return kvm;
	while ((vm_fd = ioctl(kvm, KVM_CREATE_VM, 0)) < 0 && errno == EINTR)
		;
	err = vm_fd < 0 ? -errno : 0;
	cpuid.head.nent = sizeof(cpuid.entry) / sizeof(cpuid.entry[0]);
	if (!err && ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid))
		err = -errno;
	vectors_limit();
	close(kvm);
	if (err)
		return err;
	slots = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
	maps_fd = vmas_open();
	if (maps_fd < 0)
		return maps_fd;
	__cpuid(0x80000008, a, b, c, d);
	err = kvm_pages_init(&vm_fd, &maps_fd, a & 0xff,
			     slots > 0 ? (uint32_t)slots : 32);
	if (!err) {
		prefill();
		err = private_pages();
	}
	return err ? err : vcpu_create(0, &vcpu0);
}

static int kvm_create(struct plat_instance *p, const char **why)
{
	int err;

	instance = p;
	for (uint32_t i = 0; i < p->ncores; i++)
		if (cores[i].run)
			munmap(cores[i].run, RUN_SIZE); /* of a fork's parent */
	memset(cores, 0, sizeof(cores));
	the_end = false;
	nrunning = 0;
	vm_fd = maps_fd = vcpu0 = -1;
	err = machine_create(why);
	checked_remap = remap;
	return err ? err : apart_create(p, &threads);
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
	.fds = fds,
	.nfds = 3,
	.probe = kvm_probe,
	.create = kvm_create,
	.start_core = core_start,
	.kick_core = kvm_kick_core,
};
