/* SPDX-License-Identifier: MIT */
/*
 * cmd_rm.c - azalea rm [-f] NAME...
 */
#include <errno.h>
#include <signal.h>

#include "cli/cli.h"
#include "cli/subject.h"
#include "lib/error.h"

enum rm_option {
	OPT_FORCE,
	OPT_COUNT,
};

static const struct option_spec rm_options[] = {
	[OPT_FORCE] = { 'f', "force", NULL, "kill it first if it runs" },
	[OPT_COUNT] = { 0, NULL, NULL, NULL },
};

/* Nothing of it runs, but for the supervisor's last steps. */
static int rm_ended(const struct subject *s)
{
	int err = 0;

	if (s->kept) {
		(void)entry_wait(&s->entry);
		err = entry_remove(s->name);
	}
	/* With --rm the supervisor may have been faster. */
	if (!err || err == -ENOENT)
		return 0;
	return error_fail(1, "%s: cannot remove its files: %s", s->name,
			  error_text(err));
}

static int rm_one(const char *name, bool force)
{
	struct subject s;
	int status = subject_find(name, &s), err;

	if (status)
		return status;
	if (s.live && !force) {
		status = error_fail(1,
				    "%s: runs: stop it first (azalea stop "
				    "%s), or use -f",
				    name, name);
	} else if (s.live) {
		err = subject_signal(&s, SIGKILL);
		if (err && err != -ESRCH)
			status = error_fail(1, "%s: cannot kill its owner: %s",
					    name, error_text(err));
		else
			(void)subject_wait(&s, -1);
	}
	if (!status)
		status = rm_ended(&s);
	subject_close(&s);
	if (!status)
		(void)printf("%s\n", name);
	return status;
}

static int cmd_rm(struct option_parser *p)
{
	bool force = false;
	int o, i, status, failed = 0;

	while ((o = option_next(p)) >= 0)
		force = p->on;
	status = options_end(p, o);
	if (status < 0)
		status = operands_need(p, 1, -1);
	if (status >= 0)
		return status;
	for (i = 0; i < p->noperands; i++)
		failed |= rm_one(p->operands[i], force);
	return failed;
}

const struct verb verb_rm = {
	.name = "rm",
	.operands = "NAME...",
	.summary = "Forget detached instances that have ended",
	.options = rm_options,
	.mixed = true,
	.run = cmd_rm,
};
