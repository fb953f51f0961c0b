/* SPDX-License-Identifier: MIT */
/*
 * apart.c - the threads that stand for cores of kvm and metal.
 *
 * `instance` and `how` are written before threads exist.
 */
#include "plat/apart.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/error.h"
#include "offload/check.h"
#include "offload/creds.h"
#include "plat/process.h"

#define STACK_SIZE 0x20000

/* A core's thread, and how apart_start hears of it. */
struct starting {
	uint32_t core;
	int err;
	const char *why;
	sem_t done;
};

static struct plat_instance *instance;
static const struct apart *how;

/* Who stands for each core; written by that thread. */
static struct {
	pid_t tgid, tid;
	bool calling; /* in apart_call */
} stands[AZ_MAX_CORES];

/* Of this thread: is it a core's, and what are its credentials? */
static __thread bool is_core;
static __thread uint32_t core_index;
static __thread uint32_t creds_has;

void apart_restorer(void);
__asm__("	.text\n"
	"	.hidden apart_restorer\n"
	"	.globl apart_restorer\n"
	"apart_restorer:\n"
	"	movl $15, %eax\n" /* rt_sigreturn */
	"	syscall\n");

/* AZ_SIG_KICK on a core's thread also ends the ioctl with EINTR. */
static void on_signal(int sig, siginfo_t *si, void *context)
{
	int saved = errno;

	if (process_signal(sig)) {
		/* a call of this thread's raised it */
	} else if (is_core) {
		creds_follow(&creds_has);
		if (how->kicked)
			how->kicked(core_index, si);
	} else {
		instance->signal(sig, si, context);
	}
	errno = saved;
}

int apart_create(struct plat_instance *p, const struct apart *threads)
{
	instance = p;
	how = threads;
	return signals_take((uint64_t)on_signal, (uint64_t)apart_restorer,
			    false);
}

/* A call as those by a ring. */
static void plain_call(uint32_t core)
{
	struct azm_page *page = apart_page(core);
	struct az_call in = { .nr = (uint32_t)page->call.nr,
			      .flags = AZ_CALL_INTERNAL };
	struct checked_call checked;
	long r;

	memcpy(in.arg, page->call.arg, sizeof(in.arg));
	r = check_call(&in, &checked);
	if (!r) {
		r = checked_make(&checked);
		r = check_done(&checked, r);
	}
	page->call.result = r;
}

void apart_call(uint32_t core)
{
	stands[core].calling = true;
	(void)process_raised();
	if (!process_call(core, how))
		plain_call(core);
	apart_page(core)->raised = process_raised();
	/* The answer is there before this: the other side is process.c. */
	__atomic_store_n(&stands[core].calling, false, __ATOMIC_RELEASE);
}

bool apart_stand(uint32_t core, bool calling)
{
	bool was = stands[core].calling;

	stands[core].tgid = getpid();
	stands[core].tid = (pid_t)syscall(SYS_gettid);
	stands[core].calling = calling;
	return was;
}

void apart_signal(uint32_t core)
{
	syscall(SYS_tgkill, stands[core].tgid, stands[core].tid, AZ_SIG_KICK);
}

static void end_by_signal(int sig)
{
	struct {
		uint64_t handler, flags, restorer, mask;
	} sa = { .flags = 0 };
	uint64_t mask = 1ULL << (sig - 1);

	syscall(SYS_rt_sigaction, sig, &sa, NULL, 8);
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig);
	syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, 8);
}

_Noreturn void apart_die(int status)
{
	int sig = status & 0x7f;

	if (sig > 0 && sig <= 64)
		end_by_signal(sig);
	/* Not deadly here, as for pid 1 of a namespace, or no signal. */
	for (;;)
		syscall(SYS_exit_group, sig ? 128 + sig : status >> 8 & 0xff);
}

_Noreturn void apart_end(uint32_t core, int status)
{
	if (how->ending)
		how->ending(core);
	apart_die(status);
}

_Noreturn void apart_lost(uint32_t core, const char *why)
{
	error_say("core %u has lost its CPU %u: %s: the instance ends", core,
		  instance->host_cpu[core], why);
	for (;;)
		syscall(SYS_exit_group, EXIT_AZALEA);
}

/* Begins with all signals blocked, where the main thread may run. */
static void thread_settle(uint32_t core)
{
	uint64_t mask = ~(1ULL << (AZ_SIG_KICK - 1));

	is_core = true;
	core_index = core;
	creds_has = creds_seq();
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
}

static void *core_main(void *arg)
{
	struct starting *s = arg;
	uint32_t core = s->core;
	int err;

	thread_settle(core);
	(void)apart_stand(core, false);
	plat_core(core)->host_tid = (uint32_t)syscall(SYS_gettid);
	err = s->err = how->begin(core, &s->why);
	sem_post(&s->done); /* s is gone */
	if (!err)
		how->run(core);
	return NULL;
}

int apart_start(uint32_t i, const char **why)
{
	struct starting s = { .core = i };
	pthread_attr_t attr;
	pthread_t thread;

	plat_core_init(i);
	sem_init(&s.done, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* All signals are blocked: see instance.c. */
	s.err = -pthread_create(&thread, &attr, core_main, &s);
	pthread_attr_destroy(&attr);
	if (s.err)
		return s.err;
	while (sem_wait(&s.done))
		;
	if (s.why)
		*why = s.why;
	return s.err;
}
