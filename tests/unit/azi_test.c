/* SPDX-License-Identifier: MIT */
/*
 * azi_test.c - host/instance/azi.c: which files are images, which changes are
 * found, and why others are refused.
 */
/* links: host/instance/azi.c */
#include "instance/azi.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INDEX   4096
#define STRINGS (sizeof(struct az_bundle) + 3 * sizeof(struct az_bundle_entry))

static int ntests, nfailed;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

struct image {
	char contents[INDEX];
	union {
		struct az_bundle b;
		char room[512];
	} index;
	struct azi_trailer t;
};

_Static_assert(sizeof(struct image) == INDEX + 512 + sizeof(struct azi_trailer),
	       "no padding");

/* Strings: "arg" at 0, "K=V" at 4, "/a" at 8, "/a/b" at 11, "/c" 16, "x" 19 */
static const char strings[] = "arg\0K=V\0/a\0/a/b\0/c\0x";

static void seal(struct image *im)
{
	im->t.hash = azi_hash(im, sizeof(*im) - sizeof(im->t.hash));
}

static void make(struct image *im)
{
	struct az_bundle *b = &im->index.b;
	uint32_t at = STRINGS;

	memset(im, 0, sizeof(*im));
	*b = (struct az_bundle){ .magic = AZ_BUNDLE_MAGIC,
				 .version = AZ_BUNDLE_VERSION,
				 .size = sizeof(im->index),
				 .nentries = 3,
				 .exe = 1,
				 .argc = 1,
				 .args = at,
				 .envc = 1,
				 .envs = at + 4 };
	b->entry[0] =
	    (struct az_bundle_entry){ .mode = S_IFDIR | 0755, .path = at + 8 };
	b->entry[1] = (struct az_bundle_entry){ .mode = S_IFREG | 0755,
						.path = at + 11,
						.size = INDEX };
	b->entry[2] = (struct az_bundle_entry){ .mode = S_IFLNK | 0777,
						.path = at + 16,
						.target = at + 19,
						.size = 1 };
	memcpy((char *)b + at, strings, sizeof(strings));
	im->t = (struct azi_trailer){ .magic = AZI_MAGIC,
				      .version = AZI_VERSION,
				      .size = sizeof(*im),
				      .index = INDEX,
				      .index_size = sizeof(im->index) };
	seal(im);
}

/* Is it refused with these words? NULL: it is taken. */
static bool check(const struct image *im, const char *why)
{
	const struct az_bundle *b = NULL;
	char reason[AZI_REASON_MAX] = "";
	int err = azi_check(im, sizeof(*im), &b, reason);

	if (!why)
		return err == 0 && b == &im->index.b;
	return err && strstr(reason, why);
}

#define NONSENSE "makes no sense"

#define REFUSED(what, name)                    \
	do {                                   \
		make(im);                      \
		what;                          \
		seal(im);                      \
		ok(check(im, NONSENSE), name); \
	} while (0)

static void test_index(struct image *im)
{
	struct az_bundle *b = &im->index.b;

	REFUSED(b->magic++, "an index of another kind");
	REFUSED(b->version++, "an index of another version");
	REFUSED(b->size -= 8, "an index of another size");
	REFUSED(b->nentries = 1U << 30, "more entries than there is room");
	REFUSED(b->exe = 3, "a program that is no entry");
	REFUSED(b->exe = 0, "a program that is a directory");
	REFUSED(b->argc = 0, "no argv[0]");
	REFUSED(b->argc = 600, "more arguments than strings");
	REFUSED(b->args = 0, "arguments in the header");
	REFUSED(b->envs = UINT32_MAX, "variables outside");
	REFUSED(b->entry[0].path = b->size, "a path outside");
	REFUSED(memset((char *)b + STRINGS, 'x', b->size - STRINGS),
		"strings without an end");
	REFUSED(b->entry[1].size++, "contents that reach into the index");
	REFUSED(b->entry[1].offset = UINT64_MAX - 10, "an offset that wraps");
	REFUSED(b->entry[1].size = 0, "an empty program");
	REFUSED((b->entry[1].offset = 8, b->entry[1].size = 8),
		"a program beside a page boundary");
	REFUSED(b->entry[2].size = 2, "a link's target of another length");
	REFUSED(b->entry[2].target = 0, "a link without a target");
	REFUSED(b->entry[2].mode = S_IFIFO, "an entry of no known type");
	REFUSED(b->entry[2].path = b->entry[0].path, "paths out of order");
	REFUSED(b->entry[1].path = b->entry[0].path, "a path twice");
	REFUSED(memcpy((char *)b + STRINGS + 8, "a/", 2), "a relative path");
	REFUSED(memcpy((char *)b + STRINGS + 11, "/a//", 4),
		"a slash too many");
	REFUSED(memcpy((char *)b + STRINGS + 11, "/a/.", 4), "a dot");
	REFUSED(memcpy((char *)b + STRINGS + 11, "/../", 4), "a way up");
}

static void test_file(struct image *im)
{
	const struct az_bundle *b;
	char reason[AZI_REASON_MAX];
	bool all = true;

	make(im);
	ok(check(im, NULL), "an image is taken");
	for (size_t n = 0; n < sizeof(*im); n++) {
		void *part = malloc(n ? n : 1);

		memcpy(part, im, n);
		all &= azi_check(part, n, &b, reason) != 0;
		free(part);
	}
	ok(all, "no beginning of it is");
	im->t.index += 4096;
	seal(im);
	ok(check(im, "outside"), "an index outside");
	make(im);
	im->t.index_size = UINT64_MAX;
	seal(im);
	ok(check(im, "outside"), "an index without an end");
	make(im);
	im->t.index = 8;
	seal(im);
	ok(check(im, "outside"), "an index beside a page boundary");
	make(im);
	im->t.version++;
	seal(im);
	ok(check(im, "version"), "another version");
}

static void test_hash(struct image *im)
{
	unsigned char *p = (void *)im;
	uint64_t was;
	bool all = true;

	make(im);
	for (size_t bit = 0; bit < sizeof(*im) * 8; bit++) {
		p[bit / 8] ^= (unsigned char)(1U << bit % 8);
		all &= !check(im, NULL);
		p[bit / 8] ^= (unsigned char)(1U << bit % 8);
	}
	ok(all, "every bit counts");
	all = true;
	for (size_t n = 0; n < 200; n++) {
		was = azi_hash(p, n);
		all &= azi_hash(p, n + 1) != was;
	}
	ok(all, "and so does the length");
}

int main(void)
{
	struct image *im = malloc(sizeof(*im));

	if (!im)
		return 1;
	test_file(im);
	test_index(im);
	test_hash(im);
	free(im);
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
