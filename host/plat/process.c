/* SPDX-License-Identifier: MIT */
/*
 * process.c - exec and vfork where a core is no thread of Linux's.
 *
 * exec: the core's thread executes the owner's executable, as any thread of a
 * process may; Linux ends the others, and with the memory the cores.
 *
 * vfork: the core's thread makes a process that shares its memory, and waits
 * in the call. The child is the core's thread meanwhile: it serves the core,
 * and so the calls that the core asks for are made with the child's own
 * descriptors and directory. It runs on a stack of its own, and with the
 * waiting thread's C library. When it has left the memory, whichever way, the
 * core still stands where the child's program was: page->over tells it.
 *
 * A child that is killed while it holds a lock of this library, inside a call
 * that copies much, leaves that locked; nothing is done about it.
 *
 * All that the unikernel says is hostile: copied once, checked, used.
 */
#include "plat/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "carry.h"
#include "instance/before.h"
#include "lib/error.h"
#include "offload/check_private.h"

#define STACK_SIZE   0x10000
#define POINTERS_MAX 0x180000ULL /* kernel/sys/execve.c: STRINGS_MAX, twice */

/* What Linux may do for vfork: kernel/sys/vfork.c. */
#define VFORK_MUST (CLONE_VM | CLONE_VFORK)
#define VFORK_MAY                                                         \
	(CLONE_FS | CLONE_FILES | CLONE_IO | CLONE_PIDFD | CLONE_PARENT | \
	 CLONE_PARENT_SETTID)

static int owner_fd = -1, trace_fd = -1;
static uint32_t plat;
static pid_t main_tid;

/* Of a child of vfork: what its call raised. It has its thread's memory. */
static __thread bool is_child;
static __thread uint32_t raised;

static uint32_t children; /* of all threads */

void process_init(int owner, int trace, uint32_t plat_id)
{
	plat = plat_id;
	owner_fd = owner;
	trace_fd = trace;
	children = 0;
	main_tid = (pid_t)syscall(SYS_gettid);
}

bool process_lends(void)
{
	return __atomic_load_n(&children, __ATOMIC_SEQ_CST);
}

bool process_signal(int sig)
{
	if (!is_child || (sig != SIGPIPE && sig != SIGXFSZ))
		return false;
	raised = (uint32_t)sig;
	return true;
}

uint32_t process_raised(void)
{
	uint32_t sig = raised;

	raised = 0;
	return sig;
}

static void mask_set(uint64_t mask, uint64_t *was)
{
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, was, 8);
}

/* --- exec --- */

/* argc + envc + 2 pointers, all of them the program's or null; or NULL. */
static char **vectors_copy(uint64_t addr, uint64_t argc, uint64_t envc,
			   int *err)
{
	const struct checked_call internal = { .internal = 1 };
	uint64_t n = argc + envc + 2, *v;

	*err = -E2BIG;
	if (argc > POINTERS_MAX || envc > POINTERS_MAX)
		return NULL;
	*err = -EFAULT;
	if (!check_range(&internal, addr, n * sizeof(*v)))
		return NULL;
	v = malloc(n * sizeof(*v));
	*err = v ? check_env.mem.read(v, addr, n * sizeof(*v)) : -ENOMEM;
	for (uint64_t i = 0; !*err && i < n; i++)
		v[i] = check_word(&internal, v[i]);
	if (*err) {
		free(v);
		return NULL;
	}
	v[argc] = v[n - 1] = 0;
	return (char **)v;
}

/*
 * The unikernel's word about itself (carry.h). It must be one, or the owner's
 * executable would be what a user starts; and the platform is not for it to
 * choose, as page tables may part a program from its owner. NULL: it is not so.
 */
static char *word_copy(uint64_t addr, int *err)
{
	const struct checked_call internal = { .internal = 1 };
	char *word = NULL;

	*err = -EFAULT;
	if (check_range(&internal, addr, AZ_EXEC_WORD)) {
		word = malloc(AZ_EXEC_WORD);
		*err = word ? check_env.mem.read(word, addr, AZ_EXEC_WORD)
			    : -ENOMEM;
	}
	if (!*err) {
		word[AZ_EXEC_WORD - 1] = 0;
		*err = before_valid(word, plat) ? 0 : -EINVAL;
	}
	if (*err) {
		free(word);
		return NULL;
	}
	return word;
}

static void keep(int fd, int flags)
{
	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, flags);
}

/* As kernel/sys/execve.c:step. */
static long execute(int exe_fd, char **argv, char **envp)
{
	cpu_set_t all, here;
	uint64_t was = 0;
	long r;

	mask_set(~0ULL, &was);
	sched_getaffinity(0, sizeof(here), &here);
	if (!sched_getaffinity(main_tid, sizeof(all), &all))
		sched_setaffinity(0, sizeof(all), &all);
	keep(exe_fd, 0);
	keep(trace_fd, 0);
	syscall(SYS_execveat, owner_fd, "", argv, envp, AT_EMPTY_PATH);
	r = -errno;
	keep(trace_fd, FD_CLOEXEC);
	sched_setaffinity(0, sizeof(here), &here);
	mask_set(was, NULL);
	return r;
}

static long call_exec(const uint64_t a[6])
{
	const struct checked_call program = { .internal = 0 };
	uint64_t argc = a[1], envc = a[2];
	char **v, *word;
	int err;
	long r;

	if (check_fd_hidden(&program, a[0]))
		return -EBADF;
	if (!envc)
		return -EINVAL;
	v = vectors_copy(a[3], argc, envc, &err);
	if (!v)
		return err;
	word = word_copy((uint64_t)v[argc + 1], &err);
	r = err;
	if (word) {
		v[argc + 1] = word;
		r = execute((int)a[0], v, v + argc + 1);
	}
	free(word);
	free(v);
	return r;
}

/* --- vfork --- */

struct lending {
	uint32_t core;
	const struct apart *how;
};

static int child_main(void *arg)
{
	const struct lending *l = arg;
	uint64_t mask = 1ULL << (SIGPIPE - 1) | 1ULL << (SIGXFSZ - 1);

	is_child = true;
	apart_stand(l->core, false);
	if (l->how->resume)
		l->how->resume(l->core);
	syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, 8);
	l->how->run(l->core);
	_exit(EXIT_AZALEA);
}

/* *calling: the child has left a call of the core's without an answer. */
static long call_vfork(uint32_t core, const struct apart *how,
		       const uint64_t a[6], bool *calling)
{
	struct lending lending = { core, how };
	const struct checked_call program = { .internal = 0 };
	uint64_t flags = a[0];
	uint64_t ptid = flags & (CLONE_PIDFD | CLONE_PARENT_SETTID) ? a[1] : 0;
	char *stack;
	long pid;

	if ((flags & VFORK_MUST) != VFORK_MUST ||
	    flags & ~(uint64_t)(VFORK_MUST | VFORK_MAY | CSIGNAL))
		return -EINVAL;
	if (ptid && !check_range(&program, ptid, sizeof(pid_t)))
		return -EFAULT;
	stack = malloc(STACK_SIZE);
	if (!stack)
		return -ENOMEM;
	apart_page(core)->call.result = 0; /* the child's */
	__atomic_fetch_add(&children, 1, __ATOMIC_SEQ_CST);
	pid = clone(child_main, stack + STACK_SIZE, (int)flags, &lending,
		    (pid_t *)ptid);
	if (pid < 0)
		pid = -errno;
	__atomic_fetch_sub(&children, 1, __ATOMIC_SEQ_CST);
	is_child = false;
	*calling = apart_stand(core, true);
	free(stack);
	return pid;
}

/* What changes the memory is done, by whomever: the unikernel counts on it. */
static bool is_of_memory(uint64_t nr, const uint64_t a[6])
{
	switch (nr) {
	case SYS_mmap:
	case SYS_munmap:
	case SYS_mremap:
	case SYS_mprotect:
	case SYS_madvise:
		return true;
	case SYS_pwrite64: /* program text */
		return (int)a[0] == check_env.mem_fd;
	default:
		return false;
	}
}

/* The core is still where the child was: have it look. */
static void child_left(uint32_t core, const struct apart *how, long pid)
{
	__atomic_store_n(&apart_page(core)->over, (uint32_t)pid,
			 __ATOMIC_SEQ_CST);
	if (how->resume)
		how->resume(core);
	how->kick(core);
}

bool process_call(uint32_t core, const struct apart *how)
{
	struct azm_page *page = apart_page(core);
	uint64_t a[6], nr = __atomic_load_n(&page->call.nr, __ATOMIC_RELAXED);
	bool calling;
	long r;

	for (int i = 0; i < 6; i++)
		a[i] = __atomic_load_n(&page->call.arg[i], __ATOMIC_RELAXED);
	if (__atomic_load_n(&page->over, __ATOMIC_ACQUIRE)) {
		if (is_of_memory(nr, a))
			return false;
		page->call.result = -EIO; /* EINTR might be tried again */
		return true;
	}
	switch (nr) {
	case SYS_execveat:
		r = call_exec(a);
		break;
	case SYS_clone:
		r = call_vfork(core, how, a, &calling);
		if (r <= 0)
			break;
		child_left(core, how, r);
		/* It has become a program, or was killed, in a call? */
		return calling ? process_call(core, how) : true;
	case SYS_exit_group:
		apart_die((int)a[0]);
	default:
		return false;
	}
	page->call.result = r;
	return true;
}
