/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * stub.c - all that runs privileged on a CPU taken from Linux.
 *
 * A freestanding program: nothing of Linux is mapped here (block.h). It never
 * touches memory of the instance but through aliases of two pages that the
 * module has pinned, so a fault at CPL 0 is a bug and ends in stub_bug.
 *
 * Interrupts are off except in hlt. Whatever waits here therefore does so as
 * STUB_QUIET, with the park table in CR3: the module then needs no answer from
 * this CPU before it frees memory or page tables of the instance, as Linux
 * needs one even from a lazy CPU (arch/x86/mm/tlb.c:native_flush_tlb_multi).
 * Every wait also ends when the module says STOP.
 */
#include <stdbool.h>
#include <stddef.h>

#include "block.h"

#define NO_TIME (~0ULL)

/* How an instance ends that cannot even be told of a fault. */
#define SIGSEGV 11

/* Exceptions that matter here (SDM 3A, 6.15). */
#define VEC_DB  1
#define VEC_NMI 2
#define VEC_BP  3
#define VEC_OF  4
#define VEC_DF  8
#define VEC_PF  14
#define VEC_MC  18

#define MSR_TSC_DEADLINE   0x6e0
#define MSR_SYSENTER_CS    0x174
#define MSR_DEBUGCTL       0x1d9
#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_CSTAR          0xc0000083
#define MSR_SFMASK         0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_X2APIC         0x800

#define EFER_SCE 1U

#define DR6_INIT   0xffff0ff0UL
#define DR6_CAUSES 0xe00fUL /* BT, BS, BD, B0 to B3 */

/* Local APIC registers (SDM 3A, 11.4.1). */
#define LAPIC_EOI   0xb0
#define LAPIC_ICR   0x300
#define LAPIC_ICR2  0x310
#define LAPIC_LVTT  0x320
#define LAPIC_TMICT 0x380
#define LAPIC_TMCCT 0x390
#define LAPIC_TDCR  0x3e0

#define LVTT_DEADLINE (2U << 17)
#define LVT_MASKED    (1U << 16)
#define ICR_BUSY      (1U << 12)
#define TDCR_BY_1     0xbU

/* More pages than this: flush everything. Linux's own limit is 33. */
#define FLUSH_MAX 32
/* Before a wait becomes hlt: a few microseconds. */
#define SPINS 400

extern const char stub_vectors[], stub_syscall[];
void stub_start(void);
_Noreturn void stub_park(struct azm_block *b);
_Noreturn void stub_enter(uint64_t rip, uint64_t rsp, uint64_t rdi);
_Noreturn void stub_main(struct azm_block *b);
_Noreturn void stub_park_loop(struct azm_block *b);
int64_t stub_call(uint32_t nr, uint64_t arg);
void stub_trap(uint32_t vec, struct az_frame *f);

__attribute__((section(".head"),
	       used)) static const struct azm_stub_header header = {
	.magic = STUB_MAGIC,
	.start = (uint64_t)stub_start,
	.block_size = sizeof(struct azm_block),
};

_Static_assert(offsetof(struct azm_block, kstack) == BLOCK_KSTACK, "asm");
_Static_assert(offsetof(struct azm_block, scratch) == BLOCK_SCRATCH, "asm");
_Static_assert(offsetof(struct azm_block, text) == BLOCK_TEXT, "asm");
_Static_assert(offsetof(struct azm_block, text_len) == BLOCK_TEXT_LEN, "asm");
_Static_assert(offsetof(struct azm_block, syscall) == BLOCK_SYSCALL, "asm");
_Static_assert(offsetof(struct azm_block, core_va) == BLOCK_CORE_VA, "asm");
_Static_assert(offsetof(struct azm_block, syscalls) == BLOCK_SYSCALLS, "asm");
_Static_assert(offsetof(struct azm_block, fsgsbase) == BLOCK_FSGSBASE, "asm");
_Static_assert(sizeof(struct azm_block) <= STUB_STACKS, "stacks");

/* --- the CPU --- */

static uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)v),
			 "d"((uint32_t)(v >> 32))
			 : "memory");
}

static uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return (uint64_t)hi << 32 | lo;
}

static void write_cr3(uint64_t v)
{
	__asm__ volatile("movq %0, %%cr3" ::"r"(v) : "memory");
}

static void cpu_pause(void)
{
	__asm__ volatile("pause" ::: "memory");
}

/* sti takes effect after the next instruction: no wake-up is lost. */
static void hlt(void)
{
	__asm__ volatile("sti; hlt; cli" ::: "memory");
}

/* The block that this CPU's stacks are in. */
static struct azm_block *block_self(void)
{
	return (struct azm_block *)((uint64_t)__builtin_frame_address(0) &
				    ~(uint64_t)(STUB_BLOCK_SIZE - 1));
}

static struct az_core *az_core(const struct azm_block *b)
{
	return (struct az_core *)STUB_ALIAS(b->cpu);
}

static struct azm_page *monitor_page(const struct azm_block *b)
{
	return (struct azm_page *)(STUB_ALIAS(b->cpu) + STUB_ALIAS_SIZE / 2);
}

#define load(p)     __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define swap(p, v)  __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)

/* --- the local APIC --- */

static void lapic_write(const struct azm_block *b, uint32_t reg, uint32_t v)
{
	if (b->x2apic)
		wrmsr(MSR_X2APIC + (reg >> 4), v);
	else
		*(volatile uint32_t *)(STUB_LAPIC + reg) = v;
}

static uint32_t lapic_read(const struct azm_block *b, uint32_t reg)
{
	if (b->x2apic)
		return (uint32_t)rdmsr(MSR_X2APIC + (reg >> 4));
	return *(volatile uint32_t *)(STUB_LAPIC + reg);
}

/* What was written before is seen by the CPU that is interrupted. */
static void send_ipi(const struct azm_block *b, uint32_t apicid, uint32_t vec)
{
	/* wrmsr to x2APIC registers does not serialize (SDM 3A, 11.12.3). */
	__asm__ volatile("mfence; lfence" ::: "memory");
	if (b->x2apic) {
		wrmsr(MSR_X2APIC + (LAPIC_ICR >> 4),
		      (uint64_t)apicid << 32 | vec);
		return;
	}
	while (lapic_read(b, LAPIC_ICR) & ICR_BUSY)
		cpu_pause();
	lapic_write(b, LAPIC_ICR2, apicid << 24);
	lapic_write(b, LAPIC_ICR, vec);
}

/* --- the timer: one, at the earlier of two times --- */

static void timer_arm(struct azm_block *b, uint64_t at)
{
	uint64_t now = rdtsc(), ticks;

	if (b->tsc_deadline) {
		/* 0 would disarm. */
		wrmsr(MSR_TSC_DEADLINE, at == NO_TIME ? 0 : at ? at : 1);
		return;
	}
	if (at == NO_TIME) {
		lapic_write(b, LAPIC_TMICT, 0);
		return;
	}
	/* Early is no harm: the handler looks at the time. */
	ticks = at > now ? at - now : 0;
	if (ticks >> 32)
		ticks = 0xffffffff;
	ticks = ticks * b->lapic_mult >> 32;
	if (ticks > 0xffffffff)
		ticks = 0xffffffff;
	lapic_write(b, LAPIC_TMICT, ticks ? (uint32_t)ticks : 1);
}

/* How fast does the LAPIC's timer run, seen from the TSC? */
static void timer_calibrate(struct azm_block *b)
{
	const uint64_t length = 1 << 20;
	uint64_t from;
	uint32_t count;

	lapic_write(b, LAPIC_TDCR, TDCR_BY_1);
	lapic_write(b, LAPIC_LVTT, LVT_MASKED | STUB_VEC_TIMER);
	lapic_write(b, LAPIC_TMICT, 0xffffffff);
	from = rdtsc();
	while (rdtsc() - from < length)
		cpu_pause();
	count = 0xffffffff - lapic_read(b, LAPIC_TMCCT);
	b->lapic_mult = ((uint64_t)count << 32) / length;
	lapic_write(b, LAPIC_TMICT, 0);
}

static void timer_init(struct azm_block *b)
{
	if (!b->tsc_deadline)
		timer_calibrate(b);
	lapic_write(b, LAPIC_LVTT,
		    STUB_VEC_TIMER | (b->tsc_deadline ? LVTT_DEADLINE : 0));
	__asm__ volatile("mfence" ::: "memory"); /* SDM 3A, 11.5.4.1 */
	b->timer_at = NO_TIME;
	timer_arm(b, NO_TIME);
}

/* The timer has fired; is it for the unikernel, and not for a halt? */
static void timer_fired(struct azm_block *b)
{
	b->timers++;
	if (b->timer_at == NO_TIME)
		return;
	if (rdtsc() < b->timer_at) {
		timer_arm(b, b->timer_at);
		return;
	}
	b->timer_at = NO_TIME;
	monitor_page(b)->timer_fired = 1;
	store(&az_core(b)->pending, 1);
	store(&b->kick, 1);
}

/* --- waiting --- */

static void check_stop(struct azm_block *b)
{
	if (load(&b->cmd) == STUB_CMD_STOP)
		stub_park(b);
}

static void quiet_enter(struct azm_block *b)
{
	write_cr3(b->park_cr3);
	store(&b->idle_since, rdtsc());
	store(&b->state, STUB_QUIET);
}

/*
 * The module changes page tables, then looks at state: either it sees RUN and
 * waits for an answer, or the load of CR3 comes after the change.
 */
static void quiet_leave(struct azm_block *b)
{
	check_stop(b);
	while (load(&b->hold)) {
		hlt();
		check_stop(b);
	}
	b->idle_tsc += rdtsc() - b->idle_since;
	store(&b->idle_since, 0);
	swap(&b->state, STUB_RUN);
	write_cr3(b->cr3);
	store(&b->sync_done, load(&b->sync_req));
}

static void notify(struct azm_block *b)
{
	swap(&b->notify, 1);
	send_ipi(b, b->notify_apicid, b->notify_vector);
}

/* One step of a wait: look again after a moment, or after an interrupt. */
static void wait_step(struct azm_block *b, uint32_t *spins)
{
	check_stop(b);
	if (*spins) {
		--*spins;
		cpu_pause();
	} else {
		hlt();
	}
}

/* Ask the core's thread for something. */
static int32_t request(struct azm_block *b, uint32_t what)
{
	uint32_t seq = b->request_seq + 1, spins = SPINS;
	int32_t answer;

	b->request_seq = seq;
	store(&b->request, what);
	quiet_enter(b);
	notify(b);
	while (load(&b->answered) != seq) {
		if (!spins) {
			swap(&b->sleeps, 1);
			if (load(&b->answered) == seq)
				break;
		}
		wait_step(b, &spins);
	}
	store(&b->sleeps, 0);
	answer = b->answer;
	store(&b->request, STUB_REQ_NONE);
	quiet_leave(b);
	return answer;
}

/* --- monitor calls --- */

static int64_t call_halt(struct azm_block *b, uint64_t deadline)
{
	const struct az_core *az = az_core(b);
	uint64_t from = rdtsc();

	b->halts++;
	if (load(&az->pending))
		return 0;
	quiet_enter(b);
	for (;;) {
		swap(&b->sleeps, 1);
		if (load(&az->pending) || rdtsc() >= deadline)
			break;
		check_stop(b);
		/* Each time: it may have fired early, or be too short. */
		if (deadline < b->timer_at)
			timer_arm(b, deadline);
		hlt();
	}
	store(&b->sleeps, 0);
	if (deadline < b->timer_at)
		timer_arm(b, b->timer_at);
	/* Whoever kicked has set pending before, and that is looked at. */
	store(&b->kick, 0);
	b->halt_tsc += rdtsc() - from;
	quiet_leave(b);
	return 0;
}

static int64_t call_timer(struct azm_block *b, uint64_t at)
{
	b->timer_at = at;
	timer_arm(b, at);
	return 0;
}

/* The block of core j of this instance, or NULL. */
static struct azm_block *block_of_core(const struct azm_block *b, uint64_t j)
{
	uint32_t cpu;

	if (j >= b->ncores || j >= STUB_MAX_CORES)
		return NULL;
	cpu = load(&b->cpu_of[j]);
	return cpu < STUB_MAX_CPUS ? (struct azm_block *)STUB_BLOCK(cpu) : NULL;
}

static int64_t call_kick(struct azm_block *b, uint64_t core)
{
	struct azm_block *to = block_of_core(b, core);

	if (!to)
		return -1;
	store(&to->kick, 1);
	send_ipi(b, to->apicid, STUB_VEC_IPI);
	return 0;
}

/* Every other core takes an interrupt, or is not running program code. */
static void sync_one(struct azm_block *b, struct azm_block *to)
{
	uint32_t req = __atomic_add_fetch(&to->sync_req, 1, __ATOMIC_SEQ_CST);

	if (load(&to->state) == STUB_RUN)
		send_ipi(b, to->apicid, STUB_VEC_IPI);
	while (load(&to->state) == STUB_RUN &&
	       (int32_t)(load(&to->sync_done) - req) < 0) {
		check_stop(b);
		cpu_pause();
	}
}

static int64_t call_sync(struct azm_block *b)
{
	quiet_enter(b);
	for (uint32_t j = 0; j < b->ncores; j++) {
		struct azm_block *to = block_of_core(b, j);

		if (to && to != b)
			sync_one(b, to);
	}
	quiet_leave(b);
	return 0;
}

static int64_t call_setfs(uint64_t base)
{
	if (base >> 47)
		return -1;
	wrmsr(MSR_FS_BASE, base);
	return 0;
}

int64_t stub_call(uint32_t nr, uint64_t arg)
{
	struct azm_block *b = block_self();

	b->calls++;
	switch (nr) {
	case AZM_CALL_HALT:
		return call_halt(b, arg);
	case AZM_CALL_TIMER:
		return call_timer(b, arg);
	case AZM_CALL_KICK:
		return call_kick(b, arg);
	case AZM_CALL_HOST:
		return request(b, STUB_REQ_HOST);
	case AZM_CALL_EXIT:
		return request(b, STUB_REQ_EXIT);
	case AZM_CALL_SYNC:
		return call_sync(b);
	case AZM_CALL_SETFS:
		return call_setfs(arg);
	case AZM_CALL_GETFS:
		return (int64_t)rdmsr(MSR_FS_BASE);
	default:
		return -1;
	}
}

/* --- traps --- */

static _Noreturn void stub_bug(struct azm_block *b, uint32_t vec,
			       const struct az_frame *f)
{
	b->bug_vec = vec;
	b->bug_error = f->orig_rax;
	b->bug_rip = f->rip;
	__asm__ volatile("movq %%cr2, %0" : "=r"(b->bug_addr));
	write_cr3(b->park_cr3);
	store(&b->state, STUB_DEAD);
	notify(b);
	for (;;)
		__asm__ volatile("cli; hlt");
}

/*
 * A fault in the unikernel on its trap stack: that of an upcall, which can only
 * be its own. It would be told of it on that stack, and fault again, for ever.
 */
static bool beyond_help(const struct azm_block *b, const struct az_frame *f)
{
	return f->rip - b->text < b->text_len && f->rsp > b->core_va &&
	       f->rsp <= b->trap_stack;
}

static void upcall(struct azm_block *b, struct az_frame *f, uint32_t vec,
		   uint64_t addr)
{
	struct azm_page *p = monitor_page(b);

	while (beyond_help(b, f)) {
		p->exit_status = SIGSEGV;
		request(b, STUB_REQ_EXIT);
	}
	b->traps++;
	p->frame = *f;
	p->frame.orig_rax = ~0ULL;
	p->error = f->orig_rax;
	p->addr = addr;
	p->vec = vec;
	f->rdi = b->core_va + AZ_CORE_PLAT;
	f->rbp = 0;
	f->rip = b->trap;
	f->cs = STUB_USER_CS;
	f->rflags = 0x202;
	f->rsp = b->trap_stack;
	f->ss = STUB_USER_DS;
	if (b->fsgsbase)
		__asm__ volatile("wrgsbase %0" ::"r"(b->core_va));
	else
		wrmsr(MSR_GS_BASE, b->core_va);
}

static void apply_kick(struct azm_block *b, struct az_frame *f)
{
	if (!swap(&b->kick, 0))
		return;
	b->kicks++;
	if (f->rip - b->text >= b->text_len) {
		f->orig_rax = 0;
		upcall(b, f, AZ_VEC_KICK, 0);
		return;
	}
	for (int i = 0; i < AZ_NRESTART; i++)
		if (f->rip >= b->restart[i].begin &&
		    f->rip < b->restart[i].end) {
			f->rip = b->restart[i].target;
			return;
		}
}

static void flush(struct azm_block *b)
{
	uint32_t req = load(&b->flush_req);
	uint64_t lo, hi;

	if (req == b->flush_done)
		return;
	b->flushes++;
	lo = b->flush_lo;
	hi = b->flush_hi;
	if (!hi || hi - lo > FLUSH_MAX * AZ_PAGE_SIZE)
		write_cr3(b->cr3);
	else
		for (; lo < hi; lo += AZ_PAGE_SIZE)
			__asm__ volatile("invlpg (%0)" ::"r"(lo) : "memory");
	store(&b->flush_done, req);
}

static void interrupt(struct azm_block *b, uint32_t vec, struct az_frame *f)
{
	b->interrupts++;
	if (vec == STUB_VEC_TIMER)
		timer_fired(b);
	if (vec != STUB_VEC_SPURIOUS)
		lapic_write(b, LAPIC_EOI, 0);
	if (!(f->cs & 3))
		return; /* from hlt, and that loop looks */
	check_stop(b);
	if (load(&b->hold)) {
		quiet_enter(b);
		quiet_leave(b);
	}
	flush(b);
	store(&b->sync_done, load(&b->sync_req));
	apply_kick(b, f);
}

static void page_fault(struct azm_block *b, struct az_frame *f)
{
	uint32_t vec = VEC_PF;
	uint64_t addr;
	int32_t answer = STUB_FAULT_SEGV;

	__asm__ volatile("movq %%cr2, %0" : "=r"(addr));
	if (addr < b->guest_end) {
		b->faults++;
		b->fault_addr = addr;
		b->fault_error = (uint32_t)f->orig_rax;
		answer = request(b, STUB_REQ_FAULT);
	}
	if (answer == STUB_FAULT_BUS)
		vec = AZ_VEC_BUS;
	if (answer)
		upcall(b, f, vec, addr);
	apply_kick(b, f);
}

/* The error of a #DB: why it is, and no more of it (SDM 3B, 17.2.3). */
static uint64_t debug_error(void)
{
	uint64_t dr6;

	__asm__ volatile("movq %%dr6, %0" : "=r"(dr6));
	__asm__ volatile("movq %0, %%dr6" ::"r"(DR6_INIT));
	return (dr6 ^ DR6_INIT) & DR6_CAUSES ? 0 : AZ_DB_ICEBP;
}

void stub_trap(uint32_t vec, struct az_frame *f)
{
	struct azm_block *b = block_self();

	if (vec == VEC_NMI) {
		b->nmis++;
		return;
	}
	if (vec == VEC_MC || vec == VEC_DF) {
		stub_bug(b, vec, f);
	} else if (vec >= 32) {
		interrupt(b, vec, f);
	} else if (!(f->cs & 3)) {
		stub_bug(b, vec, f);
	} else if (vec == VEC_PF) {
		page_fault(b, f);
	} else {
		if (vec == VEC_DB)
			f->orig_rax = debug_error();
		upcall(b, f, vec, 0);
	}
}

/* --- coming here, and into an instance --- */

static void gdt_init(struct azm_block *b)
{
	uint64_t tss = (uint64_t)b->tss;
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) r = { sizeof(b->gdt) - 1, (uint64_t)b->gdt };

	/* Flat 64-bit segments (SDM 3A, 3.4.5), accessed bits set. */
	b->gdt[STUB_KERNEL_CS / 8] = 0x00af9b000000ffff;
	b->gdt[STUB_KERNEL_CS / 8 + 1] = 0x00cf93000000ffff;
	b->gdt[STUB_USER_DS / 8] = 0x00cff3000000ffff;
	b->gdt[STUB_USER_CS / 8] = 0x00affb000000ffff;
	/* A TSS of 104 bytes, and so without an I/O map. */
	b->gdt[STUB_TSS / 8] = 103 | (tss & 0xffffff) << 16 | 0x89ULL << 40 |
			       (tss >> 24 & 0xff) << 56;
	b->gdt[STUB_TSS / 8 + 1] = tss >> 32;
	__asm__ volatile("lgdt %0" ::"m"(r));
}

static void tss_set(struct azm_block *b, int index, uint64_t offset)
{
	uint64_t v = (uint64_t)b + offset;

	b->tss[index] = (uint32_t)v;
	b->tss[index + 1] = (uint32_t)(v >> 32);
}

static void tss_init(struct azm_block *b)
{
	tss_set(b, 1, STUB_STACK_MAIN); /* RSP0; ISTs begin at 9 */
	tss_set(b, 9, STUB_STACK_NMI);
	tss_set(b, 11, STUB_STACK_DF);
	tss_set(b, 13, STUB_STACK_MC);
	tss_set(b, 15, STUB_STACK_DB);
	b->tss[25] = 104 << 16; /* I/O map: behind the end */
	__asm__ volatile("ltr %w0" ::"r"(STUB_TSS));
}

static void idt_init(struct azm_block *b)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) r = { sizeof(b->idt) - 1, (uint64_t)b->idt };

	for (uint64_t vec = 0; vec < 256; vec++) {
		uint64_t at = (uint64_t)stub_vectors + 16 * vec;
		uint64_t ist = vec == VEC_NMI  ? 1
			       : vec == VEC_DF ? 2
			       : vec == VEC_MC ? 3
			       : vec == VEC_DB ? 4
					       : 0;
		uint64_t dpl = vec == VEC_BP || vec == VEC_OF ? 3 : 0;

		b->idt[2 * vec] = (at & 0xffff) | STUB_KERNEL_CS << 16 |
				  ist << 32 | (0x8eULL | dpl << 5) << 40 |
				  (at >> 16 & 0xffff) << 48;
		b->idt[2 * vec + 1] = at >> 32;
	}
	__asm__ volatile("lidt %0" ::"m"(r));
}

static void segments_init(void)
{
	__asm__ volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%fs;"
			 "movl %0, %%gs; lldt %w0" ::"r"(0));
	__asm__ volatile("movl %0, %%ss" ::"r"(STUB_KERNEL_CS + 8));
}

static void msr_init(struct azm_block *b)
{
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	/* sysretq: CS is this + 16, SS this + 8, both with RPL 3. */
	wrmsr(MSR_STAR, (uint64_t)(STUB_USER_CS - 16) << 48 |
			    (uint64_t)STUB_KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (uint64_t)stub_syscall);
	wrmsr(MSR_CSTAR, (uint64_t)stub_syscall);
	wrmsr(MSR_SFMASK, 0x257fd5); /* all flags */
	wrmsr(MSR_KERNEL_GS_BASE, (uint64_t)b);
	wrmsr(MSR_SYSENTER_CS, 0); /* sysenter: #GP */
}

/* No register holds anything of who was here before. */
static void vector_init(struct azm_block *b)
{
	*(uint16_t *)&b->xsave_init[0] = 0x37f;   /* FCW */
	*(uint32_t *)&b->xsave_init[24] = 0x1f80; /* MXCSR */
	if (b->has_xsave)
		__asm__ volatile("xrstor64 %0" ::"m"(b->xsave_init),
				 "a"((uint32_t)b->xcr0),
				 "d"((uint32_t)(b->xcr0 >> 32)));
	else
		__asm__ volatile("fxrstor64 %0" ::"m"(b->xsave_init));
}

static _Noreturn void start(struct azm_block *b)
{
	b->request = STUB_REQ_NONE;
	b->sleeps = 0;
	b->run_tsc = b->halt_tsc = b->idle_tsc = 0;
	b->interrupts = b->kicks = b->flushes = b->timers = b->nmis = 0;
	b->faults = b->calls = b->halts = b->traps = b->syscalls = 0;
	b->kick = 0;
	vector_init(b);
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_GS_BASE, b->core_va);
	b->entered_tsc = b->idle_since = rdtsc();
	store(&b->state, STUB_QUIET);
	quiet_leave(b);
	/* As if called: the ABI wants 8 modulo 16 there. */
	stub_enter(b->entry, (b->stack & ~15ULL) - 8, b->core_va);
}

_Noreturn void stub_park_loop(struct azm_block *b)
{
	write_cr3(b->park_cr3);
	b->timer_at = NO_TIME;
	timer_arm(b, NO_TIME);
	if (b->entered_tsc)
		b->run_tsc = rdtsc() - b->entered_tsc;
	if (b->idle_since)
		b->idle_tsc += rdtsc() - b->idle_since;
	b->entered_tsc = b->idle_since = 0;
	b->sleeps = 1;
	swap(&b->state, STUB_PARKED);
	while (load(&b->cmd) != STUB_CMD_START)
		hlt();
	start(b);
}

_Noreturn void stub_main(struct azm_block *b)
{
	b->self = (uint64_t)b;
	b->kstack = (uint64_t)b + STUB_STACK_MAIN;
	__asm__ volatile("clts"); /* CR4 and DR7 are set: cpu.c, enter.S */
	gdt_init(b);
	segments_init();
	tss_init(b);
	idt_init(b);
	msr_init(b);
	timer_init(b);
	b->entered_tsc = b->idle_since = 0;
	stub_park(b);
}
