/* SPDX-License-Identifier: MIT */
/*
 * machine.c - the CPUs and NUMA nodes of this machine.
 *
 * Which CPUs there are Linux says in /sys; how they lie hwloc says, which
 * knows the places and the errors of many machines. Of a CPU that is off-line
 * neither knows more than its node.
 */
#include "cores/machine.h"

#include <errno.h>
#include <hwloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plat/azm.h"

#define CPU_DIR  "/sys/devices/system/cpu"
#define NODE_DIR "/sys/devices/system/node"

/* Is there a file or link "cpu<cpu>/<name><number>"? */
static bool cpu_has(unsigned int cpu, const char *name, const char *number)
{
	char path[128];

	return snprintf(path, sizeof(path), CPU_DIR "/cpu%u/%s%s", cpu, name,
			number) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

/* --- memory --- */

void machine_meminfo(FILE *f, struct machine_node *n)
{
	const struct {
		const char *name;
		uint64_t *sum;
	} field[] = {
		{ "MemTotal", &n->total },     { "MemFree", &n->free },
		{ "Active(file)", &n->cache }, { "Inactive(file)", &n->cache },
		{ "SReclaimable", &n->cache },
	};
	char line[160], name[64];
	uint64_t kib;
	size_t i;

	n->total = n->free = n->cache = 0;
	while (fgets(line, sizeof(line), f)) {
		/* NOLINTNEXTLINE(cert-err34-c): from Linux, in its format */
		if (sscanf(line, "Node %*u %63[^:]: %lu", name, &kib) != 2 &&
		    /* NOLINTNEXTLINE(cert-err34-c) */
		    sscanf(line, "%63[^:]: %lu", name, &kib) != 2)
			continue;
		for (i = 0; i < sizeof(field) / sizeof(field[0]); i++)
			if (strcmp(name, field[i].name) == 0)
				*field[i].sum += kib << 10;
	}
}

static void node_memory(struct machine_node *n)
{
	char path[80];
	FILE *f = NULL;

	if (snprintf(path, sizeof(path), NODE_DIR "/node%u/meminfo", n->id) > 0)
		f = fopen(path, "re");
	/* A kernel without NUMA: one node. */
	if (!f)
		f = fopen("/proc/meminfo", "re");
	if (!f)
		return;
	machine_meminfo(f, n);
	(void)fclose(f);
}

/* --- places --- */

static int ancestor(hwloc_topology_t t, hwloc_obj_type_t type, hwloc_obj_t pu)
{
	hwloc_obj_t o = hwloc_get_ancestor_obj_by_type(t, type, pu);

	return o ? (int)o->os_index : -1;
}

/* hwloc's own look at a CPU by running on it is left out: it is all known. */
static int topology_load(hwloc_topology_t t)
{
	hwloc_topology_set_flags(t, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
	hwloc_topology_set_components(
	    t, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
	hwloc_topology_set_all_types_filter(t, HWLOC_TYPE_FILTER_KEEP_NONE);
	hwloc_topology_set_type_filter(t, HWLOC_OBJ_PACKAGE,
				       HWLOC_TYPE_FILTER_KEEP_ALL);
	hwloc_topology_set_type_filter(t, HWLOC_OBJ_CORE,
				       HWLOC_TYPE_FILTER_KEEP_ALL);
	return hwloc_topology_load(t);
}

static void places_read(hwloc_topology_t t, struct machine *m)
{
	hwloc_obj_t o = NULL;

	while ((o = hwloc_get_next_obj_by_type(t, HWLOC_OBJ_PU, o)) != NULL)
		if (o->os_index < m->ncpus) {
			m->cpu[o->os_index].package =
			    ancestor(t, HWLOC_OBJ_PACKAGE, o);
			m->cpu[o->os_index].core =
			    ancestor(t, HWLOC_OBJ_CORE, o);
		}
}

static int compare_nodes(const void *a, const void *b)
{
	const struct machine_node *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static int nodes_read(hwloc_topology_t t, struct machine *m)
{
	int n = hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_NUMANODE);
	hwloc_obj_t o = NULL;

	m->node = calloc(n > 0 ? (size_t)n : 1, sizeof(*m->node));
	if (!m->node)
		return -ENOMEM;
	while ((o = hwloc_get_next_obj_by_type(t, HWLOC_OBJ_NUMANODE, o)) !=
		   NULL &&
	       m->nnodes < (unsigned int)n) {
		m->node[m->nnodes].id = o->os_index;
		node_memory(&m->node[m->nnodes++]);
	}
	if (m->nnodes > 1)
		qsort(m->node, m->nnodes, sizeof(*m->node), compare_nodes);
	return 0;
}

/* Linux's link from a CPU to its node is there for off-line ones, too. */
static int cpu_node(const struct machine *m, unsigned int cpu)
{
	char number[16];
	unsigned int i;

	for (i = 0; i < m->nnodes; i++)
		if (snprintf(number, sizeof(number), "%u", m->node[i].id) > 0 &&
		    cpu_has(cpu, "node", number))
			return (int)m->node[i].id;
	return m->nnodes == 1 ? (int)m->node[0].id : -1;
}

static int topology_read(struct machine *m)
{
	hwloc_topology_t t;
	int err;

	if (hwloc_topology_init(&t) < 0)
		return -ENOMEM;
	err = topology_load(t) < 0 ? -errno : 0;
	if (!err) {
		places_read(t, m);
		err = nodes_read(t, m);
	}
	hwloc_topology_destroy(t);
	return err;
}

int machine_read(struct machine *m)
{
	unsigned int cpu;
	int err;

	memset(m, 0, sizeof(*m));
	err = azm_list("present", &m->present);
	if (!err)
		err = azm_list("online", &m->online);
	if (err)
		return err;
	for (cpu = cpulist_next(&m->present, 0); cpu < CPULIST_MAX;
	     cpu = cpulist_next(&m->present, cpu + 1))
		m->ncpus = cpu + 1;
	m->cpu = calloc(m->ncpus, sizeof(*m->cpu));
	if (!m->cpu)
		return -ENOMEM;
	for (cpu = 0; cpu < m->ncpus; cpu++)
		m->cpu[cpu] = (struct machine_cpu){
			.node = -1,
			.package = -1,
			.core = -1,
			.fixed = !cpu_has(cpu, "online", ""),
		};
	err = topology_read(m);
	if (err) {
		machine_free(m);
		return err;
	}
	for (cpu = 0; cpu < m->ncpus; cpu++)
		m->cpu[cpu].node = cpu_node(m, cpu);
	return 0;
}

void machine_free(struct machine *m)
{
	free(m->cpu);
	free(m->node);
	memset(m, 0, sizeof(*m));
}

struct machine_node *machine_node(const struct machine *m, unsigned int id)
{
	unsigned int i;

	for (i = 0; i < m->nnodes; i++)
		if (m->node[i].id == id)
			return &m->node[i];
	return NULL;
}
