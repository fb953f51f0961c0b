/* SPDX-License-Identifier: MIT */
/*
 * from.c - azalea run --from FILE: the file, and what it says of the program.
 */
#include "cli/from.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/env.h"
#include "lib/error.h"

static int refuse(const char *path, const char *reason)
{
	return error_fail(EXIT_AZALEA, "--from %s: %s", path, reason);
}

/* argv as it was, for those who list instances. */
static char **argv_of(const struct snapshot *s)
{
	const struct snap_process *p = &s->header.process;
	const char *at = snap_string(&s->t, p->args);
	char **argv = calloc(p->argc + 1UL, sizeof(*argv));

	for (uint32_t i = 0; argv && i < p->argc; i++, at += strlen(at) + 1)
		argv[i] = (char *)(uintptr_t)at;
	return argv;
}

int from_open(const char *path, struct snapshot *s, struct instance_config *cfg)
{
	const struct snap_process *p = &s->header.process;
	char reason[SNAP_REASON_MAX];

	if (snapshot_open(path, s, reason))
		return refuse(path, reason);
	if (!verified_known(s->fd)) {
		if (snapshot_verify(s, reason))
			return refuse(path, reason);
		verified_note(s->fd);
	}
	if (snapshot_fits(s, reason))
		return refuse(path, reason);
	cfg->from = s;
	cfg->exe_fd = s->fd; /* what supervise.c keeps open */
	cfg->mem_bytes = p->mem_bytes;
	cfg->exe_path = snap_string(&s->t, p->exe_path);
	cfg->exec_fn = snap_string(&s->t, p->exec_fn);
	cfg->argv = argv_of(s);
	cfg->envp = environ;
	return cfg->argv ? 0 : error_no_memory();
}

void from_cores(const struct snapshot *s, struct instance_config *cfg)
{
	uint32_t has = cfg->ncores, n = s->header.process.ncores;

	for (uint32_t i = has; i < n; i++)
		cfg->host_cpu[i] = cfg->host_cpu[i % has];
	cfg->ncores = n;
}
