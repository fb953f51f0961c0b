/* SPDX-License-Identifier: MIT */
/*
 * dispatch.c - from a call's number to who does it.
 *
 * The tables are generated from abi/syscall.tbl (calls.h). They are read-only,
 * and there is no lock here.
 */
#include "sys/dispatch.h"

#include "calls.h"
#include "core.h"
#include "sched/sched.h"
#include "sys/bundle.h"
#include "sys/offload.h"
#include "sys/strace.h"
#include "sys/sys.h"

#define LOCAL_PROTO(nr, name) long sys_##name(const uint64_t a[6]);
AZ_LOCAL_CALLS(LOCAL_PROTO)

typedef long local_fn(const uint64_t a[6]);

#define LOCAL_ENTRY(nr, name) [nr] = sys_##name,
static local_fn *const local[AZ_NR_CALLS] = { AZ_LOCAL_CALLS(LOCAL_ENTRY) };

#define DESC_ENTRY(nr, name, class, attrs, nargs, a0, a1, a2, a3, a4, a5) \
	[nr] = { #name, class, attrs, nargs, 0, { a0, a1, a2, a3, a4, a5 } },
static const struct az_call_desc desc[AZ_NR_CALLS] = { AZ_CALLS(DESC_ENTRY) };

static const struct az_call_desc no_call = { .name = "none" };

const struct az_call_desc *call_desc(uint64_t nr)
{
	if (nr >= AZ_NR_CALLS || !desc[nr].name)
		return &no_call;
	return &desc[nr];
}

/*
 * What syscall_entry calls without a frame (entry.S), by number, with the
 * arguments and the number; NULL: needs one. Filled in once, before the
 * program starts.
 */
extern void *syscall_light[LIGHT_CALLS];
void *syscall_light[LIGHT_CALLS];

/* These read or write registers that are not arguments. */
static const uint16_t needs_frame[] = {
	AZ_SYS_clone,  AZ_SYS_clone3,   AZ_SYS_fork,         AZ_SYS_vfork,
	AZ_SYS_execve, AZ_SYS_execveat, AZ_SYS_rt_sigreturn,
};

static long offload_light(const uint64_t a[6], uint32_t nr)
{
	return offload(nr, a);
}

void dispatch_init(void)
{
	if (BOOT->flags & AZ_BOOT_STRACE)
		return; /* run_traced does them all */
	for (uint32_t nr = 0; nr < AZ_NR_CALLS; nr++) {
		if (desc[nr].class == AZ_CLASS_LOCAL)
			syscall_light[nr] = (void *)local[nr];
		else if (desc[nr].class == AZ_CLASS_OFFLOAD)
			syscall_light[nr] = (void *)offload_light;
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(needs_frame); i++)
		syscall_light[needs_frame[i]] = NULL;
	for (uint32_t nr = 0; bundle_here() && nr < LIGHT_CALLS; nr++)
		if (bundle_calls(nr))
			syscall_light[nr] = NULL;
}

static long run(const struct az_call_desc *d, uint32_t nr, const uint64_t a[6])
{
	long r;

	if (unlikely(BOOT->bundle) && bundle_here() && bundle_call(nr, a, &r))
		return r;
	switch (d->class) {
	case AZ_CLASS_LOCAL:
		return local[nr](a);
	case AZ_CLASS_OFFLOAD:
		return offload(nr, a);
	case AZ_CLASS_DENY:
		core_self()->stats->denied++;
		return -EPERM;
	default:
		return -ENOSYS;
	}
}

long syscall_run(uint32_t nr, const uint64_t a[6])
{
	return run(call_desc(nr), nr, a);
}

static void run_traced(const struct az_call_desc *d, uint32_t nr,
		       const uint64_t a[6], struct az_frame *frame)
{
	uint64_t begin = clock_mono();
	struct az_frame before = *frame;
	bool trapped = core_self()->trapped;
	long r;

	core_self()->trapped = 0;
	offload_how();
	strace_enter(&before, nr);
	r = run(d, nr, a);
	if (nr != AZ_SYS_rt_sigreturn)
		frame->rax = (uint64_t)r;
	strace_call(&before, nr, r,
		    d->class == AZ_CLASS_DENY ? "denied" : offload_how(),
		    clock_mono() - begin, trapped);
}

void syscall_dispatch(struct az_frame *frame)
{
	const uint64_t a[6] = { frame->rdi, frame->rsi, frame->rdx,
				frame->r10, frame->r8,  frame->r9 };
	uint32_t nr = (uint32_t)frame->orig_rax; /* Linux: an int */
	const struct az_call_desc *d = call_desc(nr);

	if (nr < AZ_STATS_NCALLS)
		core_self()->stats->calls[nr]++;
	if (unlikely(BOOT->flags & AZ_BOOT_STRACE)) {
		run_traced(d, nr, a, frame);
		return;
	}
	if (nr == AZ_SYS_rt_sigreturn)
		run(d, nr, a);
	else
		frame->rax = (uint64_t)run(d, nr, a);
}

static bool needs_signal_exit(const struct az_frame *frame)
{
	return frame->rax == (uint64_t)-ERESTARTSYS ||
	       frame->rax == (uint64_t)-ERESTARTNOHAND ||
	       frame->rax == (uint64_t)-ERESTARTNOINTR ||
	       thread_self()->sig.restore_mask;
}

void syscall_finish(struct az_frame *frame)
{
	if (unlikely(needs_signal_exit(frame)))
		signal_exit(frame);
}

void syscall_jumped(struct az_frame *frame)
{
	syscall_dispatch(frame);
	syscall_finish(frame);
}
