/* SPDX-License-Identifier: MIT */
/*
 * cmd_stop.c - azalea stop [-t SECS] NAME...
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>

#include "cli/cli.h"
#include "cli/subject.h"
#include "lib/clock.h"
#include "lib/error.h"
#include "lib/size.h"

#define DEFAULT_SECS 10 /* docker's */
/* Each has up to three descriptors open: well below the usual 1024. */
#define STOP_AT_ONCE 64

enum stop_option {
	OPT_TIME,
	OPT_COUNT,
};

static const struct option_spec stop_options[] = {
	[OPT_TIME] = { 't', "time", "SECS",
		       "how long to wait before killing; default 10" },
	[OPT_COUNT] = { 0, NULL, NULL, NULL },
};

struct stopping {
	struct subject s;
	int missing; /* what subject_find said */
	int err;     /* of the signal */
};

/* KILL, if TERM does not end it by the deadline. */
static int stop_live(struct stopping *st, int64_t deadline_ns)
{
	int64_t left = (deadline_ns - (int64_t)clock_mono_ns()) / 1000000;
	int err = st->err;

	if (!err && !subject_wait(&st->s, left > 0 ? (int)left : 0)) {
		err = subject_signal(&st->s, SIGKILL);
		(void)subject_wait(&st->s, -1);
	}
	if (!err || (err == -ESRCH && st->s.pidfd >= 0))
		return 0;
	return error_fail(1, "%s: cannot signal its owner: %s", st->s.name,
			  error_text(err));
}

static int stop_one(struct stopping *st, const char *name, int64_t deadline_ns)
{
	int status = st->missing;

	if (status)
		return status;
	if (st->s.live)
		status = stop_live(st, deadline_ns);
	/* Whoever looks next is to find it ended. */
	if (!status && st->s.kept)
		(void)entry_wait(&st->s.entry);
	subject_close(&st->s);
	if (!status)
		(void)printf("%s\n", name);
	return status;
}

/* All of them are told, then each is waited for: they end side by side. */
static int stop_some(char *const *names, int n, int secs)
{
	int64_t deadline_ns =
	    (int64_t)clock_mono_ns() + (int64_t)secs * 1000000000;
	struct stopping st[STOP_AT_ONCE];
	int i, failed = 0;

	for (i = 0; i < n; i++) {
		st[i].missing = subject_find(names[i], &st[i].s);
		st[i].err = !st[i].missing && st[i].s.live
				? subject_signal(&st[i].s, SIGTERM)
				: 0;
	}
	for (i = 0; i < n; i++)
		failed |= stop_one(&st[i], names[i], deadline_ns);
	return failed;
}

static int cmd_stop(struct option_parser *p)
{
	uint64_t secs = DEFAULT_SECS;
	int o, i, n, status, failed = 0;

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
	for (i = 0; i < p->noperands; i += n) {
		n = p->noperands - i;
		if (n > STOP_AT_ONCE)
			n = STOP_AT_ONCE;
		failed |= stop_some(&p->operands[i], n, (int)secs);
	}
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
