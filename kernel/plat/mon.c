/* SPDX-License-Identifier: MIT */
/*
 * mon.c - the platform contract, for whatever platform this instance is on.
 *
 * One image serves all platforms, and the child of a fork may be on another
 * one than its parent: so a core looks up its platform when it comes up, and
 * never changes it. The question is asked by a branch that always goes the
 * same way, which costs a cycle; a table of pointers would cost an indirect
 * jump as well. What all platforms do alike is done here.
 */
#include <asm/unistd.h>
#include <linux/futex.h>

#include "core.h"
#include "lib/errno.h"
#include "lib/extable.h"
#include "plat/plat.h"
#include "sched/clock.h"
#include "sys/debugger.h"
#include "sys/sys.h"

/* A line of its own: what is written beside it would be waited for. */
static struct {
	_Alignas(64) bool apart; /* kvm and metal: else pico */
} plat;

#define RANGE(from, to, then)                                      \
	{                                                          \
		(uint64_t)(from), (uint64_t)(to), (uint64_t)(then) \
	}

__attribute__((section(".image_header"),
	       used)) static const struct az_image_header image_header = {
	.magic = AZ_IMAGE_MAGIC,
	.version = AZ_IMAGE_VERSION,
	.entry = (uint64_t)core_entry,
	.text = (uint64_t)text_start,
	.text_end = (uint64_t)text_end,
	.pico_signal = (uint64_t)pico_signal,
	.pico_restorer = (uint64_t)pico_restorer,
	.metal_trap = (uint64_t)metal_trap,
	.metal_syscall = (uint64_t)metal_syscall,
	.debug = (uint64_t)&debug_table,
	.restart = {
		RANGE(exit_begin, exit_end, exit_to_program),
		RANGE(light_begin, light_end, light_exit),
		RANGE(ipc_exit_begin, ipc_exit_end, ipc_exit_slow),
		RANGE(pico_gate_begin, pico_gate_end, pico_gate_abort),
	},
};

uint64_t plat_restart(uint64_t rip)
{
	for (int i = 0; i < AZ_NRESTART; i++) {
		const struct az_restart *r = &image_header.restart[i];

		if (rip >= r->begin && rip < r->end)
			return r->target;
	}
	return rip;
}

uint64_t plat_fixup(uint32_t vec, uint64_t rip, uint64_t addr)
{
	uint64_t fixup = extable_find(rip);

	if (!fixup)
		panic("fault %u at %#llx, address %#llx", vec,
		      (unsigned long long)rip, (unsigned long long)addr);
	return fixup;
}

void mon_core_init(struct core *c)
{
	plat.apart = BOOT->plat != AZ_PLAT_PICO;
	if (plat.apart)
		metal_core_init();
	else
		pico_core_init(c);
}

static long call(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2,
		 uint64_t a3)
{
	const uint64_t a[6] = { a0, a1, a2, a3 };

	return mon_direct_now(nr, a);
}

int mon_direct_ok(void)
{
	return !plat.apart;
}

long mon_direct(uint32_t nr, const uint64_t arg[6])
{
	return plat.apart ? metal_call(nr, arg) : pico_call(nr, arg);
}

long mon_direct_now(uint32_t nr, const uint64_t arg[6])
{
	return plat.apart ? metal_call(nr, arg) : pico_call_now(nr, arg);
}

uint32_t mon_signal_raised(void)
{
	return plat.apart ? metal_signal_raised() : pico_signal_raised();
}

void mon_halt(uint64_t deadline)
{
	if (plat.apart)
		metal_halt(deadline);
	else
		pico_halt(clock_of_host(deadline));
}

void mon_timer(uint64_t deadline)
{
	if (plat.apart)
		metal_timer(deadline);
	else
		pico_timer(clock_of_host(deadline));
}

int mon_timer_over(void)
{
	struct core *c = core_self();

	return plat.apart ? metal_timer_over(c) : pico_timer_over(c);
}

static void wake_halted(uint32_t core)
{
	if (plat.apart)
		metal_interrupt(core);
	else
		pico_wake(core);
}

void mon_upcall(uint32_t core)
{
	if (plat.apart)
		metal_interrupt(core);
	else
		pico_upcall(core);
}

void mon_kick(uint32_t core)
{
	struct core *c = core_at(core);
	uint32_t halted;

	if (__atomic_exchange_n(&c->az.pending, 1, __ATOMIC_SEQ_CST))
		return;
	/* Pairs with *_halt, and with sched.c:idle_spin for AZ_CORE_LOOKS. */
	halted = __atomic_load_n(&c->az.halted, __ATOMIC_SEQ_CST);
	if (halted == AZ_CORE_HALTED)
		wake_halted(core);
	else if (!halted)
		mon_upcall(core);
}

void mon_nudge(uint32_t core)
{
	struct core *c = core_at(core);

	if (!__atomic_exchange_n(&c->az.pending, 1, __ATOMIC_SEQ_CST) &&
	    __atomic_load_n(&c->az.halted, __ATOMIC_SEQ_CST) == AZ_CORE_HALTED)
		wake_halted(core);
}

void mon_owner(void)
{
	call(__NR_tgkill, BOOT->pid, BOOT->owner_tid, AZ_SIG_KICK, 0);
}

void mon_doorbell(void)
{
	__atomic_fetch_add(&BOOT->bell_seq, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&BOOT->bell_sleepers, __ATOMIC_SEQ_CST)) {
		call(__NR_futex, (uint64_t)&BOOT->bell_seq,
		     FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0);
		return;
	}
	__atomic_store_n(&BOOT->want_workers, 1, __ATOMIC_SEQ_CST);
	mon_owner();
}

/* What a core gets to see of a page fault, the owner had nothing for. */
int mon_fault_in(uint64_t addr, int write)
{
	(void)addr;
	(void)write;
	return -EFAULT;
}

int mon_clocks(struct az_clocks *c)
{
	return plat.apart && metal_clocks(c);
}

void mon_relax(void)
{
	if (plat.apart)
		metal_relax();
	else
		pico_relax();
}

long mon_vfork(uint64_t flags, void *sp, uint64_t ptid)
{
	return plat.apart ? metal_vfork(flags, ptid)
			  : pico_vfork(flags, sp, ptid);
}

int mon_vfork_over(void)
{
	return plat.apart && metal_vfork_over(core_self());
}

int mon_patch(uint64_t addr, const uint8_t *bytes, size_t n)
{
	long r = call(__NR_pwrite64, (uint64_t)(int64_t)BOOT->mem_fd,
		      (uint64_t)bytes, n, addr);

	return r < 0 ? (int)r : r == (long)n ? 0 : -EFAULT;
}

int mon_sync_cores(void)
{
	return plat.apart ? metal_sync_cores() : pico_sync_cores();
}

void mon_set_fs(uint64_t base)
{
	if (plat.apart)
		metal_set_fs(base);
	else
		pico_set_fs(base);
}

uint64_t mon_get_fs(void)
{
	return plat.apart ? metal_get_fs() : pico_get_fs();
}

void mon_exit(int status)
{
	if (plat.apart)
		metal_exit(status);
	pico_exit(status);
}
