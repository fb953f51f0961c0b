/* SPDX-License-Identifier: MIT */
/*
 * isolate.c - namespaces of the owner's own, see user_namespaces(7).
 *
 * Process ids stay Linux's: every instance is a process that ps, kill and wait
 * see, and the first process of a pid namespace could not end as the program
 * does. Root maps all numbers that it has itself, which only a process outside
 * may do: a child does it, and is gone before the program begins.
 */
#include "sandbox/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/child.h"

#define MAP_MAX 4096 /* a page: Linux takes no longer map */

static bool was_root;

static int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(text);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

/* --- numbers of users and groups --- */

/* The numbers that this process's own namespace has, each as itself. */
static int map_read(const char *path, char *map)
{
	FILE *f = fopen(path, "re");
	char line[128];
	size_t n = 0;

	if (!f)
		return -errno;
	*map = '\0';
	/* Three numbers a line: inside, outside, how many. */
	while (fgets(line, sizeof(line), f)) {
		char *at;
		unsigned long inside = strtoul(line, &at, 10);
		unsigned long count;
		int r;

		(void)strtoul(at, &at, 10);
		count = strtoul(at, &at, 10);
		r = snprintf(map + n, MAP_MAX - n, "%lu %lu %lu\n", inside,
			     inside, count);

		if (r < 0 || (size_t)r >= MAP_MAX - n)
			break;
		n += (size_t)r;
	}
	(void)fclose(f);
	return n ? 0 : -EIO;
}

static int map_other(pid_t pid, const char *name, const char *map)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return file_write(path, map);
}

/* The child: from the old namespace, once the parent is in the new one. */
static _Noreturn void map_child(pid_t parent, const int go[2], const char *uids,
				const char *gids)
{
	char c;
	int err = -EIO;

	close(go[1]);
	if (read(go[0], &c, 1) == 1)
		err = map_other(parent, "uid_map", uids);
	if (!err)
		err = map_other(parent, "gid_map", gids);
	_exit(-err);
}

/* All namespaces at once, with a child that maps root's numbers. */
static int unshare_root(int flags)
{
	static char uids[MAP_MAX], gids[MAP_MAX];
	pid_t self = getpid(), child;
	int go[2], status = 0;
	int err = map_read("/proc/self/uid_map", uids);

	if (!err)
		err = map_read("/proc/self/gid_map", gids);
	if (err)
		return err;
	if (pipe2(go, O_CLOEXEC))
		return -errno;
	child = fork();
	if (child == 0)
		map_child(self, go, uids, gids);
	err = child < 0 ? -errno : 0;
	close(go[0]);
	if (!err && unshare(flags))
		err = -errno;
	if (!err && write(go[1], "", 1) != 1)
		err = -EIO;
	close(go[1]);
	if (child > 0)
		status = child_finish(child);
	if (!err && status)
		err = WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
	return err;
}

static int unshare_user(int flags)
{
	unsigned int uid = geteuid(), gid = getegid();
	char map[64];
	int err;

	if (unshare(flags))
		return -errno;
	/* What a group denies its members, nobody gets by leaving it. */
	err = file_write("/proc/self/setgroups", "deny");
	if (err && err != -ENOENT)
		return err;
	(void)snprintf(map, sizeof(map), "%u %u 1\n", uid, uid);
	err = file_write("/proc/self/uid_map", map);
	(void)snprintf(map, sizeof(map), "%u %u 1\n", gid, gid);
	return err ? err : file_write("/proc/self/gid_map", map);
}

/* --- what the new namespaces hold --- */

static int loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0) /* a Linux without IP has no loopback either */
		return errno == EAFNOSUPPORT ? 0 : -errno;
	if (ioctl(fd, SIOCGIFFLAGS, &ifr))
		err = -errno;
	ifr.ifr_flags |= IFF_UP;
	if (!err && ioctl(fd, SIOCSIFFLAGS, &ifr))
		err = -errno;
	close(fd);
	return err;
}

/* Mounts made here are not seen outside; those made there are seen here. */
static int mounts_part(void)
{
	if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL))
		return -errno;
	if (access("/dev/shm", F_OK))
		return 0;
	if (mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV,
		  "mode=1777"))
		return -errno;
	return 0;
}

int isolate_enter(const char **what)
{
	const int flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET |
			  CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	int err;

	was_root = geteuid() == 0;
	*what = "cannot have namespaces of its own";
	err = was_root ? unshare_root(flags) : unshare_user(flags);
	if (err)
		return err;
	*what = "cannot have mounts of its own";
	err = mounts_part();
	if (err)
		return err;
	*what = "cannot have a loopback of its own";
	return loopback_up();
}

int isolate_drop(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (was_root)
		return 0;
	return syscall(SYS_capset, &header, none) ? -errno : 0;
}
