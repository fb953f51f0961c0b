/* SPDX-License-Identifier: MIT */
/*
 * azi.h - the single-file image: an executable and what it runs.
 *
 *	the owner's executable (build/azi-runtime), as it is
 *	contents of files; those of programs from a page boundary on
 *	the index, from a page boundary on: abi/image_files.h
 *	struct azi_trailer, the last bytes of the file
 *
 * The checksum covers all of the file. It finds damage, by accident or by
 * whim; it is no signature, as whoever wants to can compute it anew.
 */
#ifndef INSTANCE_AZI_H
#define INSTANCE_AZI_H

#include <stdint.h>

#include "image_files.h"

#define AZI_MAGIC   0x315245444e495a41ULL
#define AZI_VERSION 1

#define AZI_REASON_MAX 128

struct azi_trailer {
	uint64_t magic;
	uint32_t version;
	uint32_t pad;
	uint64_t size;       /* of the file, bytes */
	uint64_t index;      /* offset */
	uint64_t index_size; /* bytes, up to the trailer at most */
	uint64_t hash;       /* azi_hash of all that is before this field */
};

_Static_assert(sizeof(struct azi_trailer) == 48, "azi_trailer");

/*
 * azi_hash - a checksum of size bytes at data. Any change that is confined to
 * 8 bytes in a row, aligned, is certain to change it; any other but for one in
 * 2^64.
 */
uint64_t azi_hash(const void *data, uint64_t size);

/*
 * azi_check - are these size bytes, 8-aligned, an image? 0 with its index in
 * *out, to be relied upon as abi/image_files.h says; or -EINVAL with the reason, in
 * words that follow "<file> ", and what to do about it.
 */
int azi_check(const void *data, uint64_t size, const struct az_bundle **out,
	      char reason[AZI_REASON_MAX]);

/* azi_string - a string of an index that was checked. */
static inline const char *azi_string(const struct az_bundle *b, uint32_t at)
{
	return (const char *)b + at;
}

#endif
