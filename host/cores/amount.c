/* SPDX-License-Identifier: MIT */
/* amount.c - "8G@node0": how much memory of which node. */
#include "cores/amount.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "layout.h"
#include "lib/size.h"

#define NODE_MAX  1023 /* Linux's largest CONFIG_NODES_SHIFT is 10 */
#define SIZE_WORD 32

static int node_parse(const char *text, int *out)
{
	static const char word[] = "node";
	uint64_t v;
	int err;

	if (strncmp(text, word, sizeof(word) - 1) == 0)
		text += sizeof(word) - 1;
	err = number_parse(text, NODE_MAX, &v);
	if (!err)
		*out = (int)v;
	return err;
}

static int bytes_parse(const char *text, uint64_t *out)
{
	uint64_t bytes;
	int err = size_parse(text, &bytes);

	if (err)
		return err;
	if (bytes == 0)
		return -EINVAL;
	if (bytes > UINT64_MAX - AZ_CHUNK_SIZE)
		return -ERANGE;
	*out = (bytes + AZ_CHUNK_SIZE - 1) & ~(AZ_CHUNK_SIZE - 1);
	return 0;
}

int amount_parse(const char *text, struct amount *out)
{
	size_t len = strcspn(text, "@");
	char size[SIZE_WORD];
	int err;

	*out = (struct amount){ .node = -1 };
	if (len >= sizeof(size))
		return -EINVAL;
	memcpy(size, text, len);
	size[len] = '\0';
	if (text[len]) {
		err = node_parse(text + len + 1, &out->node);
		if (err)
			return err;
	}
	out->all = strcmp(size, "all") == 0;
	return out->all ? 0 : bytes_parse(size, &out->bytes);
}
