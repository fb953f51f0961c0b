/* SPDX-License-Identifier: MIT */
/* load.c - getting azalea.ko into Linux. */
#include "cores/load.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/error.h"

#define MODPROBE "/sbin/modprobe"

/* PROGRAM's folder/module/azalea.ko. 0, -ENOENT. */
static int beside(char path[PATH_MAX])
{
	static const char file[] = "module/azalea.ko";
	ssize_t n =
	    readlink("/proc/self/exe", path, PATH_MAX - sizeof(file) - 1);
	char *slash;

	if (n < 0)
		return -ENOENT;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return -ENOENT;
	memcpy(slash + 1, file, sizeof(file));
	return access(path, F_OK) < 0 ? -ENOENT : 0;
}

static int load_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, "", 0) < 0)
		err = -errno;
	close(fd);
	return err;
}

static const char *load_text(int err)
{
	switch (err) {
	case -ENOEXEC:
	case -EINVAL:
		return "built for another kernel than the one that runs: "
		       "build it again (make module)";
	case -ENOENT:
		return "it needs what this kernel has not: the kernel log "
		       "(dmesg) says what";
	case -EKEYREJECTED:
	case -EPERM:
		return "this kernel loads signed modules only (Secure Boot), "
		       "or you are not root";
	case -EOPNOTSUPP:
	case -ENODEV:
		return "it cannot work on this machine or kernel: the kernel "
		       "log (dmesg) says why";
	default:
		return error_text(err);
	}
}

/* modprobe says itself what it does not like, but that it found nothing. */
static int load_probed(void)
{
	static char name[] = "modprobe", quiet[] = "-q", module[] = "azalea";
	char *argv[] = { name, quiet, module, NULL };
	char *envp[] = { NULL };
	int status;
	pid_t pid;

	if (posix_spawn(&pid, MODPROBE, NULL, NULL, argv, envp) != 0)
		return -ENOENT;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOENT;
}

int load_module(void)
{
	char path[PATH_MAX];
	int err = beside(path);

	if (!err) {
		err = load_file(path);
		if (err && err != -EEXIST)
			return error_fail(1, "%s: cannot be loaded: %s", path,
					  load_text(err));
		error_say("loaded %s", path);
		return 0;
	}
	if (load_probed() == 0) {
		error_say("loaded azalea.ko (modprobe azalea)");
		return 0;
	}
	return error_fail(
	    1, "cores are moved by azalea.ko, which is not "
	       "loaded, and modprobe does not load it: build it (make "
	       "module) and load it (insmod "
	       "build/module/azalea.ko)");
}
