/* SPDX-License-Identifier: MIT */
/* policies.c - options of `azalea run` that say what a program may do. */
#include "cli/policies.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "lib/error.h"
#include "sandbox/confine.h"
#include "sandbox/paths.h"

#define FILE_MAX (1 << 20) /* bytes; a policy that long is none */

int policy_option(struct policy *p, bool allow, const char *word)
{
	struct policy_error e = { 0 };
	int err = policy_word(p, allow, word, strlen(word), &e);

	if (err == -ENOMEM)
		return error_no_memory();
	if (err)
		return error_fail(EXIT_AZALEA, "--%s %s: column %u: %s",
				  allow ? "allow" : "deny", word, e.column,
				  e.why);
	return 0;
}

/* All of a file, or -errno. */
static int file_read(const char *path, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;
	int err = 0;

	*text = NULL;
	*len = 0;
	if (fd < 0)
		return -errno;
	*text = malloc(FILE_MAX + 1);
	if (!*text)
		err = -ENOMEM;
	while (!err && n > 0 && *len <= FILE_MAX) {
		n = read(fd, *text + *len, FILE_MAX + 1 - *len);
		if (n < 0)
			err = -errno;
		else
			*len += (size_t)n;
	}
	close(fd);
	return *len > FILE_MAX ? -EFBIG : err;
}

int policy_file(struct policy *p, const char *path)
{
	struct policy_error e = { 0 };
	size_t len;
	char *text;
	int err = file_read(path, &text, &len);

	if (err)
		err = error_fail(EXIT_AZALEA, "--policy %s: cannot read it: %s",
				 path, error_text(err));
	else
		err = policy_parse(p, text, len, &e);
	free(text);
	if (err == -ENOMEM)
		return error_no_memory();
	if (err == -EINVAL)
		return error_fail(EXIT_AZALEA, "--policy %s:%u:%u: %s", path,
				  e.line, e.column, e.why);
	return err;
}

int policy_log(struct policy *p, const char *path)
{
	p->log = true;
	free(p->log_path);
	p->log_path = NULL;
	if (!path)
		return 0;
	if (!*path)
		return error_fail(EXIT_AZALEA,
				  "--log-denied=: name a file, or leave out "
				  "the =");
	p->log_path = strdup(path);
	return p->log_path ? 0 : error_no_memory();
}

/* Before the directory changes. */
static int log_settle(struct policy *p)
{
	char *real;
	int fd;

	if (!p->log_path)
		return 0;
	fd = open(p->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_fail(EXIT_AZALEA,
				  "--log-denied=%s: cannot write it: %s",
				  p->log_path, error_text(errno));
	close(fd);
	real = realpath(p->log_path, NULL);
	if (!real)
		return error_no_memory();
	free(p->log_path);
	p->log_path = real;
	return 0;
}

int policy_settle(struct policy *p, struct instance_config *cfg)
{
	const char *what;
	int err;

	if (policy_empty(p))
		return 0;
	err = paths_resolve(p, &what);
	if (err)
		return error_fail(EXIT_AZALEA,
				  "%s: a path of the policy: %s: make it "
				  "first, or leave it out",
				  what, error_text(err));
	err = confine_check(p, &what);
	if (err)
		return error_fail(EXIT_AZALEA, "the policy: %s", what);
	cfg->policy = p;
	return log_settle(p);
}

int policy_program(const struct policy *p, const char *path, const char *interp)
{
	uint32_t need = 1U << AZ_POLICY_FILES_STAT;

	/* Paths that are named go before the class. */
	if (!p->npaths)
		need |= 1U << AZ_POLICY_FILES_READ;
	if (!*interp || !(p->denied & need))
		return 0;
	return error_fail(EXIT_AZALEA,
			  "%s: is linked dynamically, and under this policy "
			  "it could not load its libraries: --allow %s",
			  path,
			  p->denied & 1U << AZ_POLICY_FILES_STAT
			      ? "files-stat, and --allow /usr/lib:ro"
			      : "/usr/lib:ro");
}
