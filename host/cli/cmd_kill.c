/* SPDX-License-Identifier: MIT */
/*
 * cmd_kill.c - azalea kill [-s SIGNAL] NAME...
 */
#include <signal.h>

#include "cli/cli.h"
#include "cli/subject.h"
#include "lib/error.h"
#include "lib/name.h"

enum kill_option {
	OPT_SIGNAL,
	OPT_COUNT,
};

static const struct option_spec kill_options[] = {
	[OPT_SIGNAL] = { 's', "signal", "SIGNAL",
			 "by name or number; default KILL" },
	[OPT_COUNT] = { 0, NULL, NULL, NULL },
};

static int kill_one(const char *name, int sig)
{
	struct subject s;
	int status = subject_find(name, &s), err;

	if (status)
		return status;
	err = subject_signal(&s, sig);
	if (!s.live)
		status = error_fail(1, "%s: does not run any more", name);
	else if (err)
		status = error_fail(1, "%s: cannot signal its owner: %s", name,
				    error_text(err));
	else
		(void)printf("%s\n", name);
	/* Killed is killed: the next look is to find it ended. */
	if (!status && sig == SIGKILL) {
		(void)subject_wait(&s, -1);
		if (s.kept)
			(void)entry_wait(&s.entry);
	}
	subject_close(&s);
	return status;
}

static int cmd_kill(struct option_parser *p)
{
	int o, i, status, sig = SIGKILL, failed = 0;

	while ((o = option_next(p)) >= 0) {
		sig = signal_parse(p->value);
		if (sig < 0)
			return error_fail(EXIT_AZALEA,
					  "--signal %s: no such signal: a name "
					  "as TERM or USR1, or 1 to 64",
					  p->value);
	}
	status = options_end(p, o);
	if (status < 0)
		status = operands_need(p, 1, -1);
	if (status >= 0)
		return status;
	for (i = 0; i < p->noperands; i++)
		failed |= kill_one(p->operands[i], sig);
	return failed;
}

const struct verb verb_kill = {
	.name = "kill",
	.operands = "NAME...",
	.summary = "Send a signal to instances",
	.options = kill_options,
	.mixed = true,
	.run = cmd_kill,
};
