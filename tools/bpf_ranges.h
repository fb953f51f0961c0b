/* SPDX-License-Identifier: MIT */
/* bpf_ranges.h - the same seccomp filter, by ranges of call numbers. */
#ifndef TOOLS_BPF_RANGES_H
#define TOOLS_BPF_RANGES_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A call whose answer depends on the low 32 bits of one argument only, and
 * changes at no value but those listed and the ones after them.
 */
struct bpf_by_value {
	uint32_t nr;
	uint32_t arg; /* index */
	const uint32_t *values;
	size_t n;
};

/*
 * bpf_ranges - write a filter that decides like reference (n instructions, of
 * libseccomp, for x86-64) to shrunk (room for BPF_MAXINSNS) and return its
 * length; nvalues calls are described by values. Linux compiles a filter and
 * tries every number on it when it is installed, at each start of an instance:
 * a fifth of the instructions is a fifth of that time. Both filters are run on
 * many calls and compared; ends the program if they differ.
 */
size_t bpf_ranges(const struct sock_filter *reference, size_t n,
		  const struct bpf_by_value *values, size_t nvalues,
		  struct sock_filter *shrunk);

#endif
