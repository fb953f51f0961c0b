/* SPDX-License-Identifier: MIT */
/*
 * cmd_run.c - azalea run [options] [--] PROGRAM [ARG...]
 *
 * This process becomes the owner of the instance, so whatever is done here is
 * part of the time that a program takes to start.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot.h"
#include "calls.h"
#include "cli/cli.h"
#include "cli/describe.h"
#include "cli/from.h"
#include "cli/policies.h"
#include "cli/request.h"
#include "cli/resources.h"
#include "gdb/launch.h"
#include "instance/instance.h"
#include "instance/registry.h"
#include "instance/supervise.h"
#include "lib/env.h"
#include "lib/error.h"
#include "lib/name.h"
#include "lib/program.h"
#include "perf/map.h"

enum run_option {
	OPT_ALLOW,
	OPT_CPUS,
	OPT_CPUSET,
	OPT_DENY,
	OPT_DETACH,
	OPT_ENV,
	OPT_ENV_FILE,
	OPT_GDB,
	OPT_FROM,
	OPT_ISOLATE,
	OPT_LOG_DENIED,
	OPT_LOST,
	OPT_MEMORY,
	OPT_NAME,
	OPT_NO_PATCH,
	OPT_OFFLOAD,
	OPT_OVERCOMMIT,
	OPT_PERF_MAP,
	OPT_PLAT,
	OPT_POLICY,
	OPT_RM,
	OPT_STATS,
	OPT_STRACE,
	OPT_STRICT_UNMAP,
	OPT_WORKDIR,
	OPT_COUNT,
};

static const struct option_spec run_options[] = {
	[OPT_ALLOW] = { 0, "allow", "WORD",
			"allow a class of calls, or a path: /PATH, or\n"
			"/PATH:ro for reading only; see azalea-run(1)" },
	[OPT_CPUS] = { 0, "cpus", "N",
		       "number of cores; default: all CPUs that this\n"
		       "process may run on (what nproc says)" },
	[OPT_CPUSET] = { 0, "cpuset-cpus", "LIST",
			 "CPUs to take the cores from, as 0-3,8" },
	[OPT_DENY] = { 0, "deny", "WORD",
		       "deny a class of calls, or what lies below a path" },
	[OPT_DETACH] = { 'd', "detach", NULL,
			 "run in the background and print the name" },
	[OPT_ENV] = { 'e', "env", "K[=V]",
		      "set a variable of the environment" },
	[OPT_ENV_FILE] = { 0, "env-file", "FILE",
			   "set those of a file, one K[=V] a line" },
	[OPT_GDB] = { 0, "gdb", "WHERE",
		      "hold the program at its first instruction until gdb\n"
		      "connects to PORT, ADDRESS:PORT or unix:PATH" },
	[OPT_FROM] = { 0, "from", "FILE",
		       "go on with the instance that `azalea snapshot` put\n"
		       "there, instead of a PROGRAM" },
	[OPT_ISOLATE] = { 0, "isolate", NULL,
			  "network, IPC, mounts and host name of its own" },
	[OPT_LOG_DENIED] = { 0, "log-denied", "[FILE]",
			     "print a line for each call that the policy\n"
			     "denies, or with =FILE append it there" },
	[OPT_LOST] = { 0, "lost", "HOW",
		       "descriptors that a snapshot has lost: close (they\n"
		       "read as ended connections, default), or refuse" },
	[OPT_MEMORY] = { 'm', "memory", "SIZE",
			 "limit of memory, with K, M, G or T; default:\n"
			 "75 % of what the machine has; at least 4M" },
	[OPT_NAME] = { 0, "name", "NAME", "name of the instance" },
	[OPT_NO_PATCH] = { 0, "no-patch", NULL,
			   "leave system calls as they are in the program's\n"
			   "code: each one traps (also: AZALEA_PATCH=0)" },
	[OPT_OFFLOAD] = { 0, "offload", "HOW",
			  "how calls reach Linux: ring (by workers), direct\n"
			  "(on the core itself), auto (default)" },
	[OPT_OVERCOMMIT] = { 0, "overcommit", NULL,
			     "accept more memory than the machine has" },
	[OPT_PERF_MAP] = { 0, "perf-map", NULL,
			   "name the code of program and unikernel for perf,\n"
			   "in /tmp/perf-PID.map" },
	[OPT_PLAT] = { 0, "plat", "PLATFORM",
		       "pico, kvm, metal, or auto (default): the best that\n"
		       "this machine can do, see `azalea info`" },
	[OPT_POLICY] = { 0, "policy", "FILE", "allow and deny as FILE says" },
	[OPT_RM] = { 0, "rm", NULL,
		     "with -d: keep nothing when the program has ended" },
	[OPT_STATS] = { 0, "stats", "FILE",
			"write the counters as JSON when the program ends" },
	[OPT_STRACE] = { 0, "strace", NULL,
			 "print every system call on stderr" },
	[OPT_STRICT_UNMAP] = { 0, "strict-unmap", NULL,
			       "let memory fault at once when it is unmapped,\n"
			       "however often the program does so" },
	[OPT_WORKDIR] = { 'w', "workdir", "DIR",
			  "working directory of the program" },
	[OPT_COUNT] = { 0, NULL, NULL, NULL },
};

struct run_request {
	const char *text[OPT_COUNT]; /* values of options, last one wins */
	bool on[OPT_COUNT];
	struct words env, env_file;
	struct policy policy;
	char **argv;
};

/* Options of the policy, in their order; others are none of this. */
static int request_confine(int o, const char *value, struct policy *policy)
{
	switch (o) {
	case OPT_ALLOW:
		return policy_option(policy, true, value);
	case OPT_DENY:
		return policy_option(policy, false, value);
	case OPT_POLICY:
		return policy_file(policy, value);
	case OPT_LOG_DENIED:
		return policy_log(policy, value);
	default:
		return 0;
	}
}

static int request_parse(struct option_parser *p, struct run_request *rq)
{
	int o, status = 0;

	while (!status && (o = option_next(p)) >= 0) {
		rq->on[o] = p->on;
		rq->text[o] = p->value;
		if (o == OPT_ENV)
			status = words_append(&rq->env, p->value);
		else if (o == OPT_ENV_FILE)
			status = words_append(&rq->env_file, p->value);
		else
			status = request_confine(o, p->value, &rq->policy);
	}
	if (!status)
		status = options_end(p, o);
	if (status < 0)
		status = rq->text[OPT_FROM] ? operands_need(p, 0, 0)
					    : program_need(p);
	if (status >= 0)
		return status;
	rq->argv = p->operands;
	return -1;
}

/* --- environment and directory --- */

static int env_file_load(struct env *env, const char *path)
{
	unsigned int line;
	int err = env_load(env, path, environ, &line);

	if (err == -EINVAL)
		return error_fail(EXIT_AZALEA,
				  "--env-file %s: line %u is not K=V or K: "
				  "correct it, or put # before it",
				  path, line);
	if (err)
		return error_fail(EXIT_AZALEA,
				  "--env-file %s: cannot read it: %s", path,
				  error_text(err));
	return 0;
}

/* *out := this process's environment, with what the command line changes. */
static int request_env(const struct run_request *rq, char *const **out)
{
	struct env env;
	int status = 0;

	*out = environ;
	if (!rq->env.n && !rq->env_file.n)
		return 0;
	if (env_start(&env, environ))
		return error_no_memory();
	for (size_t i = 0; i < rq->env_file.n && !status; i++)
		status = env_file_load(&env, rq->env_file.v[i]);
	for (size_t i = 0; i < rq->env.n && !status; i++)
		status = env_option(&env, rq->env.v[i]);
	*out = env.v;
	return status;
}

static int request_chdir(const struct run_request *rq)
{
	const char *dir = rq->text[OPT_WORKDIR];

	if (dir && chdir(dir) < 0)
		return error_fail(EXIT_AZALEA,
				  "--workdir %s: cannot go there: %s", dir,
				  error_text(errno));
	return 0;
}

/* --- the three ways to run --- */

static int run_detached(const struct run_request *rq,
			struct instance_config *cfg)
{
	int status = supervise_detached(cfg, rq->on[OPT_RM]);

	if (!status)
		(void)printf("%s\n", cfg->name);
	return status;
}

/* End as the program did. */
static int end_alike(int wstatus)
{
	struct rlimit none = { 0, 0 };

	if (!WIFSIGNALED(wstatus))
		return WEXITSTATUS(wstatus);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)signal(WTERMSIG(wstatus), SIG_DFL);
	(void)raise(WTERMSIG(wstatus));
	return status_exit(wstatus);
}

static int run_measured(const char *path, struct instance_config *cfg)
{
	struct registry_info *info = calloc(1, sizeof(*info));
	struct az_stats *stats = NULL;
	int wstatus = 0, status;

	if (!info)
		return error_no_memory();
	registry_describe(info, cfg);
	status = supervise_attached(cfg, &wstatus, &stats);
	if (!status && stats)
		status = describe_write(path, info, stats, wstatus);
	free(info);
	free(stats);
	return status ? status : end_alike(wstatus);
}

static int run_start(const struct run_request *rq, struct instance_config *cfg)
{
	if (rq->on[OPT_DETACH])
		return run_detached(rq, cfg);
	if (rq->text[OPT_STATS])
		return run_measured(rq->text[OPT_STATS], cfg);
	(void)instance_run(cfg);
	return EXIT_AZALEA;
}

/*
 * The program's text is left alone, so that a breakpoint can be anywhere and a
 * step is one instruction.
 */
static int run_debugged(const char *where, struct instance_config *cfg)
{
	int fd;

	if (cfg->plat == AZ_PLAT_METAL)
		return error_fail(EXIT_AZALEA,
				  "--gdb: cores of platform metal have no "
				  "debugger: add --plat pico or kvm");
	fd = launch_listen(where);
	if (fd < 0)
		return EXIT_AZALEA;
	cfg->flags |= AZ_BOOT_NOPATCH;
	cfg->debug_fd = launch_server(fd, cfg->plat);
	if (cfg->debug_fd < 0)
		return error_fail(EXIT_AZALEA,
				  "--gdb %s: cannot start a server: %s", where,
				  error_text(cfg->debug_fd));
	return 0;
}

/* What needs no look at the machine. */
static int request_check(struct run_request *rq, struct instance_config *cfg)
{
	int status;

	if (rq->on[OPT_DETACH] && rq->text[OPT_STATS])
		return error_fail(EXIT_AZALEA,
				  "--stats goes with an instance in the "
				  "foreground: leave out -d, or use `azalea "
				  "inspect`");
	if (rq->on[OPT_STRACE])
		cfg->flags |= AZ_BOOT_STRACE;
	if (rq->on[OPT_STRICT_UNMAP])
		cfg->flags |= AZ_BOOT_STRICT_UNMAP;
	if (rq->on[OPT_PERF_MAP]) {
		cfg->flags |= AZ_BOOT_PERF_MAP;
		cfg->perf_map = perf_map_write;
	}
	request_patch(rq->on[OPT_NO_PATCH], cfg);
	if (rq->on[OPT_ISOLATE])
		rq->policy.isolate = true;
	status = policy_settle(&rq->policy, cfg);
	if (!status)
		status = request_plat(rq->text[OPT_PLAT], cfg);
	if (!status)
		status = request_offload(rq->text[OPT_OFFLOAD], cfg);
	return status;
}

/* --- from a snapshot --- */

/* What the instance has already, and does not get anew. */
static int from_check(const struct run_request *rq, struct snapshot *s,
		      struct instance_config *cfg)
{
	static const enum run_option fixed[] = {
		OPT_CPUS,   OPT_ENV,     OPT_ENV_FILE,     OPT_GDB,
		OPT_MEMORY, OPT_WORKDIR, OPT_STRICT_UNMAP, OPT_PERF_MAP,
	};
	const char *lost = rq->text[OPT_LOST];

	if (rq->text[OPT_GDB])
		return error_fail(EXIT_AZALEA,
				  "--gdb does not go with --from: use `azalea "
				  "gdb` when it runs");
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (rq->text[fixed[i]] || rq->on[fixed[i]])
			return error_fail(EXIT_AZALEA,
					  "--%s does not go with --from: what "
					  "goes on is as it was",
					  run_options[fixed[i]].name);
	if (lost && strcmp(lost, "close") != 0 && strcmp(lost, "refuse") != 0)
		return error_fail(EXIT_AZALEA,
				  "--lost %s: no such way: close or refuse",
				  lost);
	s->refuse_lost = lost && strcmp(lost, "refuse") == 0;
	if (cfg->plat == AZ_PLAT_METAL)
		return error_fail(EXIT_AZALEA,
				  "--from does not work on metal: use --plat "
				  "pico or kvm");
	if (!cfg->plat)
		cfg->plat = resources_linux_plat(cfg);
	cfg->offload_given = rq->text[OPT_OFFLOAD];
	return 0;
}

static int run_from(struct run_request *rq, struct instance_config *cfg)
{
	static struct snapshot s;
	int status = request_check(rq, cfg);

	if (!status)
		status = from_check(rq, &s, cfg);
	if (!status)
		status = from_open(rq->text[OPT_FROM], &s, cfg);
	if (!status)
		status = resources_cores(rq->text[OPT_CPUSET], NULL, cfg);
	if (!status)
		status = request_name(rq->text[OPT_NAME], cfg);
	if (status)
		return status;
	from_cores(&s, cfg);
	return run_start(rq, cfg);
}

static int cmd_run(struct option_parser *p)
{
	struct run_request rq = { .argv = NULL };
	struct instance_config cfg = { .start_mono_ns = main_mono_ns };
	struct program program;
	int status = request_parse(p, &rq);

	if (status >= 0)
		return status;
	if (rq.text[OPT_FROM])
		return run_from(&rq, &cfg);
	if (rq.text[OPT_LOST])
		return error_fail(EXIT_AZALEA, "--lost goes with --from FILE");
	status = request_check(&rq, &cfg);
	if (!status)
		status = resources_memory(rq.text[OPT_MEMORY],
					  rq.on[OPT_OVERCOMMIT], &cfg);
	if (!status)
		status = resources_cores(rq.text[OPT_CPUSET], rq.text[OPT_CPUS],
					 &cfg);
	if (!status)
		status = request_env(&rq, &cfg.envp);
	if (!status)
		status = request_chdir(&rq);
	if (!status)
		status =
		    program_open(rq.argv, env_get(cfg.envp, "PATH"), &program);
	if (!status)
		status = request_name(rq.text[OPT_NAME], &cfg);
	if (status)
		return status;
	status = policy_program(&rq.policy, program.path, program.interp);
	if (status)
		return status;
	cfg.exe_fd = program.fd;
	cfg.exe_path = program.path;
	cfg.interp = program.interp;
	cfg.exec_fn = program.exec_fn;
	cfg.argv = program.argv;
	if (rq.text[OPT_GDB])
		status = run_debugged(rq.text[OPT_GDB], &cfg);
	return status ? status : run_start(&rq, &cfg);
}

#define CLASS_LINE(id, name, text) "  " name ": " text "\n"

const struct verb verb_run = {
	.name = "run",
	.operands = "[--] PROGRAM [ARG...] | --from FILE",
	.summary = "Run a program on a unikernel of its own",
	.options = run_options,
	.notes =
	    "Everything else is inherited: stdin, stdout, stderr, "
	    "working directory, umask,\nlimits, environment. Signals "
	    "reach the program.\n\n"
	    "Classes of calls, for --allow and --deny, all of them by the "
	    "word all:\n" AZ_POLICIES(
		CLASS_LINE) "\n"
			    "Exit status: that of the program, or 128 + the signal that "
			    "ended it; 125 if\nazalea failed, 126 if the program cannot "
			    "be executed, 127 if it is not there.",
	.run = cmd_run,
};
