/* SPDX-License-Identifier: MIT */
/*
 * metal.c - the host half of platform metal: a core is a CPU of its own, taken
 * from Linux by azalea.ko.
 *
 * Each core has a thread here (apart.h), which sits in ioctl(AZM_RUN) as the
 * thread of a virtual CPU does in KVM_RUN: the module serves the core's page
 * faults in it and accounts the core's time to it.
 *
 * `device` and `instance` are written before threads exist; host_cpu[] of a
 * core, by its thread while apart_start waits for that.
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/error.h"
#include "metal.h"
#include "plat/apart.h"
#include "plat/azm.h"
#include "plat/plat.h"
#include "stats.h"

#define STATS   ((struct az_stats *)AZ_STATS_BASE)
#define WHY_MAX 200

#define OTHER_VERSION                                                    \
	"the azalea.ko that is loaded is of another version: rmmod it, " \
	"and load the one that came with this azalea"

static struct plat_instance *instance;
static int device = -1;

static int metal_probe(const char **why)
{
	struct azm_info info;
	int fd = azm_open(why), err;

	if (fd < 0)
		return fd;
	err = azm_info(fd, 0, &info);
	if (err)
		*why = OTHER_VERSION;
	close(fd);
	return err;
}

/*
 * Linux is not to move pages towards who uses them: it would look for that by
 * making them fault, on cores that are not where it thinks. It does not where
 * there is a policy, and this one, which threads inherit, changes nothing else
 * (mm/mempolicy.c:vma_policy_mof).
 */
static void numa_balancing_off(void)
{
	syscall(SYS_set_mempolicy, MPOL_LOCAL, NULL, 0UL);
}

static int start_somewhere(uint32_t core, const char **why);
static void core_run(uint32_t i);
static void metal_kick_core(uint32_t i);

static const struct apart threads = {
	.begin = start_somewhere,
	.run = core_run,
	.kick = metal_kick_core,
};

static int metal_create(struct plat_instance *p, const char **why)
{
	const struct az_image_header *image = p->image;
	struct azm_create c = {
		.version = AZM_VERSION,
		.ncores = p->ncores,
		.core_base = AZ_CORE_BASE,
		.core_stride = AZ_CORE_STRIDE,
		.page_offset = AZ_CORE_PLAT,
		.trap_stack = AZM_TRAP_STACK,
		.guest_end = AZ_OWNER_BASE,
		.text = image->text,
		.text_end = image->text_end,
		.entry = image->entry,
		.trap = image->metal_trap,
		.syscall = image->metal_syscall,
	};
	int err;

	instance = p;
	device = azm_open(why);
	if (device < 0)
		return device;
	numa_balancing_off();
	memcpy(c.restart, image->restart, sizeof(c.restart));
	err = apart_create(p, &threads);
	if (!err && ioctl(device, AZM_CREATE, &c)) {
		err = -errno;
		*why = err == -ENOEXEC ? OTHER_VERSION
				       : "azalea.ko refuses the instance";
	}
	if (err) {
		close(device);
		device = -1;
	}
	return err;
}

/* --- a core --- */

static void core_run(uint32_t i)
{
	struct azm_run run = { .core = i };

	for (;;) {
		if (ioctl(device, AZM_RUN, &run)) {
			if (errno != EINTR)
				apart_lost(i, error_text(errno));
			continue;
		}
		switch (run.reason) {
		case AZM_RUN_CALL:
			apart_call(i);
			break;
		case AZM_RUN_EXIT:
			apart_end(i, apart_page(i)->exit_status);
		case AZM_RUN_LOST:
			apart_lost(i, "it was taken away, or failed");
		}
	}
}

/* --- starting --- */

static const char *start_why(uint32_t cpu, int err)
{
	static char why[WHY_MAX];
	struct azm_info info;
	int n;

	switch (err) {
	case -EBUSY:
		if (azm_info(device, cpu, &info) == 0 && info.pid)
			n = snprintf(why, sizeof(why),
				     "CPU %u is in use by process %d: choose "
				     "another, see `azalea cores`",
				     cpu, info.pid);
		else
			n = snprintf(why, sizeof(why),
				     "CPU %u is in use: choose another, see "
				     "`azalea cores`",
				     cpu);
		break;
	case -EPERM:
		n = snprintf(why, sizeof(why),
			     "CPU %u is not reserved for you: `azalea cores "
			     "reserve %u --user NAME`, as root",
			     cpu, cpu);
		break;
	case -ENODEV:
		n = snprintf(why, sizeof(why),
			     "CPU %u cannot be taken from Linux: choose "
			     "another",
			     cpu);
		break;
	default:
		n = snprintf(why, sizeof(why), "CPU %u: %s", cpu,
			     error_text(err));
	}
	return n > 0 ? why : NULL;
}

/*
 * This thread faults in what the core touches first: that belongs on the
 * core's node, wherever the thread is.
 */
static void prefer_node(int32_t node)
{
	unsigned long mask[1024 / 64] = { 0 };

	if (node < 0 || node >= 1024)
		return;
	mask[node / 64] = 1UL << node % 64;
	syscall(SYS_set_mempolicy, MPOL_PREFERRED, mask, 1024UL);
}

static int start_on(uint32_t core, uint32_t cpu)
{
	struct azm_start s = { .core = core, .cpu = cpu };

	while (ioctl(device, AZM_START, &s))
		if (errno != EINTR)
			return -errno;
	instance->host_cpu[core] = (uint16_t)cpu;
	prefer_node(s.node);
	if (core == 0) {
		STATS->cpu_offline_ns = s.offline_ns;
		STATS->cpu_enter_ns = s.enter_ns;
	}
	return 0;
}

/* May the instance run on it: is it one of those that the user named? */
static bool cpu_allowed(uint32_t cpu)
{
	for (uint32_t i = 0; i < instance->ncores; i++)
		if (instance->host_cpu[i] == cpu)
			return true;
	return !instance->cpus_given;
}

/* Any reserved CPU that is free at this moment. */
static int start_anywhere(uint32_t core)
{
	static struct azm_cpus cpus; /* too large for this stack */
	uint32_t cpu = 0;
	int err = azm_cpus(device, &cpus);

	while (!err) {
		cpu = cpulist_next(&cpus.free, cpu);
		if (cpu >= CPULIST_MAX)
			return -EBUSY;
		if (cpu_allowed(cpu) && start_on(core, cpu) == 0)
			return 0;
		cpu++;
	}
	return err;
}

/*
 * On the CPU that was chosen when the instance began, or on another one if
 * others have it by now and the user did not ask for it.
 */
static int start_somewhere(uint32_t core, const char **why)
{
	uint32_t cpu = instance->host_cpu[core];
	int err = -EBUSY;

	if (!instance->child)
		err = start_on(core, cpu);
	if (err == -EBUSY && (instance->child || !instance->cpus_given) &&
	    start_anywhere(core) == 0)
		err = 0;
	if (err)
		*why = start_why(cpu, err);
	return err;
}

static void metal_kick_core(uint32_t i)
{
	struct az_core *az = plat_core(i);

	if (__atomic_exchange_n(&az->pending, 1, __ATOMIC_SEQ_CST))
		return;
	/* Pairs with sched.c:idle_spin: such a core finds it by itself. */
	if (__atomic_load_n(&az->halted, __ATOMIC_SEQ_CST) != AZ_CORE_LOOKS)
		ioctl(device, AZM_KICK, i);
}

const struct plat plat_metal = {
	.id = AZ_PLAT_METAL,
	.name = "metal",
	.fds = &device,
	.nfds = 1,
	.probe = metal_probe,
	.create = metal_create,
	.start_core = apart_start,
	.kick_core = metal_kick_core,
};
