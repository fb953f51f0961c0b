/* SPDX-License-Identifier: MIT */
/*
 * procfs_self.c - the process and its threads, as /proc/<pid> shows them.
 *
 * status, stat and statm are the owner's, as Linux writes them, with the
 * fields replaced that the unikernel knows better. What only Linux knows
 * (resident pages, credentials, page faults) stays the owner's.
 */
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sched/sched.h"
#include "sys/exec.h"
#include "sys/limits.h"
#include "sys/prctl.h"
#include "sys/procfs.h"
#include "sys/schedcalls.h"

#define KIB               1024UL
#define RLIMIT_RSS        5
#define RLIMIT_SIGPENDING 11
#define RLIM_INFINITY     UINT64_MAX
#define RT_PRIO_BASE      (-1) /* proc(5): priority of real-time threads */

/* What is shown of a thread, copied under threads_lock. */
struct task_view {
	char name[16];
	char state;
	int32_t tid, nice, policy, rt_priority;
	uint32_t core, nthreads;
	uint64_t cpu_ns;
	uint64_t pending, blocked;
	uint64_t affinity[AZ_MAX_CORES / 64];
};

static struct thread *first_thread(void)
{
	return list_empty(&threads)
		   ? NULL
		   : list_entry(threads.next, struct thread, all);
}

static int task_view(struct task_view *w, const struct vpath *v)
{
	int32_t base = nice_base();
	struct thread *t;

	procfs_comm_sync(1, 0);
	spin_lock(&threads_lock);
	t = thread_find(v->tid);
	/* The first thread may have ended before the process. */
	if (!t && v->tid == (int32_t)BOOT->pid)
		t = first_thread();
	if (t) {
		memcpy(w->name, t->name, sizeof(w->name));
		memcpy(w->affinity, t->affinity, sizeof(w->affinity));
		w->state = t->state == THREAD_BLOCKED || t->state >= THREAD_IPC
			       ? 'S'
			       : 'R';
		w->nice = base + t->nice;
		w->policy = t->policy;
		w->rt_priority = t->rt_priority;
		w->core = t->core;
		w->cpu_ns = thread_cpu_ns(t);
		w->pending = t->sig.pending.set;
		w->blocked = t->sig.mask;
	}
	w->nthreads = thread_count;
	spin_unlock(&threads_lock);
	w->tid = v->tid;
	return t ? 0 : -ESRCH;
}

/* Signals whose action is ignore (caught false) or a handler (true). */
static uint64_t signals_with(bool caught)
{
	uint64_t set = 0;

	for (int sig = 1; sig <= NSIG; sig++) {
		struct sigact act;

		signal_action(sig, NULL, &act);
		if (caught ? act.handler > SIG_IGN : act.handler == SIG_IGN)
			set |= SIGBIT(sig);
	}
	return set;
}

static uint64_t shared_pending(void)
{
	return signal_set() & ~thread_self()->sig.pending.set;
}

/* --- status --- */

static bool status_number(struct text *t, const char *key,
			  const struct task_view *w)
{
	if (strcmp(key, "Pid") == 0 || strcmp(key, "NSpid") == 0)
		text_printf(t, "%d", w->tid);
	else if (strcmp(key, "Threads") == 0)
		text_printf(t, "%u", w->nthreads);
	else if (strcmp(key, "NoNewPrivs") == 0)
		text_printf(t, "%d", process_no_new_privs());
	else if (strcmp(key, "Seccomp") == 0 ||
		 strcmp(key, "Seccomp_filters") == 0)
		text_puts(t, "0");
	else if (strcmp(key, "SigQ") == 0)
		text_printf(t, "0/%lu", limits_get(RLIMIT_SIGPENDING).soft);
	else
		return false;
	return true;
}

static bool status_signals(struct text *t, const char *key,
			   const struct task_view *w)
{
	uint64_t set;

	if (strcmp(key, "SigPnd") == 0)
		set = w->pending;
	else if (strcmp(key, "ShdPnd") == 0)
		set = shared_pending();
	else if (strcmp(key, "SigBlk") == 0)
		set = w->blocked;
	else if (strcmp(key, "SigIgn") == 0)
		set = signals_with(false);
	else if (strcmp(key, "SigCgt") == 0)
		set = signals_with(true);
	else
		return false;
	text_printf(t, "%016lx", set);
	return true;
}

static bool status_memory(struct text *t, const char *key)
{
	static uint64_t peak;
	struct mm_usage u;
	uint64_t bytes;

	mm_usage(&u);
	if (u.size > __atomic_load_n(&peak, __ATOMIC_RELAXED))
		__atomic_store_n(&peak, u.size, __ATOMIC_RELAXED);
	if (strcmp(key, "VmPeak") == 0)
		bytes = peak;
	else if (strcmp(key, "VmSize") == 0)
		bytes = u.size;
	else if (strcmp(key, "VmLck") == 0)
		bytes = u.locked;
	else if (strcmp(key, "VmData") == 0)
		bytes = u.data;
	else if (strcmp(key, "VmStk") == 0)
		bytes = u.stack;
	else if (strcmp(key, "VmExe") == 0)
		bytes = exec_layout.code_end - exec_layout.code_start;
	else if (strcmp(key, "VmLib") == 0)
		bytes = u.text - MIN(u.text, exec_layout.code_end -
						 exec_layout.code_start);
	else
		return false;
	text_printf(t, "%8lu kB", bytes / KIB);
	return true;
}

static bool status_text(struct text *t, const char *key,
			const struct task_view *w)
{
	if (strcmp(key, "Name") == 0)
		text_puts(t, w->name);
	else if (strcmp(key, "State") == 0)
		text_puts(t, w->state == 'R' ? "R (running)" : "S (sleeping)");
	else if (strcmp(key, "Cpus_allowed") == 0)
		text_cpus_mask(t, w->affinity, BOOT->ncores);
	else if (strcmp(key, "Cpus_allowed_list") == 0)
		text_cpus_list(t, w->affinity, BOOT->ncores);
	else
		return false;
	return true;
}

int make_status(struct text *t, const struct vpath *v)
{
	struct text host = TEXT_EMPTY;
	struct task_view w = { 0 };
	const char *s, *line;
	char key[32];
	size_t len;
	int err = task_view(&w, v);

	if (!err)
		err = text_read_host(&host, v->host);
	s = err ? NULL : host.buf;
	while ((line = text_line(&s, &len))) {
		const char *colon = strchr(line, ':');
		size_t n = colon ? (size_t)(colon - line) : len;

		if (n >= sizeof(key) || n >= len) {
			text_append(t, line, len + 1);
			continue;
		}
		memcpy(key, line, n);
		key[n] = '\0';
		text_printf(t, "%s:\t", key);
		if (!status_text(t, key, &w) && !status_number(t, key, &w) &&
		    !status_signals(t, key, &w) && !status_memory(t, key))
			text_append(t, colon + 2, len - n - 2);
		text_puts(t, "\n");
	}
	text_free(&host);
	return err;
}

/* --- stat --- */

/* Where the program's parts are: fields 45 to 51. */
static uint64_t stat_layout(int n)
{
	const struct exec_layout *x = &exec_layout;
	const uint64_t field[] = { x->data_start, x->data_end, x->brk_start,
				   x->arg_start,  x->arg_end,  x->env_start,
				   x->env_end };

	return field[n - 45];
}

/* Signals: fields 31 to 34, of which only the first 31 fit. */
static uint64_t stat_signals(int n, const struct task_view *w)
{
	const uint64_t field[] = { w->pending, w->blocked, signals_with(false),
				   signals_with(true) };

	return field[n - 31] & INT32_MAX;
}

/* Field n of stat(5), counted from 1, or false: Linux's is right. */
static bool stat_field(uint64_t *val, int n, const struct task_view *w,
		       bool per_thread)
{
	struct mm_usage u;

	if (n >= 45 && n <= 51) {
		*val = stat_layout(n);
		return true;
	}
	if (n >= 31 && n <= 34) {
		*val = stat_signals(n, w);
		return true;
	}
	switch (n) {
	case 14: /* utime */
		*val = w->cpu_ns / (NSEC_PER_SEC / BOOT->clktck);
		return per_thread;
	case 15: /* stime */
		*val = 0;
		return per_thread;
	case 20:
		*val = w->nthreads;
		return true;
	case 23:
		mm_usage(&u);
		*val = u.size;
		return true;
	case 25:
		*val = limits_get(RLIMIT_RSS).soft;
		return true;
	case 26:
		*val = exec_layout.code_start;
		return true;
	case 27:
		*val = exec_layout.code_end;
		return true;
	case 28:
		*val = exec_layout.stack_start;
		return true;
	case 39:
		*val = w->core;
		return true;
	case 40:
		*val = (uint64_t)w->rt_priority;
		return true;
	case 41:
		*val = (uint64_t)w->policy & 0xff;
		return true;
	default:
		return false;
	}
}

static void stat_priority(struct text *t, int n, const struct task_view *w)
{
	if (n == 19)
		text_printf(t, "%d", w->nice);
	else if (w->rt_priority)
		text_printf(t, "%d", RT_PRIO_BASE - w->rt_priority);
	else
		text_printf(t, "%d", 20 + w->nice);
}

static size_t word(const char *s)
{
	size_t n = 0;

	while (s[n] && s[n] != ' ' && s[n] != '\n')
		n++;
	return n;
}

int make_stat(struct text *t, const struct vpath *v)
{
	struct text host = TEXT_EMPTY;
	struct task_view w = { 0 };
	const char *s;
	size_t len;
	int err = task_view(&w, v);

	if (!err)
		err = text_read_host(&host, v->host);
	s = err ? NULL : strrchr(host.buf, ')');
	if (!s || strnlen(s, 4) < 4) {
		text_free(&host);
		return err ? err : -EIO;
	}
	text_printf(t, "%d (%s) %c", w.tid, w.name, w.state);
	s += 4; /* ") R " */
	for (int n = 4; (len = word(s)); n++, s += len + (s[len] == ' ')) {
		uint64_t val;

		text_puts(t, " ");
		if (n == 18 || n == 19)
			stat_priority(t, n, &w);
		else if (stat_field(&val, n, &w, v->per_thread))
			text_printf(t, "%lu", val);
		else
			text_append(t, s, len);
	}
	text_puts(t, "\n");
	text_free(&host);
	return 0;
}

int make_statm(struct text *t, const struct vpath *v)
{
	struct text host = TEXT_EMPTY;
	struct mm_usage u;
	uint64_t resident, shared;
	const char *s;
	int err = text_read_host(&host, v->host);

	if (err)
		return err;
	s = host.buf;
	text_number(&s);
	s++;
	resident = text_number(&s);
	s++;
	shared = text_number(&s);
	mm_usage(&u);
	/* The owner's own pages are in there: never more than is mapped. */
	resident = MIN(resident, u.size >> AZ_PAGE_SHIFT);
	text_printf(t, "%lu %lu %lu %lu 0 %lu 0\n", u.size >> AZ_PAGE_SHIFT,
		    resident, MIN(shared, resident), u.text >> AZ_PAGE_SHIFT,
		    (u.data + u.stack) >> AZ_PAGE_SHIFT);
	text_free(&host);
	return 0;
}

/* --- what the program was started with --- */

int make_cmdline(struct text *t, const struct vpath *v)
{
	const struct exec_layout *x = &exec_layout;
	char *nul;

	(void)v;
	text_from_user(t, x->arg_start, x->arg_end - x->arg_start);
	if (t->failed || !t->len || t->buf[t->len - 1] == '\0')
		return 0;
	/*
	 * A program that wrote a title over its arguments may have run on
	 * into its environment: the title ends at the first NUL
	 * (fs/proc/base.c:get_mm_proctitle).
	 */
	text_from_user(t, x->arg_end, x->env_end - x->arg_end);
	nul = t->failed ? NULL : t->buf + strnlen(t->buf, t->len);
	if (nul && nul < t->buf + t->len)
		t->len = (size_t)(nul - t->buf) + 1;
	return 0;
}

int make_environ(struct text *t, const struct vpath *v)
{
	(void)v;
	text_from_user(t, exec_layout.env_start,
		       exec_layout.env_end - exec_layout.env_start);
	return 0;
}

int make_auxv(struct text *t, const struct vpath *v)
{
	(void)v;
	text_append(t, (const char *)exec_layout.auxv,
		    exec_layout.auxv_words * sizeof(uint64_t));
	return 0;
}

int make_exe(struct text *t, const struct vpath *v)
{
	(void)v;
	text_puts(t, procfs_exe());
	return 0;
}

int make_thread_self(struct text *t, const struct vpath *v)
{
	(void)v;
	text_printf(t, "%u/task/%d", BOOT->pid, thread_self()->tid);
	return 0;
}

int make_comm(struct text *t, const struct vpath *v)
{
	struct task_view w = { 0 };
	int err = task_view(&w, v);

	if (!err)
		text_printf(t, "%s\n", w.name);
	return err;
}

/* A process that reads this of itself is running (fs/proc/base.c). */
int make_syscall(struct text *t, const struct vpath *v)
{
	(void)v;
	text_puts(t, "running\n");
	return 0;
}

/* --- limits --- */

static void print_limit(struct text *t, uint64_t val)
{
	if (val == RLIM_INFINITY)
		text_printf(t, "%-20s ", "unlimited");
	else
		text_printf(t, "%-20lu ", val);
}

int make_limits(struct text *t, const struct vpath *v)
{
	static const char *const name[AZ_NRLIMITS][2] = {
		{ "Max cpu time", "seconds" },
		{ "Max file size", "bytes" },
		{ "Max data size", "bytes" },
		{ "Max stack size", "bytes" },
		{ "Max core file size", "bytes" },
		{ "Max resident set", "bytes" },
		{ "Max processes", "processes" },
		{ "Max open files", "files" },
		{ "Max locked memory", "bytes" },
		{ "Max address space", "bytes" },
		{ "Max file locks", "locks" },
		{ "Max pending signals", "signals" },
		{ "Max msgqueue size", "bytes" },
		{ "Max nice priority", NULL },
		{ "Max realtime priority", NULL },
		{ "Max realtime timeout", "us" },
	};

	(void)v;
	text_printf(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit",
		    "Hard Limit", "Units");
	for (uint32_t i = 0; i < AZ_NRLIMITS; i++) {
		struct az_rlimit l = limits_get(i);

		text_printf(t, "%-25s ", name[i][0]);
		print_limit(t, l.soft);
		print_limit(t, l.hard);
		if (name[i][1])
			text_printf(t, "%-10s", name[i][1]);
		text_puts(t, "\n");
	}
	return 0;
}
