/* SPDX-License-Identifier: MIT */
/* list.h - circular doubly linked lists whose links are inside the elements. */
#ifndef LIB_LIST_H
#define LIB_LIST_H

#include "lib/types.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert(struct list *before, struct list *e)
{
	e->next = before;
	e->prev = before->prev;
	before->prev->next = e;
	before->prev = e;
}

/* list_append - e becomes the last element of l. */
static inline void list_append(struct list *l, struct list *e)
{
	list_insert(l, e);
}

/* list_remove - take e out; e is then an empty list itself. */
static inline void list_remove(struct list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	list_init(e);
}

#define list_entry(p, type, member) container_of(p, type, member)
#define list_for_each(pos, l) \
	for (struct list *pos = (l)->next; pos != (l); pos = pos->next)
#define list_for_each_safe(pos, n, l)                                  \
	for (struct list *pos = (l)->next, *n = pos->next; pos != (l); \
	     pos = n, n = pos->next)

#endif
