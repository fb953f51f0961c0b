/* SPDX-License-Identifier: MIT */
/*
 * azi.c - is this file an image, and a whole one?
 *
 * No state, no locks. Every number in the file is hostile: sums are formed
 * only of values already bounded by the file's size.
 */
#include "instance/azi.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "layout.h"

/* Odd, with bits all over: the 64-bit fraction of the golden ratio. */
#define HASH_FACTOR 0x9e3779b97f4a7c15ULL
#define LANES       4

/*
 * One step is a bijection of h for each w, and of w for each h: the change of
 * one word changes h, and what follows cannot change it back.
 */
static uint64_t hash_step(uint64_t h, uint64_t w)
{
	h = (h ^ w) * HASH_FACTOR;
	return h ^ h >> 32;
}

static uint64_t load_word(const unsigned char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* Four lanes, as one alone would wait for its multiplications. */
uint64_t azi_hash(const void *data, uint64_t size)
{
	uint64_t h[LANES] = { 1, 2, 3, 4 }, sum = size;
	const unsigned char *p = data;
	unsigned char tail[LANES * 8] = { 0 };

	for (; size >= sizeof(tail); size -= sizeof(tail), p += sizeof(tail))
		for (size_t i = 0; i < LANES; i++)
			h[i] = hash_step(h[i], load_word(p + 8 * i));
	if (size)
		memcpy(tail, p, size);
	for (size_t i = 0; i < LANES; i++) {
		h[i] = hash_step(h[i], load_word(tail + 8 * i));
		sum = hash_step(sum, h[i]);
	}
	return sum;
}

/* --- the index --- */

/* A string begins at at and ends in the index. */
static bool string_ok(const struct az_bundle *b, uint32_t at)
{
	return at >= sizeof(*b) && at < b->size &&
	       memchr((const char *)b + at, 0, b->size - at);
}

/* n strings in a row. */
static bool strings_ok(const struct az_bundle *b, uint32_t at, uint32_t n)
{
	for (; n; n--) {
		if (!string_ok(b, at))
			return false;
		at += (uint32_t)strlen((const char *)b + at) + 1;
	}
	return true;
}

/* Absolute, and no component is empty, "." or "..". */
static bool path_ok(const char *s)
{
	if (strlen(s) >= PATH_MAX || *s != '/')
		return false;
	if (!s[1])
		return true;
	while (*s == '/') {
		size_t n = strcspn(++s, "/");

		if (n == 0 || n > NAME_MAX || (n == 1 && s[0] == '.') ||
		    (n == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		s += n;
	}
	return true;
}

static bool contents_ok(const struct az_bundle_entry *e, uint64_t index)
{
	return e->offset <= index && e->size <= index - e->offset;
}

static bool link_ok(const struct az_bundle *b, const struct az_bundle_entry *e)
{
	return string_ok(b, e->target) &&
	       strlen(azi_string(b, e->target)) == e->size && e->size &&
	       e->size < PATH_MAX;
}

/* index: offset of the index, which ends the contents. */
static bool entry_ok(const struct az_bundle *b, uint32_t i, uint64_t index)
{
	const struct az_bundle_entry *e = &b->entry[i];
	const char *path;

	if (!string_ok(b, e->path))
		return false;
	path = azi_string(b, e->path);
	if (*path ? !path_ok(path)
		  : !(b->flags & AZ_BUNDLE_SELF) || i != b->exe)
		return false;
	/* Those before i have been looked at. */
	if (i && strcmp(azi_string(b, b->entry[i - 1].path), path) >= 0)
		return false;
	if (S_ISREG(e->mode))
		return contents_ok(e, index);
	if (S_ISLNK(e->mode))
		return link_ok(b, e);
	return S_ISDIR(e->mode);
}

static bool index_ok(const struct az_bundle *b, const struct azi_trailer *t)
{
	if (t->index_size < sizeof(*b) || t->index_size > UINT32_MAX ||
	    b->magic != AZ_BUNDLE_MAGIC || b->version != AZ_BUNDLE_VERSION ||
	    b->size != t->index_size ||
	    b->nentries > (b->size - sizeof(*b)) / sizeof(b->entry[0]) ||
	    b->exe >= b->nentries || !strings_ok(b, b->args, b->argc) ||
	    !strings_ok(b, b->envs, b->envc))
		return false;
	if (!b->argc && !(b->flags & AZ_BUNDLE_SELF))
		return false;
	for (uint32_t i = 0; i < b->nentries; i++)
		if (!entry_ok(b, i, t->index))
			return false;
	return S_ISREG(b->entry[b->exe].mode) && b->entry[b->exe].size &&
	       !(b->entry[b->exe].offset & (AZ_PAGE_SIZE - 1));
}

/* --- the file --- */

static int refuse(char reason[AZI_REASON_MAX], const char *why)
{
	(void)snprintf(reason, AZI_REASON_MAX, "%s", why);
	return -EINVAL;
}

int azi_check(const void *data, uint64_t size, const struct az_bundle **out,
	      char reason[AZI_REASON_MAX])
{
	const struct az_bundle *b;
	struct azi_trailer t;

	if (size < sizeof(t))
		return refuse(reason, "is truncated: copy it again");
	memcpy(&t, (const char *)data + size - sizeof(t), sizeof(t));
	if (t.magic != AZI_MAGIC)
		return refuse(reason, "carries no program, or only the "
				      "beginning of one: copy it again");
	if (t.version != AZI_VERSION)
		return refuse(reason, "is of another version of azalea: build "
				      "it again");
	if (t.size != size)
		return refuse(reason, "is not as long as it was built: copy it "
				      "again");
	if (azi_hash(data, size - sizeof(t.hash)) != t.hash)
		return refuse(reason, "is damaged: its checksum is wrong: copy "
				      "it again");
	size -= sizeof(t);
	if (t.index & (AZ_PAGE_SIZE - 1) || t.index > size ||
	    t.index_size > size - t.index)
		return refuse(reason, "has its index outside of it: build it "
				      "again");
	b = (const void *)((const char *)data + t.index);
	if (!index_ok(b, &t))
		return refuse(reason, "has an index that makes no sense: "
				      "build it again");
	*out = b;
	return 0;
}
