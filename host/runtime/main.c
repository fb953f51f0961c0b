/* SPDX-License-Identifier: MIT */
/*
 * main.c - the executable that a single-file image begins with.
 *
 * Finds the image that it is part of, checks it, and becomes the owner of an
 * instance that runs its program. Every call counts: this is start-up time.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "cli/request.h"
#include "cli/resources.h"
#include "instance/azi.h"
#include "instance/before.h"
#include "instance/instance.h"
#include "lib/clock.h"
#include "lib/env.h"
#include "lib/error.h"
#include "lib/option.h"

#define OPTIONS   "AZALEA_OPTS"
#define WORDS_MAX 64

enum image_option {
	OPT_CPUS,
	OPT_CPUSET,
	OPT_MEMORY,
	OPT_NAME,
	OPT_NO_PATCH,
	OPT_OFFLOAD,
	OPT_OVERCOMMIT,
	OPT_PLAT,
	OPT_STRACE,
	OPT_STRICT_UNMAP,
	OPT_COUNT,
};

/* As `azalea run` has them; help is there, too. */
static const struct option_spec options[] = {
	[OPT_CPUS] = { 0, "cpus", "N", "" },
	[OPT_CPUSET] = { 0, "cpuset-cpus", "LIST", "" },
	[OPT_MEMORY] = { 'm', "memory", "SIZE", "" },
	[OPT_NAME] = { 0, "name", "NAME", "" },
	[OPT_NO_PATCH] = { 0, "no-patch", NULL, "" },
	[OPT_OFFLOAD] = { 0, "offload", "HOW", "" },
	[OPT_OVERCOMMIT] = { 0, "overcommit", NULL, "" },
	[OPT_PLAT] = { 0, "plat", "PLATFORM", "" },
	[OPT_STRACE] = { 0, "strace", NULL, "" },
	[OPT_STRICT_UNMAP] = { 0, "strict-unmap", NULL, "" },
	[OPT_COUNT] = { 0, NULL, NULL, NULL },
};

/* The image, once it has been found. */
static struct {
	const char *name; /* for messages */
	int fd;
	const struct az_bundle *bundle;
	char path[PATH_MAX];
} image;

/* --- finding the image --- */

/* As the kernel tells it; or, without /proc, as the caller named it. */
static int image_open(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fd = open((const char *)getauxval(AT_EXECFN),
			  O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_fail(EXIT_AZALEA,
				  "%s: cannot be read: %s: "
				  "chmod +r it",
				  image.name, error_text(errno));
	image.fd = fd;
	return 0;
}

/* The absolute path, for /proc/self/exe. */
static void image_path(void)
{
	ssize_t n =
	    readlink("/proc/self/exe", image.path, sizeof(image.path) - 1);
	const char *name = (const char *)getauxval(AT_EXECFN);
	size_t len;

	if (n >= 0) {
		image.path[n] = '\0';
		return;
	}
	if (*name == '/' || !getcwd(image.path, sizeof(image.path)))
		image.path[0] = '\0';
	len = strlen(image.path);
	if (len && len + 1 < sizeof(image.path))
		image.path[len++] = '/';
	(void)strncpy(image.path + len, name, sizeof(image.path) - len - 1);
}

static int image_check(void)
{
	char reason[AZI_REASON_MAX];
	struct stat st;
	void *at;

	if (fstat(image.fd, &st) < 0 || st.st_size <= 0 ||
	    (uint64_t)st.st_size > AZ_BUNDLE_SIZE)
		return error_fail(EXIT_AZALEA,
				  "%s: is no image: its size "
				  "cannot be",
				  image.name);
	at =
	    mmap((void *)AZ_BUNDLE_BASE, (size_t)st.st_size, PROT_READ,
		 MAP_PRIVATE | MAP_FIXED_NOREPLACE | MAP_POPULATE, image.fd, 0);
	if (at == MAP_FAILED)
		return error_fail(EXIT_AZALEA, "%s: cannot be mapped: %s",
				  image.name, error_text(errno));
	if (azi_check(at, (uint64_t)st.st_size, &image.bundle, reason))
		return error_fail(EXIT_AZALEA, "%s: %s", image.name, reason);
	return 0;
}

/* --- what was asked for --- */

/* AZALEA_OPTS in words, which it is cut into in place. */
static int options_read(char *text, const char *value[OPT_COUNT],
			bool on[OPT_COUNT])
{
	struct option_parser p;
	char *words[WORDS_MAX];
	int n = 0, o;

	for (char *rest, *w = strtok_r(text, " \t\n", &rest); w;
	     w = strtok_r(NULL, " \t\n", &rest)) {
		if (n == WORDS_MAX)
			return error_fail(EXIT_AZALEA,
					  OPTIONS ": has more than %d words",
					  WORDS_MAX);
		words[n++] = w;
	}
	option_start(&p, options, "run", n, words);
	while ((o = option_next(&p)) >= 0) {
		value[o] = p.value;
		on[o] = p.on;
	}
	if (o != OPTION_END || p.noperands)
		return error_fail(EXIT_AZALEA, OPTIONS
				  ": takes options of `azalea run` only: "
				  "see man azalea-build");
	return 0;
}

static int config_options(struct instance_config *cfg)
{
	const char *given = env_get(environ, OPTIONS);
	const char *value[OPT_COUNT] = { NULL };
	bool on[OPT_COUNT] = { false };
	static char *text; /* values point into it */
	int status;

	text = strdup(given ? given : "");
	if (!text)
		return error_no_memory();
	status = options_read(text, value, on);
	if (!status && on[OPT_STRACE])
		cfg->flags |= AZ_BOOT_STRACE;
	if (!status && on[OPT_STRICT_UNMAP])
		cfg->flags |= AZ_BOOT_STRICT_UNMAP;
	request_patch(on[OPT_NO_PATCH], cfg);
	if (!status)
		status = request_plat(value[OPT_PLAT], cfg);
	if (!status)
		status = request_offload(value[OPT_OFFLOAD], cfg);
	if (!status)
		status = resources_memory(value[OPT_MEMORY], on[OPT_OVERCOMMIT],
					  cfg);
	if (!status)
		status =
		    resources_cores(value[OPT_CPUSET], value[OPT_CPUS], cfg);
	return status ? status : request_name(value[OPT_NAME], cfg);
}

/* --- the program --- */

static char *string_next(char *s)
{
	return s + strlen(s) + 1;
}

/* env_set keeps pointers, and changes nothing behind them. */
static char *index_strings(uint32_t at)
{
	return (char *)(uintptr_t)azi_string(image.bundle, at);
}

/* What the image sets replaces what the caller has. */
static int config_env(struct instance_config *cfg)
{
	char *s = index_strings(image.bundle->envs);
	struct env env;
	int err = env_start(&env, environ);
	size_t i, n;

	for (i = n = 0; !err && i < env.n; i++)
		if (strncmp(env.v[i], OPTIONS "=", sizeof(OPTIONS)) != 0)
			env.v[n++] = env.v[i];
	if (!err) {
		env.v[n] = NULL;
		env.n = n;
	}
	for (i = 0; !err && i < image.bundle->envc; i++, s = string_next(s))
		err = env_set(&env, s, environ);
	cfg->envp = env.v;
	return err ? error_fail(EXIT_AZALEA,
				"%s: cannot set its environment: "
				"%s",
				image.name, error_text(err))
		   : 0;
}

/* The words of the image, then those of the caller. */
static int config_args(struct instance_config *cfg, int argc, char **argv)
{
	static char **v; /* for as long as the program runs */
	char *s = index_strings(image.bundle->args);
	uint32_t i, n = image.bundle->argc;

	cfg->argv = argv;
	if (image.bundle->flags & AZ_BUNDLE_SELF)
		return 0;
	v = calloc((size_t)n + (size_t)argc + 1, sizeof(*v));
	if (!v)
		return error_no_memory();
	for (i = 0; i < n; i++, s = string_next(s))
		v[i] = s;
	if (argc > 1)
		memcpy(v + n, argv + 1, (size_t)(argc - 1) * sizeof(*v));
	cfg->argv = v;
	return 0;
}

static void config_program(struct instance_config *cfg)
{
	const struct az_bundle *b = image.bundle;
	const struct az_bundle_entry *exe = &b->entry[b->exe];

	cfg->bundle = b;
	cfg->exe_fd = image.fd;
	cfg->exe_offset = exe->offset;
	cfg->exe_size = exe->size;
	if (b->flags & AZ_BUNDLE_SELF) {
		image_path();
		cfg->exe_path = image.path;
		cfg->exec_fn = (const char *)getauxval(AT_EXECFN);
	} else {
		cfg->exe_path = cfg->exec_fn = azi_string(b, exe->path);
	}
}

/*
 * A program of the image has become another one. What is its own image brings
 * no files along for others.
 */
static int continue_as(struct instance_config *cfg)
{
	int status;

	image.name = cfg->exec_fn;
	status = image_open();
	if (!status)
		status = image_check();
	if (status)
		return status;
	(void)close(image.fd);
	if (!(image.bundle->flags & AZ_BUNDLE_SELF))
		cfg->bundle = image.bundle;
	(void)instance_run(cfg);
	return EXIT_AZALEA;
}

int main(int argc, char **argv)
{
	struct instance_config cfg = { .control_fd = -1 };
	int status;

	cfg.start_mono_ns = clock_mono_ns();
	if (before_config(&cfg, argv))
		return continue_as(&cfg);
	image.name = argc ? argv[0] : "image";
	status = image_open();
	if (!status)
		status = image_check();
	if (!status)
		status = config_options(&cfg);
	if (!status)
		status = config_args(&cfg, argc, argv);
	if (!status)
		status = config_env(&cfg);
	if (status)
		return status;
	config_program(&cfg);
	(void)instance_run(&cfg);
	return EXIT_AZALEA;
}
