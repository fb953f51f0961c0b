/* SPDX-License-Identifier: MIT */
/* watch.c - breakpoints and watchpoints in debug registers, Intel SDM 3 §17.2.
 */
#include "gdb/watch.h"

#include <errno.h>
#include <string.h>

#define SLOTS 4

struct slot {
	char type; /* 0: free */
	uint64_t addr, len;
};

static struct slot slots[SLOTS];

static uint64_t length_bits(uint64_t len)
{
	return len == 8 ? 2 : len - 1;
}

static uint64_t kind_bits(char type)
{
	if (type == '1')
		return 0;
	return type == '2' ? 1 : 3;
}

static int load(const struct gdb_target *t)
{
	uint64_t addr[SLOTS] = { 0 }, dr7 = 0;

	for (unsigned int i = 0; i < SLOTS; i++) {
		const struct slot *s = &slots[i];

		if (!s->type)
			continue;
		addr[i] = s->addr;
		dr7 |= 1ULL << 2 * i;
		dr7 |= (kind_bits(s->type) | length_bits(s->len) << 2)
		       << (16 + 4 * i);
	}
	return t->watch(addr, dr7);
}

static struct slot *find(char type, uint64_t addr, uint64_t len)
{
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].type == type &&
		    (!type || (slots[i].addr == addr && slots[i].len == len)))
			return &slots[i];
	return NULL;
}

int watch_change(const struct gdb_target *t, char type, uint64_t addr,
		 uint64_t len, bool set)
{
	struct slot *s;
	int err;

	if (type != '1' && type != '2' && type != '4')
		return -EOPNOTSUPP;
	if (type == '1')
		len = 1;
	if ((len != 1 && len != 2 && len != 4 && len != 8) || addr % len)
		return -EINVAL;
	s = set ? find(0, 0, 0) : find(type, addr, len);
	if (!s)
		return set ? -ENOSPC : 0;
	*s = (struct slot){ type, addr, len };
	if (!set)
		s->type = 0;
	err = load(t);
	if (err)
		s->type = 0;
	return err == -EOPNOTSUPP ? -ENODEV : err;
}

void watch_clear(const struct gdb_target *t)
{
	memset(slots, 0, sizeof(slots));
	(void)load(t);
}

void watch_say(struct rsp_writer *w, uint32_t matched)
{
	for (unsigned int i = 0; i < SLOTS; i++) {
		if (!(matched & 1U << i) || !slots[i].type)
			continue;
		if (slots[i].type == '1') {
			rsp_text(w, "hwbreak:;");
			return;
		}
		rsp_text(w, slots[i].type == '2' ? "watch:" : "awatch:");
		rsp_number(w, slots[i].addr);
		rsp_text(w, ";");
		return;
	}
}
