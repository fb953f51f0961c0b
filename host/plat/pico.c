/* SPDX-License-Identifier: MIT */
/*
 * pico.c - the host half of platform pico: a core is a thread of this process.
 *
 * A core's thread is cloned without a TLS of its own and never runs the C
 * library once it has entered the unikernel, whose handler also receives
 * every signal of this process (kernel/plat/pico.c:pico_signal).
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "boot.h"
#include "plat/plat.h"

#define BOOT ((struct az_boot *)AZ_BOOT_BASE)

static const struct plat_instance *instance;

static int pico_probe(const char **why)
{
	/* An unknown mode is refused with EINVAL in any case; without the
	 * feature the whole prctl is unknown, which looks the same: so ask
	 * for what changes nothing, "off". */
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0)) {
		*why = "Linux lacks Syscall User Dispatch (5.11 and later, "
		       "CONFIG_GENERIC_ENTRY)";
		return -errno;
	}
	return 0;
}

static int pico_create(struct plat_instance *p, const char **why)
{
	(void)why;
	instance = p;
	return signals_take(p->image->pico_signal, p->image->pico_restorer,
			    true);
}

/* Runs on the core's stack, with no TLS to speak of. */
__attribute__((noreturn, no_stack_protector)) static int enter(void *az)
{
	((void (*)(void *))instance->image->entry)(az);
	__builtin_unreachable();
}

static int pico_start_core(uint32_t i, const char **why)
{
	struct az_core *az = plat_core_init(i);
	char *stack = (char *)plat_core_stack(instance, i);
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
		    CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID;
	cpu_set_t before, pin;
	int err = 0;

	(void)why;
	/*
	 * The thread inherits this one's mask, and so starts on its CPU at
	 * once instead of being moved there.
	 */
	CPU_ZERO(&pin);
	CPU_SET(instance->host_cpu[i], &pin);
	sched_getaffinity(0, sizeof(before), &before);
	if (sched_setaffinity(0, sizeof(pin), &pin))
		return -errno;
	if (clone(enter, stack, flags, az, &az->host_tid) < 0)
		err = -errno;
	sched_setaffinity(0, sizeof(before), &before);
	return err;
}

static void pico_kick_core(uint32_t i)
{
	struct az_core *az = plat_core(i);
	uint32_t halted;

	if (__atomic_exchange_n(&az->pending, 1, __ATOMIC_SEQ_CST))
		return;
	/* Pairs with kernel/plat/pico.c:pico_halt. */
	halted = __atomic_load_n(&az->halted, __ATOMIC_SEQ_CST);
	if (halted == AZ_CORE_HALTED)
		syscall(SYS_futex, &az->pending,
			FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
	else if (!halted)
		syscall(SYS_tgkill, BOOT->pid, az->host_tid, AZ_SIG_KICK);
}

const struct plat plat_pico = {
	.id = AZ_PLAT_PICO,
	.name = "pico",
	.probe = pico_probe,
	.create = pico_create,
	.start_core = pico_start_core,
	.kick_core = pico_kick_core,
};
