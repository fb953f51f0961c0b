/* SPDX-License-Identifier: MIT */
/* cores_list.c - what each CPU and node is used for. */
#include "cli/cores_list.h"

#include <stdlib.h>
#include <string.h>

#include "cli/describe.h"
#include "cli/subject.h"
#include "cli/table.h"
#include "cores/user.h"
#include "lib/size.h"

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	{ "reserved_ns", offsetof(struct azm_info, reserved_ns) },
	{ "busy_ns", offsetof(struct azm_info, busy_ns) },
	{ "instances", offsetof(struct azm_info, instances) },
	{ "interrupts", offsetof(struct azm_info, interrupts) },
	{ "kicks", offsetof(struct azm_info, kicks) },
	{ "flushes", offsetof(struct azm_info, flushes) },
	{ "timers", offsetof(struct azm_info, timers) },
	{ "nmis", offsetof(struct azm_info, nmis) },
	{ "faults", offsetof(struct azm_info, faults) },
	{ "calls", offsetof(struct azm_info, calls) },
	{ "halts", offsetof(struct azm_info, halts) },
	{ "traps", offsetof(struct azm_info, traps) },
};

/* --- names --- */

static bool any_running(const struct cores *c)
{
	unsigned int cpu;

	for (cpu = 0; cpu < c->machine.ncpus; cpu++)
		if (cores_is(c, cpu, AZM_RUNNING))
			return true;
	return false;
}

void cores_name(struct cores *c)
{
	struct subject *list;
	unsigned int cpu;
	int i, n;

	if (!any_running(c))
		return;
	n = subject_list(false, &list);
	for (i = 0; i < n; i++) {
		for (cpu = 0; cpu < c->machine.ncpus; cpu++)
			if (cores_is(c, cpu, AZM_RUNNING) &&
			    c->info[cpu].pid == list[i].pid)
				memcpy(c->name[cpu], list[i].name,
				       sizeof(c->name[cpu]));
		subject_close(&list[i]);
	}
	if (n >= 0)
		free(list);
}

static const char *state_name(const struct cores *c, unsigned int cpu)
{
	switch (c->info[cpu].state) {
	case AZM_LINUX:
		return cpulist_has(&c->machine.online, cpu) ? "linux"
							    : "offline";
	case AZM_MOVING:
		return "moving";
	case AZM_RESERVED:
		return "reserved";
	case AZM_RUNNING:
		return "running";
	case AZM_STUCK:
		return "stuck";
	default:
		return "unknown";
	}
}

/* --- JSON --- */

static json_t *number_or_null(int v)
{
	return v < 0 ? json_null() : json_integer(v);
}

static json_t *owner_json(const char *(*name)(uint32_t, char[USER_NAME_MAX]),
			  uint32_t id)
{
	char buf[USER_NAME_MAX];

	return id == AZM_NOBODY ? json_null() : describe_text(name(id, buf));
}

static json_t *instance_json(const struct cores *c, unsigned int cpu)
{
	const struct azm_info *info = &c->info[cpu];
	const char *name = c->name[cpu];

	if (info->state != AZM_RUNNING)
		return json_null();
	return json_pack("{s:o, s:i, s:i}", "name",
			 *name ? describe_text(name) : json_null(), "pid",
			 (int)info->pid, "core", (int)info->core);
}

static json_t *cpu_json(const struct cores *c, unsigned int cpu)
{
	const struct machine_cpu *m = &c->machine.cpu[cpu];
	const struct azm_info *info = &c->info[cpu];
	json_t *o =
	    json_pack("{s:i, s:s, s:o, s:o, s:o}", "cpu", (int)cpu, "state",
		      state_name(c, cpu), "node", number_or_null(m->node),
		      "package", number_or_null(m->package), "core",
		      number_or_null(m->core));
	uint64_t v;
	size_t i;

	if (!o || info->state == AZM_LINUX)
		return o;
	(void)json_object_set_new(o, "user", owner_json(user_name, info->uid));
	(void)json_object_set_new(o, "group",
				  owner_json(group_name, info->gid));
	(void)json_object_set_new(o, "for_one_instance",
				  json_boolean(info->forced));
	(void)json_object_set_new(o, "instance", instance_json(c, cpu));
	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		memcpy(&v, (const char *)info + counters[i].offset, sizeof(v));
		(void)json_object_set_new(o, counters[i].name,
					  json_integer((json_int_t)v));
	}
	return o;
}

static json_t *node_json(const struct cores *c, unsigned int i)
{
	const struct machine_node *n = &c->machine.node[i];
	json_t *o =
	    json_pack("{s:i, s:I, s:I}", "node", (int)n->id, "memory",
		      (json_int_t)n->total, "free", (json_int_t)n->free);

	if (!c->memory_known)
		return o;
	(void)json_object_set_new(o, "reserved",
				  json_integer((json_int_t)c->memory[i].bytes));
	(void)json_object_set_new(o, "lent",
				  json_integer((json_int_t)c->memory[i].lent));
	return o;
}

int cores_print_json(const struct cores *c)
{
	json_t *cpus = json_array(), *nodes = json_array();
	unsigned int i;

	for (i = cpulist_next(&c->machine.present, 0); i < CPULIST_MAX;
	     i = cpulist_next(&c->machine.present, i + 1))
		(void)json_array_append_new(cpus, cpu_json(c, i));
	for (i = 0; i < c->machine.nnodes; i++)
		(void)json_array_append_new(nodes, node_json(c, i));
	return describe_print(json_pack("{s:b, s:o, s:o}", "module",
					(int)c->module, "cpus", cpus, "nodes",
					nodes),
			      stdout);
}

/* --- text --- */

static void number_cell(struct table *t, int v)
{
	if (v < 0)
		table_cell(t, "-");
	else
		table_cell(t, "%d", v);
}

static void owner_cell(struct table *t, const struct azm_info *info)
{
	char owners[USER_OWNERS_MAX];

	table_cell(t, "%s",
		   info->forced ? "this run"
				: user_owners(info->uid, info->gid, owners));
}

static void instance_cell(struct table *t, const struct cores *c,
			  unsigned int cpu)
{
	const struct azm_info *info = &c->info[cpu];

	if (info->state != AZM_RUNNING)
		table_cell(t, "-");
	else if (*c->name[cpu])
		table_cell(t, "%s (pid %d, core %u)", c->name[cpu], info->pid,
			   info->core);
	else
		table_cell(t, "pid %d, core %u", info->pid, info->core);
}

/* "12.3s (45%)": how long it ran, of the time that it was reserved. */
static void busy_cell(struct table *t, const struct azm_info *info)
{
	const double busy = (double)info->busy_ns;
	const double all = (double)info->reserved_ns;

	table_cell(t, "%.1fs (%.0f%%)", busy / 1e9,
		   all > 0 ? 100 * busy / all : 0.0);
}

static void cpu_row(struct table *t, const struct cores *c, unsigned int cpu)
{
	const struct machine_cpu *m = &c->machine.cpu[cpu];
	const struct azm_info *info = &c->info[cpu];
	int i;

	table_cell(t, "%u", cpu);
	number_cell(t, m->node);
	number_cell(t, m->package);
	number_cell(t, m->core);
	table_cell(t, "%s", state_name(c, cpu));
	if (info->state == AZM_LINUX) {
		for (i = 0; i < 7; i++)
			table_cell(t, "-");
		return;
	}
	owner_cell(t, info);
	busy_cell(t, info);
	table_cell(t, "%lu", info->instances);
	table_cell(t, "%lu", info->interrupts);
	table_cell(t, "%lu", info->faults);
	table_cell(t, "%lu", info->calls);
	instance_cell(t, c, cpu);
}

static void cpus_print(const struct cores *c)
{
	static const char *const head[] = {
		"CPU",  "NODE", "PACKAGE", "CORE",   "STATE", "FOR",
		"BUSY", "RUNS", "IRQS",    "FAULTS", "CALLS", "INSTANCE",
	};
	struct table t = { .columns = 12 };
	unsigned int i;

	for (i = 0; i < 12; i++)
		table_cell(&t, "%s", head[i]);
	for (i = cpulist_next(&c->machine.present, 0); i < CPULIST_MAX;
	     i = cpulist_next(&c->machine.present, i + 1))
		cpu_row(&t, c, i);
	table_print(&t);
}

static void memory_cell(struct table *t, bool known, uint64_t bytes)
{
	char text[SIZE_TEXT_MAX];

	table_cell(t, "%s", known ? size_format(bytes, text) : "-");
}

static void nodes_print(const struct cores *c)
{
	static const char *const head[] = { "NODE", "MEMORY", "FREE",
					    "RESERVED", "LENT" };
	struct table t = { .columns = 5 };
	unsigned int i;

	for (i = 0; i < 5; i++)
		table_cell(&t, "%s", head[i]);
	for (i = 0; i < c->machine.nnodes; i++) {
		table_cell(&t, "%u", c->machine.node[i].id);
		memory_cell(&t, true, c->machine.node[i].total);
		memory_cell(&t, true, c->machine.node[i].free);
		memory_cell(&t, c->memory_known, c->memory[i].bytes);
		memory_cell(&t, c->memory_known, c->memory[i].lent);
	}
	table_print(&t);
}

void cores_print(const struct cores *c)
{
	cpus_print(c);
	(void)printf("\n");
	nodes_print(c);
	if (!c->module)
		(void)printf("\nazalea.ko is not loaded: all CPUs are "
			     "Linux's.\n");
}
