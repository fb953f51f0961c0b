/* SPDX-License-Identifier: MIT */
/*
 * user.h - names of users and groups, from /etc/passwd and /etc/group.
 *
 * Those files only: a static program cannot load what else Linux may be told
 * to ask (LDAP, ...). Numbers always work.
 */
#ifndef CORES_USER_H
#define CORES_USER_H

#include <stdint.h>

#define USER_NAME_MAX   64 /* with the NUL */
#define USER_OWNERS_MAX 160

/* user_parse, group_parse - a name or a number. 0; -ENOENT: no such name. */
int user_parse(const char *text, uint32_t *uid);
int group_parse(const char *text, uint32_t *gid);

/*
 * user_owners - for whom a CPU with these is reserved: "user alice", "group
 * hpc", "user alice and group hpc", "root". AZM_NOBODY is none. Returns buf.
 */
const char *user_owners(uint32_t uid, uint32_t gid, char buf[USER_OWNERS_MAX]);

/* user_name, group_name - the number, if it has no name. Return buf. */
const char *user_name(uint32_t uid, char buf[USER_NAME_MAX]);
const char *group_name(uint32_t gid, char buf[USER_NAME_MAX]);

#endif
