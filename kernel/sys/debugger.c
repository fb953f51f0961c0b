/* SPDX-License-Identifier: MIT */
/* debugger.c - what a debugger finds its way by (debug.h). */
#include "debug.h"

#include "plat/plat.h"
#include "sched/thread.h"
#include "sys/debugger.h"
#include "sys/exec.h"

void syscall_entry(void);

#define CORE(field)   (uint16_t) offsetof(struct core, field)
#define THREAD(field) (uint16_t) offsetof(struct thread, field)

const struct az_debug debug_table = {
	.threads = (uint64_t)&threads,
	.auxv = (uint64_t)exec_layout.auxv,
	.auxv_words = (uint64_t)&exec_layout.auxv_words,
	.enter = (uint64_t)exit_iret,
	.signal = (uint64_t)debug_signal,
	.syscall_entry = (uint64_t)syscall_entry,
	.core_current = CORE(current),
	.core_frame = CORE(frame),
	.all = THREAD(all),
	.tid = THREAD(tid),
	.state = THREAD(state),
	.on_core = THREAD(on_core),
	.core = THREAD(core),
	.ksp = THREAD(ksp),
	.frame = THREAD(frame),
	.fs = THREAD(fs),
	.xsave = THREAD(xsave),
	.vector_full = THREAD(vector_full),
	.name = THREAD(name),
	.ipc = THREAD(ipc.rip),
};

/* A debugger's breakpoint is on its first instruction. */
__attribute__((noinline)) bool debug_signal(const struct siginfo *si)
{
	bool drop = false;

	__asm__ volatile("" : "+r"(drop) : "r"(si) : "memory");
	return drop;
}
