/* SPDX-License-Identifier: MIT */
/*
 * cmd_wait.c - azalea wait NAME...
 */
#include "cli/cli.h"
#include "cli/subject.h"
#include "lib/error.h"
#include "lib/name.h"

static const struct option_spec no_options[] = { { 0, NULL, NULL, NULL } };

static int wait_one(const char *name)
{
	struct subject s;
	int status = subject_find(name, &s), wstatus = 0;

	if (status)
		return status;
	(void)subject_wait(&s, -1);
	if (s.kept)
		(void)entry_wait(&s.entry);
	if (subject_status(&s, &wstatus) == 0)
		(void)printf("%d\n", status_exit(wstatus));
	else
		status = error_fail(1,
				    "%s: has ended, but its status is lost: "
				    "it or its supervisor was killed",
				    name);
	subject_close(&s);
	(void)fflush(stdout);
	return status;
}

static int cmd_wait(struct option_parser *p)
{
	int i, failed = 0, status = options_only(p);

	if (status < 0)
		status = operands_need(p, 1, -1);
	if (status >= 0)
		return status;
	for (i = 0; i < p->noperands; i++)
		failed |= wait_one(p->operands[i]);
	return failed;
}

const struct verb verb_wait = {
	.name = "wait",
	.operands = "NAME...",
	.summary = "Wait for instances to end and print their exit statuses",
	.options = no_options,
	.mixed = true,
	.run = cmd_wait,
};
