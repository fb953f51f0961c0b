/* SPDX-License-Identifier: MIT */
/*
 * vpath.c - paths that mean something else in an instance than in its owner.
 *
 * Nearly every path is none of these, so the first question is asked of the
 * text alone and costs no call. No state, no locks.
 */
#include "sys/vpath.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>

#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/user.h"
#include "sched/thread.h"
#include "sys/files.h"
#include "sys/procfs.h"
#include "sys/sys.h"

#define SYS_CPU  "/sys/devices/system/cpu"
#define SYS_NODE "/sys/devices/system/node/"

static bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* All of s[0..len) is one decimal number below 2^31. */
static bool parse_number(const char *s, size_t len, uint64_t *n)
{
	*n = 0;
	if (len == 0 || len > 10)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(s[i]))
			return false;
		*n = *n * 10 + (uint64_t)(s[i] - '0');
	}
	return *n <= INT32_MAX;
}

static size_t component(const char *s)
{
	size_t n = 0;

	while (s[n] && s[n] != '/')
		n++;
	return n;
}

static const char *last_component(const char *s)
{
	const char *slash = strrchr(s, '/');

	return slash ? slash + 1 : s;
}

/* --- the cheap question --- */

static bool leads_down(const char *s)
{
	static const char *const first[] = { "proc",    "sys",  "system",
					     "devices", "self", "task",
					     "node" };
	size_t n = component(s);

	if (strncmp(s, "cpu", 3) == 0 || strncmp(s, "thread-self", 11) == 0 ||
	    (strncmp(s, "node", 4) == 0 && is_digit(s[4])))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(first); i++)
		if (strlen(first[i]) == n && strncmp(s, first[i], n) == 0)
			return true;
	return false;
}

/* Could s, as the program gave it, lead to something of ours? */
static bool suspicious(const char *s)
{
	const char *last;

	if (*s == '/')
		return starts(s, "/proc") || starts(s, "/sys") ||
		       starts(s, "/dev/fd") || starts(s, "//") ||
		       starts(s, "/.") || strstr(s, "/../");
	if (leads_down(s))
		return true;
	last = last_component(s);
	return is_digit(*last) || strcmp(last, "exe") == 0 ||
	       procfs_is_name(last);
}

/* --- absolute and plain --- */

bool vpath_append(char *out, size_t size, const char *path)
{
	size_t len = strlen(out);

	for (;;) {
		size_t n;

		while (*path == '/')
			path++;
		n = component(path);
		if (n == 0)
			return true;
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (len > 0 && out[--len] != '/')
				;
		} else if (n != 1 || path[0] != '.') {
			if (len + n + 2 > size)
				return false;
			out[len] = '/';
			memcpy(out + len + 1, path, n);
			len += n + 1;
		}
		out[len] = '\0';
		path += n;
	}
}

void vpath_fd_name(char *buf, size_t size, int fd)
{
	if (fd == AT_FDCWD)
		fmt_format(buf, size, "/proc/self/cwd");
	else
		fmt_format(buf, size, "/proc/self/fd/%d", fd);
}

long vpath_of_fd(char *buf, size_t size, int fd)
{
	char name[32];
	long n;

	vpath_fd_name(name, sizeof(name), fd);
	n = host_call(__NR_readlinkat, (uint64_t)AT_FDCWD, (uint64_t)name,
		      (uint64_t)buf, size - 1, 0, 0);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

/*
 * A directory that was opened as cpu<core> is the host's cpu<host>: put the
 * instance's number back. False: it is no CPU of the instance.
 */
static bool base_renumber(char *base, size_t size)
{
	const char *s = base + strlen(SYS_CPU "/cpu");
	char rest[VPATH_MAX];
	uint64_t host;
	size_t n;

	if (!starts(base, SYS_CPU "/cpu") || !is_digit(*s))
		return true;
	n = component(s);
	if (!parse_number(s, n, &host))
		return true;
	fmt_format(rest, sizeof(rest), "%s", s + n);
	for (uint32_t i = 0; i < BOOT->ncores; i++)
		if (BOOT->host_cpu[i] == host) {
			fmt_format(base, size, SYS_CPU "/cpu%u%s", i, rest);
			return true;
		}
	return false;
}

static bool make_absolute(char *out, size_t size, int dirfd, const char *path)
{
	char base[VPATH_MAX];
	long n;

	out[0] = '\0';
	if (*path == '/')
		return vpath_append(out, size, path);
	n = vpath_of_fd(base, sizeof(base), dirfd);
	if (n <= 0 || n >= VPATH_MAX - 1 || base[0] != '/' ||
	    !base_renumber(base, sizeof(base)))
		return false;
	return vpath_append(out, size, base) && vpath_append(out, size, path);
}

/* --- what it is --- */

static int set_host(struct vpath *v)
{
	v->kind = VPATH_HOST;
	return 0;
}

/* v->buf holds the owner's name for it. */
static int set_renamed(struct vpath *v)
{
	v->kind = VPATH_RENAMED;
	v->host = v->buf;
	return 0;
}

static int set_file(struct vpath *v, const struct vfile *f)
{
	v->file = f;
	v->kind = VPATH_FILE;
	v->host = v->buf;
	return 0;
}

bool vpath_own_tid(uint64_t n)
{
	bool found;

	if (n == BOOT->pid)
		return true;
	if (n > INT32_MAX)
		return false;
	spin_lock(&threads_lock);
	found = thread_find((int)n);
	spin_unlock(&threads_lock);
	return found;
}

/* s is "fd/<n>" or "fdinfo/<n>", n being the owner's. */
static bool names_hidden_fd(const char *s)
{
	uint64_t n;

	if (starts(s, "fd/"))
		s += 3;
	else if (starts(s, "fdinfo/"))
		s += 7;
	else
		return false;
	return parse_number(s, component(s), &n) && fd_hidden(n);
}

/*
 * rest is what follows /proc/<pid>/ or /proc/<pid>/task/<tid>/. plain: the
 * owner knows it by the same name.
 */
static int task_leaf(struct vpath *v, const char *rest, bool plain, bool follow)
{
	const struct vfile *f = procfs_find(VDIR_TASK, rest);
	char leaf[VPATH_MAX];

	if (names_hidden_fd(rest))
		return -ENOENT;
	if (!f && plain)
		return set_host(v);
	fmt_format(leaf, sizeof(leaf), "%s", rest);
	if (v->per_thread)
		fmt_format(v->buf, sizeof(v->buf), "/proc/self/task/%u/%s",
			   BOOT->pid, leaf);
	else
		fmt_format(v->buf, sizeof(v->buf), "/proc/self/%s", leaf);
	if (!f)
		return set_renamed(v);
	set_file(v, f);
	if (f->flags & VFILE_LINK) {
		v->kind = VPATH_LINK;
		if (follow) {
			v->kind = VPATH_RENAMED;
			v->host = procfs_exe();
		}
	}
	return 0;
}

/* rest follows /proc/<pid>; it is empty or begins with a slash. */
static int process_path(struct vpath *v, const char *rest, bool plain,
			bool follow)
{
	uint64_t tid;
	size_t n;

	if (!v->per_thread && starts(rest, "/task/")) {
		rest += 6;
		n = component(rest);
		if (!parse_number(rest, n, &tid) || !vpath_own_tid(tid))
			return -ENOENT;
		v->tid = (int32_t)tid;
		v->per_thread = true;
		plain = plain && tid == BOOT->pid;
		rest += n;
	}
	if (*rest)
		return task_leaf(v, rest + 1, plain, follow);
	if (plain)
		return set_host(v);
	if (v->per_thread)
		fmt_format(v->buf, sizeof(v->buf), "/proc/self/task/%u",
			   BOOT->pid);
	else
		fmt_format(v->buf, sizeof(v->buf), "/proc/self");
	return set_renamed(v);
}

static int proc_path(struct vpath *v, const char *s, bool follow)
{
	size_t n = component(s);
	const struct vfile *f;
	uint64_t pid;

	v->tid = (int32_t)BOOT->pid;
	v->per_thread = false;
	if (n == 4 && starts(s, "self"))
		return process_path(v, s + n, true, follow);
	if (n == 11 && starts(s, "thread-self")) {
		if (!s[n] && !follow) {
			v->kind = VPATH_LINK;
			v->file = procfs_find(VDIR_PROC, "thread-self");
			v->host = "/proc/thread-self";
			return 0;
		}
		v->tid = thread_self()->tid;
		v->per_thread = true;
		return process_path(v, s + n, false, follow);
	}
	if (parse_number(s, n, &pid)) {
		if (!vpath_own_tid(pid))
			return set_host(v);
		v->tid = (int32_t)pid;
		return process_path(v, s + n, pid == BOOT->pid, follow);
	}
	f = procfs_find(VDIR_PROC, s);
	if (!f)
		return set_host(v);
	fmt_format(v->buf, sizeof(v->buf), "/proc/%s", f->name);
	return set_file(v, f);
}

/* s follows .../cpu<number>; dir and host name the CPU for the owner. */
static int cpu_dir_path(struct vpath *v, const char *dir, const char *s,
			uint32_t core)
{
	const char *last = last_component(s);
	char rest[VPATH_MAX];

	fmt_format(rest, sizeof(rest), "%s", s);
	fmt_format(v->buf, sizeof(v->buf), "%scpu%u%s", dir,
		   BOOT->host_cpu[core], rest);
	if (*s && procfs_is_cpu_set(last))
		return set_file(v, procfs_find(VDIR_SYS, "cpu set"));
	return set_renamed(v);
}

/* s follows /sys/devices/system/cpu/. */
static int sys_cpu_path(struct vpath *v, const char *s)
{
	const struct vfile *f = procfs_find(VDIR_CPU, s);
	size_t n = component(s);
	uint64_t core;

	if (f) {
		fmt_format(v->buf, sizeof(v->buf), SYS_CPU "/%s", f->name);
		return set_file(v, f);
	}
	if (n <= 3 || !starts(s, "cpu") || !parse_number(s + 3, n - 3, &core))
		return set_host(v);
	if (core >= BOOT->ncores)
		return -ENOENT;
	return cpu_dir_path(v, SYS_CPU "/", s + n, (uint32_t)core);
}

/* s follows /sys/devices/system/node/: what names CPUs in there. */
static int sys_node_path(struct vpath *v, const char *s)
{
	const char *last = last_component(s);
	char path[VPATH_MAX];

	if (!starts(s, "node") || !procfs_is_cpu_set(last))
		return set_host(v);
	fmt_format(path, sizeof(path), "%s", s);
	fmt_format(v->buf, sizeof(v->buf), SYS_NODE "%s", path);
	return set_file(v, procfs_find(VDIR_SYS, "cpu set"));
}

static int resolve(struct vpath *v, const char *path, bool follow)
{
	if (starts(path, "/proc/"))
		return proc_path(v, path + 6, follow);
	if (starts(path, SYS_CPU "/"))
		return sys_cpu_path(v, path + strlen(SYS_CPU "/"));
	if (starts(path, SYS_NODE))
		return sys_node_path(v, path + strlen(SYS_NODE));
	if (starts(path, "/dev/") && names_hidden_fd(path + 5))
		return -ENOENT;
	return 0;
}

/* v->buf may lead to something of ours: n bytes of path. */
static int look_closer(struct vpath *v, int dirfd, size_t n, bool follow)
{
	bool slash = v->buf[n - 1] == '/';
	char path[VPATH_MAX] = "";
	int err;

	if (!make_absolute(path, sizeof(path), dirfd, v->buf))
		return 0;
	err = resolve(v, path, follow || slash);
	return !err && slash && v->kind == VPATH_FILE ? -ENOTDIR : err;
}

int vpath_find(struct vpath *v, int dirfd, uint64_t upath, bool follow)
{
	long n;

	v->kind = VPATH_HOST;
	n = user_string(v->buf, upath, sizeof(v->buf));
	/* No path at all: some calls take that with AT_EMPTY_PATH. */
	if (n == -EFAULT && upath)
		return -EFAULT;
	if (n <= 0 || likely(!suspicious(v->buf)))
		return 0;
	return look_closer(v, dirfd, (size_t)n, follow);
}
