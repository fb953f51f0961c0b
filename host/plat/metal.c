/* SPDX-License-Identifier: MIT */
/*
 * metal.c - the host half of platform metal: a core is a CPU of its own, taken
 * from Linux by azalea.ko.
 *
 * Each core has a thread here, which sits in ioctl(AZM_RUN) as the thread of a
 * virtual CPU does in KVM_RUN: the module serves the core's page faults in it
 * and accounts the core's time to it, and it makes the few calls that the
 * unikernel needs without a ring. Those are checked as if they came by one.
 *
 * The unikernel is a stranger here: az_core, az_boot and the monitor page may
 * change at any time and hold anything. `device` and `instance` are written
 * before threads exist; host_cpu[] of a core, by its thread while
 * metal_start_core waits for that.
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "boot.h"
#include "lib/error.h"
#include "metal.h"
#include "offload/check.h"
#include "offload/creds.h"
#include "plat/azm.h"
#include "plat/plat.h"
#include "ring.h"
#include "stats.h"

#define BOOT       ((struct az_boot *)AZ_BOOT_BASE)
#define STATS      ((struct az_stats *)AZ_STATS_BASE)
#define STACK_SIZE 0x20000
#define WHY_MAX    200

#define OTHER_VERSION                                                    \
	"the azalea.ko that is loaded is of another version: rmmod it, " \
	"and load the one that came with this azalea"

/* A core's thread, and how metal_start_core hears of it. */
struct starting {
	uint32_t core;
	int err;
	const char *why;
	sem_t done;
};

static struct plat_instance *instance;
static int device = -1;

/* Of this thread: is it a core's, and what are its credentials? */
static __thread bool is_core;
static __thread uint32_t creds_has;

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

/* --- signals --- */

void metal_restorer(void);
__asm__("	.text\n"
	"	.hidden metal_restorer\n"
	"	.globl metal_restorer\n"
	"metal_restorer:\n"
	"	movl $15, %eax\n" /* rt_sigreturn */
	"	syscall\n");

/* AZ_SIG_KICK on a core's thread: AZM_RUN ends with EINTR, that is all. */
static void on_signal(int sig, siginfo_t *si, void *context)
{
	int saved = errno;

	if (is_core)
		creds_follow(&creds_has);
	else
		instance->signal(sig, si, context);
	errno = saved;
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
	err =
	    signals_take((uint64_t)on_signal, (uint64_t)metal_restorer, false);
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

/* --- the calls of a core --- */

static void end_by_signal(int sig)
{
	struct {
		uint64_t handler, flags, restorer, mask;
	} sa = { .flags = 0 };
	uint64_t mask = 1ULL << (sig - 1);

	syscall(SYS_rt_sigaction, sig, &sa, NULL, 8);
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig);
	syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, 8);
}

/* The process ends as the program did: status as wait4 encodes it. */
_Noreturn static void end(int status)
{
	int sig = status & 0x7f;

	if (sig > 0 && sig <= 64)
		end_by_signal(sig);
	/* Not deadly here, as for pid 1 of a namespace, or no signal. */
	for (;;)
		syscall(SYS_exit_group, sig ? 128 + sig : status >> 8 & 0xff);
}

_Noreturn static void lost(uint32_t core, const char *why)
{
	error_say("core %u has lost its CPU %u: %s: the instance ends", core,
		  instance->host_cpu[core], why);
	for (;;)
		syscall(SYS_exit_group, EXIT_AZALEA);
}

/* page->call: what the unikernel may ask for by its ring, too. */
static void make_call(struct azm_page *page, struct checked_call *c)
{
	struct az_call in = { .nr = (uint32_t)page->call.nr,
			      .flags = AZ_CALL_INTERNAL };
	long r;

	memcpy(in.arg, page->call.arg, sizeof(in.arg));
	r = check_call(&in, c);
	if (!r)
		r = check_done(c, checked_make(c));
	page->call.result = r;
}

_Noreturn static void core_run(uint32_t i)
{
	struct azm_page *page =
	    (struct azm_page *)((char *)plat_core(i) + AZ_CORE_PLAT);
	struct azm_run run = { .core = i };
	struct checked_call checked;

	for (;;) {
		if (ioctl(device, AZM_RUN, &run)) {
			if (errno != EINTR)
				lost(i, error_text(errno));
			continue;
		}
		switch (run.reason) {
		case AZM_RUN_CALL:
			make_call(page, &checked);
			break;
		case AZM_RUN_EXIT:
			end(page->exit_status);
		case AZM_RUN_LOST:
			lost(i, "it was taken away, or failed");
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

/* Begins with all signals blocked, where the main thread may run. */
static void thread_settle(void)
{
	uint64_t mask = ~(1ULL << (AZ_SIG_KICK - 1));

	is_core = true;
	creds_has = creds_seq();
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
}

static void *core_main(void *arg)
{
	struct starting *s = arg;
	uint32_t core = s->core;
	int err;

	thread_settle();
	plat_core(core)->host_tid = (uint32_t)syscall(SYS_gettid);
	err = s->err = start_somewhere(core, &s->why);
	sem_post(&s->done); /* s is gone */
	if (err)
		return NULL;
	core_run(core);
}

static int metal_start_core(uint32_t i, const char **why)
{
	struct starting s = { .core = i };
	pthread_attr_t attr;
	pthread_t thread;

	plat_core_init(i);
	sem_init(&s.done, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* All signals are blocked: see instance.c. */
	s.err = -pthread_create(&thread, &attr, core_main, &s);
	pthread_attr_destroy(&attr);
	if (s.err)
		return s.err;
	while (sem_wait(&s.done))
		;
	if (s.why)
		*why = s.why;
	return s.err;
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
	.fd = &device,
	.probe = metal_probe,
	.create = metal_create,
	.start_core = metal_start_core,
	.kick_core = metal_kick_core,
};
