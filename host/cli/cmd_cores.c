/* SPDX-License-Identifier: MIT */
/*
 * cmd_cores.c - azalea cores [list | reserve [CPUS] | release [CPUS|all]]
 *
 * What is reserved is the module's to know: nothing is kept here or in files.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cores_list.h"
#include "cores/load.h"
#include "cores/turn.h"
#include "cores/user.h"
#include "cores/work.h"
#include "lib/error.h"
#include "lib/size.h"
#include "plat/azm.h"

#define LIST_TEXT 256

enum cores_option {
	OPT_GROUP,
	OPT_MEMORY,
	OPT_OUTPUT,
	OPT_PARTIAL,
	OPT_USER,
	OPT_COUNT,
};

static const struct option_spec cores_options[] = {
	[OPT_GROUP] = { 'g', "group", "GROUP",
			"reserve: for the members of this group" },
	[OPT_MEMORY] = { 'm', "memory", "SIZE@NODE",
			 "reserve, release: so much of a node's memory,\n"
			 "as 8G@node0; once for each node" },
	[OPT_OUTPUT] = { 'o', "output", "FORM",
			 "list: text (default) or json" },
	[OPT_PARTIAL] = { 0, "partial", NULL,
			  "reserve: keep what could be had of it" },
	[OPT_USER] = { 'u', "user", "USER",
		       "reserve: for this user; default: for root" },
	[OPT_COUNT] = { 0, NULL, NULL, NULL },
};

struct request {
	const char *user, *group;
	struct amount amount[WORK_NODES];
	unsigned int namounts;
	bool partial, json, output;
};

static volatile sig_atomic_t asked_to_stop;

/* --- the command line --- */

static int read_memory(struct request *r, const char *value)
{
	if (r->namounts == WORK_NODES)
		return error_fail(EXIT_AZALEA, "--memory: too many of them");
	if (amount_parse(value, &r->amount[r->namounts]) < 0)
		return error_fail(EXIT_AZALEA,
				  "--memory %s: not an amount of a node's "
				  "memory: write it as 8G@node0",
				  value);
	r->namounts++;
	return 0;
}

static int read_option(struct option_parser *p, int o, struct request *r)
{
	int json;

	switch (o) {
	case OPT_USER:
		r->user = p->value;
		return 0;
	case OPT_GROUP:
		r->group = p->value;
		return 0;
	case OPT_PARTIAL:
		r->partial = p->on;
		return 0;
	case OPT_MEMORY:
		return read_memory(r, p->value);
	default:
		json = output_json(p->value);
		r->json = json > 0;
		r->output = true;
		return json < 0 ? EXIT_AZALEA : 0;
	}
}

/* An option that the action has no use for was meant for something. */
static int refuse_option(const char *action, const char *option)
{
	return error_fail(EXIT_AZALEA,
			  "--%s is not for `%s`: see `azalea help cores`",
			  option, action);
}

static int check_options(const char *action, const struct request *r)
{
	const bool reserve = strcmp(action, "reserve") == 0;
	const bool list = strcmp(action, "list") == 0;

	if (r->user && !reserve)
		return refuse_option(action, "user");
	if (r->group && !reserve)
		return refuse_option(action, "group");
	if (r->partial && !reserve)
		return refuse_option(action, "partial");
	if (r->namounts && list)
		return refuse_option(action, "memory");
	if (r->output && !list)
		return refuse_option(action, "output");
	return 0;
}

/* For whom: w->uid, w->gid. */
static int read_owners(const struct request *r, struct work *w)
{
	w->uid = w->gid = AZM_NOBODY;
	if (r->user && user_parse(r->user, &w->uid) < 0)
		return error_fail(EXIT_AZALEA,
				  "--user %s: no such user in /etc/passwd: if "
				  "it is kept elsewhere, give its number: "
				  "id -u %s",
				  r->user, r->user);
	if (r->group && group_parse(r->group, &w->gid) < 0)
		return error_fail(EXIT_AZALEA,
				  "--group %s: no such group in /etc/group: if "
				  "it is kept elsewhere, give its number: "
				  "getent group %s",
				  r->group, r->group);
	return 0;
}

static int read_cpus(const char *text, struct cpulist *out)
{
	if (cpulist_parse(text, out) < 0)
		return error_fail(EXIT_AZALEA,
				  "%s: not a list of CPUs: write it as 2-7,9",
				  text);
	return 0;
}

/* --- before it begins --- */

static bool no_module(int err)
{
	return err == -ENOENT || err == -ENXIO || err == -ENODEV;
}

/* The device, after loading the module if need be. *fd, or an exit status. */
static int open_to_change(int *fd, bool load)
{
	const char *why = "";
	int status;

	*fd = azm_open(&why);
	if (no_module(*fd) && !load)
		return error_fail(1, "nothing is reserved: azalea.ko is not "
				     "loaded");
	if (no_module(*fd)) {
		status = load_module();
		if (status)
			return status;
		*fd = azm_open(&why);
	}
	return *fd < 0 ? error_fail(1, "%s", why) : 0;
}

static int read_state(int fd, struct cores *c)
{
	int err = cores_read(fd, c);

	if (err == -ENOTTY || err == -EINVAL)
		return error_fail(1, "azalea.ko is of another version than "
				     "this program: unload it (rmmod azalea) "
				     "and load its own");
	if (err)
		return error_fail(1, "cannot tell what the CPUs do: %s",
				  error_text(err));
	cores_name(c);
	return 0;
}

/* --- doing it --- */

static void on_signal(int sig)
{
	(void)sig;
	asked_to_stop = 1;
}

/* From now on, to be ended means to undo what was done. */
static void catch_signals(void)
{
	const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal,
				.sa_flags = SA_RESTART };
	size_t i;

	for (i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		(void)sigaction(sigs[i], &sa, NULL);
}

static void progress_clear(void)
{
	if (isatty(STDERR_FILENO))
		(void)fprintf(stderr, "\r\033[K");
}

static void progress(const struct work *w, unsigned int cpu, unsigned int done,
		     unsigned int all)
{
	(void)fprintf(stderr, "\r\033[K%s CPU %u (%u of %u)",
		      w->release ? "giving back" : "reserving", cpu, done + 1,
		      all);
}

static void say_memory(const struct work *w, const struct work_memory *m)
{
	char size[SIZE_TEXT_MAX], all[SIZE_TEXT_MAX];

	if (w->release)
		(void)printf("%s of node %u given back, %s still reserved\n",
			     size_format(m->before - m->after, size), m->node,
			     size_format(m->after, all));
	else
		(void)printf("%s of node %u reserved, %s in all\n",
			     size_format(m->after - m->before, size), m->node,
			     size_format(m->after, all));
}

/* Not failed, and yet nothing done: of nothing, all was released. */
static void say_done(const struct work *w, int failed)
{
	const bool many = cpulist_count(&w->cpus) > 1;
	char list[LIST_TEXT], owners[USER_OWNERS_MAX];
	unsigned int i;

	if (!cpulist_count(&w->cpus) && !w->nmemory && !failed)
		(void)printf("nothing is reserved\n");
	if (cpulist_count(&w->cpus))
		(void)printf("CPU%s %s %s%s\n", many ? "s" : "",
			     cpulist_format(&w->cpus, list, sizeof(list)),
			     w->release ? "given back" : "reserved for ",
			     w->release ? ""
					: user_owners(w->uid, w->gid, owners));
	for (i = 0; i < w->nmemory; i++)
		say_memory(w, &w->memory[i]);
}

/* All that is free of what is reserved; the rest is in use, which is said. */
static void release_everything(const struct cores *c, struct work *w,
			       struct request *r)
{
	unsigned int i;

	cores_reserved(c, &w->cpus);
	for (i = 0; i < c->machine.nnodes && i < WORK_NODES; i++)
		if (c->memory[i].bytes)
			r->amount[r->namounts++] = (struct amount){
				.all = true,
				.node = (int)c->machine.node[i].id,
			};
}

static int plan_and_do(int fd, struct cores *c, struct work *w,
		       const struct request *r)
{
	unsigned int problems = 0;
	int failed;

	if (cpulist_count(&w->cpus))
		problems = work_plan_cpus(c, w);
	problems += work_plan_memory(c, w, r->amount, r->namounts);
	if (problems && !w->partial)
		return error_fail(1, "nothing was changed");
	work_notes(c, w);
	catch_signals();
	if (isatty(STDERR_FILENO))
		w->progress = progress;
	w->stop = &asked_to_stop;
	failed = work_do(fd, w);
	progress_clear();
	say_done(w, failed);
	if (failed && !w->partial && !w->release)
		error_say("nothing is reserved of what was asked");
	return failed || problems;
}

static int cores_change(struct work *w, struct request *r, bool all)
{
	struct cores c;
	int fd, status;

	if (!azm_admin())
		return error_fail(1, "only root may move CPUs between Linux "
				     "and unikernels (CAP_SYS_ADMIN)");
	status = turn_take();
	if (!status)
		status = open_to_change(&fd, !w->release);
	if (status)
		return status;
	status = read_state(fd, &c);
	if (!status) {
		if (all)
			release_everything(&c, w, r);
		status = plan_and_do(fd, &c, w, r);
		cores_free(&c);
	}
	close(fd);
	return status;
}

/* --- the actions --- */

static int cores_list(const struct request *r)
{
	const char *why = "";
	int fd = azm_open(&why), status;
	struct cores c;

	/* Linux's CPUs can be listed without the module. */
	if (fd < 0 && !no_module(fd))
		return error_fail(1, "%s", why);
	status = read_state(fd, &c);
	if (!status) {
		if (r->json)
			status = cores_print_json(&c);
		else
			cores_print(&c);
		cores_free(&c);
	}
	if (fd >= 0)
		close(fd);
	return status;
}

static int cores_reserve(const char *cpus, struct request *r)
{
	struct work w = { .partial = r->partial };
	int status = read_owners(r, &w);

	if (!status && cpus)
		status = read_cpus(cpus, &w.cpus);
	if (status)
		return status;
	if (!cpus && !r->namounts)
		return error_fail(EXIT_AZALEA, "reserve what? Name CPUs, as "
					       "2-7, or --memory 8G@node0");
	return cores_change(&w, r, false);
}

static int cores_release(const char *cpus, struct request *r)
{
	const bool all = cpus && strcmp(cpus, "all") == 0;
	struct work w = { .release = true };
	int status = 0;

	if (all && r->namounts)
		return error_fail(EXIT_AZALEA, "`release all` includes all "
					       "memory: leave --memory out");
	if (cpus && !all)
		status = read_cpus(cpus, &w.cpus);
	if (status)
		return status;
	if (!cpus && !r->namounts)
		return error_fail(EXIT_AZALEA, "release what? Name CPUs, as "
					       "2-7, or all, or --memory "
					       "8G@node0");
	return cores_change(&w, r, all);
}

static int cmd_cores(struct option_parser *p)
{
	struct request r = { 0 };
	const char *action, *cpus;
	int o, status = 0;

	while (!status && (o = option_next(p)) >= 0)
		status = read_option(p, o, &r);
	if (status)
		return status;
	status = options_end(p, o);
	if (status < 0)
		status = operands_need(p, 0, 2);
	if (status >= 0)
		return status;
	action = p->noperands > 0 ? p->operands[0] : "list";
	cpus = p->noperands > 1 ? p->operands[1] : NULL;
	status = check_options(action, &r);
	if (status)
		return status;
	if (strcmp(action, "reserve") == 0)
		return cores_reserve(cpus, &r);
	if (strcmp(action, "release") == 0)
		return cores_release(cpus, &r);
	if (strcmp(action, "list") != 0 || cpus)
		return error_fail(EXIT_AZALEA,
				  "%s: list, reserve or release: see `azalea "
				  "help cores`",
				  cpus && strcmp(action, "list") == 0 ? cpus
								      : action);
	return cores_list(&r);
}

const struct verb verb_cores = {
	.name = "cores",
	.operands = "[list | reserve CPUS | release CPUS|all]",
	.summary = "List CPUs; reserve some of them for unikernels (metal)",
	.options = cores_options,
	.mixed = true,
	.notes = "CPUS is a list as 2-7,9. A reserved CPU runs no Linux until "
		 "it is released;\nwhat runs on it: azalea run --plat metal "
		 "PROGRAM. Reserving is all or nothing\nbut with --partial.",
	.run = cmd_cores,
};
