/* SPDX-License-Identifier: MIT */
/* xfer.c - the documents that gdb reads (qXfer): what it finds symbols by. */
#include "gdb/xfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gdb/inferior.h"
#include "gdb/regs.h"
#include "gdb/run.h"

#define PATH_ROOM 4096
#define AUXV_ROOM 1024

static const struct gdb_target *target;
static const char *image;
static struct rsp_writer *w; /* the reply */
static char *document;       /* under way */

void xfer_init(const struct gdb_target *t, const char *symbols)
{
	target = t;
	image = symbols;
	free(document);
	document = NULL;
}

/* A name may be any bytes; in XML these need no thought. */
static bool plain(const char *name)
{
	for (; *name; name++)
		if (*name < ' ' || *name > '~' || strchr("<>&\"", *name))
			return false;
	return true;
}

static char *threads_document(void)
{
	static const char *const states[] = { "running",   "ready",
					      "waiting",   "ending",
					      "in a call", "in a call" };
	const struct gdb_thread *t;
	char *text = NULL;
	uint32_t n;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	t = inferior_threads(&n);
	(void)fputs("<threads>", f);
	for (uint32_t i = 0; i < n; i++) {
		(void)fprintf(f, "<thread id=\"%x\"", t[i].tid);
		if (t[i].core >= 0)
			(void)fprintf(f, " core=\"%d\"", t[i].core);
		if (t[i].name[0] && plain(t[i].name))
			(void)fprintf(f, " name=\"%s\"", t[i].name);
		(void)fprintf(f, ">%s</thread>",
			      !t[i].addr       ? "idle"
			      : t[i].state < 6 ? states[t[i].state]
					       : "");
	}
	(void)fputs("</threads>", f);
	return fclose(f) ? NULL : text;
}

/* Text documents are made anew when gdb begins to read them. */
static void transfer_text(char *(*make)(void), uint64_t offset, uint64_t n)
{
	if (!offset || !document) {
		free(document);
		document = make();
	}
	if (document)
		rsp_part(w, document, strlen(document), offset, n);
	else
		rsp_error(w, ENOMEM);
}

static char *libraries_document(void)
{
	return inferior_libraries(target, image);
}

static void transfer(const char *object, const char *annex, uint64_t offset,
		     uint64_t n)
{
	char bytes[PATH_ROOM];
	const char *xml = regs_description(inferior_avx());

	if (!strcmp(object, "features") && !strcmp(annex, "target.xml"))
		rsp_part(w, xml, strlen(xml), offset, n);
	else if (!strcmp(object, "auxv"))
		rsp_part(w, bytes, inferior_auxv(bytes, AUXV_ROOM), offset, n);
	else if (!strcmp(object, "exec-file") &&
		 inferior_path(bytes, sizeof(bytes)))
		rsp_part(w, bytes, strlen(bytes), offset, n);
	else if (!strcmp(object, "threads"))
		transfer_text(threads_document, offset, n);
	else if (!strcmp(object, "libraries-svr4"))
		transfer_text(libraries_document, offset, n);
	else if (!strcmp(object, "siginfo") && run_siginfo(bytes))
		rsp_part(w, bytes, 128, offset, n);
	else
		rsp_text(w, "E00");
}

/* OBJECT:read:ANNEX:OFFSET,LENGTH */
void xfer_packet(struct rsp_writer *out, char *text)
{
	char *read = strchr(text, ':'), *annex, *range;
	uint64_t offset, n;
	const char *p;

	w = out;
	if (!read || strncmp(read, ":read:", 6) != 0) {
		rsp_error(w, EINVAL);
		return;
	}
	*read = '\0';
	annex = read + 6;
	range = strrchr(annex, ':');
	p = range ? range + 1 : annex;
	if (!range || !rsp_range(&p, &offset, &n)) {
		rsp_error(w, EINVAL);
		return;
	}
	*range = '\0';
	transfer(text, annex, offset, n);
}
