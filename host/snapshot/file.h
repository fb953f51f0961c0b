/* SPDX-License-Identifier: MIT */
/*
 * file.h - a snapshot: an instance as a file.
 *
 *	struct snap_header, in a page of its own
 *	data: pages of memory, and contents of objects, page-aligned
 *	tables, from a page boundary on, in the order of struct snap_counts
 *
 * Header and tables have a checksum, and so has each SNAP_BLOCK of the data:
 * they find damage, and any change; they are no signature. A file that is being
 * written has no header yet.
 */
#ifndef SNAPSHOT_FILE_H
#define SNAPSHOT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "boot.h"

#define SNAP_MAGIC   0x50414e53415a41ULL /* "AZASNAP" */
#define SNAP_VERSION 1
#define SNAP_BLOCK   0x100000ULL /* of data: what has one checksum */
#define SNAP_NONE    UINT32_MAX
#define SNAP_TABLES  0x40000000ULL /* bytes at most */
#define SNAP_MAX_FD  0x100000

/* Words of CPUID whose bits programs and the unikernel may rely upon: cpu.c */
#define SNAP_CPU_WORDS 10

struct snap_cpu {
	uint32_t word[SNAP_CPU_WORDS];
	uint64_t xcr0;
};

/* Entries of each table. */
struct snap_counts {
	uint32_t ranges;
	uint32_t runs;
	uint32_t objects;
	uint32_t fds;
	uint32_t watches;
	uint32_t hashes;
	uint32_t strings; /* bytes */
	uint32_t pad;
};

/* The process, as the owner has it. Strings are offsets into the last table. */
struct snap_process {
	uint32_t pid, ncores, cores_started, umask;
	uint32_t ruid, euid, suid, rgid, egid, sgid;
	uint32_t ngroups, groups; /* uint32_t each, 4-aligned among strings */
	uint32_t cwd, exe_path, exec_fn, name;
	uint32_t argc, args;
	uint64_t mem_bytes;
	uint64_t real_ns; /* when it was made */
	struct az_rlimit rlimit[AZ_NRLIMITS];
};

struct snap_header {
	uint64_t magic;
	uint32_t version;
	uint32_t size;     /* of this struct */
	char image_id[64]; /* of azalea.elf, which goes on: SHA-256, hex */
	uint64_t file_size;
	uint64_t data_size; /* whole pages, from page 1 on */
	uint64_t table_size;
	uint64_t table_hash;
	struct snap_cpu cpu;
	struct snap_counts count;
	struct snap_process process;
	uint64_t hash; /* of all before */
};

_Static_assert(sizeof(struct snap_header) <= AZ_PAGE_SIZE, "page 0");
_Static_assert(sizeof(struct snap_process) % 8 == 0, "no padding");

/* struct snap_range.kind */
#define SNAP_ANON   1U /* private memory */
#define SNAP_FILE   2U /* an object, private */
#define SNAP_SHARED 3U /* an object, shared */
#define SNAP_IMAGE  4U /* azalea.elf's own */
#define SNAP_STATS  5U /* struct az_stats */
#define SNAP_GONE   6U /* cannot be had again: nothing is accessible */

/* A mapping; in order of addresses. */
struct snap_range {
	uint64_t start, end;
	uint64_t offset; /* in the object */
	uint32_t object; /* or SNAP_NONE */
	uint32_t prot;   /* PROT_ */
	uint32_t kind;
	uint32_t pad;
};

/*
 * Data that is there: at addr in memory, or, if it has an object, in that. Those
 * of memory come first, in order of addresses, none in more than one range.
 */
struct snap_run {
	uint64_t addr;
	uint64_t len; /* whole pages */
	uint64_t at;  /* in the file */
	uint32_t object;
	uint32_t pad;
};

/* struct snap_object.kind */
#define SNAP_PATH   1U /* a file that has a name; runs: if that is gone */
#define SNAP_MEMORY 2U /* without a name: runs have its contents */

struct snap_object {
	uint32_t kind;
	uint32_t path; /* for messages, if it is SNAP_MEMORY */
	uint64_t size;
	uint64_t dev, ino;
	int64_t mtime_ns;
	uint32_t mode;
	uint32_t seals;    /* F_SEAL_ */
	uint32_t writable; /* some mapping or descriptor may write it */
	uint32_t fixed; /* memory is mapped from it: it must not have changed */
};

/* struct snap_fd.kind */
#define SNAP_FD_STDIO  1U /* arg[0]: which of the new owner's */
#define SNAP_FD_PATH   2U /* object, or its path if there is none */
#define SNAP_FD_MEMORY 3U
#define SNAP_FD_PIPE   4U /* arg: which, capacity; object: what is in it */
#define SNAP_FD_EVENT  5U /* arg[0]: count; arg[1]: semaphore */
#define SNAP_FD_TIMER  6U /* arg: clock, ticks, settime flags, value, interval */
#define SNAP_FD_EPOLL  7U
#define SNAP_FD_SOCKET \
	8U              /* arg: domain, type, protocol, backlog + 1, options */
#define SNAP_FD_PAIR 9U /* arg[0]: which, arg[1]: type; object: what waits */
#define SNAP_FD_LOST 10U

#define SNAP_OPT_REUSEADDR 1U
#define SNAP_OPT_REUSEPORT 2U
#define SNAP_OPT_V6ONLY    4U

/* A descriptor of the program's; in order of fd. */
struct snap_fd {
	int32_t fd;
	uint32_t kind;
	uint32_t flags;   /* F_GETFL */
	uint32_t cloexec; /* 1: F_GETFD has FD_CLOEXEC */
	uint32_t object;  /* or SNAP_NONE */
	uint32_t same; /* entry before this one that it is a dup of, or NONE */
	uint32_t text; /* string: what it is */
	uint32_t addr; /* bound to: offset among strings */
	uint32_t addr_len;
	uint32_t pad;
	uint64_t pos;
	uint64_t arg[5];
};

/* What an epoll descriptor watches. */
struct snap_watch {
	uint32_t epoll; /* entry among fds */
	int32_t fd;
	uint32_t events;
	uint32_t pad;
	uint64_t data;
};

/* A file's tables, checked. */
struct snap_tables {
	const struct snap_header *header;
	const struct snap_range *range;
	const struct snap_run *run;
	const struct snap_object *object;
	const struct snap_fd *fd;
	const struct snap_watch *watch;
	const uint64_t *hash;
	const char *strings;
};

#define SNAP_REASON_MAX 160

/*
 * snap_check_header - the first size bytes, a page if there are so many, of a
 * file of file_size bytes: 0 if they begin with a header, so that table_size
 * bytes at its end are tables; or -EINVAL with the reason, in words that follow
 * "<file>: ".
 */
int snap_check_header(const void *data, uint64_t size, uint64_t file_size,
		      char reason[SNAP_REASON_MAX]);

/*
 * snap_check_tables - the tables of a header that was checked, 8-aligned. 0:
 * every number in them may be relied upon; or as snap_check_header. All that
 * the unikernel itself needs to be mapped is among the ranges.
 */
int snap_check_tables(const struct snap_header *h, const void *tables,
		      struct snap_tables *out, char reason[SNAP_REASON_MAX]);

/* snap_table_size - bytes that tables of these counts have. */
uint64_t snap_table_size(const struct snap_counts *n);

/* snap_hash_header, snap_hash - the checksums that are to be in the file. */
uint64_t snap_hash_header(const struct snap_header *h);
uint64_t snap_hash(const void *data, uint64_t size);

/* snap_string - a string of tables that were checked. */
static inline const char *snap_string(const struct snap_tables *t, uint32_t at)
{
	return t->strings + at;
}

/* snap_cpu_get - what this CPU has, as far as it matters. */
void snap_cpu_get(struct snap_cpu *cpu);

/*
 * snap_cpu_missing - what `need` has and `have` lacks, in words, as "avx512f
 * avx512bw"; false: nothing.
 */
int snap_cpu_missing(const struct snap_cpu *need, const struct snap_cpu *have,
		     char words[SNAP_REASON_MAX]);

#endif
