/* SPDX-License-Identifier: MIT */
/*
 * regs.c - a thread's registers, and how gdb sees them.
 *
 * The order and the names are those of gdb's features org.gnu.gdb.i386.core,
 * .sse, .linux, .segments and .avx ("Debugging with GDB", G.5.8).
 */
#include "gdb/regs.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Offsets in an XSAVE image, Intel SDM 1 table 10-2 and §13.4. */
#define X_CONTROL 0
#define X_STATUS  2
#define X_TAGS    4
#define X_OPCODE  6
#define X_IP      8
#define X_DP      16
#define X_MXCSR   24
#define X_ST      32
#define X_XMM     160
#define X_BV      512
#define X_YMMH    576

#define BV_X87 1U
#define BV_SSE 2U
#define BV_AVX 4U

#define ROOM 16384 /* for the description */

#define NGPR     17 /* with rip */
#define NSEG     7  /* eflags and selectors */
#define NX87     8
#define FIRST_S  NGPR
#define FIRST_ST (NGPR + NSEG)
#define FIRST_F  (FIRST_ST + NX87)
#define FIRST_X  (FIRST_F + NX87)
#define MXCSR    (FIRST_X + 16)
#define ORIG_RAX (MXCSR + 1)
#define FS_BASE  (ORIG_RAX + 1)
#define GS_BASE  (FS_BASE + 1)
#define FIRST_Y  (GS_BASE + 1)
#define COUNT    (FIRST_Y + 16)

/* --- description --- */

static const char general[][7] = {
	"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
	"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15",
};
static const char selectors[][3] = { "cs", "ss", "ds", "es", "fs", "gs" };
static const char x87[][6] = { "fctrl", "fstat", "ftag",  "fiseg",
			       "fioff", "foseg", "fooff", "fop" };

static const char flags[] = "<flags id=\"i386_eflags\" size=\"4\">"
			    "<field name=\"CF\" start=\"0\" end=\"0\"/>"
			    "<field name=\"\" start=\"1\" end=\"1\"/>"
			    "<field name=\"PF\" start=\"2\" end=\"2\"/>"
			    "<field name=\"AF\" start=\"4\" end=\"4\"/>"
			    "<field name=\"ZF\" start=\"6\" end=\"6\"/>"
			    "<field name=\"SF\" start=\"7\" end=\"7\"/>"
			    "<field name=\"TF\" start=\"8\" end=\"8\"/>"
			    "<field name=\"IF\" start=\"9\" end=\"9\"/>"
			    "<field name=\"DF\" start=\"10\" end=\"10\"/>"
			    "<field name=\"OF\" start=\"11\" end=\"11\"/>"
			    "<field name=\"NT\" start=\"14\" end=\"14\"/>"
			    "<field name=\"RF\" start=\"16\" end=\"16\"/>"
			    "<field name=\"AC\" start=\"18\" end=\"18\"/>"
			    "<field name=\"ID\" start=\"21\" end=\"21\"/>"
			    "</flags>";

static const char vectors[] =
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
    "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
    "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
    "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
    "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
    "<field name=\"v2_double\" type=\"v2d\"/>"
    "<field name=\"v16_int8\" type=\"v16i8\"/>"
    "<field name=\"v8_int16\" type=\"v8i16\"/>"
    "<field name=\"v4_int32\" type=\"v4i32\"/>"
    "<field name=\"v2_int64\" type=\"v2i64\"/>"
    "<field name=\"uint128\" type=\"uint128\"/></union>";

static char description[ROOM];

__attribute__((format(printf, 1, 2))) static void add(const char *fmt, ...)
{
	size_t len = strlen(description);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(description + len, ROOM - len, fmt, ap);
	va_end(ap);
}

static void add_reg(const char *name, int bits, const char *type)
{
	add("<reg name=\"%s\" bitsize=\"%d\" type=\"%s\"/>", name, bits, type);
}

static void add_sixteen(const char *before, const char *after, const char *type)
{
	char name[16];

	for (int i = 0; i < 16; i++) {
		(void)snprintf(name, sizeof(name), "%s%d%s", before, i, after);
		add_reg(name, 128, type);
	}
}

static void add_feature(const char *name)
{
	add("<feature name=\"org.gnu.gdb.i386.%s\">", name);
}

static void add_core(void)
{
	char name[16];

	add_feature("core");
	add("%s", flags);
	for (int i = 0; i < 16; i++)
		add_reg(general[i], 64,
			i == 6 || i == 7 ? "data_ptr" : "int64");
	add_reg("rip", 64, "code_ptr");
	add_reg("eflags", 32, "i386_eflags");
	for (int i = 0; i < NSEG - 1; i++)
		add_reg(selectors[i], 32, "int32");
	for (int i = 0; i < NX87; i++) {
		(void)snprintf(name, sizeof(name), "st%d", i);
		add_reg(name, 80, "i387_ext");
	}
	for (int i = 0; i < NX87; i++)
		add("<reg name=\"%s\" bitsize=\"32\" type=\"int\" "
		    "group=\"float\"/>",
		    x87[i]);
	add("</feature>");
}

const char *regs_description(bool avx)
{
	description[0] = '\0';
	add("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM "
	    "\"gdb-target.dtd\"><target><architecture>i386:x86-64"
	    "</architecture><osabi>GNU/Linux</osabi>");
	add_core();
	add_feature("sse");
	add("%s", vectors);
	add_sixteen("xmm", "", "vec128");
	add_reg("mxcsr", 32, "int");
	add("</feature>");
	add_feature("linux");
	add_reg("orig_rax", 64, "int");
	add("</feature>");
	add_feature("segments");
	add_reg("fs_base", 64, "int");
	add_reg("gs_base", 64, "int");
	add("</feature>");
	if (avx) {
		add_feature("avx");
		add_sixteen("ymm", "h", "uint128");
		add("</feature>");
	}
	add("</target>");
	return description;
}

unsigned int regs_count(bool avx)
{
	return avx ? COUNT : FIRST_Y;
}

/* Where a register is, and what it takes to know it. */
struct place {
	size_t offset, size;
	uint32_t group;
	uint32_t bv;   /* component of the XSAVE image */
	size_t narrow; /* bytes that it has there, if fewer */
};

static uint32_t gpr_group(unsigned int i)
{
	/* rbx, rbp, rsp, r12 to r15, rip */
	return i == 1 || i == 6 || i == 7 || i >= 12 ? REGS_KEPT : REGS_GENERAL;
}

static struct place x87_place(unsigned int i)
{
	static const uint16_t at[NX87] = { X_CONTROL, X_STATUS, X_TAGS,
					   X_IP + 4,  X_IP,     X_DP + 4,
					   X_DP,      X_OPCODE };
	static const uint8_t bytes[NX87] = { 2, 2, 1, 2, 4, 2, 4, 2 };

	return (struct place){ .offset = at[i],
			       .size = 4,
			       .group = REGS_X87,
			       .bv = BV_X87,
			       .narrow = bytes[i] };
}

static struct place vector_place(unsigned int i)
{
	if (i >= FIRST_Y)
		return (struct place){ X_YMMH + 16UL * (i - FIRST_Y), 16,
				       REGS_AVX, BV_AVX, 16 };
	if (i == MXCSR)
		return (struct place){ X_MXCSR, 4, REGS_SSE, BV_SSE, 4 };
	if (i >= FIRST_X)
		return (struct place){ X_XMM + 16UL * (i - FIRST_X), 16,
				       REGS_SSE, BV_SSE, 16 };
	if (i >= FIRST_F)
		return x87_place(i - FIRST_F);
	return (struct place){ X_ST + 16UL * (i - FIRST_ST), 10, REGS_X87,
			       BV_X87, 10 };
}

static struct place place_of(unsigned int i)
{
	struct place p;

	if (i < NGPR)
		return (struct place){ .offset = 8UL * i,
				       .size = 8,
				       .group = gpr_group(i) };
	if (i < FIRST_ST)
		return (struct place){
			.offset = offsetof(struct gdb_regs, eflags) +
				  4UL * (i - FIRST_S),
			.size = 4,
			.group = REGS_GENERAL,
		};
	if (i >= ORIG_RAX && i < FIRST_Y)
		return (struct place){
			.offset = offsetof(struct gdb_regs, orig_rax) +
				  8UL * (i - ORIG_RAX),
			.size = 8,
			.group = i == ORIG_RAX ? REGS_GENERAL : REGS_BASES,
		};
	p = vector_place(i);
	p.offset += offsetof(struct gdb_regs, xsave);
	return p;
}

/* Two bits for each register from the one that FXSAVE keeps: 3 is empty. */
static uint16_t tags_full(uint8_t tags)
{
	uint16_t full = 0;

	for (int i = 0; i < 8; i++)
		if (!(tags & 1U << i))
			full = (uint16_t)(full | 3U << 2 * i);
	return full;
}

static uint8_t tags_short(uint16_t full)
{
	uint8_t tags = 0;

	for (int i = 0; i < 8; i++)
		if ((full >> 2 * i & 3) != 3)
			tags = (uint8_t)(tags | 1U << i);
	return tags;
}

static bool is_tags(unsigned int i)
{
	return i == FIRST_F + 2;
}

void regs_put(struct rsp_writer *w, const struct gdb_regs *r, unsigned int i)
{
	struct place p = place_of(i);
	uint8_t value[16] = { 0 };

	if (!(r->known & p.group)) {
		rsp_unknown(w, p.size);
		return;
	}
	memcpy(value, (const char *)r + p.offset, p.bv ? p.narrow : p.size);
	if (is_tags(i)) {
		uint16_t full = tags_full(value[0]);

		memcpy(value, &full, sizeof(full));
	}
	rsp_hex(w, value, p.size);
}

bool regs_set(struct gdb_regs *r, unsigned int i, const char **text)
{
	struct place p = place_of(i);
	uint8_t value[16];
	uint64_t bv;

	if (strnlen(*text, 2 * p.size) < 2 * p.size)
		return false;
	*text += 2 * p.size;
	if ((*text)[-1] == 'x')
		return true;
	if (!rsp_unhex(*text - 2 * p.size, value, p.size))
		return false;
	if (is_tags(i)) {
		uint16_t full;

		memcpy(&full, value, sizeof(full));
		value[0] = tags_short(full);
	}
	memcpy((char *)r + p.offset, value, p.bv ? p.narrow : p.size);
	memcpy(&bv, r->xsave + X_BV, sizeof(bv));
	bv |= p.bv;
	memcpy(r->xsave + X_BV, &bv, sizeof(bv));
	return true;
}

/* --- frames --- */

void regs_frame(struct gdb_regs *r, const struct az_frame *f)
{
	r->rax = f->rax, r->rbx = f->rbx, r->rcx = f->rcx, r->rdx = f->rdx;
	r->rsi = f->rsi, r->rdi = f->rdi, r->rbp = f->rbp, r->rsp = f->rsp;
	r->r8 = f->r8, r->r9 = f->r9, r->r10 = f->r10, r->r11 = f->r11;
	r->r12 = f->r12, r->r13 = f->r13, r->r14 = f->r14, r->r15 = f->r15;
	r->rip = f->rip;
	r->eflags = (uint32_t)f->rflags;
	r->cs = (uint32_t)f->cs;
	r->ss = (uint32_t)f->ss;
	r->orig_rax = f->orig_rax;
}

void regs_to_frame(struct az_frame *f, const struct gdb_regs *r)
{
	f->rax = r->rax, f->rbx = r->rbx, f->rcx = r->rcx, f->rdx = r->rdx;
	f->rsi = r->rsi, f->rdi = r->rdi, f->rbp = r->rbp, f->rsp = r->rsp;
	f->r8 = r->r8, f->r9 = r->r9, f->r10 = r->r10, f->r11 = r->r11;
	f->r12 = r->r12, f->r13 = r->r13, f->r14 = r->r14, f->r15 = r->r15;
	f->rip = r->rip;
	f->rflags = r->eflags;
	f->orig_rax = r->orig_rax;
}
