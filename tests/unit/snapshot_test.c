/* SPDX-License-Identifier: MIT */
/*
 * snapshot_test.c - host/snapshot/file.c and cpu.c: which files are snapshots,
 * which changes are found, and what a CPU must have.
 */
/* links: host/snapshot/file.c host/snapshot/cpu.c host/instance/azi.c */
#include "snapshot/file.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PROT_RW 3

static int ntests, nfailed;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

enum {
	BOOT_,
	STATS_,
	CORE_,
	RING_,
	NRANGES
};

/* A file with a page of data: tables as they follow one another. */
static struct {
	union {
		struct snap_header h;
		char page[AZ_PAGE_SIZE];
	};
	char data[2 * AZ_PAGE_SIZE];
	struct snap_range range[NRANGES];
	struct snap_run run[2];
	struct snap_object object[2];
	struct snap_fd fd[3];
	struct snap_watch watch[1];
	uint64_t hash[1];
	char strings[16];
} f;

static char reason[SNAP_REASON_MAX];
static struct snap_tables t;

static void seal(void)
{
	f.h.table_hash = snap_hash(f.range, f.h.table_size);
	f.h.hash = snap_hash_header(&f.h);
}

static void make(void)
{
	uint64_t boot =
	    (sizeof(struct az_boot) + AZ_PAGE_SIZE - 1) & ~(AZ_PAGE_SIZE - 1);

	memset(&f, 0, sizeof(f));
	f.h.magic = SNAP_MAGIC;
	f.h.version = SNAP_VERSION;
	f.h.size = sizeof(f.h);
	f.h.file_size = sizeof(f);
	f.h.data_size = sizeof(f.data);
	f.h.count = (struct snap_counts){ .ranges = NRANGES,
					  .runs = 2,
					  .objects = 2,
					  .fds = 3,
					  .watches = 1,
					  .hashes = 1,
					  .strings = sizeof(f.strings) };
	f.h.table_size = snap_table_size(&f.h.count);
	f.h.process.ncores = 2;
	f.h.process.cores_started = 1;
	f.h.process.argc = 2;
	memcpy(f.strings, "\0a\0bc\0/x", 9);
	f.h.process.args = 1;
	f.range[BOOT_] = (struct snap_range){ .start = AZ_BOOT_BASE,
					      .end = AZ_BOOT_BASE + boot,
					      .kind = SNAP_ANON,
					      .prot = PROT_RW,
					      .object = SNAP_NONE };
	f.range[STATS_] = (struct snap_range){ .start = AZ_STATS_BASE,
					       .end = AZ_STATS_BASE + 0x1000,
					       .kind = SNAP_STATS,
					       .object = SNAP_NONE };
	f.range[CORE_] =
	    (struct snap_range){ .start = AZ_CORE_BASE,
				 .end = AZ_CORE_BASE + 2 * AZ_CORE_STRIDE,
				 .kind = SNAP_ANON,
				 .prot = PROT_RW,
				 .object = SNAP_NONE };
	f.range[RING_] =
	    (struct snap_range){ .start = AZ_RING_BASE,
				 .end = AZ_RING_BASE + 2 * AZ_RING_STRIDE,
				 .kind = SNAP_ANON,
				 .prot = PROT_RW,
				 .object = SNAP_NONE };
	f.run[0] = (struct snap_run){ .addr = AZ_CORE_BASE + AZ_PAGE_SIZE,
				      .len = AZ_PAGE_SIZE,
				      .at = AZ_PAGE_SIZE,
				      .object = SNAP_NONE };
	f.run[1] = (struct snap_run){ .addr = 0,
				      .len = AZ_PAGE_SIZE,
				      .at = 2 * AZ_PAGE_SIZE,
				      .object = 1 };
	f.object[0] =
	    (struct snap_object){ .kind = SNAP_PATH, .path = 6, .size = 9 };
	f.object[1] = (struct snap_object){ .kind = SNAP_MEMORY, .size = 100 };
	f.fd[0] = (struct snap_fd){ .fd = 1,
				    .kind = SNAP_FD_STDIO,
				    .object = SNAP_NONE,
				    .same = SNAP_NONE,
				    .arg = { 1 } };
	f.fd[1] = (struct snap_fd){
		.fd = 4, .kind = SNAP_FD_PATH, .object = 0, .same = SNAP_NONE
	};
	f.fd[2] = (struct snap_fd){ .fd = 5,
				    .kind = SNAP_FD_EPOLL,
				    .object = SNAP_NONE,
				    .same = SNAP_NONE };
	f.watch[0] = (struct snap_watch){ .epoll = 2, .fd = 4 };
	f.hash[0] = snap_hash(f.data, sizeof(f.data));
	seal();
}

static bool good(void)
{
	return snap_check_header(&f, AZ_PAGE_SIZE, sizeof(f), reason) == 0 &&
	       snap_check_tables(&f.h, f.range, &t, reason) == 0;
}

static bool refused(const char *why)
{
	reason[0] = '\0';
	return !good() && strstr(reason, why);
}

/* What makes no sense though its checksum is right. */
#define REFUSED(change, name)                       \
	do {                                        \
		make();                             \
		change;                             \
		seal();                             \
		ok(refused("make no sense"), name); \
	} while (0)

static void test_changes(void)
{
	bool all = true;

	make();
	ok(good() && t.fd[1].fd == 4 && strcmp(snap_string(&t, 6), "/x") == 0,
	   "a whole one is one");
	for (size_t i = 0; i < sizeof(f); i += 7) {
		/* The data has a checksum of its own, read elsewhere. */
		if (i >= AZ_PAGE_SIZE && i < AZ_PAGE_SIZE + sizeof(f.data))
			continue;
		((char *)&f)[i] ^= 1 << i % 8;
		all = all && !good();
		((char *)&f)[i] ^= 1 << i % 8;
	}
	ok(all && good(), "a changed bit of header or tables is found");
	f.data[5000] ^= 1;
	ok(snap_hash(f.data, sizeof(f.data)) != f.hash[0],
	   "and one of the data");
}

static void test_files(void)
{
	make();
	ok(snap_check_header("text", 4, 4, reason) && strstr(reason, "not a"),
	   "text is none");
	ok(snap_check_header(&f, 100, 100, reason) &&
	       strstr(reason, "cut short"),
	   "one that is cut short in its header");
	ok(snap_check_header(&f, AZ_PAGE_SIZE, sizeof(f) - 1, reason) &&
	       strstr(reason, "cut short"),
	   "in its tables");
	ok(snap_check_header(&f, AZ_PAGE_SIZE, sizeof(f) + 1, reason) &&
	       strstr(reason, "damaged"),
	   "one that goes on");
	f.h.version++;
	ok(refused("a snapshot of version 2"), "one of another version");
	make();
	f.h.count.runs++;
	seal();
	ok(refused("sizes do not agree"), "sizes that do not agree");
	make();
	f.h.count.ranges = UINT32_MAX;
	seal();
	ok(refused("sizes do not agree"), "more than there can be");
}

static void test_tables(void)
{
	REFUSED(f.strings[15] = 'x', "strings without an end");
	REFUSED(f.h.process.args = 16, "arguments beyond the strings");
	REFUSED(f.h.process.argc = 20, "more arguments than strings");
	REFUSED(f.h.process.cores_started = 3, "more cores than there are");
	REFUSED(f.h.process.ngroups = 100, "groups that are not there");
	REFUSED(f.range[BOOT_].prot = 1, "az_boot that is not writable");
	REFUSED(f.range[CORE_].end -= AZ_PAGE_SIZE, "too few cores' blocks");
	REFUSED(f.range[RING_].end = AZ_OWNER_BASE + AZ_PAGE_SIZE,
		"a range of the owner's");
	REFUSED(f.range[RING_].start += 8, "a range of half a page");
	REFUSED(f.range[STATS_].start = AZ_BOOT_BASE, "ranges that overlap");
	REFUSED(f.range[STATS_].kind = SNAP_ANON, "counters as plain memory");
	REFUSED((f.range[RING_].kind = SNAP_FILE, f.range[RING_].object = 2),
		"a range of no object");
	REFUSED(f.run[0].addr = AZ_HEAP_BASE, "data of no range");
	REFUSED(f.run[0].len = 3 * AZ_PAGE_SIZE, "data beyond the file's");
	REFUSED(f.run[0].at = 0, "data in the header");
	REFUSED(f.run[0].addr = f.range[CORE_].end - 1, "data of half pages");
	REFUSED((f.run[1].object = 0, f.object[0].fixed = 1),
		"data of a file that is to be the same");
	REFUSED(f.run[1].object = 7, "data of nothing");
	REFUSED(f.run[1].addr = AZ_PAGE_SIZE, "data behind an object");
	REFUSED(f.object[0].path = 16, "an object without a path");
	REFUSED(f.fd[1].fd = 1, "a descriptor twice");
	REFUSED(f.fd[0].fd = -1, "a descriptor that is none");
	REFUSED(f.fd[2].same = 2, "a copy of itself");
	REFUSED(f.fd[1].object = 1, "a file that is memory");
	REFUSED(f.fd[0].arg[0] = 3, "of standard output a fourth");
	REFUSED(f.fd[1].addr_len = 17, "an address beyond the strings");
	REFUSED(f.watch[0].epoll = 1, "a watch of no epoll descriptor");
	REFUSED((f.h.count.hashes = 0, f.h.count.strings += 8),
		"too few checksums");
}

static void test_cpu(void)
{
	struct snap_cpu need, have;
	char words[SNAP_REASON_MAX];

	snap_cpu_get(&need);
	have = need;
	ok(!snap_cpu_missing(&need, &have, words),
	   "a CPU is enough for itself");
	memset(&have, 0, sizeof(have));
	ok(snap_cpu_missing(&need, &have, words) && strstr(words, "sse2"),
	   "none lacks what is missing by name");
	ok(!snap_cpu_missing(&have, &need, words), "more does no harm");
	memset(&need, 0, sizeof(need));
	need.word[2] = 1U << 16;
	ok(snap_cpu_missing(&need, &have, words) &&
	       strcmp(words, "avx512f") == 0,
	   "one feature is named");
	memset(&need, 0, sizeof(need));
	need.xcr0 = 1ULL << 60;
	ok(snap_cpu_missing(&need, &have, words), "state without a name, too");
}

int main(void)
{
	test_changes();
	test_files();
	test_tables();
	test_cpu();
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
