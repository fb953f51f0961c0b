/* SPDX-License-Identifier: MIT */
/*
 * identity.c - who the program is, and on what it runs.
 *
 * Pid and thread ids cannot change and are answered here; so are the user and
 * group ids until a call has changed them (az_boot.creds_seq). What others can
 * change - parent, process group, session - is asked of Linux every time.
 * No locks: single words only.
 */
#include "sys/identity.h"

#include <asm/prctl.h>
#include <linux/personality.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#include "calls.h"
#include "lib/string.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "sched/sched.h"
#include "sys/sys.h"
#include "sys/vpath.h"

#define PERSONA_ASK 0xffffffffU
/* Those that only matter to an execve to come, or are on anyway. */
#define PERSONA_HARMLESS \
	(ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT | ADDR_LIMIT_3GB)
#define XFEATURE_AMX    (3ULL << 17) /* Intel SDM 1 §13.3: TILECFG, TILEDATA */
#define XFEATURES_KNOWN 19           /* arch/x86/kernel/fpu/xstate.c */

/* Newer than Debian 12's <asm/prctl.h>. */
#define AZ_ARCH_GET_UNTAG_MASK 0x4001

static uint32_t persona;
static uint32_t persona_known;
static uint32_t refusal_told;

int process_refused(const char *call)
{
	if (!__atomic_exchange_n(&refusal_told, 1, __ATOMIC_RELAXED))
		printk("%s: not supported here: it fails with ENOSYS", call);
	return -ENOSYS;
}

/* --- processes and threads --- */

long sys_getpid(const uint64_t a[6])
{
	(void)a;
	return core_self()->up; /* a child of vfork has one of its own */
}

long sys_gettid(const uint64_t a[6])
{
	(void)a;
	return thread_self()->tid;
}

long sys_set_tid_address(const uint64_t a[6])
{
	thread_self()->clear_child_tid = a[0];
	return thread_self()->tid;
}

long sys_getppid(const uint64_t a[6])
{
	return offload(AZ_SYS_getppid, a);
}

long sys_getpgrp(const uint64_t a[6])
{
	return offload(AZ_SYS_getpgrp, a);
}

/* Linux takes a thread's id here too, but does not know those of ours. */
static long offload_for_pid(uint32_t nr, const uint64_t a[6])
{
	uint64_t b[6];

	memcpy(b, a, sizeof(b));
	if ((int)a[0] > 0 && vpath_own_tid((uint32_t)a[0]))
		b[0] = 0;
	return offload(nr, b);
}

long sys_getpgid(const uint64_t a[6])
{
	return offload_for_pid(AZ_SYS_getpgid, a);
}

long sys_getsid(const uint64_t a[6])
{
	return offload_for_pid(AZ_SYS_getsid, a);
}

/* --- users and groups --- */

static long identity(uint32_t nr, uint32_t at_start, const uint64_t a[6])
{
	if (likely(!__atomic_load_n(&BOOT->creds_seq, __ATOMIC_ACQUIRE)))
		return at_start;
	return offload(nr, a);
}

long sys_getuid(const uint64_t a[6])
{
	return identity(AZ_SYS_getuid, BOOT->uid, a);
}

long sys_geteuid(const uint64_t a[6])
{
	return identity(AZ_SYS_geteuid, BOOT->euid, a);
}

long sys_getgid(const uint64_t a[6])
{
	return identity(AZ_SYS_getgid, BOOT->gid, a);
}

long sys_getegid(const uint64_t a[6])
{
	return identity(AZ_SYS_getegid, BOOT->egid, a);
}

/* --- the system --- */

long sys_uname(const uint64_t a[6])
{
	struct new_utsname u;
	long r = host_call(AZ_SYS_uname, (uint64_t)&u, 0, 0, 0, 0, 0);

	if (r)
		return r;
	return copy_to_user(a[0], &u, sizeof(u));
}

long sys_sysinfo(const uint64_t a[6])
{
	struct sysinfo host, s = { 0 };
	struct mm_usage u;
	long r = host_call(AZ_SYS_sysinfo, (uint64_t)&host, 0, 0, 0, 0, 0);

	if (r)
		return r;
	mm_usage(&u);
	s.uptime = host.uptime;
	memcpy(s.loads, host.loads, sizeof(s.loads));
	s.procs = host.procs;
	s.totalram = u.limit;
	s.freeram = u.limit - MIN(u.committed, u.limit);
	s.mem_unit = 1;
	return copy_to_user(a[0], &s, sizeof(s));
}

long sys_getrandom(const uint64_t a[6])
{
	if (!user_range_ok(a[0], MIN(a[1], (uint64_t)INT32_MAX)))
		return -EFAULT;
	return offload(AZ_SYS_getrandom, a);
}

/*
 * A personality that changes how calls and mappings behave is not emulated,
 * and therefore refused.
 */
long sys_personality(const uint64_t a[6])
{
	uint32_t want = (uint32_t)a[0];

	if (!__atomic_load_n(&persona_known, __ATOMIC_ACQUIRE)) {
		persona = (uint32_t)host_call(AZ_SYS_personality, PERSONA_ASK,
					      0, 0, 0, 0, 0);
		__atomic_store_n(&persona_known, 1, __ATOMIC_RELEASE);
	}
	if (want == PERSONA_ASK)
		return persona;
	if (want & ~(uint32_t)PERSONA_HARMLESS)
		return -EINVAL;
	return __atomic_exchange_n(&persona, want, __ATOMIC_RELAXED);
}

/* As a Linux that was built without it. */
long sys_seccomp(const uint64_t a[6])
{
	(void)a;
	return -ENOSYS;
}

/* --- the processor --- */

static uint64_t xfeatures(void)
{
	uint32_t lo, hi;

	if (!(BOOT->flags & AZ_BOOT_XSAVE))
		return 3; /* x87 and SSE */
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return ((uint64_t)hi << 32 | lo) & ~XFEATURE_AMX;
}

/*
 * %gs is the per-core block's: setting it fails with EPERM, as an address
 * beyond the program's does on Linux. AMX needs larger signal frames and
 * thread blocks than there are: as on a processor without.
 */
long sys_arch_prctl(const uint64_t a[6])
{
	uint64_t val;

	switch ((uint32_t)a[0]) {
	case ARCH_SET_FS:
		if (a[1] >= AZ_GUEST_END)
			return -EPERM;
		mon_set_fs(a[1]);
		return 0;
	case ARCH_GET_FS:
		val = mon_get_fs();
		break;
	case ARCH_SET_GS:
		return -EPERM;
	case ARCH_GET_GS:
		val = 0;
		break;
	case ARCH_GET_CPUID:
		return 1;
	case ARCH_SET_CPUID:
		return -ENODEV;
	case ARCH_GET_XCOMP_SUPP:
	case ARCH_GET_XCOMP_PERM:
		val = xfeatures();
		break;
	case ARCH_REQ_XCOMP_PERM:
		return a[1] < XFEATURES_KNOWN ? -EOPNOTSUPP : -EINVAL;
	case AZ_ARCH_GET_UNTAG_MASK:
		val = ~0ULL;
		break;
	default:
		return -EINVAL;
	}
	return copy_to_user(a[1], &val, sizeof(val));
}
