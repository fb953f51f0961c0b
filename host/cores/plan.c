/* SPDX-License-Identifier: MIT */
/*
 * plan.c - what stands against reserving or giving back.
 *
 * Nothing is changed here, so a wrong word on the command line costs nothing.
 */
#include <string.h>

#include "cores/user.h"
#include "cores/work.h"
#include "layout.h"
#include "lib/error.h"
#include "lib/size.h"

#define LIST_TEXT 256

/* --- CPUs --- */

static bool absent(const struct cores *c, unsigned int cpu)
{
	char list[LIST_TEXT];

	if (cpulist_has(&c->machine.present, cpu))
		return false;
	error_say("CPU %u: there is no such CPU: this machine has %s", cpu,
		  cpulist_format(&c->machine.present, list, sizeof(list)));
	return true;
}

static void say_running(const struct cores *c, unsigned int cpu)
{
	const struct azm_info *info = &c->info[cpu];

	if (*c->name[cpu])
		error_say("CPU %u: in use by %s (pid %d): wait for it to end, "
			  "or: azalea stop %s",
			  cpu, c->name[cpu], info->pid, c->name[cpu]);
	else
		error_say("CPU %u: in use by process %d: wait for it to end",
			  cpu, info->pid);
}

static void say_reserved(unsigned int cpu, const struct azm_info *info)
{
	char owners[USER_OWNERS_MAX];

	error_say("CPU %u: reserved already, for %s: to change that, release "
		  "it first",
		  cpu, user_owners(info->uid, info->gid, owners));
}

/* A CPU that Linux has: why can it not be taken? */
static bool keep_with_linux(const struct cores *c, unsigned int cpu)
{
	if (cpu == 0) {
		error_say("CPU 0: stays with Linux, which cannot do without "
			  "it: leave it out");
		return true;
	}
	if (!cpulist_has(&c->machine.online, cpu)) {
		error_say("CPU %u: taken off-line by other hands: bring it "
			  "back first: echo 1 > /sys/devices/system/cpu/cpu%u/"
			  "online",
			  cpu, cpu);
		return true;
	}
	if (c->machine.cpu[cpu].fixed) {
		error_say("CPU %u: Linux cannot take it off-line on this "
			  "machine: choose another",
			  cpu);
		return true;
	}
	return false;
}

static bool against_reserve(const struct cores *c, unsigned int cpu)
{
	if (absent(c, cpu))
		return true;
	switch (c->info[cpu].state) {
	case AZM_LINUX:
		return keep_with_linux(c, cpu);
	case AZM_RUNNING:
		say_running(c, cpu);
		return true;
	case AZM_RESERVED:
		say_reserved(cpu, &c->info[cpu]);
		return true;
	case AZM_STUCK:
		error_say("CPU %u: Linux refused to take it back earlier: try "
			  "that again first: azalea cores release %u",
			  cpu, cpu);
		return true;
	default:
		error_say("CPU %u: being moved at this moment: try again", cpu);
		return true;
	}
}

static bool against_release(const struct cores *c, unsigned int cpu)
{
	if (absent(c, cpu))
		return true;
	switch (c->info[cpu].state) {
	case AZM_LINUX:
		error_say("CPU %u: not reserved: azalea cores lists those that "
			  "are",
			  cpu);
		return true;
	case AZM_RUNNING:
		say_running(c, cpu);
		return true;
	case AZM_RESERVED:
	case AZM_STUCK:
		return false;
	default:
		error_say("CPU %u: being moved at this moment: try again", cpu);
		return true;
	}
}

/* Would Linux be left with nothing? */
static bool takes_all(const struct cores *c, const struct work *w)
{
	unsigned int cpu;

	for (cpu = cpulist_next(&c->machine.online, 0); cpu < CPULIST_MAX;
	     cpu = cpulist_next(&c->machine.online, cpu + 1))
		if (!cpulist_has(&w->cpus, cpu))
			return false;
	error_say("these are all CPUs that Linux has: leave it one at least");
	return true;
}

unsigned int work_plan_cpus(const struct cores *c, struct work *w)
{
	unsigned int cpu, problems = 0;

	for (cpu = cpulist_next(&w->cpus, 0); cpu < CPULIST_MAX;
	     cpu = cpulist_next(&w->cpus, cpu + 1))
		if (w->release ? against_release(c, cpu)
			       : against_reserve(c, cpu)) {
			problems++;
			cpulist_remove(&w->cpus, cpu);
		}
	if (!w->release && takes_all(c, w)) {
		problems++;
		memset(&w->cpus, 0, sizeof(w->cpus));
	}
	return problems;
}

/* --- memory --- */

/* The node that all CPUs of w are on, or the only one; else -1. */
static int common_node(const struct cores *c, const struct work *w)
{
	const struct machine *m = &c->machine;
	unsigned int cpu = cpulist_next(&w->cpus, 0);
	int node;

	if (m->nnodes == 1)
		return (int)m->node[0].id;
	if (cpu == CPULIST_MAX)
		return -1;
	node = m->cpu[cpu].node;
	for (; cpu < CPULIST_MAX; cpu = cpulist_next(&w->cpus, cpu + 1))
		if (m->cpu[cpu].node != node)
			return -1;
	return node;
}

static bool against_more(const struct machine_node *n, struct work_memory *m,
			 const struct amount *a)
{
	/* Linux gives up what it only caches. */
	const uint64_t most =
	    (n->free + n->cache) & ~(uint64_t)(AZ_CHUNK_SIZE - 1);
	char text[SIZE_TEXT_MAX], has[SIZE_TEXT_MAX];

	if (a->all) {
		error_say("--memory all: Linux needs some, too: say how much");
		return true;
	}
	if (a->bytes > most) {
		error_say("--memory %s@node%u: more than is free there, which "
			  "is %s: ask for less",
			  size_format(a->bytes, text), n->id,
			  size_format(most, has));
		return true;
	}
	m->after = m->before + a->bytes;
	return false;
}

static bool against_less(const struct azm_memory *held, struct work_memory *m,
			 const struct amount *a)
{
	const uint64_t bytes = a->all ? held->bytes : a->bytes;
	char text[SIZE_TEXT_MAX], has[SIZE_TEXT_MAX];

	if (bytes > held->bytes) {
		error_say("--memory %s@node%u: more than is reserved there, "
			  "which is %s",
			  size_format(bytes, text), m->node,
			  size_format(held->bytes, has));
		return true;
	}
	if (bytes > held->bytes - held->lent) {
		error_say("--memory %s@node%u: in use: %s of it is lent to "
			  "instances: wait for them to end",
			  size_format(bytes, text), m->node,
			  size_format(held->lent, has));
		return true;
	}
	m->after = m->before - bytes;
	return false;
}

static bool against_amount(const struct cores *c, struct work *w,
			   const struct amount *a)
{
	const int id = a->node >= 0 ? a->node : common_node(c, w);
	struct work_memory *m = &w->memory[w->nmemory];
	const struct machine_node *n;
	unsigned int i;

	if (!c->memory_known) {
		error_say("--memory: this azalea.ko holds no memory back: "
			  "leave it out");
		return true;
	}
	if (id < 0) {
		error_say("--memory: of which node? Write it as 8G@node0");
		return true;
	}
	n = machine_node(&c->machine, (unsigned int)id);
	if (!n) {
		error_say("node %d: there is no such node: azalea cores lists "
			  "them",
			  id);
		return true;
	}
	for (i = 0; i < w->nmemory; i++)
		if (w->memory[i].node == n->id) {
			error_say("--memory: node %d twice: give one amount",
				  id);
			return true;
		}
	m->node = n->id;
	m->before = c->memory[n - c->machine.node].bytes;
	if (w->release ? against_less(&c->memory[n - c->machine.node], m, a)
		       : against_more(n, m, a))
		return true;
	w->nmemory++;
	return false;
}

unsigned int work_plan_memory(const struct cores *c, struct work *w,
			      const struct amount *amount, unsigned int n)
{
	unsigned int i, problems = 0;

	for (i = 0; i < n; i++)
		problems += against_amount(c, w, &amount[i]);
	return problems;
}

/* --- notes --- */

static bool node_emptied(const struct cores *c, const struct work *w, int node)
{
	const struct machine *m = &c->machine;
	unsigned int cpu, taken = 0;

	for (cpu = cpulist_next(&m->online, 0); cpu < CPULIST_MAX;
	     cpu = cpulist_next(&m->online, cpu + 1)) {
		if (m->cpu[cpu].node != node)
			continue;
		if (!cpulist_has(&w->cpus, cpu))
			return false;
		taken++;
	}
	return taken > 0;
}

void work_notes(const struct cores *c, const struct work *w)
{
	unsigned int i;

	for (i = 0; !w->release && i < c->machine.nnodes; i++)
		if (node_emptied(c, w, (int)c->machine.node[i].id))
			error_say("note: no CPU of node %u is left to Linux, "
				  "which reaches its memory from other nodes "
				  "only",
				  c->machine.node[i].id);
}
