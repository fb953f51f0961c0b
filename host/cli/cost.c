/* SPDX-License-Identifier: MIT */
/*
 * cost.c - what an instance costs the machine.
 */
#include "cli/cost.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_SIZE 1024

static FILE *proc_open(pid_t pid, const char *file)
{
	char path[64];

	if (snprintf(path, sizeof(path), "/proc/%d/%s", pid, file) < 0)
		return NULL;
	return fopen(path, "re");
}

/* "Rss:  12 kB": *value += 12 KiB, in bytes, if the key is this one. */
static void line_kib(const char *line, const char *key, int64_t *value)
{
	size_t len = strlen(key);

	if (strncmp(line, key, len) != 0 || line[len] != ':')
		return;
	if (*value < 0)
		*value = 0;
	*value += strtol(line + len + 1, NULL, 10) * 1024;
}

static void read_memory(pid_t pid, struct cost *out)
{
	FILE *f = proc_open(pid, "smaps_rollup");
	char line[LINE_SIZE];

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		line_kib(line, "Rss", &out->resident_bytes);
		line_kib(line, "Private_Clean", &out->private_bytes);
		line_kib(line, "Private_Dirty", &out->private_bytes);
	}
	(void)fclose(f);
}

/* proc(5): the name, field 2, is in parentheses and may hold any byte. */
static void read_stat(pid_t pid, struct cost *out)
{
	FILE *f = proc_open(pid, "stat");
	char line[LINE_SIZE] = "", *at, *field;
	size_t n;
	int i;

	if (!f)
		return;
	n = fread(line, 1, sizeof(line) - 1, f);
	(void)fclose(f);
	line[n] = '\0';
	at = strrchr(line, ')');
	if (!at)
		return;
	at++;
	for (i = 3; (field = strsep(&at, " ")); i += *field != '\0') {
		if (i == 4)
			out->parent = strtol(field, NULL, 10);
		else if (i == 20)
			out->threads = strtol(field, NULL, 10);
	}
}

/* Finer than the clock ticks of /proc. */
static void read_clock(pid_t pid, struct cost *out)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) == 0 &&
	    clock_gettime(clock, &ts) == 0)
		out->cpu_ns = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void cost_read(pid_t pid, struct cost *out)
{
	*out = (struct cost){ -1, -1, -1, -1, -1 };
	read_memory(pid, out);
	read_stat(pid, out);
	read_clock(pid, out);
}
