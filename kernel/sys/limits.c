/* SPDX-License-Identifier: MIT */
/*
 * limits.c - resource limits and use of resources.
 *
 * Limits that Linux enforces on the owner's work (file size, descriptors,
 * core dumps, processor time, locks) are the owner's own. The others are kept
 * here, enforced by the unikernel where it can; lock guards them. A limit on
 * processes must not stop the owner from starting threads, so it is kept here.
 */
#include "sys/limits.h"

#include "calls.h"
#include "lib/string.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "sched/sched.h"
#include "sys/sys.h"
#include "sys/vpath.h"

#define RLIMIT_CPU      0
#define RLIMIT_FSIZE    1
#define RLIMIT_CORE     4
#define RLIMIT_NOFILE   7
#define RLIMIT_LOCKS    10
#define RLIMIT_MSGQUEUE 12
#define BIT(n)          (1U << (n))
#define HOST_LIMITS                                               \
	(BIT(RLIMIT_CPU) | BIT(RLIMIT_FSIZE) | BIT(RLIMIT_CORE) | \
	 BIT(RLIMIT_NOFILE) | BIT(RLIMIT_LOCKS) | BIT(RLIMIT_MSGQUEUE))

#define RUSAGE_SELF     0
#define RUSAGE_CHILDREN (-1)
#define RUSAGE_THREAD   1

struct kernel_rusage {
	int64_t utime_sec, utime_usec;
	int64_t stime_sec, stime_usec;
	int64_t other[14];
};

_Static_assert(sizeof(struct kernel_rusage) == 144, "struct rusage");

static struct spinlock lock;
static struct az_rlimit local[AZ_NRLIMITS];
static bool local_set[AZ_NRLIMITS]; /* else BOOT's holds */
/* The program's hard limit on descriptors, plus one; 0: BOOT's. */
static uint64_t nofile_hard;

bool is_privileged(void)
{
	if (!__atomic_load_n(&BOOT->creds_seq, __ATOMIC_ACQUIRE))
		return BOOT->euid == 0;
	return host_call(AZ_SYS_geteuid, 0, 0, 0, 0, 0, 0) == 0;
}

static bool is_host_limit(uint32_t resource)
{
	return HOST_LIMITS >> resource & 1;
}

static long host_limit(uint32_t resource, const struct az_rlimit *new,
		       struct az_rlimit *old)
{
	return host_call(AZ_SYS_prlimit64, 0, resource, (uint64_t) new,
			 (uint64_t)old, 0, 0);
}

/*
 * The owner needs descriptors of its own, in [fd_hidden_lo, fd_hidden_hi), as
 * long as it lives: its hard limit stays above them, and the program's, if it
 * is lower, is kept here.
 */
static long nofile_limit(struct az_rlimit *new, struct az_rlimit *old)
{
	uint64_t most, hard;
	long r = host_limit(RLIMIT_NOFILE, NULL, old);

	most = nofile_hard ? nofile_hard - 1 : BOOT->rlimit[RLIMIT_NOFILE].hard;
	if (old->hard > most)
		old->hard = most;
	if (r || !new)
		return r;
	if (new->hard > old->hard && !is_privileged())
		return -EPERM;
	hard = new->hard;
	if (new->hard < BOOT->fd_hidden_hi)
		new->hard = BOOT->fd_hidden_hi;
	r = host_limit(RLIMIT_NOFILE, new, NULL);
	if (!r)
		nofile_hard = hard + 1;
	return r;
}

/* lock held */
static struct az_rlimit local_limit(uint32_t resource)
{
	return local_set[resource] ? local[resource] : BOOT->rlimit[resource];
}

struct az_rlimit limits_get(uint32_t resource)
{
	struct az_rlimit l = BOOT->rlimit[resource];

	if (resource == RLIMIT_NOFILE) {
		nofile_limit(NULL, &l);
		return l;
	}
	if (is_host_limit(resource)) {
		host_limit(resource, NULL, &l);
		return l;
	}
	spin_lock(&lock);
	l = local_limit(resource);
	spin_unlock(&lock);
	return l;
}

static long local_change(uint32_t resource, const struct az_rlimit *new,
			 struct az_rlimit *old)
{
	bool privileged = is_privileged();
	long r = 0;

	spin_lock(&lock);
	*old = local_limit(resource);
	if (new->hard > old->hard && !privileged) {
		r = -EPERM;
	} else {
		local[resource] = *new;
		local_set[resource] = true;
	}
	spin_unlock(&lock);
	if (!r)
		mm_set_rlimit((int)resource, new->soft);
	return r;
}

/* unew, uold: addresses in the program, or 0. */
static long limit_call(uint32_t resource, uint64_t unew, uint64_t uold)
{
	struct az_rlimit new, old;
	long r;

	if (resource >= AZ_NRLIMITS)
		return -EINVAL;
	if (unew && copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	if (unew && new.soft > new.hard)
		return -EINVAL;
	if (!unew) {
		old = limits_get(resource);
		r = 0;
	} else if (resource == RLIMIT_NOFILE) {
		r = nofile_limit(&new, &old);
	} else if (is_host_limit(resource)) {
		r = host_limit(resource, &new, &old);
	} else {
		r = local_change(resource, &new, &old);
	}
	if (!r && uold && copy_to_user(uold, &old, sizeof(old)))
		return -EFAULT;
	return r;
}

long sys_prlimit64(const uint64_t a[6])
{
	if ((int)a[0] != 0 && !vpath_own_tid((uint32_t)a[0]))
		return offload(AZ_SYS_prlimit64, a);
	return limit_call((uint32_t)a[1], a[2], a[3]);
}

long sys_getrlimit(const uint64_t a[6])
{
	if ((uint32_t)a[0] >= AZ_NRLIMITS)
		return -EINVAL;
	return a[1] ? limit_call((uint32_t)a[0], 0, a[1]) : -EFAULT;
}

long sys_setrlimit(const uint64_t a[6])
{
	if (!a[1])
		return -EFAULT;
	return limit_call((uint32_t)a[0], a[1], 0);
}

long sys_getrusage(const uint64_t a[6])
{
	struct kernel_rusage ru = { 0 };
	int who = (int)a[0];
	uint64_t ns;
	long r;

	if (who == RUSAGE_THREAD) {
		ns = thread_cpu_ns(thread_self());
		ru.utime_sec = (int64_t)(ns / NSEC_PER_SEC);
		ru.utime_usec = (int64_t)(ns % NSEC_PER_SEC / 1000);
	} else {
		r = host_call(AZ_SYS_getrusage, (uint64_t)who, (uint64_t)&ru, 0,
			      0, 0, 0);
		if (r)
			return r;
	}
	return copy_to_user(a[1], &ru, sizeof(ru));
}
