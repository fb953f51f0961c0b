/* SPDX-License-Identifier: MIT */
/*
 * metal.c - the guest half of platform metal: a core is a CPU taken from Linux.
 *
 * The monitor is the stub, which is all that runs privileged on such a CPU
 * (module/stub.c). It is called by a `syscall` in the unikernel's text, and
 * calls metal_syscall and metal_trap (metal_entry.S). What Linux must do goes
 * through rings; only what makes somebody look at the rings, and what must not
 * wait for that, is a host call, which the core's thread in the owner makes.
 *
 * The core's monitor page is shared with the stub and with that thread. The
 * stub writes its registers part at an upcall for something other than a
 * `syscall`; inside the unikernel's text it does so for real faults only, of
 * which metal_upcall makes none before it has read them.
 */
#include "kvm.h"

#include "calls.h"
#include "core.h"
#include "plat/plat.h"
#include "sched/clock.h"
#include "sched/sched.h"
#include "sched/vector.h"
#include "sys/sys.h"
#include "sys/vfork.h"

#define USER_END   0x7ffffffff000ULL /* Linux: TASK_SIZE_MAX */
#define PF_PRESENT 1ULL              /* error code, Intel SDM 3 §4.7 */

_Noreturn void metal_enter_trap(uint32_t vec, uint64_t error, uint64_t addr,
				struct az_frame *frame);
_Noreturn void metal_return(const struct az_frame *frame);
_Noreturn void metal_upcall(struct azm_page *page);

static bool virtual; /* on kvm: else on metal */

static struct azm_page *page_of(struct core *c)
{
	_Static_assert(sizeof(struct azm_page) <= sizeof(c->plat), "plat");
	return (struct azm_page *)c->plat;
}

static uint64_t monitor(uint64_t nr, uint64_t arg)
{
	if (virtual) {
		struct azm_page *p = page_of(core_self());

		p->arg = arg;
		__asm__ volatile("outl %%eax, %0"
				 :
				 : "N"(AZK_PORT), "a"((uint32_t)nr)
				 : "memory");
		return p->value;
	}
	__asm__ volatile("syscall"
			 : "+a"(nr)
			 : "D"(arg)
			 : "rcx", "r11", "memory");
	return nr;
}

long metal_call(uint32_t nr, const uint64_t arg[6])
{
	struct azm_page *p = page_of(core_self());

	p->call.nr = nr;
	for (int i = 0; i < 6; i++)
		p->call.arg[i] = arg[i];
	monitor(AZM_CALL_HOST, 0);
	return __atomic_load_n(&p->call.result, __ATOMIC_ACQUIRE);
}

uint32_t metal_signal_raised(void)
{
	return page_of(core_self())->raised;
}

/* --- vfork: the core's thread changes, the core runs on --- */

/*
 * The child's registers are the core's: so the parent's are kept, by the
 * child's own struct thread, which is never switched.
 */
long metal_vfork(uint64_t flags, uint64_t ptid)
{
	struct core *c = core_self();
	struct thread *v = c->current;
	const uint64_t a[6] = { flags, ptid };
	uint64_t fs = metal_get_fs();
	struct azm_page *p = page_of(c);
	long r = metal_call(AZ_SYS_clone, a);

	if (r)
		return r;
	vector_save(c, v);
	thread_enter_at(v, vfork_entry);
	context_switch(&c->vfork->ksp, v->ksp);
	c->vector_full = 1; /* nobody knows */
	vector_load(c, v);
	metal_set_fs(fs);
	r = p->over;
	__atomic_store_n(&p->over, 0, __ATOMIC_RELEASE);
	return r;
}

bool metal_vfork_over(struct core *c)
{
	return __atomic_load_n(&page_of(c)->over, __ATOMIC_ACQUIRE);
}

/* --- upcalls --- */

/*
 * As Linux tells it: of addresses that are the kernel's, a program learns no
 * more than that they are not its own (arch/x86/mm/fault.c).
 */
static uint64_t error_code(const struct azm_page *p)
{
	if (p->vec == AZ_VEC_PF && p->addr >= USER_END)
		return p->error | PF_PRESENT;
	return p->error;
}

/* On the core's trap stack. */
void metal_upcall(struct azm_page *p)
{
	struct core *c = core_self();
	struct az_frame *f = &p->frame;

	if (!plat_in_text(f->rip)) {
		*c->frame = *f;
		metal_enter_trap(p->vec, error_code(p), p->addr, c->frame);
	}
	if (f->rip == (uint64_t)exit_iret)
		metal_enter_trap(AZ_VEC_GP, 0, 0, c->frame);
	f->rip = plat_fixup(p->vec, f->rip, p->addr);
	metal_return(f);
}

/* --- the contract --- */

static uint64_t deadline_tsc(uint64_t deadline)
{
	if (virtual)
		return clock_of_host(deadline);
	return deadline == AZ_NO_DEADLINE ? ~0ULL : clock_deadline(deadline);
}

void metal_core_init(void)
{
	virtual = BOOT->plat == AZ_PLAT_KVM;
}

void metal_halt(uint64_t deadline)
{
	struct core *c = core_self();
	uint64_t tsc = deadline_tsc(deadline);

	/*
	 * Pairs with mon_kick: it sets pending, then reads halted. The stub
	 * looks at pending once more, with interrupts off.
	 */
	__atomic_store_n(&c->az.halted, AZ_CORE_HALTED, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&c->az.pending, __ATOMIC_SEQ_CST))
		monitor(AZM_CALL_HALT, tsc);
	__atomic_store_n(&c->az.halted, 0, __ATOMIC_SEQ_CST);
}

void metal_timer(uint64_t deadline)
{
	monitor(AZM_CALL_TIMER, deadline_tsc(deadline));
}

/* The stub sets timer_fired on this CPU, together with az_core.pending. */
bool metal_timer_over(struct core *c)
{
	struct azm_page *p = page_of(c);
	bool over = __atomic_load_n(&p->timer_fired, __ATOMIC_RELAXED);

	if (over)
		__atomic_store_n(&p->timer_fired, 0, __ATOMIC_RELAXED);
	return over;
}

void metal_interrupt(uint32_t core)
{
	monitor(AZM_CALL_KICK, core);
}

/* On metal, nobody else wants this CPU. */
void metal_relax(void)
{
	if (!virtual || az_workers_apart(BOOT))
		__builtin_ia32_pause();
	else
		monitor(AZK_CALL_YIELD, 0);
}

bool metal_clocks(struct az_clocks *c)
{
	if (!virtual)
		return false;
	monitor(AZK_CALL_CLOCKS, 0);
	*c = page_of(core_self())->clocks;
	return true;
}

int metal_sync_cores(void)
{
	return (int)monitor(AZM_CALL_SYNC, 0);
}

void metal_set_fs(uint64_t base)
{
	if (BOOT->flags & AZ_BOOT_FSGSBASE)
		__asm__ volatile("wrfsbase %0" ::"r"(base));
	else
		monitor(AZM_CALL_SETFS, base);
}

uint64_t metal_get_fs(void)
{
	uint64_t base;

	if (!(BOOT->flags & AZ_BOOT_FSGSBASE))
		return monitor(AZM_CALL_GETFS, 0);
	__asm__ volatile("rdfsbase %0" : "=r"(base));
	return base;
}

void metal_exit(int status)
{
	struct core *c = core_self();
	const uint64_t a[6] = { (uint64_t)(int64_t)status };

	if (c->vfork) {
		metal_call(AZ_SYS_exit_group, a);
		vfork_look();
	}
	page_of(c)->exit_status = status;
	for (;;)
		monitor(AZM_CALL_EXIT, 0);
}
