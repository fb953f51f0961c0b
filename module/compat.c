// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * compat.c - symbols that Linux has, but does not export.
 *
 * kprobes know the address of any function, so also of the one that knows
 * those of all symbols (kernel/kprobes.c:kprobe_addr). A probe stands behind an
 * ENDBR, if there is one; as azm_call goes there, that is as good.
 */
#include "compat.h"

#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <linux/kprobes.h>

#include "azm.h"

#if !defined(CONFIG_KPROBES) || !defined(CONFIG_KALLSYMS_ALL)
#error "azalea.ko needs a kernel with CONFIG_KPROBES and CONFIG_KALLSYMS_ALL"
#endif
#if !defined(CONFIG_HOTPLUG_CPU) || !defined(CONFIG_MMU_NOTIFIER)
#error \
    "azalea.ko needs a kernel with CONFIG_HOTPLUG_CPU and CONFIG_MMU_NOTIFIER"
#endif

struct azm_symbols azm_sym;

static u64 find_lookup(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	u64 fn;

	if (register_kprobe(&probe))
		return 0;
	fn = (u64)probe.addr;
	unregister_kprobe(&probe);
	return fn;
}

static const struct {
	const char *name;
	size_t offset;
	bool optional;
} symbols[] = {
	{ "play_dead_common", offsetof(struct azm_symbols, play_dead_common) },
	{ "x86_platform_ipi_callback",
	  offsetof(struct azm_symbols, platform_ipi) },
	{ "cpus_booted_once_mask", offsetof(struct azm_symbols, booted_once),
	  true },
	{ "__cgroup_account_cputime", offsetof(struct azm_symbols, cgroup_time),
	  true },
	{ "__cgroup_account_cputime_field",
	  offsetof(struct azm_symbols, cgroup_field), true },
	{ "lock_mm_and_find_vma", offsetof(struct azm_symbols, lock_vma),
	  true },
	{ "expand_stack", offsetof(struct azm_symbols, expand_stack), true },
};

/*
 * Machines whose CPUs are not quite their own: page tables that are the
 * hypervisor's (Xen PV), or exceptions that only Linux can handle (SEV-ES, TDX).
 */
static int machine_ok(void)
{
	const char *what = NULL;
	u64 sev;

	if (boot_cpu_has(X86_FEATURE_XENPV))
		what = "a Xen PV guest";
#ifdef X86_FEATURE_TDX_GUEST
	if (boot_cpu_has(X86_FEATURE_TDX_GUEST))
		what = "a TDX guest";
#endif
	/* Where there is no such register, there is no SEV, either. */
	if (!rdmsrl_safe(MSR_AMD64_SEV, &sev) && sev & MSR_AMD64_SEV_ES_ENABLED)
		what = "an SEV-ES guest";
	if (!boot_cpu_has(X86_FEATURE_APIC))
		what = "a machine without local APIC";
	if (what)
		pr_err("this is %s: its CPUs cannot be taken from Linux\n",
		       what);
	return what ? -EOPNOTSUPP : 0;
}

int azm_compat_init(void)
{
	const u64 lookup = find_lookup();
	unsigned int i;
	int err = machine_ok();

	if (err)
		return err;
	if (!lookup) {
		pr_err(
		    "this kernel does not let kprobes find kallsyms_lookup_name: cannot work with it\n");
		return -EOPNOTSUPP;
	}
	for (i = 0; i < ARRAY_SIZE(symbols); i++) {
		u64 addr = azm_call(lookup, (u64)symbols[i].name, 0, 0);

		if (!addr && !symbols[i].optional) {
			pr_err(
			    "this kernel has no %s: cannot take CPUs from it\n",
			    symbols[i].name);
			return -EOPNOTSUPP;
		}
		*(u64 *)((char *)&azm_sym + symbols[i].offset) = addr;
	}
	if (*azm_sym.platform_ipi) {
		pr_err("another driver has the platform interrupt\n");
		return -EBUSY;
	}
	return 0;
}
