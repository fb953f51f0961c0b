/* SPDX-License-Identifier: MIT */
/*
 * user.c - reading and writing program memory.
 *
 * Every instruction that may fault has an entry in the exception table: the
 * platform's fault handler looks the address up (extable_find) and goes on at
 * the fixup instead.
 */
#include "lib/user.h"

#include "core.h"
#include "lib/errno.h"
#include "lib/extable.h"

#define EXTABLE(from, to)                              \
	".pushsection .extable,\"a\"\n\t.balign 8\n\t" \
	".quad " from ", " to "\n\t.popsection\n"

struct extable_entry {
	uint64_t from, to;
};

extern const struct extable_entry extable_start[], extable_end[];

uint64_t extable_find(uint64_t rip)
{
	/* cppcheck-suppress comparePointers; two ends of one table */
	for (const struct extable_entry *e = extable_start; e < extable_end;
	     e++)
		if (e->from == rip)
			return e->to;
	return 0;
}

/* Returns the number of bytes that were not copied. */
static size_t copy(void *dst, const void *src, size_t n)
{
	__asm__ volatile("1: rep movsb\n"
			 "2:\n" EXTABLE("1b", "2b")
			 : "+D"(dst), "+S"(src), "+c"(n)
			 :
			 : "memory");
	return n;
}

int copy_from_user(void *dst, uint64_t src, size_t n)
{
	if (!user_range_ok(src, n))
		return -EFAULT;
	return copy(dst, (const void *)src, n) ? -EFAULT : 0;
}

int copy_to_user(uint64_t dst, const void *src, size_t n)
{
	if (!user_range_ok(dst, n))
		return -EFAULT;
	return copy((void *)dst, src, n) ? -EFAULT : 0;
}

int copy_in_user(uint64_t dst, uint64_t src, size_t n)
{
	if (!user_range_ok(src, n) || !user_range_ok(dst, n))
		return -EFAULT;
	return copy((void *)dst, (const void *)src, n) ? -EFAULT : 0;
}

int zero_user(uint64_t dst, size_t n)
{
	if (!user_range_ok(dst, n))
		return -EFAULT;
	__asm__ volatile("1: rep stosb\n"
			 "2:\n" EXTABLE("1b", "2b")
			 : "+D"(dst), "+c"(n)
			 : "a"(0)
			 : "memory");
	return n ? -EFAULT : 0;
}

static int load_byte(uint8_t *val, uint64_t addr)
{
	int err = 0;
	uint32_t v = 0;

	__asm__ volatile("1: movzbl (%2), %1\n"
			 "   jmp 3f\n"
			 "2: movl %3, %0\n"
			 "3:\n" EXTABLE("1b", "2b")
			 : "+r"(err), "+r"(v)
			 : "r"(addr), "i"(-EFAULT)
			 : "memory");
	*val = (uint8_t)v;
	return err;
}

long user_string(char *dst, uint64_t src, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t c;

		if (!user_range_ok(src + i, 1) || load_byte(&c, src + i))
			return -EFAULT;
		dst[i] = (char)c;
		if (!c)
			return (long)i;
	}
	return -ENAMETOOLONG;
}

int user_load_32(uint32_t *val, uint64_t addr)
{
	int err = 0;
	uint32_t v = 0;

	if (!user_range_ok(addr, 4))
		return -EFAULT;
	__asm__ volatile("1: movl (%2), %1\n"
			 "   jmp 3f\n"
			 "2: movl %3, %0\n"
			 "3:\n" EXTABLE("1b", "2b")
			 : "+r"(err), "+r"(v)
			 : "r"(addr), "i"(-EFAULT)
			 : "memory");
	*val = v;
	return err;
}

int user_store_32(uint64_t addr, uint32_t val)
{
	int err = 0;

	if (!user_range_ok(addr, 4))
		return -EFAULT;
	__asm__ volatile("1: movl %1, (%2)\n"
			 "   jmp 3f\n"
			 "2: movl %3, %0\n"
			 "3:\n" EXTABLE("1b", "2b")
			 : "+r"(err)
			 : "r"(val), "r"(addr), "i"(-EFAULT)
			 : "memory");
	return err;
}

int user_cmpxchg_32(uint64_t addr, uint32_t *old, uint32_t val)
{
	int err = 0;
	uint32_t expect = *old;

	if (!user_range_ok(addr, 4))
		return -EFAULT;
	__asm__ volatile("1: lock cmpxchgl %2, (%3)\n"
			 "   jmp 3f\n"
			 "2: movl %4, %0\n"
			 "3:\n" EXTABLE("1b", "2b")
			 : "+r"(err), "+a"(expect)
			 : "r"(val), "r"(addr), "i"(-EFAULT)
			 : "memory", "cc");
	*old = expect;
	return err;
}

long user_xsave(uint64_t dst, uint64_t mask)
{
	int err = 0;

	if (!user_range_ok(dst, BOOT->xsave_size))
		return -EFAULT;
	if (!(BOOT->flags & AZ_BOOT_XSAVE))
		__asm__ volatile("1: fxsave64 (%1)\n"
				 "   jmp 3f\n"
				 "2: movl %2, %0\n"
				 "3:\n" EXTABLE("1b", "2b")
				 : "+r"(err)
				 : "r"(dst), "i"(-EFAULT)
				 : "memory");
	else
		__asm__ volatile("1: xsave64 (%1)\n"
				 "   jmp 3f\n"
				 "2: movl %4, %0\n"
				 "3:\n" EXTABLE("1b", "2b")
				 : "+r"(err)
				 : "r"(dst), "a"((uint32_t)mask),
				   "d"((uint32_t)(mask >> 32)), "i"(-EFAULT)
				 : "memory");
	return err;
}

long user_xrstor(uint64_t src, uint64_t mask)
{
	int err = 0;

	if (!user_range_ok(src, BOOT->xsave_size))
		return -EFAULT;
	if (!(BOOT->flags & AZ_BOOT_XSAVE))
		__asm__ volatile("1: fxrstor64 (%1)\n"
				 "   jmp 3f\n"
				 "2: movl %2, %0\n"
				 "3:\n" EXTABLE("1b", "2b")
				 : "+r"(err)
				 : "r"(src), "i"(-EFAULT)
				 : "memory");
	else
		__asm__ volatile("1: xrstor64 (%1)\n"
				 "   jmp 3f\n"
				 "2: movl %4, %0\n"
				 "3:\n" EXTABLE("1b", "2b")
				 : "+r"(err)
				 : "r"(src), "a"((uint32_t)mask),
				   "d"((uint32_t)(mask >> 32)), "i"(-EFAULT)
				 : "memory");
	return err;
}
