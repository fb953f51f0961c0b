/* SPDX-License-Identifier: MIT */
/*
 * name.c - names of instances, of signals, of statuses.
 */
#include "lib/name.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

#include "lib/size.h"

#define DISTANCE_MAX 32

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

bool name_valid(const char *name)
{
	size_t i;

	if (!is_alnum(name[0]))
		return false;
	for (i = 1; name[i]; i++)
		if (!is_alnum(name[i]) && !strchr("_.-", name[i]))
			return false;
	return i < NAME_MAX_BYTES;
}

void name_generate(uint64_t seed, uint32_t pid, char out[NAME_MAX_BYTES])
{
	static const char *const how[16] = {
		"calm", "bold", "brisk", "clear", "deft", "fair",
		"fine", "glad", "keen",  "kind",  "neat", "quick",
		"spry", "true", "warm",  "wise",
	};
	static const char *const what[16] = {
		"aster", "birch", "cedar", "clover", "dahlia", "elm",
		"fern",  "hazel", "iris",  "lilac",  "maple",  "moss",
		"pine",  "reed",  "sage",  "tulip",
	};
	uint64_t x = seed * 0x9e3779b97f4a7c15ULL; /* 2^64 / golden ratio */

	if (snprintf(out, NAME_MAX_BYTES, "%s-%s-%u", how[x >> 60],
		     what[x >> 56 & 15], pid) < 0)
		out[0] = '\0';
}

unsigned int name_distance(const char *a, const char *b)
{
	unsigned int row[DISTANCE_MAX + 1], above, left, best;
	size_t la = strlen(a), lb = strlen(b), i, j;

	if (la > DISTANCE_MAX || lb > DISTANCE_MAX)
		return 99;
	for (j = 0; j <= lb; j++)
		row[j] = (unsigned int)j;
	for (i = 1; i <= la; i++) {
		left = row[0];
		row[0] = (unsigned int)i;
		for (j = 1; j <= lb; j++) {
			above = row[j];
			best = left + (a[i - 1] != b[j - 1]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			left = above;
			row[j] = best;
		}
	}
	return row[lb];
}

/* "+3" or "-1" after the name of an end of the real-time range. */
static int signal_realtime(const char *text)
{
	bool up = strncasecmp(text, "RTMIN", 5) == 0;
	int sig = up ? SIGRTMIN : SIGRTMAX;
	uint64_t n = 0;

	if (text[5] != '\0') {
		if (text[5] != (up ? '+' : '-') ||
		    number_parse(text + 6, 64, &n) < 0)
			return -EINVAL;
	}
	sig += up ? (int)n : -(int)n;
	return sig >= SIGRTMIN && sig <= SIGRTMAX ? sig : -EINVAL;
}

int signal_parse(const char *text)
{
	const char *abbrev;
	uint64_t n;
	int sig;

	if (number_parse(text, 64, &n) == 0)
		return n ? (int)n : -EINVAL;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	if (strncasecmp(text, "RTMIN", 5) == 0 ||
	    strncasecmp(text, "RTMAX", 5) == 0)
		return signal_realtime(text);
	for (sig = 1; sig < 32; sig++) {
		abbrev = sigabbrev_np(sig);
		if (abbrev && strcasecmp(abbrev, text) == 0)
			return sig;
	}
	return -EINVAL;
}

int status_exit(int wstatus)
{
	if (WIFSIGNALED(wstatus))
		return 128 + WTERMSIG(wstatus);
	return WEXITSTATUS(wstatus);
}
