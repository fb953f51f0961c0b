/* SPDX-License-Identifier: MIT */
/*
 * program.c - finding the program, following "#!" lines.
 *
 * A file is opened first and what was opened is looked at; only the permission
 * to execute is asked by path, for lack of another way.
 */
#include "lib/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/elfcheck.h"
#include "lib/error.h"
#include "lib/script.h"

#define HEAD_SIZE    4096            /* read at once: most program headers */
#define SCRIPT_DEPTH 5               /* "#!" lines that Linux follows */
#define DEFAULT_PATH "/bin:/usr/bin" /* confstr(_CS_PATH) */

/* One file on the way from the word to the ELF program. */
struct candidate {
	int fd;
	uint64_t size;
	size_t head_len;
	_Alignas(8) char head[HEAD_SIZE];
};

static bool may_execute(const char *path)
{
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* 0 if execve would try path, -EACCES if it would refuse, or -ENOENT. */
static int program_try(const char *path)
{
	if (may_execute(path))
		return is_directory(path) ? -EACCES : 0;
	return errno == EACCES ? -EACCES : -ENOENT;
}

/*
 * program_search - where execvp would find name. 0 with the path in out, or
 * -ENOENT, or -EACCES if there is one but none that may be executed.
 */
static int program_search(const char *name, const char *search,
			  char out[PATH_MAX])
{
	const char *dir = search ? search : DEFAULT_PATH;
	int result = -ENOENT, err, n;
	size_t len;

	for (;; dir += len + 1) {
		len = strcspn(dir, ":");
		n = snprintf(out, PATH_MAX, "%.*s%s%s", (int)len, dir,
			     len ? "/" : "", name);
		err = n > 0 && n < PATH_MAX ? program_try(out) : -ENOENT;
		if (!err)
			return 0;
		if (err == -EACCES)
			result = err;
		if (dir[len] == '\0')
			return result;
	}
}

static int program_find(const char *name, const char *search,
			char out[PATH_MAX])
{
	int err;

	if (!*name)
		return error_fail(EXIT_NOTFOUND, "the program's name is empty");
	if (strlen(name) >= PATH_MAX)
		return error_fail(EXIT_NOEXEC,
				  "the program's name is longer than %d bytes",
				  PATH_MAX - 1);
	if (strchr(name, '/')) {
		memcpy(out, name, strlen(name) + 1);
		return 0;
	}
	err = program_search(name, search, out);
	if (err == -ENOENT)
		return error_fail(EXIT_NOTFOUND,
				  "%s: not found in PATH: install it, or give "
				  "its path (./%s)",
				  name, name);
	if (err)
		return error_fail(EXIT_NOEXEC,
				  "%s: what PATH has by this name is not an "
				  "executable file: chmod +x it",
				  name);
	return 0;
}

/* Why open or the execute permission said no. via: the script, or NULL. */
static int open_failed(const char *path, const char *via, int err)
{
	const char *what = via ? via : path;
	const char *sep = via ? ": its interpreter " : "";
	const char *name = via ? path : "";
	size_t len = strlen(path);

	if (err == ENOENT && via && len && path[len - 1] == '\r')
		return error_fail(EXIT_NOTFOUND,
				  "%s: its #! line ends in CR LF: convert the "
				  "file to Unix line ends",
				  via);
	if (err == ENOENT || err == ENOTDIR)
		return error_fail(EXIT_NOTFOUND, "%s%s%s: not there: %s", what,
				  sep, name,
				  via ? "install it, or correct the #! line"
				      : "check the path");
	if (err == EACCES)
		return error_fail(EXIT_NOEXEC,
				  "%s%s%s: no permission to read and execute "
				  "it: chmod +rx it, or look for a noexec "
				  "mount",
				  what, sep, name);
	return error_fail(EXIT_NOEXEC, "%s%s%s: cannot open it: %s", what, sep,
			  name, error_text(err));
}

static int candidate_read(struct candidate *c, const char *path)
{
	struct stat st;
	ssize_t n;

	if (fstat(c->fd, &st) < 0)
		return error_fail(EXIT_NOEXEC, "%s: cannot look at it: %s",
				  path, error_text(errno));
	if (S_ISDIR(st.st_mode))
		return error_fail(EXIT_NOEXEC,
				  "%s: is a directory: name a program in it",
				  path);
	if (!S_ISREG(st.st_mode))
		return error_fail(EXIT_NOEXEC,
				  "%s: is not a regular file: only those can "
				  "be executed",
				  path);
	n = pread(c->fd, c->head, sizeof(c->head), 0);
	if (n < 0)
		return error_fail(EXIT_NOEXEC, "%s: cannot read it: %s", path,
				  error_text(errno));
	c->size = (uint64_t)st.st_size;
	c->head_len = (size_t)n;
	return 0;
}

/* O_NONBLOCK: a FIFO must be refused, not waited for. */
static int candidate_open(struct candidate *c, const char *path,
			  const char *via)
{
	int err;

	c->size = c->head_len = 0;
	c->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (c->fd < 0)
		return open_failed(path, via, errno);
	err = candidate_read(c, path);
	if (!err && !may_execute(path))
		err = open_failed(path, via, errno);
	if (err)
		close(c->fd);
	return err;
}

/*
 * One "#!" line: argv and path become the interpreter's. 1: go on with it; 0:
 * not a script; else minus the exit status.
 */
static int script_follow(const struct candidate *c, int depth,
			 char path[PATH_MAX], char *const **argv)
{
	struct script sc;
	int r = script_parse(c->head, c->head_len, &sc);

	if (r < 0)
		return -error_fail(EXIT_NOEXEC,
				   "%s: its #! line names no interpreter, or "
				   "one that does not fit %d bytes: correct "
				   "the line",
				   path, SCRIPT_HEAD);
	if (r == 0)
		return 0;
	if (depth == SCRIPT_DEPTH)
		return -error_fail(EXIT_NOEXEC,
				   "%s: is the end of more than %d #! lines, "
				   "one leading to the next: start their "
				   "interpreter itself",
				   path, SCRIPT_DEPTH);
	*argv = script_argv(&sc, path, *argv);
	if (!*argv)
		return -error_fail(EXIT_AZALEA, "%s: no memory left", path);
	memcpy(path, sc.interp, strlen(sc.interp) + 1);
	return 1;
}

/* What /proc/self/exe will say. */
static int program_path(int fd, char path[PATH_MAX])
{
	char link[32];
	ssize_t n;

	if (snprintf(link, sizeof(link), "/proc/self/fd/%d", fd) < 0)
		return -EINVAL;
	n = readlink(link, path, PATH_MAX - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	return 0;
}

/* The candidate is the program, if its format is right. */
static int program_accept(const struct candidate *c, const char *path,
			  struct program *out)
{
	char reason[ELFCHECK_REASON_MAX];
	int err = elfcheck_file(c->fd, c->head, c->head_len, c->size, reason);

	out->fd = c->fd;
	if (!err)
		memcpy(out->interp, reason, strlen(reason) + 1);
	if (err)
		err = error_fail(err == -ENOENT ? EXIT_NOTFOUND : EXIT_NOEXEC,
				 "%s: %s", path, reason);
	else if (program_path(c->fd, out->path) < 0)
		err = error_fail(EXIT_AZALEA,
				 "%s: its absolute path cannot be told: is "
				 "/proc mounted?",
				 path);
	if (err)
		close(c->fd);
	return err;
}

int program_open(char *const *argv, const char *search, struct program *out)
{
	char path[PATH_MAX], via[PATH_MAX];
	struct candidate c;
	int depth, r;

	r = program_find(argv[0], search, out->exec_fn);
	if (r)
		return r;
	memcpy(path, out->exec_fn, strlen(out->exec_fn) + 1);
	out->argv = argv;
	for (depth = 0;; depth++) {
		r = candidate_open(&c, path, depth ? via : NULL);
		if (r)
			return r;
		memcpy(via, path, strlen(path) + 1);
		r = script_follow(&c, depth, path, &out->argv);
		if (r == 0)
			return program_accept(&c, path, out);
		close(c.fd);
		if (r < 0)
			return -r;
	}
}
