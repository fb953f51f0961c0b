/* SPDX-License-Identifier: MIT */
/* sched.c - affinity, policies and priorities of threads. */
// variants: pie static nopie
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include "tap.h"

static void check_affinity(void)
{
	cpu_set_t set, one, got;
	unsigned char big[1024];
	long n;
	int first = -1, last = -1;

	MUST(sched_getaffinity(0, sizeof(set), &set) == 0);
	OK(CPU_COUNT(&set) >= 1, "sched_getaffinity");
	OK(CPU_COUNT(&set) <= sysconf(_SC_NPROCESSORS_ONLN),
	   "no more than are online");
	n = syscall(SYS_sched_getaffinity, 0, sizeof(big), big);
	OK(n > 0 && n % 8 == 0, "the call returns bytes");
	ERR(syscall(SYS_sched_getaffinity, 0, 0, big), EINVAL, "of 0 bytes");
	ERR(syscall(SYS_sched_getaffinity, 0, 9, big), EINVAL, "of 9 bytes");
	ERR(sched_getaffinity(0x3ffffff, sizeof(set), &set), ESRCH,
	    "of nobody");
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set)) {
			first = first < 0 ? i : first;
			last = i;
		}
	for (int i = 0; i < 2; i++) {
		int cpu = i ? last : first;

		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		IS(sched_setaffinity(0, sizeof(one), &one), 0,
		   "sched_setaffinity");
		MUST(sched_getaffinity(0, sizeof(got), &got) == 0);
		OK(CPU_EQUAL(&one, &got), "holds");
		IS(sched_getcpu(), cpu, "and takes effect at once");
		sched_yield();
		IS(sched_getcpu(), cpu, "and stays");
	}
	CPU_ZERO(&one);
	ERR(sched_setaffinity(0, sizeof(one), &one), EINVAL, "to no CPU");
	CPU_SET(1000, &one);
	ERR(sched_setaffinity(0, sizeof(one), &one), EINVAL, "to CPU 1000");
	CPU_SET(first, &one);
	IS(sched_setaffinity(0, sizeof(one), &one), 0, "to one of them");
	MUST(sched_getaffinity(0, sizeof(got), &got) == 0);
	OK(CPU_COUNT(&got) == 1 && CPU_ISSET(first, &got),
	   "leaves what exists");
	IS(sched_setaffinity(0, sizeof(set), &set), 0, "back to all");
}

static void *other(void *arg)
{
	cpu_set_t *set = arg;

	for (int i = 0; i < 100; i++)
		if (!CPU_ISSET(sched_getcpu(), set))
			return arg;
		else
			sched_yield();
	return NULL;
}

static void check_threads(void)
{
	cpu_set_t set, one;
	pthread_attr_t attr;
	pthread_t t;
	void *r;

	MUST(sched_getaffinity(0, sizeof(set), &set) == 0);
	MUST(pthread_attr_init(&attr) == 0);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		MUST(pthread_attr_setaffinity_np(&attr, sizeof(one), &one) ==
		     0);
		MUST(pthread_create(&t, &attr, other, &one) == 0);
		MUST(pthread_join(t, &r) == 0);
		if (r)
			OK(0, "a thread runs where it must");
	}
	OK(1, "threads run where they must");
}

static void check_policies(void)
{
	struct sched_param p = { .sched_priority = 0 };
	struct timespec ts;

	IS(sched_getscheduler(0), SCHED_OTHER, "SCHED_OTHER");
	IS(sched_get_priority_min(SCHED_FIFO), 1, "lowest of SCHED_FIFO");
	IS(sched_get_priority_max(SCHED_FIFO), 99, "highest of SCHED_FIFO");
	IS(sched_get_priority_max(SCHED_OTHER), 0, "highest of SCHED_OTHER");
	ERR(sched_get_priority_max(77), EINVAL, "of no policy");
	IS(sched_getparam(0, &p), 0, "sched_getparam");
	IS(p.sched_priority, 0, "is 0");
	IS(sched_setscheduler(0, SCHED_BATCH, &p), 0, "SCHED_BATCH");
	IS(sched_getscheduler(0), SCHED_BATCH, "holds");
	IS(sched_setscheduler(0, SCHED_OTHER, &p), 0, "SCHED_OTHER again");
	p.sched_priority = 5;
	ERR(sched_setscheduler(0, SCHED_OTHER, &p), EINVAL,
	    "a priority for SCHED_OTHER");
	p.sched_priority = 100;
	ERR(sched_setscheduler(0, SCHED_FIFO, &p), EINVAL, "too high");
	ERR(sched_setscheduler(-1, SCHED_OTHER, &p), EINVAL, "of pid -1");
	ERR(sched_getscheduler(0x3ffffff), ESRCH, "of nobody");
	IS(sched_rr_get_interval(0, &ts), 0, "sched_rr_get_interval");
	IS(sched_yield(), 0, "sched_yield");
}

int main(void)
{
	check_affinity();
	check_threads();
	check_policies();
	return tap_done();
}
