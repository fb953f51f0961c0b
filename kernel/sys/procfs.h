/* SPDX-License-Identifier: MIT */
/*
 * procfs.h - files of /proc and /sys that describe the instance.
 *
 * A virtual file is written when it is opened, into a memfd that takes the
 * place of the file: reading, mapping and polling it are Linux's. It does not
 * change afterwards, unlike Linux's, which are written anew by a read at 0.
 */
#ifndef SYS_PROCFS_H
#define SYS_PROCFS_H

#include "sys/text.h"
#include "sys/vpath.h"

/* Where a virtual file is. */
#define VDIR_PROC 0U /* /proc */
#define VDIR_TASK 1U /* /proc/<pid>, /proc/<pid>/task/<tid> */
#define VDIR_CPU  2U /* /sys/devices/system/cpu */
#define VDIR_SYS  3U /* elsewhere below /sys/devices/system */

#define VFILE_LINK   1U /* a symbolic link */
#define VFILE_DENIED 2U /* may not be opened: it reaches the owner */
#define VFILE_COMM   4U /* a thread's name: may be written */

struct vfile {
	const char *name;
	uint8_t dir, flags;
	/* Write the contents of v, which this is, to t. 0 or -errno. */
	int (*make)(struct text *t, const struct vpath *v);
};

/* procfs_find - the virtual file of that name in a directory, or NULL. */
const struct vfile *procfs_find(uint32_t dir, const char *name);

/* procfs_is_name - does any virtual file have this name? */
bool procfs_is_name(const char *name);

/* procfs_is_cpu_set - does a file of this name in /sys hold a set of CPUs? */
bool procfs_is_cpu_set(const char *name);

/* procfs_exe - absolute path of the program. */
const char *procfs_exe(void);

/* procfs_open - open(2) on what vpath_find found. A descriptor or -errno. */
long procfs_open(const struct vpath *v, uint64_t flags, uint64_t mode);

/*
 * procfs_comm_sync - a name written to a comm file takes effect when its
 * descriptor is closed, or when a name is asked for. closing: the range of
 * descriptors about to be closed; first > last for none.
 */
void procfs_comm_sync(uint64_t first, uint64_t last);

/* --- what the files contain: procfs_*.c --- */

int make_cpuinfo(struct text *t, const struct vpath *v);
int make_meminfo(struct text *t, const struct vpath *v);
int make_machine_stat(struct text *t, const struct vpath *v);
int make_cpus(struct text *t, const struct vpath *v);
int make_no_cpus(struct text *t, const struct vpath *v);
int make_cpu_set(struct text *t, const struct vpath *v);

int make_auxv(struct text *t, const struct vpath *v);
int make_cmdline(struct text *t, const struct vpath *v);
int make_comm(struct text *t, const struct vpath *v);
int make_environ(struct text *t, const struct vpath *v);
int make_exe(struct text *t, const struct vpath *v);
int make_limits(struct text *t, const struct vpath *v);
int make_stat(struct text *t, const struct vpath *v);
int make_statm(struct text *t, const struct vpath *v);
int make_status(struct text *t, const struct vpath *v);
int make_syscall(struct text *t, const struct vpath *v);
int make_thread_self(struct text *t, const struct vpath *v);

int make_maps(struct text *t, const struct vpath *v);
int make_numa_maps(struct text *t, const struct vpath *v);
int make_smaps(struct text *t, const struct vpath *v);
int make_smaps_rollup(struct text *t, const struct vpath *v);

#endif
