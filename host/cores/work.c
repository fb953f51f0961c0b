/* SPDX-License-Identifier: MIT */
/*
 * work.c - reserving and giving back, all or nothing.
 *
 * Memory first, since it is there or not at once, then CPUs one by one: each
 * takes Linux up to 100 ms. What is undone is undone in the reverse order. A
 * release is not undone: what has been given back is where it was asked to be.
 */
#include "cores/work.h"

#include <errno.h>

#include "cores/device.h"
#include "lib/error.h"

static const char *reserve_text(int err)
{
	switch (err) {
	case -EPERM:
		return "only root may (CAP_SYS_ADMIN)";
	case -EBUSY:
		return "Linux needs it now, or moves no CPUs at this moment "
		       "(while it suspends, for example): try again";
	case -ENODEV:
		return "there is no such CPU, or it cannot go off-line";
	case -ENOMEM:
		return "no memory left for what a core needs";
	case -EINTR:
		return "interrupted";
	case -EIO:
		return "it did not arrive where it should, and is Linux's "
		       "again: the kernel log (dmesg) says more";
	default:
		return error_text(err);
	}
}

static const char *release_text(int err)
{
	switch (err) {
	case -EBUSY:
		return "in use, or Linux moves no CPUs at this moment: try "
		       "again";
	case -EINVAL:
		return "not reserved any more";
	default:
		return reserve_text(err);
	}
}

static const char *memory_text(int err)
{
	switch (err) {
	case -ENOMEM:
		return "not that much of it is free in pieces of 2 MiB: ask "
		       "for less";
	case -EBUSY:
		return "in use by instances: wait for them to end";
	default:
		return reserve_text(err);
	}
}

static bool stopped(const struct work *w)
{
	return w->stop && *w->stop;
}

static int memory_one(int fd, const struct work_memory *m)
{
	int err = device_memory_set(fd, m->node, m->after);

	if (err)
		error_say("memory of node %u: %s", m->node, memory_text(err));
	return err;
}

static int cpu_one(int fd, const struct work *w, unsigned int cpu)
{
	int err = w->release ? device_release(fd, cpu)
			     : device_reserve(fd, cpu, w->uid, w->gid);

	if (err)
		error_say("CPU %u: %s", cpu,
			  w->release ? release_text(err) : reserve_text(err));
	return err;
}

/* Memory as far as it goes: w->nmemory becomes what was done. */
static int memory_do(int fd, struct work *w)
{
	unsigned int i, done = 0;
	int failed = 0;

	for (i = 0; i < w->nmemory; i++) {
		if (stopped(w) || memory_one(fd, &w->memory[i]) < 0) {
			failed = 1;
			if (!w->partial && !w->release)
				break;
		} else {
			w->memory[done++] = w->memory[i];
		}
	}
	w->nmemory = done;
	return failed;
}

/* CPUs as far as it goes: w->cpus becomes those that it was done to. */
static int cpus_do(int fd, struct work *w)
{
	const unsigned int all = cpulist_count(&w->cpus);
	unsigned int cpu, n = 0;
	bool go_on = true;
	int failed = 0;

	for (cpu = cpulist_next(&w->cpus, 0); cpu < CPULIST_MAX;
	     cpu = cpulist_next(&w->cpus, cpu + 1)) {
		if (go_on && w->progress && !stopped(w))
			w->progress(w, cpu, n++, all);
		if (go_on && !stopped(w) && cpu_one(fd, w, cpu) == 0)
			continue;
		failed = 1;
		go_on = (w->partial || w->release) && !stopped(w);
		cpulist_remove(&w->cpus, cpu);
	}
	return failed;
}

static void cpu_undo(int fd, unsigned int cpu)
{
	int err = device_release(fd, cpu);

	if (err)
		error_say("CPU %u stays reserved: it cannot be given back: %s",
			  cpu, release_text(err));
}

static void work_undo(int fd, struct work *w)
{
	unsigned int cpu = CPULIST_MAX;

	while (cpu-- > 0)
		if (cpulist_has(&w->cpus, cpu)) {
			cpu_undo(fd, cpu);
			cpulist_remove(&w->cpus, cpu);
		}
	for (; w->nmemory > 0; w->nmemory--)
		if (device_memory_set(fd, w->memory[w->nmemory - 1].node,
				      w->memory[w->nmemory - 1].before) < 0)
			error_say("memory of node %u stays reserved: it cannot "
				  "be given back",
				  w->memory[w->nmemory - 1].node);
}

int work_do(int fd, struct work *w)
{
	const bool all_or_nothing = !w->partial && !w->release;
	int failed = memory_do(fd, w);

	if (failed && all_or_nothing)
		w->cpus = (struct cpulist){ 0 };
	failed |= cpus_do(fd, w);
	if (stopped(w))
		error_say("interrupted");
	if (failed && all_or_nothing)
		work_undo(fd, w);
	return failed;
}
