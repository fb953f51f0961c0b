/* SPDX-License-Identifier: MIT */
/*
 * signal_test.c - kernel/sys/signal.c, sigqueue.c and sigexit.c with made-up
 * threads.
 *
 * The per-core block and az_boot are mapped where the unikernel has them; what
 * would stop, end or wake something is counted instead.
 */
/* cflags: -DAZ_KERNEL */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../kernel/sys/sigexit.c"
#include "../../kernel/sys/signal.c"
#include "../../kernel/sys/sigqueue.c"

#define ARCH_SET_GS 0x1001
#define PID         1000

static int ntests, nfailed;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

/* --- the rest of the unikernel --- */

struct spinlock threads_lock;
struct list threads = { &threads, &threads };
uint32_t thread_count;

static struct core core;
static struct thread th[3]; /* th[0] is the main thread */
static struct thread *told; /* the last one that was interrupted */
static jmp_buf ended;
static int dropped; /* a debugger does not want it delivered */
static int ended_by, stopped_by, resumed, delivered, nblocks;
static bool no_memory, frame_fails;
static int handled[16], nhandled; /* handlers entered, in order */
static uint64_t frame_mask;       /* what the last frame goes back to */

void spin_wait(struct spinlock *l)
{
	(void)l;
	abort(); /* one thread: nobody would let go */
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	abort();
}

bool debug_signal(const struct siginfo *si)
{
	return si->signo == dropped;
}

void *kalloc(size_t n)
{
	if (no_memory)
		return NULL;
	nblocks++;
	return calloc(1, n);
}

void kfree(void *p)
{
	nblocks -= p != NULL;
	free(p);
}

void sched_interrupt(struct thread *t)
{
	told = t;
}

struct thread *thread_find(int tid)
{
	list_for_each(e, &threads) {
		struct thread *t = list_entry(e, struct thread, all);

		if (t->tid == tid)
			return t;
	}
	return NULL;
}

void futex_process_exit(void)
{
}

void process_exit(int status)
{
	ended_by = status;
	longjmp(ended, 1);
}

void signal_stop(int sig)
{
	stopped_by = sig;
}

void ptimer_resume(void)
{
	resumed++;
}

void ptimer_delivered(struct siginfo *si)
{
	delivered++;
	si->timer.overrun = 7;
}

static struct az_rlimit limit;

struct az_rlimit limits_get(uint32_t resource)
{
	(void)resource;
	return limit;
}

void clock_thread_gone(struct thread *t)
{
	(void)t;
}

int copy_from_user(void *dst, uint64_t src, size_t n)
{
	if (src < 4096)
		return -EFAULT;
	memcpy(dst, (const void *)src, n);
	return 0;
}

void sigstack_reset(void)
{
	core.current->sig.alt_flags = SS_DISABLE;
}

void bundle_rip(struct az_frame *f)
{
	(void)f;
}

int sigframe_build(struct az_frame *f, const struct sig_taken *d, uint64_t mask)
{
	if (frame_fails)
		return -EFAULT;
	handled[nhandled++ % 16] = d->info.signo;
	frame_mask = mask;
	f->rip = d->act.handler;
	f->rax = 0;
	f->orig_rax = ~0ULL;
	return 0;
}

/* --- helpers --- */

static void run_on(struct thread *t)
{
	core.current = t;
}

static void start(struct thread *t, int tid)
{
	t->tid = tid;
	t->on_core = 1;
	list_append(&threads, &t->all);
	signal_init_thread(t, tid == PID ? NULL : &th[0]);
}

/* Three threads, no signals, default actions. */
static void reset(void)
{
	static const struct sigact none;

	for (int sig = 1; sig <= NSIG; sig++)
		signal_action(sig, &none, NULL);
	list_for_each_safe(e, n, &threads) {
		struct thread *t = list_entry(e, struct thread, all);

		list_remove(e);
		signal_free_thread(t);
	}
	signal_fork_child(&th[0]);
	memset(th, 0, sizeof(th));
	for (int i = 0; i < 3; i++)
		start(&th[i], PID + i);
	run_on(&th[0]);
	told = NULL;
	nhandled = stopped_by = resumed = delivered = 0;
	no_memory = frame_fails = false;
}

static struct siginfo info(int sig, int code, uint64_t value)
{
	return (struct siginfo){ .signo = sig,
				 .code = code,
				 .rt = { PID, 0, value } };
}

static int post(struct thread *t, int sig, int code, uint64_t value)
{
	struct siginfo si = info(sig, code, value);

	return t ? signal_post(t, &si) : signal_send_process(&si);
}

static void handle(int sig, uint64_t flags, uint64_t mask)
{
	struct sigact act = { 0x1000u + (unsigned)sig, flags | SA_RESTORER, 1,
			      mask };

	signal_action(sig, &act, NULL);
}

static void ignore(int sig)
{
	struct sigact act = { .handler = SIG_IGN };

	signal_action(sig, &act, NULL);
}

/* Signals taken one after the other, as digits: 10, 12 is 1012. */
static long take_all(void)
{
	struct sig_taken d;
	long n = 0;

	while (signal_take(&d))
		n = n * 100 + d.info.signo;
	return n;
}

/* --- queues --- */

static void test_queues(void)
{
	struct siginfo si;

	reset();
	handle(SIGUSR1, 0, 0);
	handle(SIGUSR2, 0, 0);
	dropped = SIGUSR1;
	post(&th[0], SIGUSR1, SI_USER, 1);
	post(&th[0], SIGUSR2, SI_USER, 1);
	ok(take_all() == 12 && !signal_set(),
	   "a debugger can have one dropped");
	dropped = 0;
	handle(SIGUSR1, 0, 0);
	post(&th[0], SIGUSR1, SI_USER, 1);
	post(&th[0], SIGUSR1, SI_USER, 2);
	ok(take_all() == 10, "a standard signal is pending once");
	ok(nblocks == 0, "its memory is given back");

	handle(SIGRTMIN, 0, 0);
	for (uint64_t i = 1; i <= 3; i++)
		post(&th[0], SIGRTMIN, SI_QUEUE, i);
	ok(signal_take_of(~0ULL, &si) == SIGRTMIN && si.rt.value == 1 &&
	       signal_take_of(~0ULL, &si) && si.rt.value == 2 &&
	       signal_take_of(~0ULL, &si) && si.rt.value == 3 &&
	       !signal_take_of(~0ULL, &si) && !signal_pending(),
	   "real-time signals are queued in order");

	for (int sig = 34; sig >= 32; sig--) {
		handle(sig, 0, 0);
		post(NULL, sig, SI_QUEUE, 0);
	}
	handle(SIGSEGV, 0, 0);
	handle(SIGINT, 0, 0);
	post(&th[0], SIGINT, SI_USER, 0);
	post(&th[0], SIGSEGV, SI_USER, 0);
	ok(take_all() == 1102323334,
	   "faults first, the thread's before the process's, by number");

	no_memory = true;
	ok(post(&th[0], SIGRTMIN, SI_QUEUE, 5) == -EAGAIN &&
	       post(&th[0], SIGUSR1, SI_USER, 5) == 0 &&
	       signal_take_of(~0ULL, &si) == SIGUSR1 && si.code == SI_USER &&
	       si.rt.value == 0,
	   "without memory a standard signal still comes");
}

static void test_limit(void)
{
	int r = 0, n = 0;

	reset();
	limit.soft = 5;
	handle(40, 0, 0);
	handle(SIGUSR1, 0, 0);
	while (!r && n < 100) {
		r = post(&th[0], 40, SI_QUEUE, 0);
		n += !r;
	}
	ok(n == 5 && r == -EAGAIN, "RLIMIT_SIGPENDING limits the queue");
	ok(post(&th[0], SIGUSR1, SI_KERNEL, 0) == 0 &&
	       signal_set() & SIGBIT(10),
	   "standard signals come beyond it");
	limit.soft = ~0ULL;
	take_all();
}

static void test_ignored(void)
{
	reset();
	post(&th[0], SIGCHLD, SI_USER, 0);
	post(NULL, SIGURG, SI_USER, 0);
	ok(!signal_set(), "SIGCHLD and SIGURG are ignored by default");
	ignore(SIGTERM);
	post(NULL, SIGTERM, SI_USER, 0);
	ok(!signal_set(), "an ignored signal is dropped");
	signal_set_mask(SIGBIT(SIGTERM) | SIGBIT(SIGCHLD));
	post(NULL, SIGTERM, SI_USER, 0);
	post(NULL, SIGCHLD, SI_USER, 0);
	ok(signal_set() == (SIGBIT(SIGTERM) | SIGBIT(SIGCHLD)),
	   "unless the main thread blocks it");
	ignore(SIGTERM);
	ok(signal_set() == SIGBIT(SIGCHLD),
	   "setting an action to ignore drops what is pending");
	signal_set_mask(0);
	ok(take_all() == 0 && !signal_set(), "or it is dropped when unblocked");
}

static void test_stop_cont(void)
{
	reset();
	handle(SIGCONT, 0, 0);
	handle(SIGTSTP, 0, 0);
	signal_set_mask(~0ULL);
	post(NULL, SIGTSTP, SI_USER, 0);
	post(&th[1], SIGSTOP, SI_USER, 0);
	post(&th[0], SIGCONT, SI_USER, 0);
	ok(signal_set() == SIGBIT(SIGCONT) && !th[1].sig.pending.set,
	   "SIGCONT takes all pending stop signals away");
	post(NULL, SIGTTIN, SI_USER, 0);
	ok(signal_set() == SIGBIT(SIGTTIN),
	   "and a stop signal takes SIGCONT away");
	signal_set_mask(0);
	ok(take_all() == 0 && stopped_by == SIGTTIN, "SIGTTIN stops");
}

/* --- who takes it --- */

static void test_choice(void)
{
	reset();
	handle(SIGUSR1, 0, 0);
	post(NULL, SIGUSR1, SI_USER, 0);
	ok(told == &th[0], "the main thread is told of a process's signal");
	take_all();
	signal_set_mask(SIGBIT(SIGUSR1));
	told = NULL;
	post(NULL, SIGUSR1, SI_USER, 0);
	ok(told == &th[1], "or another, if it blocks it");
	take_all();
	run_on(&th[1]);
	ok(take_all() == 10, "which takes it");

	for (int i = 0; i < 3; i++)
		th[i].sig.mask = SIGBIT(SIGUSR1);
	told = NULL;
	post(NULL, SIGUSR1, SI_USER, 0);
	ok(!told && !signal_pending(), "nobody, if all block it");
	signal_set_mask(0);
	ok(told == &th[1] && signal_pending(), "until one unblocks it");
	th[2].sig.mask = 0;
	signal_set_mask(SIGBIT(SIGUSR1));
	ok(told == &th[2], "who blocks it again passes it on");
	run_on(&th[2]);
	list_remove(&th[2].all);
	th[0].sig.mask = 0;
	signal_free_thread(&th[2]);
	ok(told == &th[0], "who ends passes it on");
	list_append(&threads, &th[2].all);

	reset();
	th[0].state = THREAD_BLOCKED;
	th[1].state = THREAD_BLOCKED;
	handle(SIGPROF, 0, 0);
	post(NULL, SIGPROF, SI_KERNEL, 0);
	ok(told == &th[2], "a profiler's signal goes to a running thread");

	reset();
	list_remove(&th[0].all);
	handle(SIGUSR1, 0, 0);
	post(NULL, SIGUSR1, SI_USER, 0);
	ok(told == &th[1], "another is told when the main thread has ended");
	th[1].sig.pending.infos.next = NULL; /* as while it is made */
	told = NULL;
	signal_send_process(&(struct siginfo){ .signo = SIGUSR2 });
	ok(told == &th[2], "but none that is still being made");
	ok(signal_send_tid(PID + 1, &(struct siginfo){ .signo = 10 }) == -ESRCH,
	   "which does not exist for tgkill either");
	list_append(&threads, &th[0].all);
	list_init(&th[1].sig.pending.infos);
}

static void test_waiting(void)
{
	struct siginfo si;

	reset();
	for (int i = 0; i < 3; i++)
		th[i].sig.mask = SIGBIT(SIGUSR1);
	run_on(&th[2]);
	signal_set_waiting(SIGBIT(SIGUSR1));
	post(NULL, SIGUSR1, SI_USER, 0);
	ok(told == &th[2] && signal_pending(), "a sigwaiter is told first");
	ok(signal_take_of(SIGBIT(SIGUSR1), &si) == SIGUSR1, "and takes it");
	post(NULL, SIGUSR1, SI_USER, 0);
	th[1].sig.mask = 0;
	signal_set_waiting(0);
	ok(told == &th[1], "what it leaves goes to others");
}

static void test_force(void)
{
	struct sigact act;
	struct siginfo si = info(SIGSEGV, 1, 0);

	reset();
	handle(SIGSEGV, 0, 0);
	signal_force(&si);
	ok(take_all() == 11, "a fault enters its handler");
	signal_set_mask(SIGBIT(SIGSEGV));
	signal_force(&si);
	signal_action(SIGSEGV, NULL, &act);
	ok(act.handler == SIG_DFL && signal_pending() && !th[0].sig.mask,
	   "a fault that is blocked ends the process");
	handle(SIGSEGV, 0, 0);
	take_all();
	signal_set_mask(SIGBIT(SIGSEGV));
	post(&th[0], SIGSEGV, SI_USER, 0);
	told = NULL;
	signal_force(&si);
	ok(signal_pending() && told == &th[0],
	   "also if one was pending already");
	handle(SIGSEGV, 0, 0);
	take_all();
}

static void test_echo(void)
{
	struct siginfo ours = info(SIGUSR1, SI_USER, 0);
	struct siginfo theirs = ours;

	reset();
	handle(SIGUSR1, 0, 0);
	signal_post(NULL, &ours);
	ok(!signal_set(), "what we sent to our group does not come back");
	theirs.rt.pid++;
	signal_post(NULL, &theirs);
	ok(take_all() == 10, "others' signals are no echo");
}

static void test_timer_entries(void)
{
	struct sigqueue_entry a = { .owned = true,
				    .info = info(SIGALRM, SI_TIMER, 1) };
	struct sigqueue_entry b = { .owned = true,
				    .info = info(SIGALRM, SI_TIMER, 2) };
	struct siginfo si;

	reset();
	handle(SIGALRM, 0, 0);
	ok(signal_send_timer(0, &a) == 1 && signal_send_timer(0, &b) == 1 &&
	       signal_take_of(~0ULL, &si) && si.rt.value == 1 &&
	       si.timer.overrun == 7 && signal_set() &&
	       signal_take_of(~0ULL, &si) && si.rt.value == 2 &&
	       !signal_set() && delivered == 2,
	   "each timer queues a signal of its own");
	signal_send_timer(PID + 1, &a);
	ok(th[1].sig.pending.set == SIGBIT(SIGALRM) && signal_unqueue(&a) &&
	       !th[1].sig.pending.set && !signal_unqueue(&a),
	   "a timer can take it back");
	ok(signal_send_timer(4711, &a) == -ESRCH, "no such thread");
	signal_send_timer(0, &a);
	signal_send_timer(0, &b);
	signal_unqueue(&a);
	ok(signal_set() == SIGBIT(SIGALRM), "without touching another's");
	ignore(SIGALRM);
	ok(resumed == 1 && !b.queue && signal_send_timer(0, &b) == 0,
	   "timers run on when their signal is ignored");
}

/* --- on the way out --- */

static struct az_frame frame_after(long result)
{
	return (struct az_frame){ .rax = (uint64_t)result,
				  .orig_rax = 34,
				  .rip = 0x5002 };
}

static struct az_frame exit_with(long result)
{
	struct az_frame f = frame_after(result);

	signal_exit(&f);
	return f;
}

static void test_restart(void)
{
	struct az_frame f;

	reset();
	f = exit_with(-ERESTARTSYS);
	ok(f.rip == 0x5000 && f.rax == 34,
	   "no handler: the call is made again");
	f = exit_with(-ERESTARTNOHAND);
	ok(f.rip == 0x5000 && f.rax == 34, "also if it is never restarted");
	f = exit_with(-EINTR);
	ok(f.rip == 0x5002 && f.rax == (uint64_t)-EINTR, "EINTR stays");
	f = frame_after(-ERESTARTSYS);
	f.orig_rax = ~0ULL;
	signal_exit(&f);
	ok(f.rip == 0x5002 && f.rax == (uint64_t)-ERESTARTSYS,
	   "outside of calls registers are what they are");
}

/* What a handler's frame would go back to. */
static struct az_frame interrupted(long result, const struct sigact *act)
{
	struct az_frame f = frame_after(result);

	settle(&f, act);
	return f;
}

static void test_restart_handler(void)
{
	struct sigact plain = { .handler = 1 };
	struct sigact restart = { .handler = 1, .flags = SA_RESTART };

	ok(interrupted(-ERESTARTSYS, &plain).rax == (uint64_t)-EINTR,
	   "a handler: EINTR");
	ok(interrupted(-ERESTARTSYS, &restart).rip == 0x5000,
	   "with SA_RESTART: again");
	ok(interrupted(-ERESTARTNOHAND, &restart).rax == (uint64_t)-EINTR,
	   "but some calls never");
	ok(interrupted(-ERESTARTNOINTR, &plain).rip == 0x5000,
	   "what had not begun is begun again in any case");
	ok(interrupted(5, &restart).rax == 5, "a result stays");
}

static void test_delivery(void)
{
	struct sigact act;

	reset();
	handle(SIGUSR1, 0, SIGBIT(SIGINT) | SIGBIT(SIGKILL));
	handle(SIGUSR2, SA_NODEFER | SA_RESETHAND, 0);
	post(&th[0], SIGUSR2, SI_USER, 0);
	post(&th[0], SIGUSR1, SI_USER, 0);
	signal_set_mask(SIGBIT(SIGHUP));
	exit_with(0);
	ok(nhandled == 2 && handled[0] == SIGUSR1 && handled[1] == SIGUSR2,
	   "all pending signals get a frame, the last one runs first");
	ok(th[0].sig.mask ==
	       (SIGBIT(SIGHUP) | SIGBIT(SIGUSR1) | SIGBIT(SIGINT)),
	   "sa_mask and the signal are blocked, but with SA_NODEFER");
	signal_action(SIGUSR2, NULL, &act);
	ok(act.handler == SIG_DFL, "SA_RESETHAND resets");
	ok(frame_mask == th[0].sig.mask, "the second goes back to the first");

	reset();
	handle(SIGUSR1, 0, 0);
	handle(SIGSEGV, 0, 0);
	frame_fails = true;
	post(&th[0], SIGUSR1, SI_USER, 0);
	if (!setjmp(ended))
		exit_with(0);
	signal_action(SIGSEGV, NULL, &act);
	ok(ended_by == SIGSEGV && act.handler == SIG_DFL && !nhandled,
	   "a stack without room for a frame ends the process");
}

static void test_default(void)
{
	static const int deadly[] = { SIGHUP, SIGKILL, SIGTERM, SIGALRM, 64 };

	reset();
	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++) {
		post(NULL, deadly[i], SI_USER, 0);
		ended_by = 0;
		if (!setjmp(ended))
			exit_with(0);
		if (ended_by != deadly[i])
			break;
	}
	ok(ended_by == 64, "most signals end the process");
	signal_set_mask(~0ULL);
	ended_by = 0;
	post(NULL, SIGKILL, SI_USER, 0);
	if (!setjmp(ended))
		exit_with(0);
	ok(ended_by == SIGKILL, "SIGKILL cannot be blocked");
}

static void test_temp_mask(void)
{
	uint64_t set = 0;

	reset();
	handle(SIGUSR1, 0, 0);
	signal_set_mask(SIGBIT(SIGUSR1) | SIGBIT(SIGHUP));
	post(&th[0], SIGUSR1, SI_USER, 0);
	ok(sigmask_set_temp((uint64_t)&set, 4) == -EINVAL &&
	       sigmask_set_temp(8, 8) == -EFAULT &&
	       sigmask_set_temp(0, 0) == 0 && !th[0].sig.restore_mask,
	   "a bad temporary mask changes nothing");
	ok(sigmask_set_temp((uint64_t)&set, 8) == 0 && signal_pending(),
	   "a temporary mask lets signals through");
	sigmask_end_temp(false);
	ok(!signal_pending() && !th[0].sig.restore_mask,
	   "not after a call that succeeded");
	sigmask_set_temp((uint64_t)&set, 8);
	sigmask_end_temp(true);
	exit_with(-ERESTARTNOHAND);
	ok(nhandled == 1 && frame_mask == (SIGBIT(SIGUSR1) | SIGBIT(SIGHUP)) &&
	       th[0].sig.mask == SIGBIT(SIGUSR1),
	   "after a handler the mask is the one before the call");
	signal_set_mask(SIGBIT(SIGHUP));
	sigmask_set_temp((uint64_t)&set, 8);
	sigmask_end_temp(true);
	exit_with(-ERESTARTNOHAND);
	ok(th[0].sig.mask == SIGBIT(SIGHUP), "also if no handler ran");
}

static void test_interrupts(void)
{
	reset();
	handle(SIGUSR2, 0, 0);
	post(&th[0], SIGTSTP, SI_USER, 0);
	ok(!signal_interrupts() && stopped_by == SIGTSTP && !signal_pending(),
	   "a stop does not end a wait");
	post(&th[0], SIGUSR2, SI_USER, 0);
	ok(signal_interrupts() && signal_pending(),
	   "a handler does, and is left to signal_exit");
	take_all();
}

static void machine_init(void)
{
	void *at = (void *)AZ_BOOT_BASE;

	if (mmap(at, sizeof(struct az_boot), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
		exit(1);
	BOOT->pid = PID;
	BOOT->ncores = 2;
	limit.soft = ~0ULL;
	core.az.self = (uint64_t)&core;
	syscall(SYS_arch_prctl, ARCH_SET_GS, &core);
	run_on(&th[0]);
	for (int i = 0; i < 3; i++)
		list_init(&th[i].sig.pending.infos);
}

int main(void)
{
	machine_init();
	test_queues();
	test_limit();
	test_ignored();
	test_stop_cont();
	test_choice();
	test_waiting();
	test_force();
	test_echo();
	test_timer_entries();
	test_restart();
	test_restart_handler();
	test_delivery();
	test_default();
	test_temp_mask();
	test_interrupts();
	reset();
	ok(nblocks == 0, "nothing is left allocated");
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
