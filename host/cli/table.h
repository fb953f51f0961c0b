/* SPDX-License-Identifier: MIT */
/*
 * table.h - rows of text in aligned columns.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stddef.h>

#define TABLE_COLUMNS 12

struct table {
	int columns;
	size_t cells, room;
	char **cell; /* row by row */
};

/*
 * table_cell - the next cell, in reading order; printf-like. Without memory
 * left the cell stays empty.
 */
void table_cell(struct table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* table_print - on stdout; the table is empty afterwards. */
void table_print(struct table *t);

#endif
