/* SPDX-License-Identifier: MIT */
/*
 * cmd_version.c - azalea version
 */
#include "cli/cli.h"

static const struct option_spec no_options[] = { { 0, NULL, NULL, NULL } };

static int cmd_version(struct option_parser *p)
{
	int status = options_only(p);

	if (status < 0)
		status = operands_need(p, 0, 0);
	if (status >= 0)
		return status;
	(void)printf("azalea %s\n", AZ_VERSION);
	return 0;
}

const struct verb verb_version = {
	.name = "version",
	.operands = "",
	.summary = "Print the version",
	.options = no_options,
	.mixed = true,
	.run = cmd_version,
};
