/* SPDX-License-Identifier: MIT */
/*
 * kvm_vm.c - making a virtual machine and its virtual CPUs.
 *
 * The guest has page tables, descriptors, and the few instructions for CPL 0
 * in pages of its own (kvm_pages.c), at addresses where its owner's memory
 * would be. Written by the main thread before cores run, but for what is a
 * core's own.
 */
#include "plat/kvm_vm.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm.h"
#include "lib/error.h"
#include "plat/kvm_pages.h"
#include "plat/vmas.h"

#define DEVICE  "/dev/kvm"
#define WHY_MAX 200
/* What a vCPU and KVM share: struct kvm_run, and the data of I/O. */
#define RUN_SIZE 0x2000

/* Selectors, as Linux has them for programs; and the descriptors. */
#define KERNEL32_CS 0x08
#define KERNEL_CS   0x10
#define KERNEL_DS   0x18
#define TSS         0x40
#define CODE        0x00209b0000000000ULL /* 64-bit, accessed */
#define DATA        0x0000930000000000ULL
#define DPL3        0x0000600000000000ULL
#define TSS_BUSY    0x00008b0000000000ULL

#define P_IDT     KVM_PRIVATE
#define P_CODE    (KVM_PRIVATE + 0x1000)
#define P_CORE(i) (KVM_PRIVATE + 0x10000 + (uint64_t)(i)*0x1000)

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

#define MSR_STAR  0xc0000081U
#define MSR_LSTAR 0xc0000082U
#define MSR_FMASK 0xc0000084U
#define MSR_KGS   0xc0000102U
#define FMASK     0x44500U /* AC NT DF TF */

struct kvm_core kvm_cores[AZ_MAX_CORES];
int kvm_fds[KVM_NFDS] = { -1, -1, -1, -1 };
enum {
	THE_DEVICE,
	VM,
	MAPS,
	VCPU0
}; /* in kvm_fds */

static const struct plat_instance *instance;
static uint64_t xcr0;
static bool kind_known, syscall_stays; /* at CPL 3 */
static struct {                        /* as struct kvm_cpuid2 */
	uint32_t nent, pad;
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

int kvm_probe(const char **why)
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
	static const uint8_t stub[4] = { 0xe6, 0, 0xeb, 0xfe }; /* out; jmp . */

	for (size_t v = 0; v < 256; v++) {
		uint64_t at = P_CODE + 4 * v;
		uint64_t type = v == 3 || v == 4 ? 0xee : 0x8e; /* int3, into */

		put64(idt + v * 16, (at & 0xffff) | (uint64_t)KERNEL_CS << 16 |
					type << 40 | (at >> 16 & 0xffff) << 48);
		put64(idt + v * 16 + 8, at >> 32);
		memcpy(code + v * 4, stub, sizeof(stub));
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
extern const char kvm_syscall_begin[];
extern const uint64_t kvm_syscall_size;
__asm__("	.section .rodata\n"
	"	.hidden kvm_syscall_begin, kvm_syscall_size\n"
	"	.globl kvm_syscall_begin, kvm_syscall_size\n"
	"kvm_syscall_begin:\n"
	"	swapgs\n"
	"	movq %rsp, %gs:0\n"
	"	movq %gs:8, %rsp\n"
	"	pushq $0x2b\n" /* KVM_USER_SS */
	"	pushq %gs:0\n"
	"	pushq $0x202\n"
	"	pushq $0x33\n" /* KVM_USER_CS */
	"	pushq %gs:16\n"
	"	movq %r11, %gs:32\n"
	"	movq %gs:24, %r11\n" /* the program may have changed %gs */
	"	swapgs\n"
	"	wrgsbase %r11\n"
	"	swapgs\n"
	"	movq %gs:32, %r11\n"
	"	swapgs\n"
	"	iretq\n"
	"	.balign 8\n"
	"kvm_syscall_size:\n"
	"	.quad . - kvm_syscall_begin\n"
	"	.text\n");

/* Behind the stubs, in the same page. */
#define P_SYSCALL (P_CODE + 0x800)
/* For find_kind: a `syscall` for CPL 3, and where it leads, for CPL 0. */
#define P_TRY     (KVM_PRIVATE + 0x2000)
#define TRY_PORT  31ULL
#define P_ARRIVED (P_CODE + 4 * TRY_PORT)

/* Is KVM's only vendor here PVM? Then two things need not be found out. */
static bool surely_on_paging(void)
{
	return !kvm_hardware() && access("/sys/module/kvm_pvm", F_OK) == 0;
}

/*
 * PVM lets guests see the CPU's own CPUID: what KVM looks at itself, to let
 * registers have their values, is enough.
 */
static void cpuid_short(void)
{
	static const uint32_t leaf[][2] = {
		{ 0, 0 },          { 1, 0 },          { 7, 0 },
		{ 0xd, 0 },        { 0xd, 1 },        { 0x80000000, 0 },
		{ 0x80000001, 0 }, { 0x80000008, 0 },
	};

	for (size_t i = 0; i < sizeof(leaf) / sizeof(leaf[0]); i++) {
		struct kvm_cpuid_entry2 *e = &cpuid.entry[cpuid.nent++];

		e->function = leaf[i][0];
		e->index = leaf[i][1];
		if (e->function == 7 || e->function == 0xd)
			e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		__cpuid_count(e->function, e->index, e->eax, e->ebx, e->ecx,
			      e->edx);
	}
}

static int cpuid_fill(int kvm)
{
	if (cpuid.nent)
		return 0;
	if (surely_on_paging()) {
		cpuid_short();
		kind_known = syscall_stays = true;
		return 0;
	}
	cpuid.nent = sizeof(cpuid.entry) / sizeof(cpuid.entry[0]);
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) == 0)
		return 0;
	cpuid.nent = 0;
	return -errno;
}

/* What KVM lets a guest have of the vector state; all of x86-64 has 3. */
static void vectors_limit(void)
{
	for (uint32_t i = 0; i < cpuid.nent; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid.entry[i];

		if (e->function == 0xd && e->index == 0)
			xcr0 &= 3 | e->eax | (uint64_t)e->edx << 32;
	}
}

static int private_pages(void)
{
	char *idt = kvm_pages_alloc(), *code = kvm_pages_alloc();

	if (!idt || !code)
		return -ENOMEM;
	idt_fill(idt, code);
	memcpy(code + (P_SYSCALL - P_CODE), kvm_syscall_begin,
	       kvm_syscall_size);
	if (kvm_pages_private(P_IDT, idt, PROT_READ, false) ||
	    kvm_pages_private(P_CODE, code, PROT_READ | PROT_EXEC, false))
		return -ENOMEM;
	return 0;
}

static int private_core(uint32_t i)
{
	char *page = kvm_pages_alloc();
	uint64_t tss = P_CORE(i) + C_TSS;
	struct entry entry = {
		.stack = P_CORE(i) + C_STACK,
		.target = instance->image->metal_syscall,
		.block = (uint64_t)plat_core(i),
	};

	if (!page ||
	    kvm_pages_private(P_CORE(i), page, PROT_READ | PROT_WRITE, false))
		return -ENOMEM;
	/* Linux has its own in the first, too: what leads there is refused. */
	put64(page + C_GDT + KERNEL32_CS, CODE);
	put64(page + C_GDT + KERNEL_CS, CODE);
	put64(page + C_GDT + KERNEL_DS, DATA);
	put64(page + C_GDT + (KVM_USER_SS & ~7), DATA | DPL3);
	put64(page + C_GDT + (KVM_USER_CS & ~7), CODE | DPL3);
	put64(page + C_GDT + TSS, TSS_LIMIT | (tss & 0xffffff) << 16 |
				      TSS_BUSY | (tss >> 24 & 0xff) << 56);
	put64(page + C_GDT + TSS + 8, tss >> 32);
	put64(page + C_TSS + TSS_RSP0, P_CORE(i) + C_STACK);
	page[C_TSS + TSS_MAP] = TSS_SIZE;
	memset(page + C_TSS + TSS_SIZE, 0xff, TSS_LIMIT + 1 - TSS_SIZE);
	page[C_TSS + TSS_SIZE + AZK_PORT / 8] = (char)0xf0;
	memcpy(page + C_GS, &entry, sizeof(entry));
	kvm_cores[i].stack = (uint64_t *)(page + C_STACK);
	return 0;
}

/* --- registers --- */

static void segments_user(struct kvm_sregs *s, uint32_t i)
{
	struct kvm_segment data = {
		.limit = ~0U,
		.selector = KVM_USER_SS,
		.type = 3,
		.present = 1,
		.dpl = 3,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	uint64_t fs = s->fs.base;

	s->ss = s->cs = data;
	s->cs.selector = KVM_USER_CS;
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

	if (ioctl(kvm_cores[i].fd, KVM_GET_SREGS, &s))
		return -errno;
	s.cr0 = CR0_INIT;
	s.cr3 = kvm_pages_root();
	s.cr4 = CR4_PAE | CR4_FXSR | CR4_XMM | CR4_FSGS;
	if (xcr0)
		s.cr4 |= CR4_OSXSAVE;
	if (xcr0 & XFEATURE_PKRU)
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
	/* Without: its selectors are refused, and lead nowhere. */
	s.ldt = (struct kvm_segment){ .type = 2, .unusable = 1 };
	segments_user(&s, i);
	return ioctl(kvm_cores[i].fd, KVM_SET_SREGS, &s) ? -errno : 0;
}

static int msrs_init(uint32_t i, uint64_t lstar)
{
	struct { /* as struct kvm_msrs */
		uint32_t nmsrs, pad;
		struct kvm_msr_entry entry[4];
	} m = {
		.nmsrs = 4,
		.entry = {
			{ .index = MSR_STAR,
			  .data = (uint64_t)KERNEL_CS << 32 |
				  (uint64_t)(KVM_USER_CS - 16) << 48 },
			{ .index = MSR_LSTAR, .data = lstar },
			{ .index = MSR_FMASK, .data = FMASK },
			{ .index = MSR_KGS, .data = P_CORE(i) + C_GS },
		},
	};
	int n = ioctl(kvm_cores[i].fd, KVM_SET_MSRS, &m);

	return n < 0 ? -errno : n < 4 ? -EINVAL : 0;
}

static int xcr_init(uint32_t i)
{
	struct kvm_xcrs x = { .nr_xcrs = 1 };

	if (!xcr0)
		return 0;
	x.xcrs[0].value = xcr0;
	return ioctl(kvm_cores[i].fd, KVM_SET_XCRS, &x) ? -errno : 0;
}

/* The guest's time stamps are this machine's, since the unikernel's clock is. */
static int tsc_init(uint32_t i)
{
	uint64_t zero = 0;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL,
					.attr = KVM_VCPU_TSC_OFFSET,
					.addr = (uint64_t)&zero };

	return ioctl(kvm_cores[i].fd, KVM_SET_DEVICE_ATTR, &attr) ? -errno : 0;
}

static int cpuid_init(uint32_t i)
{
	return ioctl(kvm_cores[i].fd, KVM_SET_CPUID2, &cpuid) ? -errno : 0;
}

/* --- making a core --- */

int kvm_vcpu_create(uint32_t i, int *fd)
{
	*fd = ioctl(kvm_fds[VM], KVM_CREATE_VCPU, i);
	if (*fd < 0)
		return -errno;
	kvm_cores[i].fd = *fd;
	kvm_cores[i].run =
	    mmap(NULL, RUN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (kvm_cores[i].run == MAP_FAILED)
		return -errno;
	return 0;
}

static int registers_init(uint32_t i, uint64_t lstar)
{
	struct kvm_regs *r = &kvm_cores[i].run->s.regs.regs;
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
	r->rflags = KVM_FLAGS;
	kvm_cores[i].run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	kvm_cores[i].run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	return err;
}

/*
 * Where does a `syscall` at CPL 3 lead to? To code that only CPL 0 may execute:
 * who is still at CPL 3 has a page fault there.
 */
static int find_kind(bool *stays)
{
	struct kvm_core *c = &kvm_cores[0];
	static const uint8_t insn[2] = { 0x0f, 0x05 }; /* syscall */
	char *code = kvm_pages_alloc();
	int err;

	if (!code ||
	    kvm_pages_private(P_TRY, code, PROT_READ | PROT_EXEC, true))
		return -ENOMEM;
	memcpy(code, insn, sizeof(insn));
	err = registers_init(0, P_ARRIVED);
	if (err)
		return err;
	c->run->s.regs.regs.rip = P_TRY; /* is dirty: registers_init */
	while (ioctl(c->fd, KVM_RUN, 0))
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	if (c->run->exit_reason != KVM_EXIT_IO ||
	    (c->run->io.port != TRY_PORT && c->run->io.port != AZ_VEC_PF))
		return -EPROTO;
	*stays = c->run->io.port == AZ_VEC_PF;
	return 0;
}

int kvm_vcpu_init(uint32_t i)
{
	int err;

	kvm_pages_lock();
	err = private_core(i);
	kvm_pages_unlock();
	if (!err)
		err = cpuid_init(i);
	if (!err && !kind_known)
		err = find_kind(&syscall_stays);
	kind_known = !err;
	return err ? err
		   : registers_init(i, syscall_stays
					   ? instance->image->metal_syscall
					   : P_SYSCALL);
}

bool kvm_on_paging(void)
{
	return syscall_stays;
}

int kvm_vcpu_user(uint32_t i)
{
	struct kvm_sregs s;

	if (ioctl(kvm_cores[i].fd, KVM_GET_SREGS, &s))
		return -errno;
	segments_user(&s, i);
	s.tr.type = tss_type();
	return ioctl(kvm_cores[i].fd, KVM_SET_SREGS, &s) ? -errno : 0;
}

/* --- making a machine --- */

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
	uint32_t a, b, c, d;
	int kvm = kvm_fds[THE_DEVICE], slots, err;

	/* A child's is its parent's, who may open it no more by now. */
	if (kvm < 0)
		kvm = kvm_fds[THE_DEVICE] = device_open(why);
	if (kvm < 0)
		return kvm;
	while ((kvm_fds[VM] = ioctl(kvm, KVM_CREATE_VM, 0)) < 0 &&
	       errno == EINTR)
		;
	err = kvm_fds[VM] < 0 ? -errno : 0;
	if (!err)
		err = cpuid_fill(kvm);
	vectors_limit();
	if (err)
		return err;
	slots = ioctl(kvm_fds[VM], KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
	kvm_fds[MAPS] = vmas_open();
	if (kvm_fds[MAPS] < 0)
		return kvm_fds[MAPS];
	__cpuid(0x80000008, a, b, c, d);
	err = kvm_pages_init(&kvm_fds[VM], &kvm_fds[MAPS], a & 0xff,
			     slots > 0 ? (uint32_t)slots : 32);
	if (!err) {
		prefill();
		err = private_pages();
	}
	return err ? err : kvm_vcpu_create(0, &kvm_fds[VCPU0]);
}

int kvm_vm_create(const struct plat_instance *p, uint64_t *vectors,
		  const char **why)
{
	int err;

	instance = p;
	xcr0 = *vectors;
	err = machine_create(why);
	*vectors = xcr0;
	return err;
}

void kvm_vm_close(void)
{
	for (uint32_t i = 0; i < instance->ncores; i++) {
		if (!kvm_cores[i].run)
			continue;
		munmap(kvm_cores[i].run, RUN_SIZE);
		close(kvm_cores[i].fd);
	}
	memset(kvm_cores, 0, instance->ncores * sizeof(kvm_cores[0]));
	for (int i = 1; i < KVM_NFDS; i++) {
		if (kvm_fds[i] >= 0)
			close(kvm_fds[i]);
		kvm_fds[i] = -1;
	}
}

bool kvm_hardware(void)
{
	return access("/sys/module/kvm_intel", F_OK) == 0 ||
	       access("/sys/module/kvm_amd", F_OK) == 0;
}

int kvm_ask(const char **why)
{
	static struct az_image_header nowhere;
	static struct plat_instance nobody = { .image = &nowhere, .ncores = 1 };
	uint64_t vectors = 0;
	bool stays = false;
	int err;

	*why = NULL;
	err = kvm_vm_create(&nobody, &vectors, why);
	if (!err)
		err = private_core(0);
	if (!err)
		err = cpuid_init(0);
	if (!err)
		err = find_kind(&stays);
	kvm_vm_close();
	if (err && !*why)
		*why = error_text(err);
	return err ? err : !stays;
}
