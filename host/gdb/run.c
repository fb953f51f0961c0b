/* SPDX-License-Identifier: MIT */
/*
 * run.c - running and stopping the program's threads for gdb.
 *
 * Beside gdb's breakpoints there are three of our own: where core 0 enters
 * the program, for the first stop; where a thread is about to take a signal
 * (debug_signal), for gdb is asked about those; and where a stepping thread
 * comes back to the program from the unikernel, which a step does not follow
 * it into. A thread that is about to take a signal is shown as its frame has
 * it.
 */
#include "gdb/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "gdb/breaks.h"
#include "gdb/watch.h"

/* A step that the thread cannot make by itself: it will come by at. */
struct temp {
	uint64_t at;  /* 0: there is none */
	uint32_t tid; /* 0: any */
	bool again;   /* only there does it make its step */
};

/* A thread in debug_signal. */
struct hooked {
	uint32_t tid; /* 0: none */
	uint32_t core;
	uint64_t info; /* its siginfo */
	int sig;
};

static const struct gdb_target *target;
static uint64_t header;
static struct temp temp;
static struct hooked hooked;
static uint32_t step_tid; /* makes a step, or 0 */
static bool step_from_program;
static bool all_run;  /* else step_tid alone */
static bool expected; /* the first stop of a new program */
static bool after_exec;
static uint64_t passed;

static const struct stop running = { .kind = STOP_NONE };

int run_init(const struct gdb_target *t, uint64_t at, bool fresh)
{
	int err = 0;

	target = t;
	header = at;
	breaks_init(t);
	expected = fresh;
	if (!fresh)
		err = inferior_init(t, header);
	return err;
}

static void temp_clear(void)
{
	if (temp.at)
		breaks_drop(temp.at, BREAK_TEMP);
	temp.at = 0;
}

/* False: the text there cannot be written. */
static bool temp_set(uint64_t at, uint32_t tid, bool again)
{
	temp_clear();
	if (breaks_add(at, BREAK_TEMP))
		return false;
	temp = (struct temp){ .at = at, .tid = tid, .again = again };
	return true;
}

/* --- registers --- */

int run_get(const struct gdb_thread *t, struct gdb_regs *r)
{
	int err;

	if (t->core < 0)
		return inferior_parked(t, r);
	err = target->get((uint32_t)t->core, r);
	if (!err && hooked.tid && t->tid == hooked.tid)
		err = inferior_frame(t, r);
	return err;
}

int run_set(const struct gdb_thread *t, const struct gdb_regs *r)
{
	struct gdb_regs now;
	int err;

	if (t->core < 0)
		return -EBUSY; /* what is in memory is not all */
	if (!hooked.tid || t->tid != hooked.tid)
		return target->set((uint32_t)t->core, r);
	/* The general ones to its frame, the others are live. */
	err = target->get((uint32_t)t->core, &now);
	if (err)
		return err;
	now.fs_base = r->fs_base;
	memcpy(now.xsave, r->xsave, sizeof(now.xsave));
	err = target->set((uint32_t)t->core, &now);
	return err ? err : inferior_set_frame(t, r);
}

bool run_siginfo(void *out)
{
	return hooked.tid && target->read(hooked.info, out, 128) == 128;
}

void run_pass(uint64_t set)
{
	passed = set;
}

/* --- signals --- */

/* Return from debug_signal, which is at its first instruction. */
static void hook_return(uint32_t core, bool drop)
{
	struct gdb_regs r;

	if (target->get(core, &r))
		return;
	r.rip = inferior_read_u64(r.rsp);
	r.rsp += 8;
	r.rax = drop;
	(void)target->set(core, &r);
}

static void hook_leave(int sig)
{
	if (!hooked.tid)
		return;
	hook_return(hooked.core, sig == 0);
	hooked.tid = 0;
}

static bool on_signal(uint32_t core, struct stop *s)
{
	struct gdb_regs r;
	int32_t sig = 0;

	if (target->get(core, &r) ||
	    target->read(r.rdi, &sig, sizeof(sig)) != (ssize_t)sizeof(sig))
		return false;
	if (sig < 1 || sig > 64 || (passed & 1ULL << (sig - 1))) {
		hook_return(core, false);
		return false;
	}
	hooked = (struct hooked){ inferior_tid_on(core), core, r.rdi, sig };
	*s = (struct stop){ .kind = STOP_SIGNAL, .sig = sig };
	return true;
}

/* --- resuming --- */

static bool is_syscall(uint64_t rip)
{
	uint8_t code[2];

	return target->read(rip, code, 2) == 2 && code[0] == 0x0f &&
	       code[1] == 0x05;
}

static void resume_all_but(int64_t core)
{
	target->release();
	for (uint32_t i = 0; i < AZ_MAX_CORES; i++)
		if (target->up(i) && (int64_t)i != core)
			target->resume(i, false);
}

/*
 * A step of t: by its core, or, where that would end in the unikernel, by a
 * breakpoint behind. *alone is what its core is to do.
 */
static void prepare_step(const struct gdb_thread *t, int sig, bool *step)
{
	struct gdb_regs r;

	*step = false;
	if (run_get(t, &r))
		return;
	step_from_program = !inferior_in_text(r.rip);
	if (t->core < 0)
		(void)temp_set(r.rip, t->tid, false);
	else if (hooked.tid == t->tid)
		(void)temp_set(r.rip, t->tid, sig == 0);
	else if (step_from_program && is_syscall(r.rip))
		*step = !temp_set(r.rip + 2, t->tid, false);
	else
		*step = true;
}

void run_resume(const struct resume *how)
{
	const struct gdb_thread *t =
	    inferior_thread(how->step ? how->step : how->only);
	int32_t core = t ? t->core : -1;
	bool step = false;

	temp_clear();
	step_tid = t && how->step ? how->step : 0;
	all_run = !how->only || core < 0;
	if (step_tid)
		prepare_step(t, how->sig, &step);
	if (hooked.tid)
		hook_leave(how->sig);
	(void)breaks_add(inferior_debug.signal, BREAK_SIGNAL);
	if (all_run)
		resume_all_but(step ? core : -1);
	if (!all_run || step)
		target->resume((uint32_t)core, step);
}

/* --- events --- */

static void on_started(void)
{
	if (inferior_init(target, header) == 0)
		(void)breaks_add(inferior_debug.enter, BREAK_ENTER);
	target->resume(0, false);
}

static void on_exec(void)
{
	breaks_init(target);
	watch_clear(target);
	memset(&temp, 0, sizeof(temp));
	memset(&hooked, 0, sizeof(hooked));
	step_tid = 0;
	all_run = true;
	expected = after_exec = true;
}

/* Whoever else has stopped meanwhile does so again when it goes on. */
static void hold(struct stop *s)
{
	struct gdb_event ev;

	target->stop();
	while (target->wait(&ev)) {
		if (ev.kind == GDB_EXEC)
			on_exec();
		if (ev.kind != GDB_EXIT)
			continue;
		*s = (struct stop){ .kind = STOP_EXIT, .status = ev.status };
		return;
	}
	temp_clear();
	breaks_drop(inferior_debug.signal, BREAK_SIGNAL);
	step_tid = 0;
	inferior_look();
}

/* Wait for core i's step, with all others held. False: it is no more. */
static bool await_step(uint32_t i)
{
	struct pollfd p = { .fd = target->wait_fd(), .events = POLLIN };
	struct gdb_event ev;

	while (target->up(i)) {
		while (target->wait(&ev))
			if (ev.core == i || ev.kind >= GDB_EXEC)
				return ev.kind < GDB_EXEC;
		(void)poll(&p, 1, 100);
	}
	return false;
}

/* Core i is at the temporary breakpoint, which is meant for another thread. */
static void step_over(uint32_t i)
{
	struct temp was = temp;

	target->stop();
	temp_clear();
	target->resume(i, true);
	(void)await_step(i);
	(void)temp_set(was.at, was.tid, was.again);
	if (all_run)
		resume_all_but(-1);
	else
		target->resume(i, false);
}

static bool on_temp(uint32_t core, struct stop *s)
{
	if (temp.tid && inferior_tid_on(core) != temp.tid) {
		step_over(core);
		return false;
	}
	if (temp.again) {
		temp_clear();
		target->resume(core, true);
		return false;
	}
	temp_clear();
	*s = (struct stop){ .kind = STOP_STEP };
	if (expected) {
		expected = false;
		s->kind = after_exec ? STOP_EXEC : STOP_QUIET;
	}
	return true;
}

/* Core 0 is about to enter a new program. */
static void on_enter(uint32_t core)
{
	struct gdb_regs r;

	breaks_drop(inferior_debug.enter, BREAK_ENTER);
	if (!target->get(core, &r))
		(void)temp_set(inferior_read_u64(r.rsp), 0, false);
	target->resume(core, false);
}

static bool on_break(uint32_t core, struct stop *s)
{
	struct gdb_regs r;
	uint32_t who;

	if (target->get(core, &r))
		return false;
	who = breaks_at(r.rip);
	if (who & BREAK_SIGNAL) {
		if (on_signal(core, s))
			return true;
		target->resume(core, false);
		return false;
	}
	if (who & BREAK_ENTER) {
		on_enter(core);
		return false;
	}
	if ((who & BREAK_TEMP) && !(who & BREAK_GDB))
		return on_temp(core, s);
	if (!who) { /* dropped since */
		target->resume(core, false);
		return false;
	}
	*s = (struct stop){ .kind = STOP_BREAK };
	return true;
}

/* A step has led through a rewritten call site into the unikernel. */
static bool went_in(uint32_t core)
{
	struct gdb_regs r;

	if (!step_from_program || target->get(core, &r) ||
	    r.rip != inferior_debug.syscall_entry)
		return false;
	if (!temp_set(r.rcx, step_tid, false))
		return false;
	target->resume(core, false);
	return true;
}

/* Before the step there was a fault, which may be none of the program's. */
static void on_divert(uint32_t core)
{
	struct gdb_regs r;

	if (step_tid && !target->get(core, &r) && !inferior_in_text(r.rip))
		(void)temp_set(r.rip, step_tid, true);
	target->resume(core, false);
}

static bool on_event(const struct gdb_event *ev, struct stop *s)
{
	switch (ev->kind) {
	case GDB_BREAK:
		return on_break(ev->core, s);
	case GDB_STEP:
		if (went_in(ev->core))
			return false;
		*s = (struct stop){ .kind = STOP_STEP };
		return true;
	case GDB_HW:
		*s = (struct stop){ .kind = STOP_HW, .watch = ev->dr6 & 0xf };
		return true;
	case GDB_DIVERT:
		on_divert(ev->core);
		return false;
	case GDB_STARTED:
		on_started();
		return false;
	case GDB_EXEC:
		on_exec();
		return false;
	case GDB_EXIT:
		*s = (struct stop){ .kind = STOP_EXIT, .status = ev->status };
		return true;
	}
	return false;
}

bool run_events(struct stop *s)
{
	const struct gdb_thread *t;
	struct gdb_event ev;

	*s = running;
	do {
		if (!target->wait(&ev))
			return false;
	} while (!on_event(&ev, s));
	if (s->kind == STOP_EXIT)
		return true;
	hold(s);
	t = inferior_on_core(ev.core);
	if (!s->tid && t)
		s->tid = t->tid;
	return true;
}

void run_stop(struct stop *s)
{
	*s = (struct stop){ .kind = STOP_QUIET };
	hold(s);
}

void run_leave(void)
{
	breaks_drop_all(BREAK_GDB | BREAK_SIGNAL | BREAK_TEMP);
	temp.at = 0;
	watch_clear(target);
	hook_leave(hooked.sig);
	step_tid = 0;
	all_run = true;
	resume_all_but(-1);
}

void run_detach(void)
{
	breaks_drop_all(~0U);
	watch_clear(target);
	hook_leave(hooked.sig);
	target->detach();
}
