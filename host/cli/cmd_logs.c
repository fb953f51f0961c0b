/* SPDX-License-Identifier: MIT */
/*
 * cmd_logs.c - azalea logs [-f] NAME
 */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/subject.h"
#include "lib/error.h"

#define FOLLOW_NS 50000000 /* between two looks at a growing log */

enum logs_option {
	OPT_FOLLOW,
	OPT_COUNT,
};

static const struct option_spec logs_options[] = {
	[OPT_FOLLOW] = { 'f', "follow", NULL,
			 "go on until the instance has ended" },
	[OPT_COUNT] = { 0, NULL, NULL, NULL },
};

/* What there is beyond the file offset. 0, or 1. */
static int logs_copy(int fd, const char *name)
{
	char buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
			return 1; /* output_done says why */
	if (n < 0)
		return error_fail(1, "%s: cannot read its log: %s", name,
				  error_text(errno));
	return fflush(stdout) == 0 ? 0 : 1;
}

static int logs_follow(const struct subject *s, int fd)
{
	const struct timespec pause = { .tv_nsec = FOLLOW_NS };
	struct entry_end end;
	int status;
	bool runs;

	do {
		/* Asked before reading: what was written last is read. */
		runs = entry_state(&s->entry, &end) == ENTRY_RUNNING;
		status = logs_copy(fd, s->name);
		if (runs && !status)
			(void)nanosleep(&pause, NULL);
	} while (runs && !status);
	return status;
}

static int cmd_logs(struct option_parser *p)
{
	struct subject s;
	bool follow = false;
	int o, fd, status;

	while ((o = option_next(p)) >= 0)
		follow = p->on;
	status = options_end(p, o);
	if (status < 0)
		status = operands_need(p, 1, 1);
	if (status < 0 && subject_find(p->operands[0], &s) != 0)
		return 1;
	if (status >= 0)
		return status;
	if (!s.kept) {
		subject_close(&s);
		return error_fail(1,
				  "%s: was not started with -d: its output "
				  "went where it was started",
				  s.name);
	}
	fd = openat(s.entry.dir, "log", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		status = error_fail(1, "%s: cannot open its log: %s", s.name,
				    error_text(errno));
	else
		status = follow ? logs_follow(&s, fd) : logs_copy(fd, s.name);
	if (fd >= 0)
		close(fd);
	subject_close(&s);
	return status;
}

const struct verb verb_logs = {
	.name = "logs",
	.operands = "NAME",
	.summary = "Print what a detached instance wrote",
	.options = logs_options,
	.mixed = true,
	.run = cmd_logs,
};
