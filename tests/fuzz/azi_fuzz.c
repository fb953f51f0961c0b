/* SPDX-License-Identifier: MIT */
/*
 * azi_fuzz.c - what azi_check promises of an image's index, for any file.
 *
 * The input is an index, behind a little room for contents; magic numbers, its
 * own size, trailer and checksum are set right, as they stop nobody who wants
 * to do harm. An input with an odd first byte is a whole file as it is.
 */
/* links: host/instance/azi.c */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "instance/azi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CONTENTS 4096

#define CHECK(cond)              \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static size_t check_string(const struct az_bundle *b, uint32_t at)
{
	CHECK(at >= sizeof(*b) && at < b->size);
	CHECK(memchr((const char *)b + at, 0, b->size - at));
	return strlen(azi_string(b, at)) + 1;
}

static void check_strings(const struct az_bundle *b, uint32_t at, uint32_t n)
{
	while (n--)
		at += (uint32_t)check_string(b, at);
}

static void check_path(const char *s)
{
	CHECK(*s == '/' && !strstr(s, "//") && !strstr(s, "/./") &&
	      !strstr(s, "/../"));
	CHECK(strlen(s) < PATH_MAX && (!s[1] || s[strlen(s) - 1] != '/'));
}

static void check_index(const struct az_bundle *b, uint64_t contents)
{
	CHECK(b->exe < b->nentries);
	CHECK(b->nentries * sizeof(b->entry[0]) <= b->size - sizeof(*b));
	CHECK(b->argc || b->flags & AZ_BUNDLE_SELF);
	check_strings(b, b->args, b->argc);
	check_strings(b, b->envs, b->envc);
	for (uint32_t i = 0; i < b->nentries; i++) {
		const struct az_bundle_entry *e = &b->entry[i];
		const char *path = azi_string(b, e->path);

		check_string(b, e->path);
		CHECK(!i ||
		      strcmp(azi_string(b, b->entry[i - 1].path), path) < 0);
		if (*path)
			check_path(path);
		else
			CHECK(b->flags & AZ_BUNDLE_SELF && i == b->exe);
		if (S_ISLNK(e->mode))
			CHECK(check_string(b, e->target) == e->size + 1);
		else if (S_ISREG(e->mode))
			CHECK(e->offset <= contents &&
			      e->size <= contents - e->offset);
		else
			CHECK(S_ISDIR(e->mode));
	}
	CHECK(S_ISREG(b->entry[b->exe].mode));
	CHECK(b->entry[b->exe].offset % 4096 == 0);
}

static void check_file(const uint8_t *data, size_t len)
{
	const struct az_bundle *b = NULL;
	char reason[AZI_REASON_MAX] = "";
	void *copy = malloc(len ? len : 1);

	CHECK(copy);
	memcpy(copy, data, len);
	if (azi_check(copy, len, &b, reason))
		CHECK(*reason);
	else
		check_index(b, len);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char reason[AZI_REASON_MAX] = "";
	struct azi_trailer t = { .magic = AZI_MAGIC, .version = AZI_VERSION };
	const struct az_bundle *b;
	struct az_bundle *head;
	size_t room = (len + 7) & ~(size_t)7;
	char *file;

	if (len && data[0] & 1) {
		check_file(data, len);
		return 0;
	}
	if (room < sizeof(*head))
		return 0;
	t.size = CONTENTS + room + sizeof(t);
	t.index = CONTENTS;
	t.index_size = room;
	file = calloc(1, t.size);
	CHECK(file);
	memcpy(file + CONTENTS, data, len);
	head = (void *)(file + CONTENTS);
	head->magic = AZ_BUNDLE_MAGIC;
	head->version = AZ_BUNDLE_VERSION;
	head->size = (uint32_t)room;
	memcpy(file + CONTENTS + room, &t, sizeof(t));
	t.hash = azi_hash(file, t.size - sizeof(t.hash));
	memcpy(file + CONTENTS + room, &t, sizeof(t));
	if (azi_check(file, t.size, &b, reason) == 0)
		check_index(b, CONTENTS);
	else
		CHECK(*reason);
	free(file);
	return 0;
}
