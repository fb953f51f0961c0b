/* SPDX-License-Identifier: MIT */
/*
 * schedcalls.c - affinity, policies and priorities of the program's threads.
 *
 * CPUs are the instance's cores. Affinity is obeyed; policies and nice values
 * are kept and reported as Linux would, but a core is never taken from the
 * thread that has it, so they order nothing. Calls about other processes go
 * to Linux. threads_lock guards the fields of struct thread used here.
 */
#include "sys/schedcalls.h"

#include <linux/fcntl.h>
#include <linux/sched.h>
#include <linux/sched/types.h>

#include "calls.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/user.h"
#include "sched/sched.h"
#include "sys/limits.h"
#include "sys/sys.h"
#include "sys/text.h"

#define F_OK           0
#define PRIO_PROCESS   0
#define PRIO_USER      2
#define NICE_MIN       (-20)
#define NICE_MAX       19
#define RLIMIT_NICE    13
#define RLIMIT_RTPRIO  14
#define MAX_RT_PRIO    99
#define RR_INTERVAL_NS 100000000 /* kernel/sched/rt.c: RR_TIMESLICE */
#define POLICY_KEEP    (-1)      /* sched_setparam, SCHED_FLAG_KEEP_POLICY */
#define POLICY_MASK    0xff
#define AZ_SCHED_EXT   7 /* newer than Debian 12's <linux/sched.h> */
#define CPUSET_WORDS   (AZ_MAX_CORES / 64)

/* What a thread is to become, and what it is. */
struct sched_wish {
	int policy; /* without SCHED_RESET_ON_FORK */
	int prio;
	int nice;
	bool reset_on_fork;
};

struct timespec64 {
	int64_t sec, nsec;
};

static int32_t base_nice;
static uint32_t base_nice_known;

int32_t nice_base(void)
{
	if (!__atomic_load_n(&base_nice_known, __ATOMIC_ACQUIRE)) {
		long r = host_call(AZ_SYS_getpriority, PRIO_PROCESS, BOOT->pid,
				   0, 0, 0, 0);

		base_nice = r > 0 ? 20 - (int32_t)r : 0;
		__atomic_store_n(&base_nice_known, 1, __ATOMIC_RELEASE);
	}
	return base_nice;
}

/* --- where a core is --- */

static uint8_t node_of[AZ_MAX_CORES];
static uint32_t node_known;

/*
 * Is the CPU of a core on this node? One that Linux has put off-line is in no
 * list, but has this link still.
 */
static bool is_on_node(uint32_t core, uint32_t node)
{
	char path[64];

	fmt_format(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/node%u",
		   BOOT->host_cpu[core], node);
	return !host_call(AZ_SYS_faccessat, (uint64_t)AT_FDCWD, (uint64_t)path,
			  F_OK, 0, 0, 0);
}

/* 0, or one more than the highest node; node 0 needs no question. */
static uint32_t nodes_online(void)
{
	struct text online = TEXT_EMPTY;
	uint32_t n = 0;

	if (!text_read_host(&online, "/sys/devices/system/node/online"))
		for (uint32_t node = 0; node < 256; node++)
			if (text_in_cpus_list(online.buf, node))
				n = node + 1;
	text_free(&online);
	return n;
}

static void nodes_read(void)
{
	uint32_t n = nodes_online();

	for (uint32_t i = 0; i < BOOT->ncores; i++)
		for (uint32_t node = n; node-- > 1;)
			if (is_on_node(i, node))
				node_of[i] = (uint8_t)node;
}

uint32_t core_node(uint32_t core)
{
	/* Two cores that read at once write the same. */
	if (!__atomic_load_n(&node_known, __ATOMIC_ACQUIRE)) {
		nodes_read();
		__atomic_store_n(&node_known, 1, __ATOMIC_RELEASE);
	}
	return node_of[core];
}

long sys_getcpu(const uint64_t a[6])
{
	uint32_t core = core_self()->az.index;

	if (a[0] && user_store_32(a[0], core))
		return -EFAULT;
	if (a[1] && user_store_32(a[1], core_node(core)))
		return -EFAULT;
	return 0;
}

/* --- affinity --- */

long sys_sched_yield(const uint64_t a[6])
{
	(void)a;
	sched_yield();
	return 0;
}

/* Bytes of a CPU set: whole words, for the cores there are. */
static uint64_t cpuset_size(void)
{
	return ALIGN_UP(BOOT->ncores, 64) / 8;
}

/* Leave only cores of the instance in set. False: none is left. */
static bool cpuset_limit(uint64_t set[CPUSET_WORDS])
{
	uint64_t any = 0;

	for (uint32_t i = 0; i < CPUSET_WORDS; i++) {
		uint32_t first = i * 64;
		uint32_t n = BOOT->ncores > first ? BOOT->ncores - first : 0;

		if (n < 64)
			set[i] &= (1ULL << n) - 1;
		any |= set[i];
	}
	return any;
}

/* threads_lock held: the thread with that id, 0 being the calling one. */
static struct thread *thread_by_id(int id)
{
	return id ? thread_find(id) : thread_self();
}

long sys_sched_getaffinity(const uint64_t a[6])
{
	uint64_t set[CPUSET_WORDS];
	uint32_t len = (uint32_t)a[1];
	struct thread *t;

	if ((uint64_t)len * 8 < BOOT->ncores || len % sizeof(uint64_t))
		return -EINVAL;
	spin_lock(&threads_lock);
	t = thread_by_id((int)a[0]);
	if (t)
		memcpy(set, t->affinity, sizeof(set));
	spin_unlock(&threads_lock);
	if (!t)
		return offload(AZ_SYS_sched_getaffinity, a);
	cpuset_limit(set);
	len = MIN(len, (uint32_t)cpuset_size());
	return copy_to_user(a[2], set, len) ? -EFAULT : (long)len;
}

long sys_sched_setaffinity(const uint64_t a[6])
{
	uint64_t set[CPUSET_WORDS] = { 0 };
	uint64_t len = MIN((uint32_t)a[1], cpuset_size());
	struct thread *t;
	bool usable;

	if (copy_from_user(set, a[2], len))
		return -EFAULT;
	usable = cpuset_limit(set);
	spin_lock(&threads_lock);
	t = thread_by_id((int)a[0]);
	if (t && usable) {
		memcpy(t->affinity, set, sizeof(set));
		if (t != thread_self())
			sched_displace(t);
	}
	spin_unlock(&threads_lock);
	if (!t)
		return offload(AZ_SYS_sched_setaffinity, a);
	if (!usable)
		return -EINVAL;
	sched_migrate();
	return 0;
}

/* --- policies --- */

static bool is_rt(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool policy_valid(int policy)
{
	return policy == SCHED_NORMAL || is_rt(policy) ||
	       policy == SCHED_BATCH || policy == SCHED_IDLE;
}

/* May a process that has nice value `from` have `to`? (can_nice of Linux) */
static bool nice_allowed(int from, int to)
{
	return to >= from ||
	       (uint64_t)(20 - to) <= limits_get(RLIMIT_NICE).soft ||
	       is_privileged();
}

/* kernel/sched/syscalls.c: user_check_sched_setscheduler */
static bool wish_allowed(const struct sched_wish *now,
			 const struct sched_wish *to)
{
	uint64_t rtprio = limits_get(RLIMIT_RTPRIO).soft;

	if (is_privileged())
		return true;
	if (is_rt(to->policy)) {
		if (to->policy != now->policy && !rtprio)
			return false;
		if (to->prio > now->prio && (uint64_t)to->prio > rtprio)
			return false;
	} else if (!nice_allowed(now->nice, to->nice)) {
		return false;
	}
	if (now->policy == SCHED_IDLE && to->policy != SCHED_IDLE &&
	    (uint64_t)(20 - now->nice) > limits_get(RLIMIT_NICE).soft)
		return false;
	return !now->reset_on_fork || to->reset_on_fork;
}

static struct sched_wish wish_now(const struct thread *t)
{
	struct sched_wish w = {
		.policy = t->policy & POLICY_MASK,
		.prio = t->rt_priority,
		.nice = base_nice + t->nice,
		.reset_on_fork = t->policy & SCHED_RESET_ON_FORK,
	};

	return w;
}

/*
 * Make thread id what w says; what w leaves out (POLICY_KEEP) stays. -ESRCH:
 * it is not a thread of the program.
 */
static long wish_apply(int id, struct sched_wish *w, bool keep_nice)
{
	struct sched_wish now;
	struct thread *t;
	long r = 0;

	nice_base();
	spin_lock(&threads_lock);
	t = thread_by_id(id);
	if (t)
		now = wish_now(t);
	if (t && w->policy == POLICY_KEEP) {
		w->policy = now.policy;
		w->reset_on_fork = now.reset_on_fork;
	}
	if (t && keep_nice)
		w->nice = now.nice;
	if (!t)
		r = -ESRCH;
	else if (!policy_valid(w->policy) || w->prio < 0 ||
		 w->prio > MAX_RT_PRIO || is_rt(w->policy) != (w->prio != 0))
		r = -EINVAL;
	else if (!wish_allowed(&now, w))
		r = -EPERM;
	if (!r) {
		t->policy =
		    w->policy | (w->reset_on_fork ? SCHED_RESET_ON_FORK : 0);
		t->rt_priority = w->prio;
		t->nice = w->nice - base_nice;
	}
	spin_unlock(&threads_lock);
	return r;
}

/* sched_setscheduler and sched_setparam */
static long set_param(int id, int policy, uint64_t param, uint32_t nr,
		      const uint64_t a[6])
{
	struct sched_wish w = { 0 };
	int prio;
	long r;

	if (!param || id < 0)
		return -EINVAL;
	if (copy_from_user(&prio, param, sizeof(prio)))
		return -EFAULT;
	w.prio = prio;
	w.policy = policy;
	if (policy != POLICY_KEEP) {
		w.policy = policy & ~SCHED_RESET_ON_FORK;
		w.reset_on_fork = policy & SCHED_RESET_ON_FORK;
	}
	r = wish_apply(id, &w, true);
	return r == -ESRCH ? offload(nr, a) : r;
}

long sys_sched_setscheduler(const uint64_t a[6])
{
	if ((int)a[1] < 0)
		return -EINVAL;
	return set_param((int)a[0], (int)a[1], a[2], AZ_SYS_sched_setscheduler,
			 a);
}

long sys_sched_setparam(const uint64_t a[6])
{
	return set_param((int)a[0], POLICY_KEEP, a[1], AZ_SYS_sched_setparam,
			 a);
}

/* False: no thread of the program has this id. */
static bool wish_of(int id, struct sched_wish *w)
{
	struct thread *t;

	nice_base();
	spin_lock(&threads_lock);
	t = thread_by_id(id);
	if (t)
		*w = wish_now(t);
	spin_unlock(&threads_lock);
	return t;
}

long sys_sched_getscheduler(const uint64_t a[6])
{
	struct sched_wish w;

	if ((int)a[0] < 0)
		return -EINVAL;
	if (!wish_of((int)a[0], &w))
		return offload(AZ_SYS_sched_getscheduler, a);
	return w.policy | (w.reset_on_fork ? SCHED_RESET_ON_FORK : 0);
}

long sys_sched_getparam(const uint64_t a[6])
{
	struct sched_wish w;

	if (!a[1] || (int)a[0] < 0)
		return -EINVAL;
	if (!wish_of((int)a[0], &w))
		return offload(AZ_SYS_sched_getparam, a);
	return user_store_32(a[1], (uint32_t)w.prio);
}

/* Bytes at uattr behind those that we know must be zero. */
static long attr_tail_zero(uint64_t uattr, uint32_t size)
{
	for (uint32_t i = sizeof(struct sched_attr); i < size; i++) {
		uint8_t byte;

		if (copy_from_user(&byte, uattr + i, 1))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	return 0;
}

/* kernel/sched/syscalls.c: sched_copy_attr */
static long attr_read(struct sched_attr *attr, uint64_t uattr)
{
	uint32_t size;
	long r;

	if (user_load_32(&size, uattr))
		return -EFAULT;
	if (!size)
		size = SCHED_ATTR_SIZE_VER0;
	r = size < SCHED_ATTR_SIZE_VER0 || size > AZ_PAGE_SIZE
		? -E2BIG
		: attr_tail_zero(uattr, size);
	if (r == -E2BIG)
		user_store_32(uattr, sizeof(*attr));
	if (r)
		return r;
	memset(attr, 0, sizeof(*attr));
	if (copy_from_user(attr, uattr, MIN(size, sizeof(*attr))))
		return -EFAULT;
	if ((attr->sched_flags & SCHED_FLAG_UTIL_CLAMP) &&
	    size < SCHED_ATTR_SIZE_VER1)
		return -EINVAL;
	return 0;
}

long sys_sched_setattr(const uint64_t a[6])
{
	struct sched_attr attr;
	struct sched_wish w;
	bool keep;
	long r;

	if (!a[1] || (int)a[0] < 0 || (uint32_t)a[2])
		return -EINVAL;
	r = attr_read(&attr, a[1]);
	if (r)
		return r;
	if ((int)attr.sched_policy < 0 || attr.sched_flags & ~SCHED_FLAG_ALL)
		return -EINVAL;
	/* Clamps need CONFIG_UCLAMP_TASK; they are about frequencies. */
	if (attr.sched_flags & SCHED_FLAG_UTIL_CLAMP)
		return -EOPNOTSUPP;
	/* Admission to SCHED_DEADLINE fails: cores are never shared out. */
	if (attr.sched_policy == SCHED_DEADLINE)
		return is_privileged() ? -EBUSY : -EPERM;
	if (attr.sched_priority > MAX_RT_PRIO)
		return -EINVAL;
	keep = attr.sched_flags & SCHED_FLAG_KEEP_PARAMS;
	w.policy = attr.sched_flags & SCHED_FLAG_KEEP_POLICY
		       ? POLICY_KEEP
		       : (int)attr.sched_policy;
	w.prio = (int)attr.sched_priority;
	w.nice = MAX(NICE_MIN, MIN(NICE_MAX, (int)attr.sched_nice));
	w.reset_on_fork = attr.sched_flags & SCHED_FLAG_RESET_ON_FORK;
	if (keep) {
		struct sched_wish now = { 0 };

		wish_of((int)a[0], &now);
		w.prio = now.prio;
	}
	r = wish_apply((int)a[0], &w, keep || is_rt(w.policy));
	return r == -ESRCH ? offload(AZ_SYS_sched_setattr, a) : r;
}

long sys_sched_getattr(const uint64_t a[6])
{
	struct sched_attr attr = { 0 };
	uint32_t size = (uint32_t)a[2];
	struct sched_wish w;

	if (!a[1] || (int)a[0] < 0 || size > AZ_PAGE_SIZE ||
	    size < SCHED_ATTR_SIZE_VER0 || (uint32_t)a[3])
		return -EINVAL;
	if (!wish_of((int)a[0], &w))
		return offload(AZ_SYS_sched_getattr, a);
	attr.size = MIN(size, (uint32_t)sizeof(attr));
	attr.sched_policy = (uint32_t)w.policy;
	attr.sched_flags = w.reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0;
	if (is_rt(w.policy))
		attr.sched_priority = (uint32_t)w.prio;
	else
		attr.sched_nice = w.nice;
	return copy_to_user(a[1], &attr, attr.size);
}

static long priority_bound(int policy, long rt)
{
	if (is_rt(policy))
		return rt;
	if (policy == SCHED_DEADLINE || policy == AZ_SCHED_EXT)
		return 0;
	return policy_valid(policy) ? 0 : -EINVAL;
}

long sys_sched_get_priority_max(const uint64_t a[6])
{
	return priority_bound((int)a[0], MAX_RT_PRIO);
}

long sys_sched_get_priority_min(const uint64_t a[6])
{
	return priority_bound((int)a[0], 1);
}

long sys_sched_rr_get_interval(const uint64_t a[6])
{
	struct timespec64 ts = { 0, 0 };
	struct sched_wish w;
	uint64_t host[6] = { 0, a[1] };

	if ((int)a[0] < 0)
		return -EINVAL;
	if (!wish_of((int)a[0], &w))
		return offload(AZ_SYS_sched_rr_get_interval, a);
	/* The slice of ordinary threads is the host's to say. */
	if (!is_rt(w.policy))
		return offload(AZ_SYS_sched_rr_get_interval, host);
	if (w.policy == SCHED_RR)
		ts.nsec = RR_INTERVAL_NS;
	return copy_to_user(a[1], &ts, sizeof(ts));
}

/* --- nice --- */

long sys_getpriority(const uint64_t a[6])
{
	struct sched_wish w;

	if ((int)a[0] == PRIO_PROCESS && wish_of((int)a[1], &w))
		return 20 - w.nice;
	return offload(AZ_SYS_getpriority, a);
}

long sys_setpriority(const uint64_t a[6])
{
	int nice = MAX(NICE_MIN, MIN(NICE_MAX, (int)a[2]));
	struct sched_wish now;
	struct thread *t;
	long r = 0;

	if ((int)a[0] != PRIO_PROCESS || !wish_of((int)a[1], &now))
		return offload(AZ_SYS_setpriority, a);
	spin_lock(&threads_lock);
	t = thread_by_id((int)a[1]);
	if (!t)
		r = -ESRCH;
	else if (!nice_allowed(base_nice + t->nice, nice))
		r = -EACCES;
	else
		t->nice = nice - base_nice;
	spin_unlock(&threads_lock);
	return r;
}
