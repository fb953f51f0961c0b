/* SPDX-License-Identifier: MIT */
/*
 * inferior.h - the program as the unikernel knows it: its threads, on cores
 * and off them, its auxiliary vector, its libraries.
 *
 * Everything is read from the instance's memory while its cores are stopped,
 * and may be wrong: a list is followed for so long only, and what cannot be
 * read is not there.
 */
#ifndef GDB_INFERIOR_H
#define GDB_INFERIOR_H

#include <stdbool.h>
#include <stdint.h>

#include "debug.h"
#include "gdb/target.h"
#include "monitor.h"

/* A core that runs none of the program's threads has one of its own for gdb */
#define CORE_TID 0x20000000U

struct gdb_thread {
	uint32_t tid;
	int32_t core;  /* whose registers are its own, or -1 */
	uint64_t addr; /* its struct thread, or 0 */
	uint32_t state;
	char name[16];
};

/*
 * inferior_init - header: address of the image's. 0; -ENOEXEC if that is of
 * another build; -errno.
 */
int inferior_init(const struct gdb_target *t, uint64_t header);

extern struct az_image_header inferior_image;
extern struct az_debug inferior_debug;

/* inferior_look - read the list of threads again: after each stop. */
void inferior_look(void);

/* inferior_threads - the list as of the last look. */
const struct gdb_thread *inferior_threads(uint32_t *n);

/* inferior_thread, inferior_on_core - by id; by core. NULL: none. */
const struct gdb_thread *inferior_thread(uint32_t tid);
const struct gdb_thread *inferior_on_core(uint32_t core);

/* inferior_tid_on - the thread of a core, whether or not others run. */
uint32_t inferior_tid_on(uint32_t core);

/* inferior_in_text - is rip the unikernel's? */
static inline bool inferior_in_text(uint64_t rip)
{
	return rip >= inferior_image.text && rip < inferior_image.text_end;
}

/* inferior_avx - are there ymm registers? */
bool inferior_avx(void);

/* inferior_frame, _set_frame - the program's registers of a thread that is in
 * the unikernel: those that its frame has. */
int inferior_frame(const struct gdb_thread *t, struct gdb_regs *r);
int inferior_set_frame(const struct gdb_thread *t, const struct gdb_regs *r);

/* inferior_parked - where a thread that is off its core will go on. */
int inferior_parked(const struct gdb_thread *t, struct gdb_regs *r);

/* inferior_auxv - bytes of the program's auxiliary vector, at most max. */
size_t inferior_auxv(void *out, size_t max);

/* inferior_path - the program's path. False: cannot be read. */
bool inferior_path(char *out, size_t max);

/*
 * inferior_libraries - the document that gdb calls library-list-svr4, with
 * the unikernel as one more, from the file image (NULL: leave it out). To be
 * freed; NULL: no memory.
 */
char *inferior_libraries(const struct gdb_target *t, const char *image);

/* inferior_string - what there is of one, at most max bytes with its NUL. */
void inferior_string(uint64_t addr, char *out, size_t max);

/* inferior_read_u64 - 0 if it cannot be read. */
uint64_t inferior_read_u64(uint64_t addr);

#endif
