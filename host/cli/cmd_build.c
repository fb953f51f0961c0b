/* SPDX-License-Identifier: MIT */
/*
 * cmd_build.c - azalea build [options] [--] PROGRAM [ARG...]
 *
 * Makes one executable file of a program and the files that it needs.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/direct.h"
#include "cli/needs.h"
#include "cli/pack.h"
#include "image_files.h"
#include "lib/env.h"
#include "lib/error.h"
#include "lib/program.h"

enum build_option {
	OPT_ENV,
	OPT_FILE,
	OPT_OUTPUT,
	OPT_SELF,
	OPT_COUNT,
};

static const struct option_spec build_options[] = {
	[OPT_ENV] = { 'e', "env", "K[=V]",
		      "set a variable of the program's environment" },
	[OPT_FILE] = { 0, "file", "PATH[=SRC]",
		       "put in what is at SRC (or PATH), a directory with\n"
		       "all below it; the program sees it as PATH" },
	[OPT_OUTPUT] = { 'o', "output", "FILE",
			 "the image; default: the program's name, and .azi" },
	[OPT_SELF] = { 0, "self", NULL,
		       "the program is its image: it sees its own argv[0],\n"
		       "and the image as /proc/self/exe" },
	[OPT_COUNT] = { 0, NULL, NULL, NULL },
};

struct build {
	struct pack pack;
	struct needs needs;
	struct program program;
	struct env env;
	const char *output;
	char *const *argv;
	struct words files; /* of --file */
	bool self;
};

static int build_parse(struct option_parser *p, struct build *b)
{
	static char *nothing[] = { NULL };
	int o, status = env_start(&b->env, nothing) ? error_no_memory() : 0;

	while (!status && (o = option_next(p)) >= 0) {
		if (o == OPT_ENV)
			status = env_option(&b->env, p->value);
		else if (o == OPT_FILE)
			status = words_append(&b->files, p->value);
		else if (o == OPT_OUTPUT)
			b->output = p->value;
		else
			b->self = p->on;
	}
	if (!status)
		status = options_end(p, o);
	if (status < 0)
		status = program_need(p);
	if (status >= 0)
		return status;
	b->argv = p->operands;
	return -1;
}

/* --- the program --- */

/* The program with its calls made direct, as far as it can be. */
static int add_self(struct build *b)
{
	struct direct d;
	int status = direct_make(b->program.path, &d);

	b->pack.exe = "";
	if (status || !d.bytes)
		return status ? status
			      : pack_file(&b->pack, "", b->program.path);
	b->pack.stubs = d.stubs;
	b->pack.stubs_end = d.stubs_end;
	return pack_bytes(&b->pack, "", d.bytes, d.size);
}

/* Its own path, with a link from the one it was found by. */
static int add_program(struct build *b)
{
	struct program *pr = &b->program;
	char *as;
	int status;

	if (b->self)
		return add_self(b);
	as = pack_path(pr->exec_fn);
	if (!as)
		return error_no_memory();
	b->pack.exe = pr->path;
	status = pack_file(&b->pack, pr->path, pr->path);
	if (!status && strcmp(as, pr->path) != 0)
		status = pack_link(&b->pack, as, pr->path);
	free(as);
	return status;
}

/* Libraries that files brought by --file need, as far as they are there. */
static int add_needs_of_files(struct build *b)
{
	int status = 0;

	for (size_t i = 0; i < b->pack.n && !status; i++)
		if (b->pack.item[i].elf && b->pack.item[i].source)
			status =
			    needs_add(&b->needs, b->pack.item[i].source, false);
	return status;
}

static int add_files(struct build *b)
{
	int status = 0;

	for (size_t i = 0; i < b->files.n && !status; i++) {
		size_t len = strcspn(b->files.v[i], "=");
		char *name = strndup(b->files.v[i], len);
		char *path = name && *name ? pack_path(name) : NULL;
		const char *source =
		    b->files.v[i][len] ? b->files.v[i] + len + 1 : name;

		if (!path)
			status = error_fail(EXIT_AZALEA,
					    "--file %s: names no path that can "
					    "be",
					    b->files.v[i]);
		else
			status = pack_tree(&b->pack, path, source);
		free(name);
		free(path);
	}
	return status;
}

static int build_collect(struct build *b)
{
	int status = add_files(b);

	b->needs.interp = needs_interp(b->program.fd);
	b->needs.env = b->env.v;
	if (!status)
		status = needs_add(&b->needs, b->program.path, true);
	if (!status)
		status = add_needs_of_files(b);
	if (!status)
		status = needs_pack(&b->needs, &b->pack);
	return status ? status : add_program(b);
}

/* NAME.azi for .../NAME */
static int default_output(struct build *b)
{
	const char *slash = strrchr(b->argv[0], '/');
	char *name;

	if (asprintf(&name, "%s.azi", slash ? slash + 1 : b->argv[0]) < 0)
		return error_no_memory();
	b->output = name;
	return 0;
}

static int cmd_build(struct option_parser *p)
{
	static struct build b;
	int status = build_parse(p, &b);

	if (status >= 0)
		return status;
	status = program_open(b.argv, env_get(environ, "PATH"), &b.program);
	if (status)
		return status;
	if (b.program.argv != b.argv)
		return error_fail(EXIT_AZALEA,
				  "%s: is a script: build its interpreter, "
				  "with the script: azalea build --file %s %s "
				  "%s",
				  b.argv[0], b.argv[0], b.program.argv[0],
				  b.argv[0]);
	if (!b.output)
		status = default_output(&b);
	if (!status)
		status = build_collect(&b);
	if (status)
		return status;
	b.pack.flags = b.self ? AZ_BUNDLE_SELF : 0;
	b.pack.args = b.self ? NULL : b.argv;
	b.pack.envs = b.env.v;
	return pack_write(&b.pack, b.output);
}

const struct verb verb_build = {
	.name = "build",
	.operands = "[--] PROGRAM [ARG...]",
	.summary = "Make one executable file of a program and what it needs",
	.options = build_options,
	.notes = "The file runs by itself: ./FILE [ARG...], where this "
		 "machine's interpreter,\nlibraries and files are not. "
		 "Interpreter and libraries are found and put in;\nwhat the "
		 "program opens besides is named by --file. Those files are "
		 "read-only.\n\n"
		 "The image takes options of `azalea run` from the "
		 "environment: AZALEA_OPTS.",
	.run = cmd_build,
};
