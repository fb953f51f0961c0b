/* SPDX-License-Identifier: MIT */
/*
 * launch.h - who serves gdb: a process beside the instance.
 *
 * It is no child of the owner's, whose children are the program's.
 */
#ifndef GDB_LAUNCH_H
#define GDB_LAUNCH_H

#include <stdint.h>
#include <sys/types.h>

/*
 * launch_listen - where gdb is to call: PORT, HOST:PORT or unix:PATH. The
 * socket; or -1 after saying why not. What gdb is to be told is said on
 * stderr.
 */
int launch_listen(const char *where);

/*
 * launch_server - start one for the instance that this process is going to
 * be, on platform plat (AZ_PLAT_): it waits at listen_fd, which is closed here. Returns the descriptor
 * that the owner shows itself by (instance_config.debug_fd), or -errno.
 */
int launch_server(int listen_fd, uint32_t plat);

/*
 * launch_attach - serve gdb on in and out for the instance whose owner is
 * pid. 0, or an exit status after saying why not.
 */
int launch_attach(pid_t pid, uint32_t plat, int in, int out);

#endif
