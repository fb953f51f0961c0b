/* SPDX-License-Identifier: MIT */
/* proc.c - the owner as a process: its memory and its threads, by /proc. */
#include "gdb/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gdb/breaks.h"

static pid_t owner;
static int mem_fd = -1;

static int mem_open(pid_t pid)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	return open(path, O_RDWR | O_CLOEXEC);
}

int proc_open(pid_t pid)
{
	if (mem_fd >= 0)
		close(mem_fd);
	owner = pid;
	mem_fd = mem_open(pid);
	return mem_fd < 0 ? -errno : 0;
}

ssize_t proc_read(uint64_t addr, void *buf, size_t n)
{
	ssize_t r = pread(mem_fd, buf, n, (off_t)addr);

	return r < 0 ? -errno : r;
}

ssize_t proc_write(uint64_t addr, const void *buf, size_t n)
{
	ssize_t r = pwrite(mem_fd, buf, n, (off_t)addr);

	return r < 0 ? -errno : r;
}

bool proc_thread(pid_t tid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d", owner, tid);
	return access(path, F_OK) == 0;
}

int proc_threads(void (*f)(pid_t tid))
{
	char path[32];
	struct dirent *d;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", owner);
	dir = opendir(path);
	if (!dir)
		return -errno;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has dir */
	while ((d = readdir(dir)) != NULL) {
		pid_t tid = (pid_t)strtol(d->d_name, NULL, 10);

		if (tid > 0 && tid != owner)
			f(tid);
	}
	closedir(dir);
	return 0;
}

static void poke(void *fd, uint64_t addr, uint8_t byte)
{
	/* What has been unmapped meanwhile needs nothing. */
	if (pwrite(*(int *)fd, &byte, 1, (off_t)addr) < 0)
		return;
}

void proc_breaks(bool on)
{
	breaks_each(poke, &mem_fd, on);
}

void proc_breaks_out_of(pid_t pid)
{
	int fd = mem_open(pid);

	if (fd < 0)
		return;
	breaks_each(poke, &fd, false);
	close(fd);
}
