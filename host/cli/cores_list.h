/* SPDX-License-Identifier: MIT */
/* cores_list.h - what each CPU and node is used for, in words and as JSON. */
#ifndef CLI_CORES_LIST_H
#define CLI_CORES_LIST_H

#include "cores/state.h"

/* cores_name - fill in the names of the instances that run on cores. */
void cores_name(struct cores *c);

/* cores_print - two tables on stdout. */
void cores_print(const struct cores *c);

/* cores_print_json - 0, or 1 after saying why not. */
int cores_print_json(const struct cores *c);

#endif
