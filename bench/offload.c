/* SPDX-License-Identifier: MIT */
/*
 * offload.c - what does a call cost that Linux serves for the unikernel?
 *
 * umask is Linux's cheapest call that is not local; the others use a
 * descriptor, which costs more in any process that has a second thread. By
 * ring, the worker has a CPU of its own.
 */
#include "bench.h"

#include <err.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BIG 65536

static int zero, null, file;
static char buffer[BIG];

static void null_call(void)
{
	(void)umask(022);
}

static void seek(void)
{
	(void)lseek(file, 0, SEEK_CUR);
}

static void read_byte(void)
{
	if (read(zero, buffer, 1) != 1)
		err(1, "/dev/zero");
}

static void pread_4k(void)
{
	if (pread(file, buffer, 4096, 0) != 4096)
		err(1, "pread");
}

static void write_64k(void)
{
	if (write(null, buffer, BIG) != BIG)
		err(1, "/dev/null");
}

static void setup(void)
{
	zero = open("/dev/zero", O_RDONLY);
	null = open("/dev/null", O_WRONLY);
	file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	if (zero < 0 || null < 0 || file < 0 || write(file, buffer, BIG) != BIG)
		err(1, "/dev/zero, /dev/null or a file in /tmp");
}

#define DIRECT .options = "--offload direct"
#define RING   .options = "--offload ring", .cpus = 2, .cores = 1

const struct bench bench = {
	.question = "What does a call cost that Linux serves for the "
		    "unikernel?",
	.rounds = 10,
	.setup = setup,
	.cases = {
		{ .name = "umask, direct", .run = null_call, DIRECT },
		{ .name = "umask, ring", .run = null_call, .target = { { BENCH_ABOVE, 150 } }, RING },
		{ .name = "lseek, direct", .run = seek, DIRECT },
		{ .name = "lseek, ring", .run = seek, RING },
		{ .name = "read 1 byte, direct", .run = read_byte, DIRECT },
		{ .name = "read 1 byte, ring", .run = read_byte, RING },
		{ .name = "pread 4 KiB, direct", .run = pread_4k, DIRECT },
		{ .name = "pread 4 KiB, ring", .run = pread_4k, RING },
		{ .name = "write 64 KiB to null, direct", .run = write_64k, DIRECT },
		{ .name = "write 64 KiB to null, ring", .run = write_64k, RING },
		{ 0 },
	},
};
