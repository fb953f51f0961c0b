/* SPDX-License-Identifier: MIT */
/* vmas.h - what this process has mapped, as Linux tells it. */
#ifndef PLAT_VMAS_H
#define PLAT_VMAS_H

#include <stdint.h>

/* A mapping: bytes [start, end), prot as for mmap(2). */
struct vma {
	uint64_t start, end;
	uint32_t prot;
};

/*
 * vmas_open - a descriptor of /proc/self/maps, for vmas_walk; belongs to the
 * memory of the process that calls it. Or -errno.
 */
int vmas_open(void);

/*
 * vmas_walk - call each(vma, arg) for the mappings that meet [from, to), in
 * order, until one answers other than 0. That answer, 0, or -errno. By
 * PROCMAP_QUERY where Linux has it (6.11), else from the text (proc(5)).
 */
int vmas_walk(int fd, uint64_t from, uint64_t to,
	      int (*each)(const struct vma *vma, void *arg), void *arg);

/*
 * vmas_line - one line of /proc/self/maps. 0, or -EINVAL: it is not one.
 */
int vmas_line(const char *line, struct vma *vma);

#endif
