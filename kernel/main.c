/* SPDX-License-Identifier: MIT */
/*
 * main.c - the order in which an instance comes up.
 *
 * Core 0 does everything below; the others join at core_join when the
 * scheduler has asked the owner for them.
 */
#include "core.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sched/clock.h"
#include "sched/sched.h"
#include "sys/dispatch.h"
#include "sys/exec.h"
#include "sys/fork.h"
#include "sys/itimer.h"
#include "sys/offload.h"
#include "sys/snapshot.h"
#include "sys/sys.h"

void core_entry(struct az_core *az);
void syscall_entry(void);

/* A core that has not run a thread yet stands on this one's stack. */
static struct thread *boot_thread(struct core *c)
{
	struct thread *t = (void *)((uint64_t)c + CORE_BOOT_STACK);

	t->state = THREAD_DEAD;
	t->core = c->az.index;
	return t;
}

static void core_init(struct core *c)
{
	mon_core_init(c);
	c->stats = &STATS->core[c->az.index];
	c->entry = (uint64_t)syscall_entry;
	ipc_init(c);
	list_init(&c->rq.ready);
	list_init(&c->timers);
	c->timer_at = AZ_NO_DEADLINE;
	c->tick = 0;
	c->next = NULL;
	c->looks = 0;
	c->vector_full = 1; /* nobody knows */
	ring_init(c);
	c->current = boot_thread(c);
	/* Pairs with sched.c:core_up. */
	__atomic_store_n(&c->up, BOOT->pid, __ATOMIC_RELEASE);
}

static uint64_t read_ss(void)
{
	uint64_t ss;

	__asm__("movl %%ss, %k0" : "=r"(ss));
	return ss;
}

static uint64_t read_cs(void)
{
	uint64_t cs;

	__asm__("movl %%cs, %k0" : "=r"(cs));
	return cs;
}

/* What the program before has left, abi/carry.h. */
static void take_over(struct thread *t, const struct az_carry *from)
{
	memcpy(t->affinity, from->affinity, sizeof(t->affinity));
	t->nice = from->nice;
	t->policy = from->policy;
	t->rt_priority = from->rt_priority;
	for (uint32_t i = 0; i < from->npending; i++)
		signal_send_process((struct siginfo *)BOOT->inbox[i]);
	itimer_resume(from->itimer);
}

static void first_thread(void)
{
	struct thread *t;
	int status;

	thread_seed_tids();
	t = thread_create();
	AZ_ASSERT(t);
	thread_set_tid(t, (int32_t)BOOT->pid);
	memset(t->affinity, 0xff, sizeof(t->affinity));
	signal_init_thread(t, NULL);
	status = exec_start(t);
	if (status)
		process_exit(status << 8);
	if (BOOT->carry.valid)
		take_over(t, &BOOT->carry);
	t->frame->cs = read_cs();
	t->frame->ss = read_ss();
	STATS->enter_mono_ns = clock_mono();
	t->state = THREAD_BLOCKED;
	sched_wake(t);
}

void core_entry(struct az_core *az)
{
	struct core *c = (struct core *)az;

	if (az->suspended)
		core_resume(c);
	core_init(c);
	__atomic_fetch_add(&STATS->cores_started, 1, __ATOMIC_RELAXED);
	/* Others may come up while this process forks: not core 0. */
	if (c->az.index == 0 && BOOT->fork_thread) {
		fork_child((struct thread *)BOOT->fork_thread);
	} else if (c->az.index == 0) {
		clock_init();
		mm_init();
		dispatch_init();
		first_thread();
	}
	c->busy_since = clock_mono();
	sched_core_main();
}
