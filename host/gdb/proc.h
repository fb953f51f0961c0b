/* SPDX-License-Identifier: MIT */
/* proc.h - the owner as a process: its memory and its threads. */
#ifndef GDB_PROC_H
#define GDB_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* proc_open - pid is the one from here on, or, after exec, again. 0 or -errno */
int proc_open(pid_t pid);

/* proc_read, proc_write - whatever the protection. Bytes or -errno. */
ssize_t proc_read(uint64_t addr, void *buf, size_t n);
ssize_t proc_write(uint64_t addr, const void *buf, size_t n);

/* proc_thread - is tid a thread of it? */
bool proc_thread(pid_t tid);

/* proc_threads - call f for each, but for the first. 0 or -errno. */
int proc_threads(void (*f)(pid_t tid));

/*
 * proc_breaks - put all breakpoints into its memory, or take them out; or out
 * of that of pid, a child.
 */
void proc_breaks(bool on);
void proc_breaks_out_of(pid_t pid);

#endif
