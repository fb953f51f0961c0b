// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * cpu.c - CPUs: taken from Linux, given back, and who has them meanwhile.
 *
 * A CPU is taken by taking it off-line: its last step in Linux is smp_ops.
 * play_dead (arch/x86/kernel/process.c:arch_cpu_idle_dead), which for a claimed
 * CPU is the stub. It comes back by going on-line, which begins with INIT and
 * so works whatever it does (arch/x86/kernel/smpboot.c:do_boot_cpu).
 *
 * A CPU in state AZM_MOVING belongs to whoever set that; everything else about
 * CPUs is under azm_lock.
 */
#include <asm/apic.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/msr.h>
#include <asm/smp.h>
#include <asm/tsc.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/suspend.h>
#include <linux/topology.h>

#include "azm.h"
#include "compat.h"

/* How long a CPU may take to reach the stub, or to park; jiffies. */
#define PARK_TIMEOUT (3 * HZ)

/*
 * What of Linux's CR4 a core keeps (SDM 3A, 2.5): not PGE, PCIDE, CET, FRED,
 * nor TSD and PCE.
 */
#define CORE_CR4                                                             \
	(X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_MCE |              \
	 X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_UMIP | X86_CR4_LA57 | \
	 X86_CR4_FSGSBASE | X86_CR4_OSXSAVE | X86_CR4_SMEP | X86_CR4_SMAP |  \
	 X86_CR4_PKE)

DEFINE_MUTEX(azm_lock);

static struct azm_cpu *cpus; /* one for each possible CPU */
static unsigned int ncpus;
static cpumask_var_t held; /* azm_lock; read by the interrupt */
static bool x2apic;
static void (*linux_play_dead)(void);
static int prepare_state, online_state;
static bool suspending; /* azm_lock: Linux is about to sleep */
static bool going_down; /* azm_lock: the machine is */

struct azm_cpu *azm_cpu(unsigned int n)
{
	return n < ncpus && cpu_possible(n) ? &cpus[n] : NULL;
}

/* --- interrupts, to and from --- */

static void icr_write(u32 low, u32 apicid)
{
	unsigned long flags;

	local_irq_save(flags);
	/* wrmsr to x2APIC registers does not serialize (SDM 3A, 11.12.3). */
	asm volatile("mfence; lfence" : : : "memory");
	if (!x2apic)
		while (apic->read(APIC_ICR) & APIC_ICR_BUSY)
			cpu_relax();
	apic->icr_write(APIC_DEST_PHYSICAL | low, apicid);
	local_irq_restore(flags);
}

void azm_cpu_ipi(const struct azm_cpu *c)
{
	icr_write(APIC_DM_FIXED | STUB_VEC_IPI, c->apicid);
}

/* As arch/x86/kernel/smpboot.c:wakeup_secondary_cpu_via_init. */
void azm_cpu_kill(struct azm_cpu *c)
{
	const u32 init = APIC_INT_LEVELTRIG | APIC_DM_INIT;

	icr_write(init | APIC_INT_ASSERT, c->apicid);
	udelay(100);
	icr_write(init, c->apicid);
	c->dead = true;
	WRITE_ONCE(c->block->state, STUB_OFF);
}

/* x86_platform_ipi_callback: some core has a request for its thread. */
static void on_notify(void)
{
	unsigned int n;

	for_each_cpu(n, held) if (xchg(&cpus[n].block->notify, 0))
	    wake_up(&cpus[n].wait);
}

/* --- the way into the stub --- */

static void lapic_init(void)
{
	static const u32 lvts[] = { APIC_LVTT, APIC_LVTTHMR, APIC_LVTPC,
				    APIC_LVT0, APIC_LVT1,    APIC_LVTERR };
	u32 max = apic->read(APIC_LVR) >> 16 & 0xff; /* the last entry */
	unsigned int i;

	/* Linux has disabled it (native_cpu_disable), which masks them all. */
	apic->write(APIC_SPIV, APIC_SPIV_APIC_ENABLED | STUB_VEC_SPURIOUS);
	for (i = 0; i < ARRAY_SIZE(lvts); i++)
		if ((lvts[i] != APIC_LVTPC || max >= 4) &&
		    (lvts[i] != APIC_LVTTHMR || max >= 5))
			apic->write(lvts[i], APIC_LVT_MASKED);
	apic->write(APIC_TASKPRI, 0);
}

static u64 read_xcr0(void)
{
	u32 lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (u64)hi << 32 | lo;
}

/* What Linux leaves on for itself, and a program would pay for. */
static void mitigations_off(void)
{
#ifdef X86_FEATURE_KERNEL_IBRS
	if (boot_cpu_has(X86_FEATURE_KERNEL_IBRS))
		wrmsrl(MSR_IA32_SPEC_CTRL, 0);
#endif
#ifdef X86_FEATURE_IBT
	if (boot_cpu_has(X86_FEATURE_IBT))
		wrmsrl(MSR_IA32_S_CET, 0);
#endif
}

/*
 * QEMU before 9.1 makes an iretq at CPL 3 read its frame as if it were the
 * kernel, which SMAP forbids. The stub touches no user memory as it is.
 */
static u64 core_cr4(void)
{
	u64 cr4 = __read_cr4() & CORE_CR4;

	return boot_cpu_has(X86_FEATURE_HYPERVISOR) ? cr4 & ~X86_CR4_SMAP : cr4;
}

/*
 * smp_ops.play_dead: the last of Linux on a CPU that goes off-line. With
 * play_dead_common, Linux sees it dead; interrupts are off after that.
 */
static void azm_play_dead(void)
{
	struct azm_cpu *c = &cpus[smp_processor_id()];

	if (!READ_ONCE(c->claimed)) {
		linux_play_dead();
		return;
	}
	azm_call(azm_sym.play_dead_common, 0, 0, 0);
	set_debugreg(0UL, 7);
	lapic_init();
	mitigations_off();
	c->block->xcr0 = c->block->has_xsave ? read_xcr0() : 3;
	azm_enter(azm_map_park(), core_cr4(), azm_map_start(),
		  STUB_BLOCK(c->cpu));
}

/* --- taking and giving: the caller has made it AZM_MOVING --- */

/* What stays the same however often the CPU comes and goes. */
static int block_init(struct azm_cpu *c)
{
	struct azm_block *b;
	struct page *page;
	int err;

	if (c->block)
		return 0;
	page = alloc_pages_node(cpu_to_node(c->cpu), GFP_KERNEL | __GFP_ZERO,
				get_order(STUB_BLOCK_SIZE));
	if (!page)
		return -ENOMEM;
	c->block = b = page_address(page);
	err = azm_map_block(c);
	if (err) {
		__free_pages(page, get_order(STUB_BLOCK_SIZE));
		c->block = NULL;
		return err;
	}
	b->park_cr3 = azm_map_park();
	b->cpu = c->cpu;
	b->apicid = c->apicid = per_cpu(x86_cpu_to_apicid, c->cpu);
	b->x2apic = x2apic;
	b->tsc_deadline = boot_cpu_has(X86_FEATURE_TSC_DEADLINE_TIMER);
	b->fsgsbase = boot_cpu_has(X86_FEATURE_FSGSBASE);
	b->has_xsave = boot_cpu_has(X86_FEATURE_OSXSAVE);
	b->notify_vector = X86_PLATFORM_IPI_VECTOR;
	b->notify_apicid = per_cpu(x86_cpu_to_apicid, raw_smp_processor_id());
	return 0;
}

static bool wait_parked(const struct azm_cpu *c)
{
	const unsigned long end = jiffies + PARK_TIMEOUT;
	unsigned int i;

	for (i = 0; READ_ONCE(c->block->state) != STUB_PARKED; i++) {
		if (READ_ONCE(c->block->state) == STUB_DEAD ||
		    time_after(jiffies, end))
			return false;
		if (i < 1000)
			cpu_relax();
		else
			usleep_range(20, 100);
	}
	smp_rmb(); /* pairs with the stub's store of PARKED */
	return true;
}

/*
 * While a CPU is ours, Linux must not send interrupts to "all but me". It does
 * so only if every CPU has been booted (arch/x86/kernel/apic/ipi.c:
 * apic_smt_update): let it think that this one has not been. Linux corrects
 * that itself when the CPU comes up.
 */
static void booted_once(const struct azm_cpu *c, bool yes)
{
	if (!azm_sym.booted_once)
		return;
	if (yes)
		cpumask_set_cpu(c->cpu, azm_sym.booted_once);
	else
		cpumask_clear_cpu(c->cpu, azm_sym.booted_once);
}

static void bug_report(const struct azm_cpu *c)
{
	const struct azm_block *b = c->block;

	if (READ_ONCE(b->state) == STUB_DEAD)
		pr_err(
		    "CPU %u: exception %llu, error %#llx, at %#llx in the stub, address %#llx\n",
		    c->cpu, b->bug_vec, b->bug_error, b->bug_rip, b->bug_addr);
}

/* Back to Linux: 0, or it has become AZM_STUCK. */
static int cpu_give(struct azm_cpu *c)
{
	int err;

	WRITE_ONCE(c->claimed, false);
	WRITE_ONCE(c->welcome, true);
	err = add_cpu(c->cpu);
	WRITE_ONCE(c->welcome, false);
	if (err && cpu_online(c->cpu))
		err = 0;
	if (err)
		pr_warn("CPU %u: Linux does not take it back: error %d\n",
			c->cpu, -err);
	else
		WRITE_ONCE(c->block->state, STUB_OFF);
	mutex_lock(&azm_lock);
	if (!err) {
		cpumask_clear_cpu(c->cpu, held);
		c->dead = false;
		c->forced = false;
	}
	c->state = err ? AZM_STUCK : AZM_LINUX;
	mutex_unlock(&azm_lock);
	return err;
}

static int cpu_offline(struct azm_cpu *c, u64 *ns)
{
	const u64 from = ktime_get_ns();
	int err;

	booted_once(c, false);
	err = remove_cpu(c->cpu);
	*ns = ktime_get_ns() - from;
	if (err < 0) {
		booted_once(c, true);
		WRITE_ONCE(c->claimed, false);
		return err == -EPERM ? -ENODEV : err;
	}
	return 0;
}

/* From Linux into the stub. On error, it is Linux's again, or stuck. */
static int cpu_take(struct azm_cpu *c, u64 *offline_ns)
{
	int err = block_init(c);

	if (!err) {
		c->package = topology_physical_package_id(c->cpu);
		c->package_core = topology_core_id(c->cpu);
		c->block->cmd = STUB_CMD_NONE;
		c->block->state = STUB_OFF;
		WRITE_ONCE(c->claimed, true);
		err = cpu_offline(c, offline_ns);
	}
	mutex_lock(&azm_lock);
	if (err)
		c->state = AZM_LINUX;
	else
		cpumask_set_cpu(c->cpu, held);
	mutex_unlock(&azm_lock);
	if (err || wait_parked(c))
		return err;
	bug_report(c);
	pr_err("CPU %u does not arrive in the stub\n", c->cpu);
	azm_cpu_kill(c);
	cpu_give(c);
	return -EIO;
}

/* A reserved CPU that does not answer: by way of Linux, back into the stub. */
static void cpu_recycle(struct azm_cpu *c)
{
	u64 ns;

	if (cpu_give(c))
		return;
	mutex_lock(&azm_lock);
	c->state = AZM_MOVING;
	mutex_unlock(&azm_lock);
	if (cpu_take(c, &ns))
		return;
	mutex_lock(&azm_lock);
	c->state = AZM_RESERVED;
	mutex_unlock(&azm_lock);
}

/* --- who has which: azm_lock is held --- */

static bool permitted(const struct azm_cpu *c)
{
	return (uid_valid(c->uid) && uid_eq(c->uid, current_euid())) ||
	       (gid_valid(c->gid) && in_egroup_p(c->gid)) ||
	       capable(CAP_SYS_ADMIN);
}

/* May this CPU be taken from Linux now? Then it is being moved. */
static int take_begin(struct azm_cpu *c)
{
	if (c->state != AZM_LINUX || suspending || going_down)
		return -EBUSY;
	if (!cpu_present(c->cpu) || !cpu_online(c->cpu) || !c->cpu)
		return -ENODEV;
	if (c->cpu >= STUB_MAX_CPUS || num_online_cpus() < 2)
		return -EBUSY;
	c->state = AZM_MOVING;
	c->since = ktime_get();
	c->busy_ns = 0;
	c->instances = 0;
	return 0;
}

static void bind(struct azm_cpu *c, struct azm_instance *inst, u32 core)
{
	c->state = AZM_RUNNING;
	c->inst = inst;
	c->pid = get_pid(inst->pid);
	c->core = core;
	c->instances++;
	c->block->run_tsc = c->block->idle_tsc = 0;
}

static struct azm_cpu *find_free(void)
{
	unsigned int n;

	for_each_cpu(n, held) if (cpus[n].state == AZM_RESERVED &&
				  permitted(&cpus[n])) return &cpus[n];
	return NULL;
}

/* --- what the device asks for --- */

int azm_cpu_reserve(struct azm_reserve *arg)
{
	const u64 from = ktime_get_ns();
	struct azm_cpu *c = azm_cpu(arg->cpu);
	u64 ns;
	int err;

	if (!c)
		return -ENODEV;
	mutex_lock(&azm_lock);
	err = take_begin(c);
	if (!err) {
		c->forced = false;
		c->uid = make_kuid(current_user_ns(), arg->uid);
		c->gid = make_kgid(current_user_ns(), arg->gid);
	}
	mutex_unlock(&azm_lock);
	if (!err)
		err = cpu_take(c, &ns);
	if (err)
		return err;
	mutex_lock(&azm_lock);
	c->state = AZM_RESERVED;
	mutex_unlock(&azm_lock);
	arg->took_ns = ktime_get_ns() - from;
	return 0;
}

int azm_cpu_release(unsigned int n)
{
	struct azm_cpu *c = azm_cpu(n);
	int err = 0;

	if (!c)
		return -ENODEV;
	mutex_lock(&azm_lock);
	if (c->state == AZM_LINUX)
		err = -EINVAL;
	else if (c->state != AZM_RESERVED && c->state != AZM_STUCK)
		err = -EBUSY;
	else
		c->state = AZM_MOVING;
	mutex_unlock(&azm_lock);
	return err ? err : cpu_give(c);
}

int azm_cpu_claim(struct azm_instance *inst, u32 core, u32 n,
		  struct azm_cpu **out, u64 *offline_ns)
{
	struct azm_cpu *c = n == AZM_ANY_CPU ? NULL : azm_cpu(n);
	int err = 0;

	*offline_ns = 0;
	if (!c && n != AZM_ANY_CPU)
		return -ENODEV;
	mutex_lock(&azm_lock);
	if (!c)
		c = find_free();
	if (!c) {
		err = -EBUSY;
	} else if (c->state == AZM_RESERVED) {
		err = permitted(c) ? 0 : -EPERM;
	} else if (c->state == AZM_LINUX && !capable(CAP_SYS_ADMIN)) {
		err = -EPERM;
	} else {
		err = take_begin(c);
		c->forced = !err || c->forced;
	}
	if (!err && c->state == AZM_RESERVED)
		bind(c, inst, core);
	mutex_unlock(&azm_lock);
	if (!err && c->state == AZM_MOVING) {
		c->uid = INVALID_UID;
		c->gid = INVALID_GID;
		err = cpu_take(c, offline_ns);
		mutex_lock(&azm_lock);
		if (err)
			c->forced = false;
		else
			bind(c, inst, core);
		mutex_unlock(&azm_lock);
	}
	*out = c;
	return err;
}

static u64 tsc_ns(u64 ticks)
{
	return mul_u64_u64_div_u64(ticks, 1000000, tsc_khz);
}

void azm_cpu_leave(struct azm_cpu *c)
{
	mutex_lock(&azm_lock);
	c->busy_ns += tsc_ns(azm_cpu_busy(c));
	put_pid(c->pid);
	c->pid = NULL;
	if (c->forced || c->dead) {
		c->state = AZM_MOVING;
		c->leaving = true;
	} else {
		c->state = AZM_RESERVED;
		c->inst = NULL;
	}
	mutex_unlock(&azm_lock);
}

static struct azm_cpu *find_leaving(const struct azm_instance *inst)
{
	struct azm_cpu *c = NULL;
	unsigned int n;

	mutex_lock(&azm_lock);
	for_each_cpu(n, held) if (cpus[n].leaving && cpus[n].inst == inst)
	{
		c = &cpus[n];
		c->leaving = false;
		c->inst = NULL;
		break;
	}
	mutex_unlock(&azm_lock);
	return c;
}

void azm_cpus_settle(const struct azm_instance *inst)
{
	struct azm_cpu *c;

	while ((c = find_leaving(inst))) {
		if (c->forced)
			cpu_give(c);
		else
			cpu_recycle(c);
	}
}

void azm_cpu_stop_begin(struct azm_cpu *c)
{
	WRITE_ONCE(c->block->cmd, STUB_CMD_STOP);
	azm_cpu_ipi(c);
}

bool azm_cpu_stop_wait(struct azm_cpu *c)
{
	if (c->dead)
		return false;
	if (wait_parked(c)) {
		WRITE_ONCE(c->block->cmd, STUB_CMD_NONE);
		return true;
	}
	bug_report(c);
	pr_warn("CPU %u does not stop: reset\n", c->cpu);
	azm_cpu_kill(c);
	return false;
}

u64 azm_cpu_busy(const struct azm_cpu *c)
{
	const struct azm_block *b = c->block;
	u64 now = rdtsc(), entered = READ_ONCE(b->entered_tsc);
	u64 since = READ_ONCE(b->idle_since);
	u64 run = entered ? now - entered : READ_ONCE(b->run_tsc);
	u64 idle = READ_ONCE(b->idle_tsc);

	if (entered && since && since < now)
		idle += now - since;
	return idle < run ? run - idle : 0;
}

static void info_block(const struct azm_cpu *c, struct azm_info *info)
{
	const struct azm_block *b = c->block;

	info->reserved_ns = ktime_to_ns(ktime_sub(ktime_get(), c->since));
	info->busy_ns = c->busy_ns;
	if (c->state == AZM_RUNNING)
		info->busy_ns += tsc_ns(azm_cpu_busy(c));
	info->instances = c->instances;
	info->interrupts = b->interrupts;
	info->kicks = b->kicks;
	info->flushes = b->flushes;
	info->timers = b->timers;
	info->nmis = b->nmis;
	info->faults = b->faults;
	info->calls = b->calls;
	info->halts = b->halts;
	info->traps = b->traps;
}

int azm_cpu_info(struct azm_info *info)
{
	struct azm_cpu *c = azm_cpu(info->cpu);
	const unsigned int n = info->cpu;

	if (!c)
		return -ENODEV;
	memset(info, 0, sizeof(*info));
	mutex_lock(&azm_lock);
	info->cpu = n;
	info->state = c->state;
	info->uid = info->gid = AZM_NOBODY;
	info->package = info->package_core = -1;
	if (c->state != AZM_LINUX) {
		if (uid_valid(c->uid))
			info->uid = from_kuid_munged(current_user_ns(), c->uid);
		if (gid_valid(c->gid))
			info->gid = from_kgid_munged(current_user_ns(), c->gid);
		info->pid = c->pid ? pid_vnr(c->pid) : 0;
		info->core = c->core;
		info->forced = c->forced;
		info->package = c->package;
		info->package_core = c->package_core;
	}
	if (c->state != AZM_LINUX && c->block)
		info_block(c, info);
	mutex_unlock(&azm_lock);
	return 0;
}

/* --- what Linux asks --- */

/* Before a CPU goes on-line. */
static int on_prepare(unsigned int n)
{
	struct azm_cpu *c = &cpus[n];

	if (!READ_ONCE(c->claimed) || READ_ONCE(c->welcome))
		return 0;
	pr_info_once(
	    "CPU %u is reserved: `azalea cores release %u` gives it back\n", n,
	    n);
	return -EBUSY;
}

/* A CPU goes off-line: somebody else must hear of requests. */
static int on_offline(unsigned int n)
{
	const u32 from = per_cpu(x86_cpu_to_apicid, n);
	unsigned int other = cpumask_any_but(cpu_online_mask, n), i;

	if (other >= nr_cpu_ids)
		return 0;
	for (i = 0; i < ncpus; i++) {
		struct azm_block *b = cpus[i].block;

		if (b && READ_ONCE(b->notify_apicid) == from)
			WRITE_ONCE(b->notify_apicid,
				   per_cpu(x86_cpu_to_apicid, other));
	}
	return 0;
}

static int on_pm(struct notifier_block *nb, unsigned long what, void *arg)
{
	int ret = NOTIFY_DONE;
	unsigned int n;

	mutex_lock(&azm_lock);
	switch (what) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		for (n = 0; n < ncpus && cpus[n].state == AZM_LINUX; n++)
			;
		suspending = n == ncpus;
		if (suspending)
			break;
		pr_info("no sleep while CPU %u is reserved\n", n);
		ret = NOTIFY_BAD;
		break;
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		suspending = false;
		break;
	}
	mutex_unlock(&azm_lock);
	return ret;
}

/* Also before kexec: nobody may execute in memory that is about to change. */
static int on_reboot(struct notifier_block *nb, unsigned long what, void *arg)
{
	unsigned int n;

	mutex_lock(&azm_lock);
	going_down = true;
	for_each_cpu(n, held) azm_cpu_kill(&cpus[n]);
	mutex_unlock(&azm_lock);
	return NOTIFY_DONE;
}

static struct notifier_block pm_block = { .notifier_call = on_pm };
static struct notifier_block reboot_block = { .notifier_call = on_reboot };

/* --- begin and end --- */

static void hooks_set(void)
{
	linux_play_dead = smp_ops.play_dead;
	WRITE_ONCE(smp_ops.play_dead, azm_play_dead);
	WRITE_ONCE(*azm_sym.platform_ipi, on_notify);
}

/* When it returns, nobody is on the way through a hook, nor will be. */
static void hooks_clear(void)
{
	WRITE_ONCE(*azm_sym.platform_ipi, NULL);
	/* A CPU goes through play_dead with this lock held for writing. */
	cpus_read_lock();
	WRITE_ONCE(smp_ops.play_dead, linux_play_dead);
	cpus_read_unlock();
	synchronize_rcu(); /* interrupt handlers are readers */
}

static int notifiers_add(void)
{
	int err;

	prepare_state = cpuhp_setup_state_nocalls(
	    CPUHP_BP_PREPARE_DYN, "azalea:prepare", on_prepare, NULL);
	if (prepare_state < 0)
		return prepare_state;
	online_state = cpuhp_setup_state_nocalls(
	    CPUHP_AP_ONLINE_DYN, "azalea:online", NULL, on_offline);
	err = online_state < 0 ? online_state : register_pm_notifier(&pm_block);
	if (!err) {
		err = register_reboot_notifier(&reboot_block);
		if (err)
			unregister_pm_notifier(&pm_block);
	}
	if (err && online_state >= 0)
		cpuhp_remove_state_nocalls(online_state);
	if (err)
		cpuhp_remove_state_nocalls(prepare_state);
	return err;
}

static void notifiers_remove(void)
{
	unregister_reboot_notifier(&reboot_block);
	unregister_pm_notifier(&pm_block);
	cpuhp_remove_state_nocalls(online_state);
	cpuhp_remove_state_nocalls(prepare_state);
}

static void table_free(void)
{
	unsigned int n;

	for (n = 0; n < ncpus; n++)
		if (cpus[n].block)
			free_pages((unsigned long)cpus[n].block,
				   get_order(STUB_BLOCK_SIZE));
	free_cpumask_var(held);
	kvfree(cpus);
}

int azm_cpus_init(void)
{
	unsigned int n;
	u64 base;
	int err;

	BUILD_BUG_ON(sizeof(struct azm_block) > STUB_STACKS);
	rdmsrl(MSR_IA32_APICBASE, base);
	x2apic = base & X2APIC_ENABLE;
	ncpus = nr_cpu_ids;
	cpus = kvcalloc(ncpus, sizeof(*cpus), GFP_KERNEL);
	if (!cpus)
		return -ENOMEM;
	if (!zalloc_cpumask_var(&held, GFP_KERNEL)) {
		kvfree(cpus);
		return -ENOMEM;
	}
	for (n = 0; n < ncpus; n++) {
		cpus[n].cpu = n;
		init_waitqueue_head(&cpus[n].wait);
	}
	hooks_set();
	err = notifiers_add();
	if (err) {
		hooks_clear();
		table_free();
	}
	return err;
}

void azm_cpus_exit(void)
{
	unsigned int n;

	for (n = 0; n < ncpus; n++) {
		struct azm_cpu *c = &cpus[n];

		if (c->state == AZM_LINUX || !cpu_give(c))
			continue;
		/* Its memory goes: at least it must not execute there. */
		azm_cpu_kill(c);
		pr_warn(
		    "CPU %u stays off-line: write 1 to /sys/devices/system/cpu/cpu%u/online\n",
		    n, n);
	}
	notifiers_remove();
	hooks_clear();
	table_free();
}
