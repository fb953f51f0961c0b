/* SPDX-License-Identifier: MIT */
/* isolate.h - namespaces of the owner's own. */
#ifndef SANDBOX_ISOLATE_H
#define SANDBOX_ISOLATE_H

/*
 * isolate_enter - new namespaces for users, mounts, network, IPC, host name and
 * cgroups. Users and groups keep their numbers: all of them if this is root,
 * else the caller's own. The network has a loopback and nothing else; /dev/shm
 * is new. Before there are threads; needs no privilege where users may make
 * user namespaces. 0, or -errno and *what says at what.
 */
int isolate_enter(const char **what);

/*
 * isolate_drop - give up the capabilities that isolate_enter has brought, unless
 * this is root's. After all set-up that needs them. 0 or -errno.
 */
int isolate_drop(void);

#endif
