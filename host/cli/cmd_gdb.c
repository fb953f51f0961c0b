/* SPDX-License-Identifier: MIT */
/*
 * cmd_gdb.c - azalea gdb [--stdio] NAME [GDB-ARG...]
 *
 * gdb gets a server of its protocol as the other end of a pipe, which is this
 * verb once more, with --stdio.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "cli/cli.h"
#include "cli/subject.h"
#include "gdb/launch.h"
#include "lib/error.h"

enum gdb_option {
	OPT_STDIO,
	OPT_COUNT,
};

static const struct option_spec gdb_options[] = {
	[OPT_STDIO] = { 0, "stdio", NULL,
			"speak gdb's remote protocol on stdin and stdout:\n"
			"for `target remote | azalea gdb --stdio NAME`" },
	[OPT_COUNT] = { 0, NULL, NULL, NULL },
};

/* 0: it can be attached to. */
static int check(const struct subject *s)
{
	if (!s->live || s->pid <= 0)
		return error_fail(1, "%s: does not run", s->name);
	if (!s->known)
		return error_fail(1,
				  "%s: does not answer: it is stopped, perhaps "
				  "by another debugger",
				  s->name);
	if (s->info.plat == AZ_PLAT_METAL)
		return error_fail(1,
				  "%s: runs on platform metal, whose cores "
				  "have no debugger: use pico or kvm",
				  s->name);
	return 0;
}

static int serve(const char *name)
{
	struct subject s;
	uint32_t plat;
	pid_t pid;
	int status = subject_find(name, &s);

	if (status)
		return status;
	status = check(&s);
	pid = s.pid;
	plat = s.info.plat;
	subject_close(&s);
	return status ? status
		      : launch_attach(pid, plat, STDIN_FILENO, STDOUT_FILENO);
}

/* In single quotes for the shell; the name has none. */
static int target_command(const char *name, char *out, size_t max)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return -errno;
	self[n] = '\0';
	if (strchr(self, '\'') || strchr(name, '\''))
		return -EINVAL;
	n = snprintf(out, max, "target remote | '%s' gdb --stdio '%s'", self,
		     name);
	return n > 0 && (size_t)n < max ? 0 : -ENAMETOOLONG;
}

static int start_gdb(const char *name, char **args, int nargs)
{
	/* Files are where the instance has them. */
	static char gdb[] = "gdb", first[] = "-iex", root[] = "set sysroot /",
		    flag[] = "-ex";
	char command[PATH_MAX + 128];
	int err = target_command(name, command, sizeof(command));
	char **argv;

	if (err)
		return error_fail(1, "%s: cannot name it to gdb: %s", name,
				  error_text(err));
	argv = calloc((size_t)nargs + 6, sizeof(*argv));
	if (!argv)
		return error_no_memory();
	argv[0] = gdb;
	argv[1] = first;
	argv[2] = root;
	argv[3] = flag;
	argv[4] = command;
	memcpy(argv + 5, args, (size_t)nargs * sizeof(*argv));
	(void)execvp(gdb, argv);
	err = errno;
	free(argv);
	if (err == ENOENT)
		return error_fail(EXIT_NOTFOUND,
				  "gdb is not installed: apt install gdb");
	return error_fail(EXIT_NOEXEC, "cannot start gdb: %s", error_text(err));
}

/* That there is nothing to attach to is better said before gdb starts. */
static int start(const char *name, char **args, int nargs)
{
	struct subject s;
	int status = subject_find(name, &s);

	if (status)
		return status;
	status = check(&s);
	subject_close(&s);
	return status ? status : start_gdb(name, args, nargs);
}

static int cmd_gdb(struct option_parser *p)
{
	bool stdio = false;
	int o, status;

	while ((o = option_next(p)) >= 0)
		stdio = p->on;
	status = options_end(p, o);
	if (status < 0)
		status = operands_need(p, 1, stdio ? 1 : -1);
	if (status >= 0)
		return status;
	if (stdio)
		return serve(p->operands[0]);
	return start(p->operands[0], p->operands + 1, p->noperands - 1);
}

const struct verb verb_gdb = {
	.name = "gdb",
	.operands = "NAME [GDB-ARG...]",
	.summary = "Look into a running instance with gdb",
	.options = gdb_options,
	.notes = "gdb sees the program's threads, whether they are on a core "
		 "or not, and the\nunikernel as one more library. To hold a "
		 "program at its first instruction:\nazalea run --gdb PORT.",
	.run = cmd_gdb,
};
