/* SPDX-License-Identifier: MIT */
/*
 * cmd_help.c - azalea help [VERB]
 */
#include <stddef.h>

#include "cli/cli.h"

static const struct option_spec no_options[] = { { 0, NULL, NULL, NULL } };

static int cmd_help(struct option_parser *p)
{
	const struct verb *v;
	int status = options_only(p);

	if (status < 0)
		status = operands_need(p, 0, 1);
	if (status >= 0)
		return status;
	if (p->noperands == 0)
		return help_print();
	v = verb_find(p->operands[0]);
	return v ? verb_help_print(v) : verb_unknown(p->operands[0]);
}

const struct verb verb_help = {
	.name = "help",
	.operands = "[VERB]",
	.summary = "Tell about a verb, or list them",
	.options = no_options,
	.run = cmd_help,
};
