/* SPDX-License-Identifier: MIT */
/* state.c - what each CPU and node is used for. */
#include "cores/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cores/device.h"
#include "plat/azm.h"

static int infos_read(int fd, struct cores *c)
{
	struct machine *m = &c->machine;
	unsigned int cpu;
	int err;

	for (cpu = cpulist_next(&m->present, 0); cpu < m->ncpus;
	     cpu = cpulist_next(&m->present, cpu + 1)) {
		err = azm_info(fd, cpu, &c->info[cpu]);
		if (err)
			return err;
		/* What Linux has forgotten of it. */
		if (c->info[cpu].state == AZM_LINUX)
			continue;
		if (m->cpu[cpu].package < 0)
			m->cpu[cpu].package = c->info[cpu].package;
		if (m->cpu[cpu].core < 0)
			m->cpu[cpu].core = c->info[cpu].package_core;
	}
	return 0;
}

static int memories_read(int fd, struct cores *c)
{
	unsigned int i;
	int err;

	for (i = 0; i < c->machine.nnodes; i++) {
		err =
		    device_memory_get(fd, c->machine.node[i].id, &c->memory[i]);
		if (err)
			return err;
	}
	c->memory_known = true;
	return 0;
}

int cores_read(int fd, struct cores *c)
{
	struct machine *m = &c->machine;
	int err;

	memset(c, 0, sizeof(*c));
	err = machine_read(m);
	if (err)
		return err;
	c->info = calloc(m->ncpus, sizeof(*c->info));
	c->name = calloc(m->ncpus, sizeof(*c->name));
	c->memory = calloc(m->nnodes ? m->nnodes : 1, sizeof(*c->memory));
	if (!c->info || !c->name || !c->memory)
		err = -ENOMEM;
	if (!err && fd >= 0) {
		c->module = true;
		err = infos_read(fd, c);
	}
	if (!err && fd >= 0) {
		err = memories_read(fd, c);
		/* Only root is told; an older module knows nothing of it. */
		if (err == -EPERM || err == -ENOTTY)
			err = 0;
	}
	if (err)
		cores_free(c);
	return err;
}

void cores_free(struct cores *c)
{
	machine_free(&c->machine);
	free(c->info);
	free(c->name);
	free(c->memory);
	memset(c, 0, sizeof(*c));
}

bool cores_is(const struct cores *c, unsigned int cpu, uint32_t state)
{
	return cpulist_has(&c->machine.present, cpu) &&
	       c->info[cpu].state == state;
}

void cores_reserved(const struct cores *c, struct cpulist *out)
{
	unsigned int cpu;

	memset(out, 0, sizeof(*out));
	for (cpu = 0; cpu < c->machine.ncpus; cpu++)
		if (!cores_is(c, cpu, AZM_LINUX) && !c->info[cpu].forced)
			cpulist_add(out, cpu);
}
