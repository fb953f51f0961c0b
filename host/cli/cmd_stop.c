/* SPDX-License-Identifier: MIT */
/*
 * cmd_stop.c - azalea stop [-t SECS] NAME...
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>

#include "cli/cli.h"
#include "cli/subject.h"
#include "lib/error.h"
#include "lib/size.h"

#define DEFAULT_SECS 10 /* docker's */

enum stop_option {
	OPT_TIME,
	OPT_COUNT,
};

static const struct option_spec stop_options[] = {
	[OPT_TIME] = { 't', "time", "SECS",
		       "how long to wait before killing; default 10" },
	[OPT_COUNT] = { 0, NULL, NULL, NULL },
};

/* TERM, and KILL if that does not end it in time. 0, or 1. */
static int stop_live(const struct subject *s, int timeout_ms)
{
	int err = subject_signal(s, SIGTERM);

	if (!err && !subject_wait(s, timeout_ms)) {
		err = subject_signal(s, SIGKILL);
		(void)subject_wait(s, -1);
	}
	if (!err || (err == -ESRCH && s->pidfd >= 0))
		return 0;
	return error_fail(1, "%s: cannot signal its owner: %s", s->name,
			  error_text(err));
}

static int stop_one(const char *name, int timeout_ms)
{
	struct subject s;
	int status = subject_find(name, &s);

	if (status)
		return status;
	if (s.live)
		status = stop_live(&s, timeout_ms);
	/* Whoever looks next is to find it ended. */
	if (!status && s.kept)
		(void)entry_wait(&s.entry);
	subject_close(&s);
	if (!status)
		(void)printf("%s\n", name);
	return status;
}

static int cmd_stop(struct option_parser *p)
{
	uint64_t secs = DEFAULT_SECS;
	int o, i, status, failed = 0;

	while ((o = option_next(p)) >= 0)
		if (number_parse(p->value, INT_MAX / 1000, &secs) < 0)
			return error_fail(EXIT_AZALEA,
					  "--time %s: not a number of seconds",
					  p->value);
	status = options_end(p, o);
	if (status < 0)
		status = operands_need(p, 1, -1);
	if (status >= 0)
		return status;
	for (i = 0; i < p->noperands; i++)
		failed |= stop_one(p->operands[i], (int)secs * 1000);
	return failed;
}

const struct verb verb_stop = {
	.name = "stop",
	.operands = "NAME...",
	.summary = "End instances: SIGTERM, and SIGKILL if that is not enough",
	.options = stop_options,
	.mixed = true,
	.run = cmd_stop,
};
