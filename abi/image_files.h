/* SPDX-License-Identifier: MIT */
/*
 * image_files.h - the files that a single-file image brings along.
 *
 * The image is mapped at AZ_BUNDLE_BASE, read-only, as a whole; its index is
 * one struct az_bundle with its entries and strings behind it. The owner has
 * checked it (host/instance/azi.c) before the first core starts, so whoever
 * reads it here may rely on what is said below.
 */
#ifndef AZ_IMAGE_FILES_H
#define AZ_IMAGE_FILES_H

#include <stddef.h>
#include <stdint.h>

#define AZ_BUNDLE_MAGIC   0x454c444e55425a41ULL /* "AZBUNDLE" */
#define AZ_BUNDLE_VERSION 1

/* az_bundle.flags: the program is its image: argv[0] and /proc/self/exe. */
#define AZ_BUNDLE_SELF 1U

/* az_bundle_entry.flags: a directory that only leads to what is below it. */
#define AZ_BUNDLE_IMPLIED 1U

struct az_bundle_entry {
	uint64_t offset; /* of the contents in the image */
	uint64_t size;   /* bytes; of a link, of its target */
	int64_t mtime;   /* seconds */
	uint32_t mode;   /* st_mode: a file, a directory or a symbolic link */
	uint32_t flags;
	uint32_t path;   /* where in the index; "" is the program's own */
	uint32_t target; /* of a link, where in the index; else 0 */
};

/*
 * Paths are absolute, without ".", ".." or a slash too many, but for "/"; they
 * are all different and ascend as strcmp has it. args and envs are argc and
 * envc strings in a row. Every string ends inside the index.
 */
struct az_bundle {
	uint64_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t size; /* of the index, bytes */
	uint32_t nentries;
	uint32_t exe; /* which entry is the program */
	uint32_t pad;
	uint32_t argc, args;
	uint32_t envc, envs;
	/* Where the program has stubs, if its calls were made direct. */
	uint64_t stubs, stubs_end;
	struct az_bundle_entry entry[];
};

/*
 * A stub: instructions that were moved from in front of a system call, the
 * address after the call into %rcx, and a jump into the unikernel. Its tail
 * tells where the call is.
 */
#define AZ_STUB_SIZE 64
#define AZ_STUB_TAIL 48 /* offset of: */

struct az_stub_tail {
	uint64_t site;  /* address of the syscall instruction */
	uint64_t moved; /* bytes from in front of it, at the stub's start */
};

_Static_assert(AZ_STUB_TAIL + sizeof(struct az_stub_tail) == AZ_STUB_SIZE,
	       "az_stub_tail");

_Static_assert(sizeof(struct az_bundle_entry) == 40, "az_bundle_entry");
_Static_assert(sizeof(struct az_bundle) == 64, "az_bundle");

#endif
