/* SPDX-License-Identifier: MIT */
/*
 * cpulist.c - sets of CPUs.
 *
 * Syntax: "List format" of cpuset(7), without strides.
 */
#include "lib/cpulist.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

unsigned int cpulist_count(const struct cpulist *l)
{
	unsigned int i, n = 0;

	for (i = 0; i < CPULIST_MAX / 64; i++)
		n += (unsigned int)__builtin_popcountll(l->word[i]);
	return n;
}

unsigned int cpulist_next(const struct cpulist *l, unsigned int from)
{
	unsigned int i = from / 64;
	uint64_t w;

	if (from >= CPULIST_MAX)
		return CPULIST_MAX;
	w = l->word[i] & (UINT64_MAX << (from % 64));
	while (!w) {
		if (++i == CPULIST_MAX / 64)
			return CPULIST_MAX;
		w = l->word[i];
	}
	return i * 64 + (unsigned int)__builtin_ctzll(w);
}

static int cpu_parse(const char **text, unsigned int *out)
{
	const char *s = *text;
	unsigned int v = 0;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		v = v * 10 + (unsigned int)(*s - '0');
		if (v >= CPULIST_MAX)
			return -ERANGE;
	}
	*text = s;
	*out = v;
	return 0;
}

static int range_parse(const char **text, struct cpulist *out)
{
	unsigned int first, last;
	int err = cpu_parse(text, &first);

	if (err)
		return err;
	last = first;
	if (**text == '-') {
		(*text)++;
		err = cpu_parse(text, &last);
		if (err)
			return err;
	}
	if (last < first)
		return -EINVAL;
	for (; first <= last; first++)
		cpulist_add(out, first);
	return 0;
}

int cpulist_parse(const char *text, struct cpulist *out)
{
	int err;

	memset(out, 0, sizeof(*out));
	for (;;) {
		err = range_parse(&text, out);
		if (err)
			return err;
		if (*text != ',')
			break;
		text++;
	}
	if (*text == '\n')
		text++;
	return *text ? -EINVAL : 0;
}

const char *cpulist_format(const struct cpulist *l, char *buf, size_t size)
{
	unsigned int first, last;
	size_t used = 0;
	int n;

	buf[0] = '\0';
	for (first = cpulist_next(l, 0); first < CPULIST_MAX;
	     first = cpulist_next(l, last + 1)) {
		for (last = first; cpulist_has(l, last + 1);)
			last++;
		if (first == last)
			n = snprintf(buf + used, size - used, "%s%u",
				     used ? "," : "", first);
		else
			n = snprintf(buf + used, size - used, "%s%u-%u",
				     used ? "," : "", first, last);
		if (n < 0 || (size_t)n >= size - used) {
			memcpy(buf + (used < size - 4 ? used : size - 4), "...",
			       4);
			break;
		}
		used += (size_t)n;
	}
	return buf;
}

/*
 * The raw call: it takes a mask of any size that the kernel's fits in, and
 * tells how many bytes it wrote.
 */
int cpulist_affinity(struct cpulist *out)
{
	long n;

	memset(out, 0, sizeof(*out));
	n = syscall(SYS_sched_getaffinity, 0, sizeof(out->word), out->word);
	return n < 0 ? -errno : 0;
}
