/* SPDX-License-Identifier: MIT */
/* policy_fuzz.c - what host/sandbox/policy.h promises, for any text. */
/* links: host/sandbox/policy.c */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CHECK(cond)              \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

/* The error's place is in the text, or right behind a line of it. */
static void check_error(const struct policy_error *e, const char *text,
			size_t len)
{
	const char *end = text + len;

	CHECK(e->line >= 1 && e->column >= 1 && *e->why);
	for (unsigned int i = 1; i < e->line; i++) {
		text = memchr(text, '\n', (size_t)(end - text));
		CHECK(text);
		text++;
	}
	CHECK(e->column <= (size_t)(end - text) + 1);
}

static void check_policy(const struct policy *p)
{
	for (size_t i = 0; i < p->npaths; i++) {
		const char *path = p->paths[i].path;
		size_t n = strlen(path);

		CHECK(n && n < 4096 && !strstr(path, "//"));
		CHECK(n == 1 || path[n - 1] != '/');
		CHECK(p->paths[i].level >= POLICY_NONE &&
		      p->paths[i].level <= POLICY_RW);
		CHECK(path_below(path, path));
		/* Its own word is the longest that there is for it. */
		if (*path == '/')
			CHECK(policy_level(p, path) == p->paths[i].level);
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(p->paths[k].path, path) != 0);
	}
	CHECK(!(policy_denied(p) & ~p->denied));
	CHECK(!p->log_path || p->log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *copy = malloc(len ? len : 1); /* for ASan to watch its end */
	struct policy p = { 0 };
	struct policy_error e = { 0 };
	int err;

	CHECK(copy);
	memcpy(copy, data, len);
	err = policy_parse(&p, copy, len, &e);
	CHECK(err == 0 || err == -EINVAL);
	if (err)
		check_error(&e, copy, len);
	check_policy(&p);
	policy_free(&p);
	if (len && data[0] % 2) {
		err = policy_word(&p, data[0] % 4 == 1, copy + 1, len - 1, &e);
		CHECK(err == 0 || err == -EINVAL);
		check_policy(&p);
		policy_free(&p);
	}
	free(copy);
	return 0;
}
