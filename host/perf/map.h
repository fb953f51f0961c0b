/* SPDX-License-Identifier: MIT */
/*
 * map.h - /tmp/perf-PID.map: the names of a process's code, for perf(1).
 */
#ifndef PERF_MAP_H
#define PERF_MAP_H

/*
 * perf_map_write - for this process, anew: what its mappings hold that come
 * from ELF files, and the unikernel. A line is
 *	START SIZE NAME [FILE]
 * with both numbers in hexadecimal (tools/perf/Documentation/jit-interface.txt
 * of Linux). 0 or -errno.
 */
int perf_map_write(void);

#endif
