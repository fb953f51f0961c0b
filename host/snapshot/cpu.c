/* SPDX-License-Identifier: MIT */
/*
 * cpu.c - what of the CPU a program may have found, and relies upon since.
 *
 * C libraries choose their functions by CPUID when a program starts; after a
 * snapshot they do not look again. Bits that are no program's business are left
 * out. Intel SDM 2, CPUID; AMD APM 3, appendix E.
 */
#include <cpuid.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "snapshot/file.h"

enum word {
	W1C,
	W1D,
	W7B,
	W7C,
	W7D,
	W71A,
	WXC,
	WXD,
	WD1A
};

static const struct feature {
	uint8_t word, bit;
	char name[20];
} features[] = {
	{ W1C, 0, "sse3" },
	{ W1C, 1, "pclmulqdq" },
	{ W1C, 9, "ssse3" },
	{ W1C, 12, "fma" },
	{ W1C, 13, "cx16" },
	{ W1C, 19, "sse4_1" },
	{ W1C, 20, "sse4_2" },
	{ W1C, 22, "movbe" },
	{ W1C, 23, "popcnt" },
	{ W1C, 25, "aes" },
	{ W1C, 26, "xsave" },
	{ W1C, 27, "osxsave" },
	{ W1C, 28, "avx" },
	{ W1C, 29, "f16c" },
	{ W1C, 30, "rdrand" },
	{ W1D, 4, "tsc" },
	{ W1D, 15, "cmov" },
	{ W1D, 19, "clflush" },
	{ W1D, 23, "mmx" },
	{ W1D, 26, "sse2" },
	{ W7B, 0, "fsgsbase" },
	{ W7B, 3, "bmi1" },
	{ W7B, 4, "hle" },
	{ W7B, 5, "avx2" },
	{ W7B, 8, "bmi2" },
	{ W7B, 9, "erms" },
	{ W7B, 11, "rtm" },
	{ W7B, 16, "avx512f" },
	{ W7B, 17, "avx512dq" },
	{ W7B, 18, "rdseed" },
	{ W7B, 19, "adx" },
	{ W7B, 21, "avx512ifma" },
	{ W7B, 23, "clflushopt" },
	{ W7B, 24, "clwb" },
	{ W7B, 26, "avx512pf" },
	{ W7B, 27, "avx512er" },
	{ W7B, 28, "avx512cd" },
	{ W7B, 29, "sha_ni" },
	{ W7B, 30, "avx512bw" },
	{ W7B, 31, "avx512vl" },
	{ W7C, 1, "avx512vbmi" },
	{ W7C, 4, "ospke" },
	{ W7C, 5, "waitpkg" },
	{ W7C, 6, "avx512_vbmi2" },
	{ W7C, 8, "gfni" },
	{ W7C, 9, "vaes" },
	{ W7C, 10, "vpclmulqdq" },
	{ W7C, 11, "avx512_vnni" },
	{ W7C, 12, "avx512_bitalg" },
	{ W7C, 14, "avx512_vpopcntdq" },
	{ W7C, 22, "rdpid" },
	{ W7C, 25, "cldemote" },
	{ W7C, 27, "movdiri" },
	{ W7C, 28, "movdir64b" },
	{ W7D, 4, "fsrm" },
	{ W7D, 8, "avx512_vp2intersect" },
	{ W7D, 14, "serialize" },
	{ W7D, 23, "avx512_fp16" },
	{ W71A, 0, "sha512" },
	{ W71A, 1, "sm3" },
	{ W71A, 2, "sm4" },
	{ W71A, 4, "avx_vnni" },
	{ W71A, 5, "avx512_bf16" },
	{ W71A, 7, "cmpccxadd" },
	{ W71A, 23, "avx_ifma" },
	{ WXC, 0, "lahf_lm" },
	{ WXC, 5, "abm" },
	{ WXC, 6, "sse4a" },
	{ WXC, 8, "3dnowprefetch" },
	{ WXC, 11, "xop" },
	{ WXC, 16, "fma4" },
	{ WXC, 21, "tbm" },
	{ WXD, 11, "syscall" },
	{ WXD, 22, "mmxext" },
	{ WXD, 27, "rdtscp" },
	{ WD1A, 0, "xsaveopt" },
	{ WD1A, 1, "xsavec" },
	{ WD1A, 2, "xgetbv1" },
};

#define NFEATURES (sizeof(features) / sizeof(features[0]))

void snap_cpu_get(struct snap_cpu *cpu)
{
	uint32_t a, b, c, d, *w = cpu->word;

	memset(cpu, 0, sizeof(*cpu));
	if (__get_cpuid(1, &a, &b, &c, &d)) {
		w[W1C] = c;
		w[W1D] = d;
	}
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
		w[W7B] = b;
		w[W7C] = c;
		w[W7D] = d;
		if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
			w[W71A] = a;
	}
	if (__get_cpuid(0x80000001, &a, &b, &c, &d)) {
		w[WXC] = c;
		w[WXD] = d;
	}
	if (!(w[W1C] & bit_OSXSAVE))
		return;
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	cpu->xcr0 = (uint64_t)d << 32 | a;
	if (__get_cpuid_count(0xd, 1, &a, &b, &c, &d))
		w[WD1A] = a;
}

/* In XCR0, Intel SDM 1 §13.1. */
static const char *const states[] = { "x87",       "sse",     "avx",
				      "bndregs",   "bndcsr",  "opmask",
				      "zmm_hi256", "hi16_zmm" };

static void word_add(char *words, const char *word)
{
	size_t n = strlen(words);

	(void)snprintf(words + n, SNAP_REASON_MAX - n, "%s%s", n ? " " : "",
		       word);
}

int snap_cpu_missing(const struct snap_cpu *need, const struct snap_cpu *have,
		     char words[SNAP_REASON_MAX])
{
	words[0] = '\0';
	for (size_t i = 0; i < NFEATURES; i++) {
		const struct feature *f = &features[i];
		char name[sizeof(f->name) + 1];

		if (!(need->word[f->word] & ~have->word[f->word] &
		      1U << f->bit))
			continue;
		(void)snprintf(name, sizeof(name), "%.20s", f->name);
		word_add(words, name);
	}
	for (size_t i = 0; !words[0] && i < 64; i++)
		if (need->xcr0 & ~have->xcr0 & 1ULL << i)
			word_add(words, i < sizeof(states) / sizeof(states[0])
					    ? states[i]
					    : "more vector state");
	return words[0] != '\0';
}
