/* SPDX-License-Identifier: MIT */
/*
 * entry.c - what is kept of a detached instance, in files.
 *
 * The lock on "exit" (flock) is the word on whether the supervisor lives: the
 * kernel drops it however the supervisor ends. An entry is built under a
 * hidden name and renamed, so nobody sees one that is not locked yet.
 */
#include "instance/entry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/env.h"

static const char *const files[] = { "info", "log", "exit", "stats" };

static void root_path(char path[PATH_MAX])
{
	const char *dir = env_get(environ, "AZALEA_RUN_DIR");
	const char *tail = "";
	int n;

	if (!dir || !*dir) {
		dir = env_get(environ, "XDG_RUNTIME_DIR");
		tail = "/azalea";
		if (geteuid() == 0)
			dir = "/run";
	}
	if (dir && *dir)
		n = snprintf(path, PATH_MAX, "%s%s", dir, tail);
	else
		n = snprintf(path, PATH_MAX, "/tmp/azalea-%u", geteuid());
	if (n < 0 || n >= PATH_MAX)
		path[0] = '\0';
}

int entry_root(bool create, char path[PATH_MAX])
{
	struct stat st;
	int fd;

	root_path(path);
	if (create && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() ||
	    (st.st_mode & 022)) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

/* Removes the entry that has the name in the run directory root. */
static int remove_at(int root, const char *name)
{
	int dir =
	    openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	size_t i;

	if (dir < 0)
		return -errno;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (unlinkat(dir, files[i], 0) < 0 && errno != ENOENT)
			break;
	close(dir);
	return unlinkat(root, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int open_at(int root, const char *name, int flags, struct entry *e)
{
	int err;

	e->dir =
	    openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (e->dir < 0)
		return -errno;
	e->exit = openat(e->dir, "exit", flags | O_CLOEXEC, 0600);
	if (e->exit >= 0)
		return 0;
	err = -errno;
	close(e->dir);
	return err;
}

static int create_at(int root, const char *name, struct entry *e)
{
	char hidden[32];
	int err;

	if (snprintf(hidden, sizeof(hidden), ".new-%d", getpid()) < 0)
		return -EINVAL;
	if (mkdirat(root, hidden, 0700) < 0 && errno != EEXIST)
		return -errno;
	err = open_at(root, hidden, O_RDWR | O_CREAT, e);
	if (err)
		goto out_remove;
	if (flock(e->exit, LOCK_EX | LOCK_NB) < 0 ||
	    renameat2(root, hidden, root, name, RENAME_NOREPLACE) < 0) {
		err = -errno;
		entry_close(e);
		goto out_remove;
	}
	return 0;

out_remove:
	(void)remove_at(root, hidden);
	return err;
}

int entry_create(const char *name, struct entry *e)
{
	char path[PATH_MAX];
	int root = entry_root(true, path), err;

	if (root < 0)
		return root;
	err = create_at(root, name, e);
	close(root);
	return err;
}

int entry_open(const char *name, struct entry *e)
{
	char path[PATH_MAX];
	int root = entry_root(false, path), err;

	if (root < 0)
		return root;
	err = name_valid(name) ? open_at(root, name, O_RDONLY, e) : -ENOENT;
	close(root);
	return err;
}

void entry_close(struct entry *e)
{
	close(e->dir);
	close(e->exit);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int list_append(char (**list)[NAME_MAX_BYTES], int n, const char *name)
{
	char(*bigger)[NAME_MAX_BYTES];

	/* Room grows in powers of two. */
	if ((n & (n - 1)) == 0) {
		bigger =
		    reallocarray(*list, n ? 2 * (size_t)n : 1, sizeof(**list));
		if (!bigger)
			return -ENOMEM;
		*list = bigger;
	}
	memcpy((*list)[n], name, strlen(name) + 1);
	return n + 1;
}

int entry_list(char (**out)[NAME_MAX_BYTES])
{
	char path[PATH_MAX];
	int root = entry_root(false, path), n = 0;
	struct dirent *d;
	DIR *dir;

	*out = NULL;
	if (root < 0)
		return root == -ENOENT ? 0 : root;
	dir = fdopendir(root);
	if (!dir) {
		close(root);
		return -ENOMEM;
	}
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has dir */
	while (n >= 0 && (d = readdir(dir)) != NULL)
		if (name_valid(d->d_name))
			n = list_append(out, n, d->d_name);
	closedir(dir);
	if (n < 0) {
		free(*out);
		*out = NULL;
	} else if (n > 1) {
		qsort(*out, (size_t)n, sizeof(**out), compare_names);
	}
	return n;
}

int entry_state(const struct entry *e, struct entry_end *end)
{
	char text[64], *rest;
	ssize_t n;

	if (flock(e->exit, LOCK_SH | LOCK_NB) < 0)
		return ENTRY_RUNNING;
	(void)flock(e->exit, LOCK_UN);
	n = pread(e->exit, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return ENTRY_LOST;
	text[n] = '\0';
	end->wstatus = (int)strtol(text, &rest, 10);
	end->real_ns = strtoull(rest, NULL, 10);
	return ENTRY_EXITED;
}

int entry_wait(const struct entry *e)
{
	if (flock(e->exit, LOCK_SH) < 0)
		return -errno;
	(void)flock(e->exit, LOCK_UN);
	return 0;
}

void entry_finish(const struct entry *e, int wstatus)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	/* On a full disk the entry ends up as lost, which is true. */
	(void)dprintf(e->exit, "%d %lld\n", wstatus,
		      t.tv_sec * 1000000000LL + t.tv_nsec);
}

int entry_save(const struct entry *e, const char *file, const void *data,
	       size_t size)
{
	int fd = openat(e->dir, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			0600);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = write(fd, data, size);
	err = n == (ssize_t)size ? 0 : n < 0 ? -errno : -ENOSPC;
	close(fd);
	return err;
}

int entry_load(const struct entry *e, const char *file, void *data, size_t size)
{
	int fd = openat(e->dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = read(fd, data, size);
	err = n == (ssize_t)size ? 0 : n < 0 ? -errno : -EPROTO;
	close(fd);
	return err;
}

int entry_remove(const char *name)
{
	char path[PATH_MAX];
	int root = entry_root(false, path), err;

	if (root < 0)
		return root;
	err = name_valid(name) ? remove_at(root, name) : -ENOENT;
	close(root);
	return err;
}
