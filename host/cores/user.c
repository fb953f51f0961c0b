/* SPDX-License-Identifier: MIT */
/*
 * user.c - names of users and groups.
 *
 * A line of either file begins "name:password:number:".
 */
#include "cores/user.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/size.h"
#include "metal.h"

#define USERS      "/etc/passwd"
#define GROUPS     "/etc/group"
#define NUMBER_MAX 0xfffffffeU /* (uid_t)-1 is nobody's */

/* Cuts the line into name and number. */
static bool line_parse(char *line, const char **name, uint32_t *number)
{
	char *rest = line;
	uint64_t v;

	*name = strsep(&rest, ":");
	(void)strsep(&rest, ":");
	if (!rest || number_parse(strsep(&rest, ":"), NUMBER_MAX, &v) < 0)
		return false;
	*number = (uint32_t)v;
	return **name != '\0';
}

/* The first line with that name, or if it is NULL with that number. */
static int file_find(const char *path, const char *name, uint32_t *number,
		     char found[USER_NAME_MAX])
{
	FILE *f = fopen(path, "re");
	int err = -ENOENT;
	char *line = NULL;
	const char *one;
	size_t room = 0;
	uint32_t n;

	if (!f)
		return err;
	while (err && getline(&line, &room, f) > 0)
		if (line_parse(line, &one, &n) &&
		    (name ? strcmp(one, name) == 0 : n == *number)) {
			*number = n;
			(void)snprintf(found, USER_NAME_MAX, "%s", one);
			err = 0;
		}
	free(line);
	(void)fclose(f);
	return err;
}

static int name_parse(const char *path, const char *text, uint32_t *out)
{
	char found[USER_NAME_MAX];
	uint64_t v;

	/* A name of digits is a name, as for chown(1). */
	if (file_find(path, text, out, found) == 0)
		return 0;
	if (number_parse(text, NUMBER_MAX, &v) < 0)
		return -ENOENT;
	*out = (uint32_t)v;
	return 0;
}

static const char *number_name(const char *path, uint32_t number,
			       char buf[USER_NAME_MAX])
{
	if (file_find(path, NULL, &number, buf) < 0)
		(void)snprintf(buf, USER_NAME_MAX, "%u", number);
	return buf;
}

int user_parse(const char *text, uint32_t *uid)
{
	return name_parse(USERS, text, uid);
}

int group_parse(const char *text, uint32_t *gid)
{
	return name_parse(GROUPS, text, gid);
}

const char *user_name(uint32_t uid, char buf[USER_NAME_MAX])
{
	return number_name(USERS, uid, buf);
}

const char *group_name(uint32_t gid, char buf[USER_NAME_MAX])
{
	return number_name(GROUPS, gid, buf);
}

const char *user_owners(uint32_t uid, uint32_t gid, char buf[USER_OWNERS_MAX])
{
	const bool u = uid != AZM_NOBODY, g = gid != AZM_NOBODY;
	char user[USER_NAME_MAX] = "", group[USER_NAME_MAX] = "";

	if (u)
		(void)user_name(uid, user);
	if (g)
		(void)group_name(gid, group);
	if (u || g)
		(void)snprintf(buf, USER_OWNERS_MAX, "%s%s%s%s%s",
			       u ? "user " : "", user, u && g ? " and " : "",
			       g ? "group " : "", group);
	else
		(void)snprintf(buf, USER_OWNERS_MAX, "root");
	return buf;
}
