/* SPDX-License-Identifier: MIT */
/*
 * registry.h - which instances run on this machine, without any file.
 *
 * An instance is an abstract unix datagram socket "\0azalea/<uid>/<name>" of
 * its owner. The name is free again the moment the owner is gone, however it
 * went. Whoever sends it a datagram and has the owner's uid, or is root, is
 * sent one struct registry_info and the memfd that holds struct az_stats.
 * Datagrams, because an accepted connection would be one more descriptor that
 * the program could meet.
 */
#ifndef INSTANCE_REGISTRY_H
#define INSTANCE_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "instance/instance.h"
#include "layout.h"

#define REGISTRY_MAGIC    0x4f464e494c415a41ULL
#define REGISTRY_VERSION  1
#define REGISTRY_NAME_MAX 64   /* bytes, with the NUL */
#define REGISTRY_CMD_MAX  4096 /* bytes of command line that are told */

/* The message, host to host: both ends are the same version of azalea. */
struct registry_info {
	uint64_t magic;
	uint32_t version;
	uint32_t pid;
	uint32_t plat;    /* AZ_PLAT_ */
	uint32_t offload; /* AZ_OFFLOAD_ */
	uint32_t flags;   /* AZ_BOOT_ */
	uint32_t ncores;
	uint64_t mem_bytes;
	uint64_t start_mono_ns;
	uint32_t argc;     /* strings in cmd */
	uint32_t cmd_size; /* bytes of cmd in use */
	char name[REGISTRY_NAME_MAX];
	uint16_t host_cpu[AZ_MAX_CORES];
	char cmd[REGISTRY_CMD_MAX]; /* argv, each with its NUL */
};

/* --- the owner's side --- */

/*
 * registry_listen - claim a name. The socket (close-on-exec, non-blocking), or
 * -EADDRINUSE if an instance has this name, -errno.
 */
int registry_listen(const char *name);

/* registry_describe - info := what cfg says, pid := the caller's. */
void registry_describe(struct registry_info *info,
		       const struct instance_config *cfg);

/*
 * registry_serve - answer everybody who waits on control_fd; never blocks and
 * opens no descriptor. Called when control_fd is readable, and once before the
 * program starts: `run -d` and `run --stats` have asked by then, and learn
 * from the counters whether the program was reached. stats_fd: the memfd
 * behind AZ_STATS_BASE. True: somebody who may wants a snapshot; the request is
 * still there, and all after it.
 */
bool registry_serve(int control_fd, int stats_fd,
		    const struct registry_info *info);

/* --- the tools' side --- */

struct registry_name {
	uid_t uid;
	ino_t inode; /* of the socket */
	char name[REGISTRY_NAME_MAX];
};

/*
 * registry_list - the instances of uid, or everybody's if uid is (uid_t)-1,
 * in order of name. Their number, with *out to be freed, or -errno.
 */
int registry_list(uid_t uid, struct registry_name **out);

/*
 * registry_ask - send the owner of an instance a request: a socket, on which
 * the answer will come, or -ECONNREFUSED if there is no such instance, -EAGAIN
 * if it does not read its requests, -errno.
 */
int registry_ask(uid_t uid, const char *name);

/*
 * registry_send - the same with any request of n bytes, and up to four
 * descriptors, which the owner gets copies of.
 */
int registry_send(uid_t uid, const char *name, const void *data, size_t n,
		  const int *fds, int nfds);

/*
 * registry_alive - does the process that was asked through sock still exist?
 * If so, a pid learned from it before the call was not reused either.
 */
bool registry_alive(int sock);

/*
 * registry_receive - the answer, within timeout_ms. 0 with info (whose pid is
 * the kernel's word, not the sender's) and the descriptor of the counters in
 * *stats_fd; -ETIMEDOUT; -ECONNRESET if the owner ended first; -EPROTO if it
 * is another version; -EPERM if it is another user's process.
 */
int registry_receive(int sock, int timeout_ms, struct registry_info *info,
		     int *stats_fd);

/*
 * registry_pid - the owner of an instance that does not answer, a stopped one
 * for example, looked up in /proc: its pid, or -ESRCH.
 */
pid_t registry_pid(const struct registry_name *which);

#endif
