/* SPDX-License-Identifier: MIT */
/*
 * needs.c - what a dynamic program needs to start.
 *
 * Its own interpreter is asked (--list), in the environment that the image
 * will set: then all rules are followed, whoever's libc it is. ldd does it the
 * same way.
 */
#include "cli/needs.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/error.h"

#define CACHE "/etc/ld.so.cache"

char *needs_interp(int fd)
{
	char path[PATH_MAX];
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (pread(fd, &eh, sizeof(eh), 0) != sizeof(eh) ||
	    eh.e_phentsize != sizeof(ph))
		return NULL;
	for (int i = 0; i < eh.e_phnum; i++) {
		off_t at = (off_t)(eh.e_phoff + (uint64_t)i * sizeof(ph));

		if (pread(fd, &ph, sizeof(ph), at) != sizeof(ph))
			return NULL;
		if (ph.p_type != PT_INTERP)
			continue;
		if (ph.p_filesz < 2 || ph.p_filesz > sizeof(path) ||
		    pread(fd, path, ph.p_filesz, (off_t)ph.p_offset) !=
			(ssize_t)ph.p_filesz ||
		    path[ph.p_filesz - 1])
			return NULL;
		return strdup(path);
	}
	return NULL;
}

/* --- asking the interpreter --- */

static int found(struct needs *n, const char *name, const char *path)
{
	char **names, **paths;

	for (size_t i = 0; i < n->n; i++)
		if (strcmp(n->name[i], name) == 0)
			return 0;
	names = reallocarray(n->name, n->n + 1, sizeof(*names));
	if (names)
		n->name = names;
	paths = reallocarray(n->path, n->n + 1, sizeof(*paths));
	if (paths)
		n->path = paths;
	if (!names || !paths)
		return error_no_memory();
	n->name[n->n] = strdup(name);
	n->path[n->n] = pack_path(path);
	if (!n->name[n->n] || !n->path[n->n])
		/* It ends: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		return error_no_memory();
	n->n++;
	return 0;
}

/* text: what the interpreter said last. */
static int missing(const char *source, const char *text, bool must)
{
	if (must)
		return error_fail(EXIT_AZALEA,
				  "%s: its libraries cannot be found: %s: "
				  "install them, or say where they are with "
				  "--env LD_LIBRARY_PATH=DIR",
				  source, text);
	error_say("%s: its libraries are left out: %s", source, text);
	return 0;
}

/*
 *	NAME => PATH (0x...)
 *	PATH (0x...)		the interpreter, or one named by its path
 * Other lines are what is wrong, or of no use.
 */
static int list_line(struct needs *n, char *line)
{
	char *name = line + strspn(line, " \t");
	char *arrow = strstr(name, " => ");
	char *path = arrow ? arrow + 4 : name;
	char *end;

	line[strcspn(line, "\n")] = '\0';
	if (arrow)
		*arrow = '\0';
	end = strstr(path, " (0x");
	if (*path != '/' || !end)
		return 0;
	*end = '\0';
	if (!arrow)
		name = strrchr(path, '/') + 1;
	return found(n, name, path);
}

/* The listing on a pipe, its child in *pid; -1: cannot be. */
static FILE *list_start(const struct needs *n, const char *source, pid_t *pid)
{
	/* execve changes none of them. */
	char *argv[] = { (char *)(uintptr_t)n->interp,
			 (char *)(uintptr_t) "--list",
			 (char *)(uintptr_t)source, NULL };
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	*pid = fork();
	if (*pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execve(n->interp, argv, n->env);
		_exit(EXIT_NOTFOUND);
	}
	close(ends[1]);
	if (*pid > 0)
		return fdopen(ends[0], "r");
	close(ends[0]);
	return NULL;
}

int needs_add(struct needs *n, const char *source, bool must)
{
	char absolute[PATH_MAX], *line = NULL, *colon;
	int status = 0, wstatus = 0;
	size_t room = 0;
	pid_t pid;
	FILE *f;

	if (!n->interp)
		return 0;
	if (!realpath(source, absolute))
		return error_fail(EXIT_AZALEA, "%s: %s", source,
				  error_text(errno));
	f = list_start(n, absolute, &pid);
	if (!f)
		return error_fail(EXIT_AZALEA,
				  "%s: cannot ask %s for its libraries: %s",
				  source, n->interp, error_text(errno));
	while (!status && getline(&line, &room, f) > 0)
		status = list_line(n, line);
	(void)fclose(f);
	(void)waitpid(pid, &wstatus, 0);
	if (!status && wstatus) {
		/* It begins with the name of the file, as a rule. */
		colon = line ? strstr(line, ": ") : NULL;
		status = missing(source,
				 colon && *line == '/' ? colon + 2
				 : line                ? line
						       : "it dies",
				 must);
	}
	free(line);
	return status;
}

/* --- ld.so.cache, glibc's sysdeps/generic/dl-cache.h --- */

struct cache_head {
	char magic[20]; /* "glibc-ld.so.cache1.1" */
	uint32_t nlibs, len_strings;
	uint8_t flags, pad[3];
	uint32_t extension, unused[3];
};

struct cache_lib {
	int32_t flags; /* 0x303: for x86-64, of libc6 */
	uint32_t key, value;
	uint32_t os;
	uint64_t hwcap;
};

#define CACHE_X86_64 0x303

_Static_assert(sizeof(struct cache_head) == 48, "ld.so.cache");
_Static_assert(sizeof(struct cache_lib) == 24, "ld.so.cache");

/* Runs of digits compare as numbers: _dl_cache_libcmp. */
static int cache_compare(const char *a, const char *b)
{
	char *end_a, *end_b;

	while (*a) {
		bool digit_a = isdigit((unsigned char)*a);
		bool digit_b = isdigit((unsigned char)*b);

		if (digit_a != digit_b)
			return digit_a ? 1 : -1;
		if (digit_a) {
			unsigned long x = strtoul(a, &end_a, 10);
			unsigned long y = strtoul(b, &end_b, 10);

			if (x != y)
				return x > y ? 1 : -1;
			a = end_a;
			b = end_b;
		} else if (*a != *b) {
			return *a > *b ? 1 : -1;
		} else {
			a++;
			b++;
		}
	}
	return *b ? -1 : 0;
}

static const struct needs *cache_of;

/* The cache descends. */
static int cache_order(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return cache_compare(cache_of->name[y], cache_of->name[x]);
}

static size_t cache_size(const struct needs *n)
{
	size_t size =
	    sizeof(struct cache_head) + n->n * sizeof(struct cache_lib);

	for (size_t i = 0; i < n->n; i++)
		size += strlen(n->name[i]) + strlen(n->path[i]) + 2;
	return size;
}

static uint32_t cache_string(char *cache, uint32_t *at, const char *s)
{
	uint32_t here = *at;
	size_t len = strlen(s) + 1;

	memcpy(cache + here, s, len);
	*at += (uint32_t)len;
	return here;
}

static int cache_pack(const struct needs *n, struct pack *p)
{
	size_t size = cache_size(n);
	size_t *order = calloc(n->n + 1, sizeof(*order));
	char *cache = calloc(1, size);
	struct cache_head *head = (void *)cache;
	struct cache_lib *lib;
	uint32_t at = (uint32_t)(sizeof(*head) + n->n * sizeof(*lib));

	if (!order || !cache) {
		free(order);
		free(cache);
		return error_no_memory();
	}
	lib = (void *)(head + 1);
	memcpy(head->magic, "glibc-ld.so.cache1.1", sizeof(head->magic));
	head->nlibs = (uint32_t)n->n;
	head->len_strings = (uint32_t)(size - at);
	for (size_t i = 0; i < n->n; i++)
		order[i] = i;
	cache_of = n;
	qsort(order, n->n, sizeof(*order), cache_order);
	for (size_t i = 0; i < n->n; i++, lib++) {
		lib->flags = CACHE_X86_64;
		lib->key = cache_string(cache, &at, n->name[order[i]]);
		lib->value = cache_string(cache, &at, n->path[order[i]]);
	}
	free(order);
	/* p has it: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	return pack_bytes(p, CACHE, cache, size);
}

int needs_pack(const struct needs *n, struct pack *p)
{
	char *interp = n->interp ? pack_path(n->interp) : NULL;
	int status = interp ? pack_file(p, interp, n->interp) : 0;

	for (size_t i = 0; i < n->n && !status; i++)
		status = pack_file(p, n->path[i], n->path[i]);
	if (!status && interp && strstr(interp, "/ld-linux"))
		status = cache_pack(n, p);
	free(interp);
	return status;
}
