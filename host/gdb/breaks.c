/* SPDX-License-Identifier: MIT */
/* breaks.c - the breakpoints that are in memory. One thread. */
#include "gdb/breaks.h"

#include <errno.h>
#include <string.h>

#define INT3 0xcc

struct brk {
	uint64_t addr;
	uint32_t who;
	uint8_t was;
};

static const struct gdb_target *target;
static struct brk table[BREAKS_MAX];
static size_t count;

void breaks_init(const struct gdb_target *t)
{
	target = t;
	count = 0;
}

static struct brk *find(uint64_t addr)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].addr == addr)
			return &table[i];
	return NULL;
}

int breaks_add(uint64_t addr, uint32_t who)
{
	struct brk *b = find(addr);
	const uint8_t int3 = INT3;
	ssize_t n;

	if (b) {
		b->who |= who;
		return 0;
	}
	if (count == BREAKS_MAX)
		return -ENOSPC;
	b = &table[count];
	n = target->read(addr, &b->was, 1);
	if (n == 1)
		n = target->write(addr, &int3, 1);
	if (n != 1)
		return n < 0 ? (int)n : -EFAULT;
	b->addr = addr;
	b->who = who;
	count++;
	return 0;
}

/* Whoever has unmapped the text has taken the breakpoint along. */
static void restore(const struct brk *b)
{
	uint8_t now;

	if (target->read(b->addr, &now, 1) == 1 && now == INT3)
		(void)target->write(b->addr, &b->was, 1);
}

void breaks_drop(uint64_t addr, uint32_t who)
{
	struct brk *b = find(addr);

	if (!b)
		return;
	b->who &= ~who;
	if (b->who)
		return;
	restore(b);
	*b = table[--count];
}

void breaks_drop_all(uint32_t who)
{
	for (size_t i = count; i-- > 0;)
		breaks_drop(table[i].addr, who);
}

uint32_t breaks_at(uint64_t addr)
{
	const struct brk *b = find(addr);

	return b ? b->who : 0;
}

void breaks_hide(uint64_t addr, uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].addr - addr < n &&
		    bytes[table[i].addr - addr] == INT3)
			bytes[table[i].addr - addr] = table[i].was;
}

void breaks_written(uint64_t addr, uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].addr - addr < n) {
			table[i].was = bytes[table[i].addr - addr];
			bytes[table[i].addr - addr] = INT3;
		}
}

void breaks_each(void (*f)(void *arg, uint64_t addr, uint8_t byte), void *arg,
		 bool on)
{
	for (size_t i = 0; i < count; i++)
		f(arg, table[i].addr, on ? INT3 : table[i].was);
}
