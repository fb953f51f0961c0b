/* SPDX-License-Identifier: MIT */
/*
 * pack.h - putting a single-file image together.
 *
 * Of items with the same path the last one counts. Functions return 0, or the
 * exit status of the command after saying what is wrong. Memory is never given back: the command ends when the image is there.
 */
#ifndef CLI_PACK_H
#define CLI_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct pack_item {
	const char *path;   /* as the program will see it; "" is its own */
	const char *source; /* file to take the contents from, or NULL */
	const char *target; /* of a link */
	const void *bytes;  /* contents, where there is no source */
	struct stat st;     /* st_mode, st_size, st_mtime count */
	bool implied;
	bool elf;                      /* begins like an ELF file */
	size_t seq;                    /* when it came */
	const struct pack_item *first; /* of the same source, or NULL: it is */
	uint64_t offset;               /* in the image, once placed */
};

struct pack {
	struct pack_item *item;
	size_t n, room;
	uint32_t flags;            /* AZ_BUNDLE_ */
	const char *exe;           /* path of the item that is the program */
	uint64_t stubs, stubs_end; /* in it: abi/image_files.h */
	char *const *args, *const *envs; /* NULL-terminated */
};

/*
 * pack_path - path, absolute as seen from the working directory, without ".",
 * ".." and doubled slashes, by its text alone. NULL: too long.
 */
char *pack_path(const char *path);

/* pack_file - the file source, whose name may be that of a link, as path. */
int pack_file(struct pack *p, const char *path, const char *source);

/* pack_bytes - a file that is made up. bytes are kept. */
int pack_bytes(struct pack *p, const char *path, const void *bytes,
	       size_t size);

/* pack_link - a symbolic link. */
int pack_link(struct pack *p, const char *path, const char *target);

/*
 * pack_tree - whatever source is; of a directory all that is below it. Links
 * below it stay links. What is neither file, link nor directory is left out,
 * with a word on stderr.
 */
int pack_tree(struct pack *p, const char *path, const char *source);

/* pack_write - the image, as the file out, which it replaces. */
int pack_write(struct pack *p, const char *out);

#endif
