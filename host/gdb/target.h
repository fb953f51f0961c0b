/* SPDX-License-Identifier: MIT */
/*
 * target.h - what the server for gdb asks of a platform: cores, that can be
 * stopped, looked into and set going.
 *
 * Cores are stopped all at once and set going one by one. What threads they
 * run is none of a platform's business: see inferior.h.
 */
#ifndef GDB_TARGET_H
#define GDB_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gdb/regs.h"

enum gdb_event_kind {
	GDB_BREAK,   /* a breakpoint of ours (breaks.h); rip is its address */
	GDB_STEP,    /* has made the step that resume asked for */
	GDB_HW,      /* a debug register matched: dr6 */
	GDB_DIVERT,  /* instead of a step, resume will lead to the unikernel */
	GDB_STARTED, /* core 0 of a new instance is about to run */
	GDB_EXEC,    /* the process executes another program: all is gone */
	GDB_EXIT,    /* status as wait4 has it */
};

struct gdb_event {
	enum gdb_event_kind kind;
	uint32_t core; /* which has stopped, but for the last two */
	uint32_t dr6;
	int status;
};

struct gdb_target {
	/* wait: the next event into *ev, or false. Never blocks. */
	bool (*wait)(struct gdb_event *ev);
	/* A descriptor that is readable when wait may have something new. */
	int (*wait_fd)(void);
	/* stop: all cores; returns when they are, or are gone. */
	void (*stop)(void);
	/* resume: core i, which is stopped, or has been by an event. */
	void (*resume)(uint32_t i, bool step);
	/* release: cores that come up from now on run at once. */
	void (*release)(void);
	bool (*up)(uint32_t i); /* is there such a core, started? */
	/* Of a core that is stopped. 0 or -errno. */
	int (*get)(uint32_t i, struct gdb_regs *r);
	int (*set)(uint32_t i, const struct gdb_regs *r);
	/*
	 * watch: DR0 to DR3 and DR7 of all cores, from their next resume. 0,
	 * or -EOPNOTSUPP: they have none.
	 */
	int (*watch)(const uint64_t addr[4], uint64_t dr7);
	/* Memory of the instance, whatever its protection. Bytes or -errno. */
	ssize_t (*read)(uint64_t addr, void *buf, size_t n);
	ssize_t (*write)(uint64_t addr, const void *buf, size_t n);
	/* kill: sig to the process. */
	void (*kill)(int sig);
	/* detach: let go of it; all cores run. */
	void (*detach)(void);
};

/*
 * ptrace_attach - a target that is another process, on platform pico or kvm
 * (AZ_PLAT_). If fresh, its core 0 is yet to be started. 0 or -errno.
 */
int ptrace_attach(pid_t pid, uint32_t plat, bool fresh,
		  const struct gdb_target **out);

#endif
