/* SPDX-License-Identifier: MIT */
/* signo.h - numbers of signals: Linux's and those of gdb's protocol. */
#ifndef GDB_SIGNO_H
#define GDB_SIGNO_H

/* 0 for what the other side does not know. */
int signo_to_gdb(int sig);
int signo_from_gdb(int sig);

#endif
