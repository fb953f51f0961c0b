/* SPDX-License-Identifier: MIT */
/*
 * before.c - being the next instance of a process that has had one.
 *
 * kernel/sys/execve.c has written what is read here. It is taken for what it
 * says it is if it was made by this very process. A program that can become its
 * owner, and makes such a word itself, gains nothing: it could as well run
 * `azalea run`. For one that cannot, its owner looks first: plat/process.c.
 */
#include "instance/before.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "carry.h"
#include "instance/registry.h"
#include "lib/clock.h"

#define SIGINFO_SIZE 128

static struct az_exec state;
static char pending[AZ_EXEC_PENDING * SIGINFO_SIZE];
static char exe_path[PATH_MAX];

/* n bytes from the digits at s. NULL, or what follows. */
static const char *hex_read(const char *s, void *to, size_t n)
{
	unsigned char *p = to;

	for (; n; n--, p++, s += 2) {
		unsigned int lo = (unsigned int)(s[0] - 'a');
		unsigned int hi = lo < 16 ? (unsigned int)(s[1] - 'a') : 16;

		if (hi >= 16)
			return NULL;
		*p = (unsigned char)(hi << 4 | lo);
	}
	return s;
}

/*
 * The path as execve got it, or NULL: there is no such word. to: room for all
 * pending signals.
 */
static const char *word_read(const char *word, struct az_exec *x, char *to)
{
	const size_t len = sizeof(AZ_EXEC_ENV) - 1;

	if (!word || strncmp(word, AZ_EXEC_ENV, len) != 0)
		return NULL;
	word = hex_read(word + len, x, sizeof(*x));
	if (!word || x->magic != AZ_EXEC_MAGIC || x->size != sizeof(*x) ||
	    x->pid != (uint32_t)getpid() || x->npending > AZ_EXEC_PENDING ||
	    x->carry.npending != x->npending || !x->ncores ||
	    x->ncores > AZ_MAX_CORES)
		return NULL;
	word = hex_read(word, to, x->npending * (size_t)SIGINFO_SIZE);
	return word && *word == ':' ? word + 1 : NULL;
}

bool before_valid(const char *word, uint32_t plat)
{
	char signals[sizeof(pending)];
	struct az_exec x;

	return word_read(word, &x, signals) && x.plat == plat;
}

/* What /proc/self/exe is to say. */
static void path_read(int fd)
{
	char link[32];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, exe_path, sizeof(exe_path) - 1);
	exe_path[n > 0 ? n : 0] = '\0';
}

/* The name it had, unless this is a child that leaves its parent's instance. */
static int name_claim(void)
{
	char name[sizeof(state.name)];
	int fd;

	state.name[sizeof(state.name) - 1] = '\0';
	fd = registry_listen(state.name);
	if (fd >= 0)
		return fd;
	(void)snprintf(name, sizeof(name), "%.48s.%u", state.name, state.pid);
	memcpy(state.name, name, sizeof(name));
	return registry_listen(name);
}

bool before_config(struct instance_config *cfg, char **argv)
{
	const char *path = word_read(environ[0], &state, pending);

	if (!path)
		return false;
	(void)fcntl(state.exe_fd, F_SETFD, FD_CLOEXEC);
	if (state.trace_fd >= 0)
		(void)fcntl(state.trace_fd, F_SETFD, FD_CLOEXEC);
	path_read(state.exe_fd);
	*cfg = (struct instance_config){
		.name = state.name,
		.plat = state.plat,
		.offload = state.offload,
		.flags = state.flags,
		.ncores = state.ncores,
		.cpus_given = state.flags & AZ_BOOT_CPUS_GIVEN,
		.mem_bytes = state.mem_bytes,
		.exe_fd = state.exe_fd,
		.exe_path = exe_path,
		.exec_fn = path,
		.argv = argv,
		.envp = environ + 1,
		.control_fd = name_claim(),
		.start_mono_ns = clock_mono_ns(),
		.before = &state,
		.pending = pending,
	};
	memcpy(cfg->host_cpu, state.host_cpu, sizeof(cfg->host_cpu));
	return true;
}
