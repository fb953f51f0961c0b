/* SPDX-License-Identifier: MIT */
/*
 * robust.c - what a thread leaves locked when it ends.
 *
 * Its list of robust mutexes is in program memory and may be anything: it is
 * walked with care and to a limit, as Linux does (kernel/futex/core.c). The
 * ABI is Documentation/locking/robust-futex-ABI.rst.
 */
#include <linux/futex.h>

#include "calls.h"
#include "lib/errno.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "sched/futex.h"
#include "sched/sched.h"
#include "sys/sys.h"

#define HEAD_SIZE  24   /* struct robust_list_head */
#define LIST_MAX   2048 /* Linux's ROBUST_LIST_LIMIT */
#define TAKE_LISTS 32

struct robust_head {
	uint64_t next;
	int64_t offset;
	uint64_t pending;
};

_Static_assert(sizeof(struct robust_head) == HEAD_SIZE, "robust list");

/* Who ends: a thread, or the process by one of its threads. */
struct dead {
	uint64_t list; /* head of its robust list */
	int32_t tid;
	bool process;
};

static bool is_shared(uint64_t addr)
{
	struct vma_info v;

	return mm_find(addr, &v) && v.start <= addr && (v.flags & VMA_SHARED);
}

static void wake_one(uint64_t addr)
{
	futex_wake(addr, 1, FUTEX_BITSET_MATCH_ANY);
	/* Somebody in another process may wait for a word in shared memory. */
	if (is_shared(addr))
		host_call(AZ_SYS_futex, addr, FUTEX_WAKE, 1, 0, 0, 0);
}

/* One mutex of the list: mark it if the thread that ends has it. */
static int mutex_died(uint64_t addr, bool pi, bool pending,
		      const struct dead *dead)
{
	uint32_t val, seen;

	if ((addr & 3) || !user_range_ok(addr, 4) || user_load_32(&val, addr))
		return -EFAULT;
	/* What only the process itself could lock dies with it. */
	if (dead->process && !is_shared(addr))
		return 0;
	/*
	 * Ended between unlocking and waking: the word is 0, and a waiter may
	 * have been owed that wake.
	 */
	if (pending && !pi && !val) {
		wake_one(addr);
		return 0;
	}
	do {
		if ((int32_t)(val & FUTEX_TID_MASK) != dead->tid)
			return 0;
		seen = val;
		if (user_cmpxchg_32(addr, &val,
				    (seen & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
			return -EFAULT;
	} while (val != seen);
	if (!pi && (seen & FUTEX_WAITERS))
		wake_one(addr);
	return 0;
}

/* Entries are pointers whose lowest bit says "PI". */
static void list_walk(const struct dead *dead)
{
	struct robust_head h;
	uint64_t head = dead->list, entry;

	if (copy_from_user(&h, head, sizeof(h)))
		return;
	entry = h.next;
	for (int i = 0; (entry & ~1ULL) != head && i < LIST_MAX; i++) {
		uint64_t addr = entry & ~1ULL, next;
		bool pi = entry & 1;
		int err = copy_from_user(&next, addr, sizeof(next));

		if (addr != (h.pending & ~1ULL) &&
		    mutex_died(addr + (uint64_t)h.offset, pi, false, dead))
			return;
		if (err)
			return;
		entry = next;
	}
	if (h.pending & ~1ULL)
		mutex_died((h.pending & ~1ULL) + (uint64_t)h.offset,
			   h.pending & 1, true, dead);
}

void futex_thread_exit(struct thread *t)
{
	uint64_t tid_addr = t->clear_child_tid;
	struct dead dead = { .list = t->robust_list, .tid = t->lock_tid };

	if (dead.list)
		list_walk(&dead);
	t->robust_list = 0;
	futex_pi_exit(t);
	t->clear_child_tid = 0;
	if (tid_addr && !user_store_32(tid_addr, 0))
		wake_one(tid_addr);
}

/* Take up to n robust lists from their threads. How many. */
static uint32_t take_lists(struct dead *dead, uint32_t n)
{
	uint32_t found = 0;

	spin_lock(&threads_lock);
	list_for_each(e, &threads) {
		struct thread *t = list_entry(e, struct thread, all);

		if (!t->robust_list)
			continue;
		if (found == n)
			break;
		dead[found++] = (struct dead){ .list = t->robust_list,
					       .tid = t->lock_tid,
					       .process = true };
		t->robust_list = 0;
	}
	spin_unlock(&threads_lock);
	return found;
}

void futex_process_exit(void)
{
	struct dead dead[TAKE_LISTS];
	uint32_t n;

	if (core_self()->vfork) /* locks are its parent's */
		return;
	/* Program memory cannot be looked at while threads_lock is held. */
	while ((n = take_lists(dead, TAKE_LISTS)) > 0)
		for (uint32_t i = 0; i < n; i++)
			list_walk(&dead[i]);
}

long sys_set_robust_list(const uint64_t a[6])
{
	if (a[1] != HEAD_SIZE)
		return -EINVAL;
	thread_self()->robust_list = a[0];
	return 0;
}

long sys_get_robust_list(const uint64_t a[6])
{
	const uint64_t size = HEAD_SIZE;
	int32_t tid = (int32_t)a[0];
	uint64_t head = 0;
	struct thread *t;

	spin_lock(&threads_lock);
	t = tid ? thread_find(tid) : thread_self();
	if (t)
		head = t->robust_list;
	spin_unlock(&threads_lock);
	if (!t)
		return -ESRCH;
	if (copy_to_user(a[2], &size, sizeof(size)) ||
	    copy_to_user(a[1], &head, sizeof(head)))
		return -EFAULT;
	return 0;
}
