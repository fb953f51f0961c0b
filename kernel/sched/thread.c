/* SPDX-License-Identifier: MIT */
/*
 * thread.c - the threads of the program.
 *
 * A thread's block holds its struct thread at the bottom, the kernel stack
 * above it, and the program's registers at the very top. Thread ids lie above
 * Linux's PID_MAX_LIMIT (2^22, <linux/threads.h>), so that they are never the
 * id of something else; the first thread's is the owner's pid.
 */
#include "sched/thread.h"

#include "lib/errno.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sched/futex.h"
#include "sched/sched.h"
#include "sched/vector.h"
#include "sys/patch.h"

#define FIRST_TID  0x400001
#define LAST_TID   0xfffffff /* the CPU clock of a thread is ~tid << 3 */
#define TIDS_EACH  0x1000    /* before those of another pid may come */
#define FRAME_ROOM 176       /* sizeof(struct az_frame), rounded up to 16 */
#define SPARE_MAX  32        /* blocks that a core keeps for new threads */
#define BUCKETS    256

_Static_assert(sizeof(struct az_frame) <= FRAME_ROOM, "frame");

struct spinlock threads_lock;
struct list threads = { &threads, &threads };
uint32_t thread_count;
static int32_t next_tid;            /* guarded by threads_lock */
static bool tids_used;              /* all were given out once; likewise */
static struct list by_tid[BUCKETS]; /* likewise */
static int tid_was; /* other name of the first thread; 0: none */

void thread_entry(void);

void thread_seed_tids(void)
{
	uint32_t room = (LAST_TID - FIRST_TID) / TIDS_EACH;

	next_tid = FIRST_TID + (int32_t)(BOOT->pid % room * TIDS_EACH);
	tid_was = 0;
}

/* threads_lock is held. */
static int32_t new_tid(void)
{
	int32_t tid;

	do {
		tid = next_tid++;
		if (next_tid > LAST_TID) {
			next_tid = FIRST_TID;
			tids_used = true;
		}
	} while (tids_used && thread_find(tid));
	return tid;
}

static struct list *bucket(int tid)
{
	struct list *l = &by_tid[(uint32_t)tid % BUCKETS];

	if (!l->next)
		list_init(l);
	return l;
}

/*
 * A block for a thread, its struct all zero. Those of threads that ended are
 * kept as they are, linked by frame, by the core that let them go.
 */
static struct thread *block_get(void)
{
	struct core *c = core_self();
	struct thread *t = c->spare;

	if (!t)
		return kalloc_pages(KSTACK_SIZE);
	c->spare = (struct thread *)t->frame;
	c->nspare--;
	memset(t, 0, sizeof(*t));
	return t;
}

static void block_put(struct thread *t)
{
	struct core *c = core_self();

	if (c->nspare >= SPARE_MAX) {
		kfree_pages(t, KSTACK_SIZE);
		return;
	}
	t->frame = (struct az_frame *)c->spare;
	c->spare = t;
	c->nspare++;
}

struct thread *thread_create(void)
{
	size_t xsize = MAX(BOOT->xsave_size, 576);
	struct thread *t = block_get();
	char *block = (char *)t;

	if (!t)
		return NULL;
	/* The vector state sits right above the struct. */
	t->xsave = (void *)ALIGN_UP((uint64_t)block + sizeof(*t), 64);
	AZ_ASSERT((char *)t->xsave + xsize < block + KSTACK_SIZE / 2);
	vector_init(t);
	t->frame = (struct az_frame *)(block + KSTACK_SIZE - FRAME_ROOM);
	thread_enter_at(t, thread_entry);
	list_init(&t->rq);
	list_init(&t->timer.link);
	t->timer_slack = 50000;
	t->dumpable = 1;
	t->eager = 1;
	spin_lock(&threads_lock);
	t->tid = t->lock_tid = new_tid();
	list_append(&threads, &t->all);
	list_append(bucket(t->tid), &t->hash);
	__atomic_store_n(&thread_count, thread_count + 1, __ATOMIC_SEQ_CST);
	STATS->nthreads = thread_count;
	spin_unlock(&threads_lock);
	return t;
}

void thread_set_tid(struct thread *t, int tid)
{
	spin_lock(&threads_lock);
	list_remove(&t->hash);
	t->tid = t->lock_tid = tid;
	list_append(bucket(tid), &t->hash);
	spin_unlock(&threads_lock);
}

void thread_rename(int was)
{
	struct thread *t = thread_find(was);
	int lock_tid;

	thread_seed_tids();
	tids_used = true;
	if (!t)
		return;
	lock_tid = t->lock_tid;
	thread_set_tid(t, (int)BOOT->pid);
	tid_was = t->lock_tid = lock_tid;
}

struct thread *thread_find(int tid)
{
	if (unlikely(tid == tid_was) && tid)
		tid = (int)BOOT->pid;
	list_for_each(e, bucket(tid)) {
		struct thread *t = list_entry(e, struct thread, hash);

		if (t->tid == tid)
			return t;
	}
	return NULL;
}

/* Take t out of the list; the number of threads that are left. */
static uint32_t thread_forget(struct thread *t)
{
	uint32_t left;

	spin_lock(&threads_lock);
	list_remove(&t->all);
	list_remove(&t->hash);
	left = thread_count - 1;
	__atomic_store_n(&thread_count, left, __ATOMIC_SEQ_CST);
	STATS->nthreads = left;
	spin_unlock(&threads_lock);
	return left;
}

void thread_free(struct thread *t)
{
	if (t->tid) /* else a core's boot context, which is no block */
		block_put(t);
}

void thread_abandon(struct thread *t)
{
	thread_forget(t);
	signal_free_thread(t);
	thread_free(t);
}

/* The last steps of the calling thread, which nobody finds any more. */
_Noreturn static void thread_leave(void)
{
	struct thread *t = thread_self();

	signal_free_thread(t);
	timer_cancel(&t->timer);
	sched_exit();
}

void thread_quit(void)
{
	thread_forget(thread_self());
	thread_leave();
}

void thread_exit(int status)
{
	struct thread *t = thread_self();

	if (unlikely(core_self()->vfork)) /* it was all of a process */
		mon_exit((status & 0xff) << 8);
	futex_thread_exit(t);
	ipc_thread_exit(t);
	if (thread_forget(t) == 0)
		process_exit((status & 0xff) << 8);
	thread_leave();
}

/* The owner names the program's code while it is still there. */
static void name_code(void)
{
	__atomic_store_n(&BOOT->want_map, 1, __ATOMIC_SEQ_CST);
	mon_owner();
	while (__atomic_load_n(&BOOT->want_map, __ATOMIC_ACQUIRE))
		mon_relax();
}

void process_exit(int wstatus)
{
	if (unlikely(core_self()->vfork))
		mon_exit(wstatus);
	if (unlikely(BOOT->flags & AZ_BOOT_PERF_MAP))
		name_code();
	patch_publish();
	STATS->exit_status = (uint32_t)wstatus;
	/* Pairs with the tools' acquire: the status is there. */
	__atomic_store_n(&STATS->exited, 1, __ATOMIC_RELEASE);
	mon_exit(wstatus);
}
