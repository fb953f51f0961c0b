/* SPDX-License-Identifier: MIT */
/*
 * procfs.c - which files of /proc and /sys are virtual, and opening them.
 *
 * comm_lock guards comm_files, the open descriptors of comm files through
 * which the program may be writing a thread's name.
 */
#include "sys/procfs.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>

#include "lib/errno.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "sched/thread.h"
#include "sys/prctl.h"
#include "sys/sys.h"

#define COMM_FILES 16
#define R_OK       4
#define W_OK       2

struct comm_file {
	int32_t fd, tid;
};

static const struct vfile files[] = {
	{ "cpuinfo", VDIR_PROC, 0, make_cpuinfo },
	{ "meminfo", VDIR_PROC, 0, make_meminfo },
	{ "stat", VDIR_PROC, 0, make_machine_stat },
	{ "thread-self", VDIR_PROC, VFILE_LINK, make_thread_self },
	{ "auxv", VDIR_TASK, 0, make_auxv },
	{ "cmdline", VDIR_TASK, 0, make_cmdline },
	{ "comm", VDIR_TASK, VFILE_COMM, make_comm },
	{ "environ", VDIR_TASK, 0, make_environ },
	{ "exe", VDIR_TASK, VFILE_LINK, make_exe },
	{ "limits", VDIR_TASK, 0, make_limits },
	{ "maps", VDIR_TASK, 0, make_maps },
	{ "mem", VDIR_TASK, VFILE_DENIED, NULL },
	{ "numa_maps", VDIR_TASK, 0, make_numa_maps },
	{ "smaps", VDIR_TASK, 0, make_smaps },
	{ "smaps_rollup", VDIR_TASK, 0, make_smaps_rollup },
	{ "stat", VDIR_TASK, 0, make_stat },
	{ "statm", VDIR_TASK, 0, make_statm },
	{ "status", VDIR_TASK, 0, make_status },
	{ "syscall", VDIR_TASK, 0, make_syscall },
	{ "online", VDIR_CPU, 0, make_cpus },
	{ "possible", VDIR_CPU, 0, make_cpus },
	{ "present", VDIR_CPU, 0, make_cpus },
	{ "offline", VDIR_CPU, 0, make_no_cpus },
	{ "isolated", VDIR_CPU, 0, make_no_cpus },
	{ "cpu set", VDIR_SYS, 0, make_cpu_set },
};

static struct spinlock comm_lock;
static struct comm_file comm_files[COMM_FILES];
static uint32_t comm_count;

const struct vfile *procfs_find(uint32_t dir, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (files[i].dir == dir && strcmp(files[i].name, name) == 0)
			return &files[i];
	return NULL;
}

bool procfs_is_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (strcmp(files[i].name, name) == 0)
			return true;
	return procfs_is_cpu_set(name);
}

/* Documentation/ABI/stable/sysfs-devices-system-cpu and ...-node. */
bool procfs_is_cpu_set(const char *name)
{
	static const char *const names[] = {
		"cluster_cpus",
		"cluster_cpus_list",
		"core_cpus",
		"core_cpus_list",
		"core_siblings",
		"core_siblings_list",
		"cpulist",
		"cpumap",
		"die_cpus",
		"die_cpus_list",
		"package_cpus",
		"package_cpus_list",
		"shared_cpu_list",
		"shared_cpu_map",
		"thread_siblings",
		"affected_cpus",
		"thread_siblings_list",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

const char *procfs_exe(void)
{
	return (const char *)BOOT + BOOT->exe_path;
}

/* --- names written to comm files --- */

/* A comm file that was written to becomes its thread's name. */
static void comm_take(const struct comm_file *f)
{
	char name[16] = { 0 };

	if (host_call(__NR_pread64, (uint64_t)f->fd, (uint64_t)name,
		      sizeof(name) - 1, 0, 0, 0) > 0)
		thread_set_name(f->tid, name);
}

static bool comm_pick(uint32_t i, uint64_t first, uint64_t last,
		      struct comm_file *f)
{
	bool found = false;

	spin_lock(&comm_lock);
	if (i < comm_count) {
		*f = comm_files[i];
		found = true;
		if ((uint64_t)f->fd >= first && (uint64_t)f->fd <= last)
			comm_files[i] = comm_files[--comm_count];
	}
	spin_unlock(&comm_lock);
	return found;
}

void procfs_comm_sync(uint64_t first, uint64_t last)
{
	struct comm_file f;

	if (likely(!__atomic_load_n(&comm_count, __ATOMIC_RELAXED)))
		return;
	for (uint32_t i = COMM_FILES; i-- > 0;)
		if (comm_pick(i, first, last, &f))
			comm_take(&f);
}

static bool comm_remember(long fd, int tid)
{
	bool room;

	spin_lock(&comm_lock);
	room = comm_count < COMM_FILES;
	if (room) {
		comm_files[comm_count].fd = (int32_t)fd;
		comm_files[comm_count].tid = tid;
		__atomic_store_n(&comm_count, comm_count + 1, __ATOMIC_RELAXED);
	}
	spin_unlock(&comm_lock);
	return room;
}

/* --- opening --- */

static int write_all(long fd, const struct text *t)
{
	size_t done = 0;

	while (done < t->len) {
		long n = host_call(__NR_write, (uint64_t)fd,
				   (uint64_t)(t->buf + done), t->len - done, 0,
				   0, 0);

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		done += (size_t)n;
	}
	return 0;
}

static void fd_close(long fd)
{
	host_call(__NR_close, (uint64_t)fd, 0, 0, 0, 0, 0);
}

/*
 * fd is a memfd, open for writing: put a read-only description of it in its
 * place. If that cannot be, seal the memfd instead.
 */
static void fd_make_readonly(long fd, uint64_t flags)
{
	char name[32];
	long r;

	host_call(__NR_fchmod, (uint64_t)fd, 0444, 0, 0, 0, 0);
	vpath_fd_name(name, sizeof(name), (int)fd);
	r = host_call(__NR_openat, (uint64_t)AT_FDCWD, (uint64_t)name,
		      O_RDONLY | O_CLOEXEC | (flags & O_NONBLOCK), 0, 0, 0);
	if (r >= 0) {
		host_call(__NR_dup3, (uint64_t)r, (uint64_t)fd,
			  flags & O_CLOEXEC, 0, 0, 0);
		fd_close(r);
		return;
	}
	host_call(__NR_lseek, (uint64_t)fd, 0, 0, 0, 0, 0);
	host_call(__NR_fcntl, (uint64_t)fd, F_SETFD,
		  flags & O_CLOEXEC ? FD_CLOEXEC : 0, 0, 0, 0);
	host_call(__NR_fcntl, (uint64_t)fd, F_ADD_SEALS,
		  F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, 0,
		  0, 0);
}

static long memfd_make(const char *name, bool cloexec)
{
	return host_call(__NR_memfd_create, (uint64_t)name,
			 MFD_ALLOW_SEALING | (cloexec ? MFD_CLOEXEC : 0), 0, 0,
			 0, 0);
}

static uint64_t access_mode(uint64_t flags)
{
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return R_OK;
	case O_WRONLY:
		return W_OK;
	default:
		return R_OK | W_OK;
	}
}

static int open_allowed(const struct vpath *v, uint64_t flags)
{
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	if (v->file->flags & VFILE_DENIED)
		return -EACCES;
	if ((flags & O_ACCMODE) != O_RDONLY && !(v->file->flags & VFILE_COMM))
		return -EACCES;
	/* Not in this chroot, no /proc at all, not allowed: as Linux says. */
	return (int)host_call(__NR_faccessat2, (uint64_t)AT_FDCWD,
			      (uint64_t)v->host, access_mode(flags), AT_EACCESS,
			      0, 0);
}

static long open_comm(const struct vpath *v, uint64_t flags)
{
	long fd = memfd_make(v->file->name, flags & O_CLOEXEC);

	if (fd >= 0 && !comm_remember(fd, v->tid)) {
		fd_close(fd);
		return -EMFILE;
	}
	return fd;
}

static long open_file(const struct vpath *v, uint64_t flags)
{
	struct text t = TEXT_EMPTY;
	int err = open_allowed(v, flags);
	long fd;

	if (err)
		return err;
	if ((flags & O_ACCMODE) != O_RDONLY)
		return open_comm(v, flags);
	err = v->file->make(&t, v);
	if (!err && t.failed)
		err = -ENOMEM;
	fd = err ? err : memfd_make(v->file->name, true);
	if (fd >= 0) {
		err = write_all(fd, &t);
		if (err) {
			fd_close(fd);
			fd = err;
		} else {
			fd_make_readonly(fd, flags);
		}
	}
	text_free(&t);
	return fd;
}

long procfs_open(const struct vpath *v, uint64_t flags, uint64_t mode)
{
	if (v->kind == VPATH_FILE && !(flags & O_PATH))
		return open_file(v, flags);
	if (v->kind == VPATH_LINK && !(flags & O_PATH))
		return -ELOOP;
	if (v->host == procfs_exe() && (flags & O_ACCMODE) != O_RDONLY)
		return -ETXTBSY;
	return host_call(__NR_openat, (uint64_t)AT_FDCWD, (uint64_t)v->host,
			 flags, mode, 0, 0);
}
