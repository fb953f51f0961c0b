/* SPDX-License-Identifier: MIT */
/*
 * vector.c - vector, x87 and mask registers of threads that are not running.
 *
 * Nearly every program uses the xmm registers and, at its system calls, leaves
 * all else as a reset does: ymm uppers are cleared by vzeroupper, x87 is hardly
 * used. XGETBV with ECX = 1 (Intel SDM 1 §13.6, "XINUSE") tells. Then sixteen
 * moves each way do: 12 cycles, against 370 for XSAVEC and XRSTOR (Zen 3). The
 * image is the legacy area of XSAVE's in both cases; t->vector_full says which
 * it is, core.vector_full what the core holds.
 *
 * PKRU is left to itself: it is in use always, and cheap to read and write.
 */
#include "sched/vector.h"

#include "lib/string.h"
#include "sched/thread.h"

#define XFEATURE_X87  (1ULL << 0)
#define XFEATURE_SSE  (1ULL << 1)
#define XFEATURE_PKRU (1ULL << 9)

/* In the XSAVE image, Intel SDM 1 §13.4. */
#define MXCSR_OFFSET 24
#define XMM_OFFSET   160
#define LEGACY_SIZE  576 /* with the header */

#define MXCSR_DEFAULT 0x1f80
#define FCW_DEFAULT   0x37f

/* Its header says that all components are as after a reset. */
static const _Alignas(64) struct {
	uint16_t fcw;
	uint8_t pad[MXCSR_OFFSET - 2];
	uint32_t mxcsr;
	uint8_t rest[LEGACY_SIZE - MXCSR_OFFSET - 4];
} initial = { .fcw = FCW_DEFAULT, .mxcsr = MXCSR_DEFAULT };

static bool has_pkru(void)
{
	return BOOT->xsave_mask & XFEATURE_PKRU;
}

static uint64_t components(void)
{
	return BOOT->xsave_mask & ~XFEATURE_PKRU;
}

static uint32_t pkru_read(void)
{
	uint32_t v;

	__asm__ volatile("rdpkru" : "=a"(v) : "c"(0) : "rdx");
	return v;
}

static void pkru_write(uint32_t v)
{
	__asm__ volatile("wrpkru" ::"a"(v), "c"(0), "d"(0) : "memory");
}

/* Is there more in the core than the xmm registers? */
static bool more_in_use(void)
{
	uint32_t lo, hi;

	if (!(BOOT->flags & AZ_BOOT_XINUSE))
		return true;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(1));
	return (((uint64_t)hi << 32 | lo) & components() & ~XFEATURE_SSE) != 0;
}

static void xmm_save(void *image)
{
	__asm__ volatile("stmxcsr %c1(%0)\n\t"
			 "addq %2, %0\n\t"
			 "movaps %%xmm0, 0x00(%0)\n\t"
			 "movaps %%xmm1, 0x10(%0)\n\t"
			 "movaps %%xmm2, 0x20(%0)\n\t"
			 "movaps %%xmm3, 0x30(%0)\n\t"
			 "movaps %%xmm4, 0x40(%0)\n\t"
			 "movaps %%xmm5, 0x50(%0)\n\t"
			 "movaps %%xmm6, 0x60(%0)\n\t"
			 "movaps %%xmm7, 0x70(%0)\n\t"
			 "movaps %%xmm8, 0x80(%0)\n\t"
			 "movaps %%xmm9, 0x90(%0)\n\t"
			 "movaps %%xmm10, 0xa0(%0)\n\t"
			 "movaps %%xmm11, 0xb0(%0)\n\t"
			 "movaps %%xmm12, 0xc0(%0)\n\t"
			 "movaps %%xmm13, 0xd0(%0)\n\t"
			 "movaps %%xmm14, 0xe0(%0)\n\t"
			 "movaps %%xmm15, 0xf0(%0)"
			 : "+r"(image)
			 : "i"(MXCSR_OFFSET), "i"(XMM_OFFSET)
			 : "memory", "cc");
}

static void xmm_load(const void *image)
{
	__asm__ volatile("ldmxcsr %c1(%0)\n\t"
			 "addq %2, %0\n\t"
			 "movaps 0x00(%0), %%xmm0\n\t"
			 "movaps 0x10(%0), %%xmm1\n\t"
			 "movaps 0x20(%0), %%xmm2\n\t"
			 "movaps 0x30(%0), %%xmm3\n\t"
			 "movaps 0x40(%0), %%xmm4\n\t"
			 "movaps 0x50(%0), %%xmm5\n\t"
			 "movaps 0x60(%0), %%xmm6\n\t"
			 "movaps 0x70(%0), %%xmm7\n\t"
			 "movaps 0x80(%0), %%xmm8\n\t"
			 "movaps 0x90(%0), %%xmm9\n\t"
			 "movaps 0xa0(%0), %%xmm10\n\t"
			 "movaps 0xb0(%0), %%xmm11\n\t"
			 "movaps 0xc0(%0), %%xmm12\n\t"
			 "movaps 0xd0(%0), %%xmm13\n\t"
			 "movaps 0xe0(%0), %%xmm14\n\t"
			 "movaps 0xf0(%0), %%xmm15"
			 : "+r"(image)
			 : "i"(MXCSR_OFFSET), "i"(XMM_OFFSET)
			 : "memory", "cc");
}

static void full_save(void *image)
{
	uint32_t lo = (uint32_t)components();
	uint32_t hi = (uint32_t)(components() >> 32);

	if (BOOT->flags & AZ_BOOT_XSAVEC)
		__asm__ volatile("xsavec64 (%0)" ::"r"(image), "a"(lo), "d"(hi)
				 : "memory");
	else if (BOOT->flags & AZ_BOOT_XSAVE)
		__asm__ volatile("xsave64 (%0)" ::"r"(image), "a"(lo), "d"(hi)
				 : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" ::"r"(image) : "memory");
}

static void full_load(const void *image)
{
	uint32_t lo = (uint32_t)components();
	uint32_t hi = (uint32_t)(components() >> 32);

	if (BOOT->flags & AZ_BOOT_XSAVE)
		__asm__ volatile("xrstor64 (%0)" ::"r"(image), "a"(lo), "d"(hi)
				 : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" ::"r"(image) : "memory");
}

void vector_init(struct thread *t)
{
	memcpy(t->xsave, &initial, sizeof(initial));
	t->vector_full = !(BOOT->flags & AZ_BOOT_XSAVE);
	if (has_pkru())
		t->pkru = pkru_read();
}

void vector_save(struct core *c, struct thread *t)
{
	c->vector_full = more_in_use();
	t->vector_full = c->vector_full;
	if (unlikely(t->vector_full))
		full_save(t->xsave);
	else
		xmm_save(t->xsave);
	if (has_pkru())
		t->pkru = pkru_read();
}

void vector_drop(struct core *c)
{
	c->vector_full = more_in_use();
}

void vector_load(struct core *c, const struct thread *t)
{
	if (unlikely(t->vector_full)) {
		full_load(t->xsave);
	} else {
		if (unlikely(c->vector_full))
			full_load(&initial);
		xmm_load(t->xsave);
	}
	if (has_pkru() && pkru_read() != t->pkru)
		pkru_write(t->pkru);
}
