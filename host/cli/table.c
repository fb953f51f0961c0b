/* SPDX-License-Identifier: MIT */
/*
 * table.c - rows of text in aligned columns.
 */
#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP 3 /* blanks between columns */

void table_cell(struct table *t, const char *fmt, ...)
{
	char **bigger, *text = NULL;
	va_list ap;

	if (t->cells == t->room) {
		bigger =
		    reallocarray(t->cell, t->room * 2 + 64, sizeof(*bigger));
		if (!bigger)
			return;
		t->cell = bigger;
		t->room = t->room * 2 + 64;
	}
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	t->cell[t->cells++] = text;
}

static const char *cell_text(const struct table *t, size_t i)
{
	return t->cell[i] ? t->cell[i] : "";
}

void table_print(struct table *t)
{
	int width[TABLE_COLUMNS] = { 0 }, column;
	size_t i, len;

	for (i = 0; i < t->cells; i++) {
		len = strlen(cell_text(t, i));
		column = (int)(i % (size_t)t->columns);
		if ((int)len > width[column])
			width[column] = (int)len;
	}
	for (i = 0; i < t->cells; i++) {
		column = (int)(i % (size_t)t->columns);
		if (column == t->columns - 1)
			(void)printf("%s\n", cell_text(t, i));
		else
			(void)printf("%-*s", width[column] + GAP,
				     cell_text(t, i));
		free(t->cell[i]);
	}
	free(t->cell);
	memset(t, 0, sizeof(*t));
}
